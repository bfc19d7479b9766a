// What the heads of the model say: labelled spans in the text, classes with bars, and the timing.

import { hue, kinds } from "./colour.js";
import { make } from "./make.js";

const SHOWN_MS = ["preprocess", "queue", "model", "decode", "total", "round trip"];
const OUTSIDE = "O";

/** One result, as elements; the letter says which of two it is. */
export function drawResult(letter, text, result, model) {
  const parts = letter ? [make("span", "letter", letter)] : [];
  for (const { name, kind, labels } of model.heads) {
    const named = make("h3", "", name);
    const content =
      kind === "token"
        ? drawSpans(text, result.spans?.[name] ?? result.labels[name], kinds(labels))
        : drawClasses(result.classes[name]);
    parts.push(make("section", `head head-${kind}`, named, content));
  }
  return parts;
}

/** Server-Timing, in words. */
export function drawTiming(timing) {
  const known = timing.filter(([stage]) => SHOWN_MS.includes(stage));
  return known.map(([stage, ms]) => {
    const shown = ms < 10 ? ms.toFixed(1) : ms.toFixed(0);
    return make("div", "", make("dt", "", stage), make("dd", "", `${shown} ms`));
  });
}

function drawSpans(text, spans, labels) {
  const characters = [...text]; // `start` and `end` count code points
  const line = make("p", "spans");
  line.dir = "auto";
  line.tabIndex = 0; // it may scroll
  let at = 0;
  for (const { start, end, label, score } of spans.filter(({ label }) => label !== OUTSIDE)) {
    const name = make("span", "label", label.replaceAll("_", " "));
    const mark = make("mark", "", characters.slice(start, end).join(""), "\u00a0", name);
    mark.style.setProperty("--hue", hue(label, labels));
    mark.title = `${label}, ${percent(score)}`;
    line.append(characters.slice(at, start).join(""), mark);
    at = end;
  }
  line.append(characters.slice(at).join(""));
  return line;
}

function drawClasses(classes) {
  const rows = classes.map(({ label, score }) => {
    const bar = make("span", "bar-fill");
    bar.style.inlineSize = percent(score);
    const name = make("th", "", label);
    name.scope = "row";
    const track = make("td", "track", make("span", "bar-track", bar));
    return make("tr", "", name, track, make("td", "score", percent(score)));
  });
  return make("table", "classes", make("tbody", "", ...rows));
}

const percent = (score) => `${(100 * score).toFixed(1)} %`.replace(" ", "");

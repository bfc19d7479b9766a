// What the heads of the model say: labels where they belong, classes, numbers, transcripts.

import { hue, kinds } from "./colour.js";
import { make } from "./make.js";
import { joined } from "./tracks.js";
import { VIEWS } from "./views.js";

const SHOWN_MS = ["preprocess", "queue", "model", "decode", "total", "round trip"];
const OUTSIDE = "O";
const MOST = 300; // labels that are drawn of one head

/** One result, as elements; the letter says which of two it is. */
export function drawResult(letter, input, result, model) {
  const parts = letter ? [make("span", "letter", letter)] : [];
  const View = VIEWS[model.modality];
  const nameOf = (place) => View.nameOf(place, input);
  const draw = {
    token({ name, labels }) {
      const found = result.spans?.[name] ?? result.labels[name];
      if (View.isText) return drawSpans(input, found, kinds(labels));
      return drawPlaces(found, nameOf, kinds(labels));
    },
    sequence: ({ name }) => drawClasses(result.classes[name]),
    value: ({ name }) => make("p", "value", `${Number(result.values[name].toPrecision(6))}`),
    ctc: ({ name, labels }) => drawTranscript(result.transcripts[name], nameOf, kinds(labels)),
  };
  for (const head of model.heads) {
    const named = make("h3", "", head.name);
    parts.push(make("section", `head head-${head.kind}`, named, draw[head.kind](head)));
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
  const line = drawLine();
  let at = 0;
  for (const { start, end, label, score } of spans.filter(({ label }) => label !== OUTSIDE)) {
    const mark = drawMark(characters.slice(start, end).join(""), label, hue(label, labels));
    mark.title = `${label}, ${percent(score)}`;
    line.append(characters.slice(at, start).join(""), mark);
    at = end;
  }
  line.append(characters.slice(at).join(""));
  return line;
}

/** Labels of positions, those of neighbours that have the same as one. */
function drawPlaces(places, nameOf, labels) {
  const marks = places.map(({ label }, index) => ({ first: index, last: index, label }));
  const line = drawLine();
  const runs = joined(marks);
  for (const { first, last, label } of runs.slice(0, MOST)) {
    const ends = [...new Set([first, last])].map((index) => nameOf(places[index]));
    line.append(drawMark(ends.join(" – "), label, hue(label, labels)), " ");
  }
  if (runs.length > MOST) line.append(`and ${runs.length - MOST} more`);
  return line;
}

/** What was said, each label with where it is from. */
function drawTranscript(transcript, nameOf, labels) {
  const line = drawLine();
  for (const place of transcript.labels) {
    line.append(drawMark(place.label, nameOf(place), hue(place.label, labels)), " ");
  }
  if (!transcript.labels.length) line.append("nothing ");
  line.append(make("span", "score", percent(transcript.score)));
  return line;
}

function drawLine() {
  const line = make("p", "spans");
  line.dir = "auto";
  line.tabIndex = 0; // it may scroll
  return line;
}

function drawMark(what, more, colour) {
  const small = make("span", "label", more.replaceAll("_", " "));
  const mark = make("mark", "", what, "\u00a0", small);
  mark.style.setProperty("--hue", colour);
  return mark;
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

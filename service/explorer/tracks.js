// Labels of token and ctc heads, and the positions that they are about.

import { hue, kinds } from "./colour.js";
import { make } from "./make.js";

const STARTS = ["start", "start_s", "row", "column", "node", "position"];
const ENDS = ["end", "end_s", ...STARTS.slice(2)];

/**
 * @typedef {object} Track what one head says of an input's positions
 * @property {string} name of the head
 * @property {string[]} labels all that it may say
 * @property {Array<{first: number, last: number, label: string}>} marks first and last position
 *
 * @param {object} result of the service
 * @param {object[]} heads of the model
 * @returns {Track[]}
 */
export function tracksOf(result, heads) {
  const { positions } = result.attention;
  const at = (place, names) => names.map((name) => place[name]).join();
  const starts = new Map(positions.map((place, i) => [at(place, STARTS), i]).reverse()); // first
  const ends = new Map(positions.map((place, i) => [at(place, ENDS), i])); // last
  return heads.filter(({ kind }) => kind === "token" || kind === "ctc").map((head) => {
    const given = result.labels?.[head.name] ?? result.transcripts[head.name].labels;
    const marks = given.map((place) => ({
      first: starts.get(at(place, STARTS)),
      last: ends.get(at(place, ENDS)),
      label: place.label,
    }));
    return { name: head.name, labels: kinds(head.labels), marks };
  });
}

/** Neighbours of the same label as one. */
export function joined(marks) {
  const found = [];
  for (const mark of marks) {
    const before = found.at(-1);
    if (before?.label === mark.label && before.last + 1 === mark.first) before.last = mark.last;
    else found.push({ ...mark });
  }
  return found;
}

/** A label, small and in its colour. */
export function drawLabel(label, labels) {
  const drawn = make("span", "label", label.replaceAll("_", " "));
  drawn.style.setProperty("--hue", hue(label, labels));
  return drawn;
}

/** The labels of each position, as elements: of each track one, where it has one. */
export function labelsOf(tracks, count) {
  const found = Array.from({ length: count }, () => []);
  for (const { labels, marks } of tracks) {
    for (const { first, last, label } of marks) {
      for (let i = first; i <= last; i++) found[i]?.push(drawLabel(label, labels));
    }
  }
  return found;
}

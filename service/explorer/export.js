// What is shown, to take away: pictures, numbers, a link, a command.

import { colours } from "./colour.js";
import { place } from "./picture.js";
import { DRAWINGS } from "./pane.js";
import { SvgContext } from "./svg.js";
import { row, spread } from "./weights.js";

const WIDTH = 720; // px of one picture
const MARGIN = 24;
const HEAD = 56; // px of the title
const SCALE = 2; // pixels of a PNG to a px
const PASTED = 1000; // characters of an input that is pasted into a command, at most
const FILE = "<FILE>";
const LIST = "<LIST>";

/** @typedef {{picture: string, panes: Array<{title: string, scene: object}>}} Shown */

/** @param {Shown} shown */
export function toSvg(shown) {
  const context = new SvgContext();
  const { width, height } = drawAll(context, shown);
  return new Blob([context.text(width, height)], { type: "image/svg+xml" });
}

/** @param {Shown} shown */
export function toPng(shown) {
  const canvas = document.createElement("canvas");
  const size = measure(shown);
  canvas.width = SCALE * size.width;
  canvas.height = SCALE * size.height;
  const context = canvas.getContext("2d");
  context.scale(SCALE, SCALE);
  drawAll(context, shown);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** The answer as the API gives it, with the weights of the attention heads that are shown. */
export function toJson({ model, version, usage, results }, panes) {
  const cut = panes.map(({ weights, at, result }) => {
    const matrix = weights.matrix(at);
    const { kind, positions, query } = weights;
    const rows = Array.from({ length: matrix.queries }, (_, index) =>
      Array.from(spread(row(matrix, index), matrix.firstKey, positions.length)),
    );
    const heads = at.head === "mean" ? "mean" : [at.head];
    const numbers = kind === "received" ? { received: [[rows[0]]] } : { weights: [[rows]] };
    const attention = { kind, positions, layers: [at.layer], heads, query, ...numbers };
    return { ...results[result], attention };
  });
  const text = JSON.stringify({ model, version, usage, results: cut });
  return new Blob([`${text}\n`], { type: "application/json" });
}

/**
 * What asks the service the same on a command line. A key is left for its user to fill in, and so
 * is the name of the file that a large input is read from.
 */
export function toCurl(url, body, needsKey) {
  const key = needsKey ? ` \\\n  -H "Authorization: Bearer $REGARD_KEY"` : "";
  const inputs = body.inputs.map(hollow);
  const text = JSON.stringify({ ...body, inputs });
  if (inputs.every((input, index) => input === body.inputs[index])) {
    return `curl -s ${url}${key} \\\n  -d ${quote(text)}`;
  }
  const base64 = text.includes(`"${FILE}"`);
  const [first, ...others] = text.replaceAll(`"${LIST}"`, FILE).split(FILE);
  const parts = others.map((part, index) => {
    const name = index ? `FILE_${index + 1}` : "FILE";
    return `${base64 ? "base64 <" : "cat"} "$${name}"; printf %s ${quote(part)};`;
  });
  return `{ printf %s ${quote(first)}; ${parts.join(" ")} } |\n  curl -s ${url}${key} -d @-`;
}

/** An input with a hole where a file is to be: in base64, or as it is. */
function hollow(input) {
  if (typeof input === "string" || JSON.stringify(input).length <= PASTED) return input;
  const [[name, value]] = Object.entries(input);
  return typeof value === "string" ? { [name]: FILE } : LIST;
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea"); // the page came without TLS
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

function measure({ picture, panes }) {
  const places = panes.map(({ scene }) => place(DRAWINGS[picture], scene, WIDTH));
  const height = HEAD + MARGIN + Math.max(...places.map((each) => each.height));
  return { places, width: MARGIN + (WIDTH + MARGIN) * panes.length, height };
}

function drawAll(context, shown) {
  const { places, width, height } = measure(shown);
  const { card, ink } = colours();
  const { draw, mark } = DRAWINGS[shown.picture];
  context.fillStyle = card;
  context.fillRect(0, 0, width, height);
  shown.panes.forEach(({ title, scene }, i) => {
    context.save();
    context.translate(MARGIN + i * (WIDTH + MARGIN), 0);
    context.fillStyle = ink;
    context.font = "600 15px Inter, system-ui, sans-serif";
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillText(title, 0, HEAD / 2);
    context.translate(0, HEAD);
    draw(context, scene, places[i]);
    mark(context, scene, places[i], null);
    context.restore();
  });
  return { width, height };
}

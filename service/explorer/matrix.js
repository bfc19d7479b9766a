// A matrix of weights: rows are the positions that look, columns the ones looked at.
//
// A drawing, like lines.js: `layout` says where things are, `draw` draws them, `mark` what is drawn
// over them while a pointer or the keyboard is there, `find` and `step` say where that is.

import { colours } from "./colour.js";
import { shorten } from "./names.js";

const LARGEST = 40; // px of a cell
const NAMED = 11; // px that a cell needs for its row to be named
const ROOM = 100; // px of a name, at most; and at most this part of the width
const PART = 0.18;
const TURN = -Math.PI / 4;

/**
 * @typedef {object} Scene
 * @property {import("./weights.js").Matrix} matrix
 * @property {string[]} queries names of the rows
 * @property {string[]} keys names of the columns
 * @property {?{query: number, key: number}} selected row and column of the chosen position
 * @property {number} threshold smaller weights are not drawn
 * @property {HTMLCanvasElement} bitmap the matrix, a pixel a weight
 *
 * @param {Scene} scene
 * @param {number} width in px
 * @param {(text: string) => number} measure the width of a name
 */
export function layout({ queries, keys }, width, measure) {
  const room = Math.min(ROOM, PART * width);
  const widest = (names) => Math.min(room, Math.max(...names.map(measure)));
  let left = widest(queries) + 10;
  const slant = widest(keys) * Math.SQRT1_2;
  let top = slant + 14;
  let cell = Math.min(LARGEST, (width - left - slant) / keys.length);
  const named = cell >= NAMED;
  if (!named) {
    left = top = 2;
    cell = Math.min(LARGEST, (width - 4) / keys.length);
  }
  if (cell > 4) cell = Math.floor(cell);
  const tall = queries.length === 1 ? LARGEST : cell;
  const height = Math.ceil(top + tall * queries.length + 2);
  return {
    left,
    top,
    cell,
    tall,
    named,
    room,
    width,
    height,
    font: Math.min(13, Math.max(9, cell - 1)),
  };
}

export function draw(context, scene, place) {
  const { keys, queries, bitmap } = scene;
  const { left, top, cell, tall } = place;
  context.imageSmoothingEnabled = cell < 1;
  context.drawImage(bitmap, left, top, cell * keys.length, tall * queries.length);
  if (cell >= 14) rule(context, scene, place);
}

export function mark(context, scene, place, cell) {
  const { left, top, cell: wide, tall } = place;
  const { accent, glow } = colours();
  const frame = (x, y, w, h, colour, line) => {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.strokeRect(left + x * wide, top + y * tall, w * wide, h * tall);
  };
  const [columns, rows] = [scene.keys.length, scene.queries.length];
  if (place.named) {
    scene.queries.forEach((_, query) =>
      nameRow(context, scene, place, query, query === cell?.query),
    );
    scene.keys.forEach((_, key) => nameColumn(context, scene, place, key, key === cell?.key));
  }
  if (scene.selected !== null && rows > 1) {
    frame(scene.selected.key, 0, 1, rows, glow, 2);
    frame(0, scene.selected.query, columns, 1, accent, 2);
  }
  if (!cell) return;
  context.globalAlpha = 0.5;
  frame(cell.key, 0, 1, rows, accent, 1);
  frame(0, cell.query, columns, 1, accent, 1);
  context.globalAlpha = 1;
  frame(cell.key, cell.query, 1, 1, accent, 3);
}

/** The cell at a point, or null. */
export function find({ keys, queries }, { left, top, cell, tall }, x, y) {
  const key = Math.floor((x - left) / cell);
  const query = Math.floor((y - top) / tall);
  const inside = key >= 0 && key < keys.length && query >= 0 && query < queries.length;
  return inside ? { query, key } : null;
}

/** The cell that an arrow leads to. */
export function step({ keys, queries, selected }, cell, arrow) {
  if (!cell) return { query: queries.length > 1 ? (selected?.query ?? 0) : 0, key: 0 };
  const within = (index, size) => Math.max(0, Math.min(size - 1, index));
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const [down, right] = move[arrow] ?? [0, arrow === "Home" ? -keys.length : keys.length];
  return {
    query: within(cell.query + down, queries.length),
    key: within(cell.key + right, keys.length),
  };
}

function rule(context, { keys, queries }, { left, top, cell, tall }) {
  context.fillStyle = colours().card;
  for (let key = 1; key < keys.length; key++) {
    context.fillRect(left + key * cell - 0.5, top, 1, tall * queries.length);
  }
  for (let query = 1; query < queries.length; query++) {
    context.fillRect(left, top + query * tall - 0.5, cell * keys.length, 1);
  }
}

function nameRow(context, { queries }, { left, top, tall, room, font }, query, here) {
  write(context, font, here, "right");
  context.fillText(shorten(context, queries[query], room), left - 8, top + (query + 0.5) * tall);
}

function nameColumn(context, { keys }, { left, top, cell, room, font }, key, here) {
  write(context, font, here, "left");
  context.save();
  context.translate(left + (key + 0.5) * cell, top - 7);
  context.rotate(TURN);
  context.fillText(shorten(context, keys[key], room), 0, 0);
  context.restore();
}

function write(context, font, here, align) {
  context.font = `${here ? 650 : 400} ${font}px Inter, system-ui, sans-serif`;
  context.fillStyle = here ? colours().accent : colours().ink;
  context.textAlign = align;
  context.textBaseline = "middle";
}

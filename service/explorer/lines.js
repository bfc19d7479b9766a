// Two columns of positions, and lines from those that look, left, to those looked at, right.
//
// A drawing, like matrix.js, which says what its functions are.

import { colours, shade } from "./colour.js";
import { shorten } from "./names.js";
import { column, row, strongest } from "./weights.js";

export const MOST = 1500; // lines that are drawn at once
const GAP = 10; // px between a name and its lines
const EDGE = 4;
const WIDEST = 680;

/** See matrix.js. */
export function layout({ matrix, queries, keys, threshold }, width, measure) {
  const rows = Math.max(queries.length, keys.length);
  const step = rows <= 40 ? 26 : rows <= 120 ? 18 : 13;
  const wide = Math.min(width, WIDEST);
  const room = Math.min(wide * 0.32, Math.max(...queries.map(measure), ...keys.map(measure)));
  const start = (width - wide) / 2;
  return {
    left: start + room + GAP,
    right: start + wide - room - GAP,
    room,
    step,
    font: Math.min(13, step - 3),
    width,
    height: rows * step + 2 * EDGE,
    alone: queries.length === 1 ? EDGE + (rows * step) / 2 : null, // y of the only query
    drawn: strongest(matrix.values, MOST, threshold),
  };
}

export function draw(context, { matrix }, place) {
  context.strokeStyle = colours().accent;
  for (const index of place.drawn.toReversed()) {
    const [query, key] = [Math.floor(index / matrix.keys), index % matrix.keys];
    line(context, place, query, key, shade(matrix.values[index], matrix.largest));
  }
}

export function mark(context, scene, place, cell) {
  const { queries, keys, selected } = scene;
  const chosen = cell ?? (selected && { query: selected.query });
  if (chosen) markLines(context, scene, place, chosen);
  const { ink, accent, glow } = colours();
  const name = (text, x, y, here, colour) => {
    context.font = `${here ? 650 : 400} ${place.font}px Inter, system-ui, sans-serif`;
    context.fillStyle = here ? colour : ink;
    context.fillText(shorten(context, text, place.room), x, y);
  };
  context.textBaseline = "middle";
  context.textAlign = "right";
  queries.forEach((text, i) =>
    name(text, place.left - GAP, queryY(place, i), i === chosen?.query, accent),
  );
  context.textAlign = "left";
  keys.forEach((text, i) =>
    name(text, place.right + GAP, middle(place, i), i === chosen?.key, glow),
  );
  return chosen !== null;
}

function markLines(context, { matrix, threshold }, place, { query, key }) {
  const looks = key === undefined;
  const values = looks ? row(matrix, query) : column(matrix, key);
  context.strokeStyle = looks ? colours().accent : colours().glow;
  values.forEach((value, other) => {
    if (value < threshold) return;
    const [from, to] = looks ? [query, other] : [other, key];
    line(context, place, from, to, shade(value, matrix.largest), 1.5);
  });
}

/** The name at a point: {query} on the left, {key} on the right, or null. */
export function find({ queries, keys }, { left, right, step, alone }, x, y) {
  const index = Math.floor((y - EDGE) / step);
  if (index < 0) return null;
  if (x > right) return index < keys.length ? { key: index } : null;
  if (x >= left) return null;
  if (alone !== null) return Math.abs(y - alone) < step ? { query: 0 } : null;
  return index < queries.length ? { query: index } : null;
}

/** The name that an arrow leads to. */
export function step({ queries, keys, selected }, cell, arrow) {
  if (!cell) return { query: queries.length > 1 ? (selected?.query ?? 0) : 0 };
  const index = cell.query ?? cell.key;
  if (arrow === "ArrowLeft") return { query: Math.min(index, queries.length - 1) };
  if (arrow === "ArrowRight") return { key: Math.min(index, keys.length - 1) };
  const [side, size] = "query" in cell ? ["query", queries.length] : ["key", keys.length];
  const moved = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: size - 1 }[arrow];
  return { [side]: Math.max(0, Math.min(size - 1, moved)) };
}

const middle = ({ step }, index) => EDGE + (index + 0.5) * step;
const queryY = (place, query) => place.alone ?? middle(place, query);

function line(context, place, query, key, strength, stronger = 1) {
  const { left, right } = place;
  const [from, to, half] = [queryY(place, query), middle(place, key), (left + right) / 2];
  context.globalAlpha = Math.min(1, (0.04 + 0.7 * strength ** 2) * stronger);
  context.lineWidth = 0.75 + 2.5 * strength;
  context.beginPath();
  context.moveTo(left, from);
  context.bezierCurveTo(half, from, half, to, right, to);
  context.stroke();
  context.globalAlpha = 1;
}

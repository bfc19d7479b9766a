// Vectors as a heat map: a column for each, a row for each of its numbers.

import { CellsView } from "./cells.js";
import { colours } from "./colour.js";
import { make } from "./make.js";

export class VectorsView extends CellsView {
  static input = {
    name: "Vectors",
    hint: '{"vectors": [[…], …]}',
    sample: ({ features }) => ({ vectors: rows(4, features) }),
  };

  static nameOf({ position }) {
    return String(position);
  }

  show(input, positions, tracks) {
    super.show(input, positions, tracks);
    const { vectors } = input;
    let largest = Number.MIN_VALUE;
    for (const value of vectors.flat()) largest = Math.max(largest, Math.abs(value));
    this.host.querySelectorAll(".token").forEach((token, index) => {
      token.append(drawVector(vectors[positions[index].position], largest));
    });
  }
}

/** A small matrix to begin with. */
export function rows(count, features) {
  const number = (row, column) => ((3 * row + 5 * column) % 7) / 10;
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: features }, (_, column) => number(row, column)),
  );
}

/** Its numbers from top to bottom, those below zero in another colour. */
function drawVector(vector, largest) {
  const canvas = make("canvas", "");
  canvas.width = 1;
  canvas.height = vector.length;
  const context = canvas.getContext("2d");
  const { accent, glow } = colours();
  vector.forEach((value, row) => {
    context.globalAlpha = Math.abs(value) / largest;
    context.fillStyle = value < 0 ? glow : accent;
    context.fillRect(0, row, 1, 1);
  });
  return canvas;
}

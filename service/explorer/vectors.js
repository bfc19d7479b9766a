// Vectors as a heat map: a column for each, a row for each of its numbers.

import { CellsView } from "./cells.js";
import { shade } from "./colour.js";
import { make } from "./make.js";

const [ABOVE, BELOW] = ["#7267e0", "#e0853a"]; // zero; on light and on dark

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
    const largest = vectors.flat().reduce((most, value) => Math.max(most, Math.abs(value)), 0);
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
  vector.forEach((value, row) => {
    context.globalAlpha = shade(Math.abs(value), largest);
    context.fillStyle = value < 0 ? BELOW : ABOVE;
    context.fillRect(0, row, 1, 1);
  });
  return canvas;
}

// Positions in a row of cells, that wraps: letters, vectors, and what else has no better picture.

import { make } from "./make.js";
import { Positions } from "./positions.js";
import { labelsOf } from "./tracks.js";

export class CellsView extends Positions {
  show(input, positions, tracks) {
    const { nameOf } = this.constructor;
    const labels = labelsOf(tracks, positions.length);
    const cells = this.make(positions, (position) => nameOf(position, input));
    this.host.classList.add("cells");
    this.host.replaceChildren(
      ...cells.map((cell, index) => make("div", "cell", cell, ...labels[index])),
    );
  }
}

export class VectorsView extends CellsView {
  static nameOf({ position }) {
    return String(position);
  }
}

/** Several neighbours may be of one letter. */
export class SpellingView extends CellsView {
  static nameOf({ start, end }, input) {
    return [...input].slice(start, end).join("");
  }
}

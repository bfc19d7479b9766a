// Positions in a row of cells, that wraps: for what has no better picture.

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

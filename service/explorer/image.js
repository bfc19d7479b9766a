// The picture as the model sees it, with its patches over it.

import { make } from "./make.js";
import { Positions } from "./positions.js";
import { Sketch, drawImage } from "./sketch.js";
import { labelsOf } from "./tracks.js";

export class ImageView extends Positions {
  #columns;

  static input = {
    name: "Picture",
    hint: "A PNG or JPEG file: choose it, or drop it here.",
    file: "image",
    accept: "image/png,image/jpeg",
    Tool: Sketch,
  };

  static nameOf({ row, column }) {
    return `${row}, ${column}`;
  }

  show(input, positions, tracks, { rows, columns, patch, stride }) {
    const labels = labelsOf(tracks, positions.length);
    const patches = this.make(positions, () => "");
    this.#columns = positions.filter(({ row }) => row === 0).length;
    // Where patches overlap, a button is the part of one that is nearest to its middle.
    const margin = (patch - stride) / 2;
    patches.forEach((button, index) => {
      const { row, column } = positions[index];
      Object.assign(button.style, {
        top: percent((row + margin) / rows),
        left: percent((column + margin) / columns),
        height: percent(stride / rows),
        width: percent(stride / columns),
      });
      button.style.setProperty("--beyond", percent(-margin / stride));
      const said = labels[index].map(({ textContent }) => textContent);
      button.ariaLabel = [`row ${row}, column ${column}`, ...said].join(", ");
      button.title = button.ariaLabel;
    });
    const canvas = make("canvas", "");
    canvas.width = columns;
    canvas.height = rows;
    const frame = make("div", "frame", canvas, ...patches);
    frame.style.aspectRatio = `${columns} / ${rows}`;
    this.host.classList.add("image");
    this.host.replaceChildren(frame);
    drawImage(canvas, input.image);
  }

  step(at, key) {
    const moves = { ArrowUp: -this.#columns, ArrowDown: this.#columns };
    return key in moves ? at + moves[key] : super.step(at, key);
  }
}

const percent = (part) => `${100 * part}%`;

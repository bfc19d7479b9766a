// The picture as the model sees it, with its patches over it.

import { bytesOf } from "./inputs.js";
import { make } from "./make.js";
import { Positions } from "./positions.js";
import { labelsOf } from "./tracks.js";

export class ImageView extends Positions {
  #columns;

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

/** Fit a PNG or JPEG file in base64 into a canvas; what is left of that is black. */
export async function drawImage(canvas, base64) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, width, height);
  try {
    const image = await createImageBitmap(new Blob([bytesOf(base64)]));
    const scale = Math.min(width / image.width, height / image.height);
    const size = [scale * image.width, scale * image.height];
    context.imageSmoothingQuality = "high";
    context.drawImage(image, (width - size[0]) / 2, (height - size[1]) / 2, ...size);
  } catch {
    // It is no picture that this browser knows: what the service says of it is shown.
  }
}

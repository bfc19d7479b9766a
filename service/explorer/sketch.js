// A small picture that somebody draws: white on black, as large as the model sees it.

import { base64Of, bytesOf } from "./base64.js";
import { make } from "./make.js";

const PEN = 0.08; // of the picture's height
const SCALE = 10; // pixels of the sheet to one of the picture
const LARGEST = 64; // rows and columns of what can be drawn by hand

export class Sketch {
  #host;
  #sheet = make("canvas", "");
  #given = "";
  #shape = "";
  #last = null; // where the pen was, as an event

  /**
   * @param {HTMLElement} host
   * @param {(image: string) => void} drew called with the picture, a PNG file in base64
   */
  constructor(host, drew) {
    this.#sheet.role = "img";
    this.#sheet.ariaLabel = "A sheet to draw on with a pointer";
    const clear = make("button", "", "Clear");
    clear.type = "button";
    clear.addEventListener("click", () => {
      this.#clear();
      drew("");
    });
    this.#host = host;
    host.append(this.#sheet, clear);
    this.#sheet.addEventListener("pointerdown", (event) => {
      this.#sheet.setPointerCapture(event.pointerId);
      this.#last = event;
      this.#draw(event);
    });
    this.#sheet.addEventListener("pointermove", (event) => {
      if (this.#sheet.hasPointerCapture(event.pointerId)) this.#draw(event);
    });
    this.#sheet.addEventListener("pointerup", async ({ pointerId }) => {
      if (!this.#sheet.hasPointerCapture(pointerId)) return;
      this.#given = await this.#write();
      drew(this.#given);
    });
  }

  /** @param {string} image in base64; "": none */
  show(image, { rows, columns }) {
    this.#host.hidden = Math.max(rows, columns) > LARGEST;
    if (this.#host.hidden) return;
    const shape = `${rows} ${columns}`;
    if (image === this.#given && shape === this.#shape) return;
    this.#given = image;
    this.#shape = shape;
    this.#sheet.width = SCALE * columns;
    this.#sheet.height = SCALE * rows;
    if (image) drawImage(this.#sheet, image);
    else this.#clear();
  }

  close() {}

  #clear() {
    const { width, height } = this.#sheet;
    this.#sheet.getContext("2d").fillRect(0, 0, width, height);
  }

  #draw(to) {
    const from = this.#last;
    this.#last = to;
    const { left, top, width } = this.#sheet.getBoundingClientRect();
    const scale = this.#sheet.width / width;
    const context = this.#sheet.getContext("2d");
    Object.assign(context, { strokeStyle: "white", lineCap: "round", lineJoin: "round" });
    context.lineWidth = PEN * this.#sheet.height;
    context.beginPath();
    context.moveTo((from.clientX - left) * scale, (from.clientY - top) * scale);
    context.lineTo((to.clientX - left) * scale, (to.clientY - top) * scale);
    context.stroke();
  }

  async #write() {
    const picture = make("canvas", "");
    picture.width = this.#sheet.width / SCALE;
    picture.height = this.#sheet.height / SCALE;
    const context = picture.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#sheet, 0, 0, picture.width, picture.height);
    return base64Of(await new Promise((resolve) => picture.toBlob(resolve, "image/png")));
  }
}

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

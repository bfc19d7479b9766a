// As much of a canvas's context as the drawings use, which writes SVG.

const STATE = ["fillStyle", "strokeStyle", "globalAlpha", "lineWidth", "font", "textAlign"];
const ANCHOR = { left: "start", right: "end", center: "middle" };
const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export class SvgContext {
  #parts = [];
  #path = "";
  #turn = "";
  #saved = [];
  #measuring = document.createElement("canvas").getContext("2d");
  globalAlpha = 1;
  lineWidth = 1;
  textBaseline = "middle"; // the only one

  /** The whole document. */
  text(width, height) {
    const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${this.#parts.join("\n")}\n</svg>\n`;
  }

  save() {
    this.#saved.push([this.#turn, STATE.map((name) => this[name])]);
  }

  restore() {
    const [turn, values] = this.#saved.pop();
    this.#turn = turn;
    STATE.forEach((name, i) => (this[name] = values[i]));
  }

  translate(x, y) {
    this.#turn += `translate(${short(x)} ${short(y)})`;
  }

  rotate(angle) {
    this.#turn += `rotate(${short((180 * angle) / Math.PI)})`;
  }

  measureText(text) {
    this.#measuring.font = this.font;
    return this.#measuring.measureText(text);
  }

  fillRect(x, y, width, height) {
    this.#add("rect", `${box(x, y, width, height)} fill="${this.fillStyle}"`);
  }

  strokeRect(x, y, width, height) {
    this.#add("rect", `${box(x, y, width, height)} fill="none" ${this.#stroke()}`);
  }

  beginPath() {
    this.#path = "";
  }

  moveTo(x, y) {
    this.#path += `M${short(x)} ${short(y)}`;
  }

  bezierCurveTo(...points) {
    this.#path += `C${points.map(short).join(" ")}`;
  }

  stroke() {
    this.#add("path", `d="${this.#path}" fill="none" ${this.#stroke()}`);
  }

  fillText(text, x, y) {
    const [, weight, size, family] = /^(?:(\d+) )?([\d.]+)px (.*)$/.exec(this.font);
    const font = `font-family="${family}" font-size="${size}" font-weight="${weight ?? 400}"`;
    const place = `x="${short(x)}" y="${short(y)}" dominant-baseline="central"`;
    const anchor = `text-anchor="${ANCHOR[this.textAlign]}" fill="${this.fillStyle}"`;
    this.#add("text", `${place} ${anchor} ${font}`, text);
  }

  /** Pixels become squares: one path a colour. */
  drawImage(canvas, x, y, width, height) {
    const { width: columns, height: rows } = canvas;
    const image = canvas.getContext("2d").getImageData(0, 0, columns, rows);
    const paths = new Map();
    new Uint32Array(image.data.buffer).forEach((pixel, i) => {
      const square = `M${i % columns} ${Math.floor(i / columns)}h1v1h-1z`;
      paths.set(pixel, (paths.get(pixel) ?? "") + square);
    });
    this.save();
    this.translate(x, y);
    this.#turn += `scale(${width / columns} ${height / rows})`;
    for (const [pixel, path] of paths) {
      const [red, green, blue] = [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
      this.#add(
        "path",
        `fill="rgb(${red},${green},${blue})" shape-rendering="crispEdges" d="${path}"`,
      );
    }
    this.restore();
  }

  #stroke() {
    return `stroke="${this.strokeStyle}" stroke-width="${short(this.lineWidth)}"`;
  }

  #add(tag, attributes, text) {
    const seen = this.globalAlpha < 1 ? ` opacity="${short(this.globalAlpha)}"` : "";
    const turned = this.#turn ? ` transform="${this.#turn}"` : "";
    const end = text === undefined ? "/>" : `>${escape(text)}</${tag}>`;
    this.#parts.push(`<${tag} ${attributes}${seen}${turned}${end}`);
  }
}

const box = (x, y, width, height) =>
  `x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"`;
const short = (number) => String(Math.round(100 * number) / 100);
// What XML cannot hold is left out.
const escape = (text) =>
  text
    .replace(/[&<>"]/g, (c) => ESCAPED[c])
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "");

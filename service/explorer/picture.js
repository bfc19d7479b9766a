// A drawing (matrix.js, lines.js) on the page, with a pointer and a keyboard over it.
//
// The drawing itself is made once, on a canvas of its own; what follows the pointer is drawn on a
// second canvas above it.

const TALLEST = 16_000; // pixels of a canvas, as browsers have them
const KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);

export class Picture {
  #host;
  #base = document.createElement("canvas");
  #above = document.createElement("canvas");
  #drawing;
  #scene = null;
  #place;
  #scale; // pixels of a canvas to a px of the page
  #cell = null;
  #hooks;

  /**
   * @param {HTMLElement} host
   * @param {object} hooks
   * @param {(cell) => void} hooks.pick a cell was chosen
   * @param {(cell: ?object, moved: boolean) => void} hooks.tell the pointer, or the keyboard
   *   (moved), is at a cell
   */
  constructor(host, hooks) {
    this.#host = host;
    this.#hooks = hooks;
    host.append(this.#base, this.#above);
    host.addEventListener("pointermove", (event) => this.#point(this.#find(event)));
    host.addEventListener("pointerleave", () => this.#point(null));
    host.addEventListener("blur", () => this.#point(null));
    host.addEventListener("click", (event) => this.#pick(this.#find(event)));
    host.addEventListener("keydown", (event) => this.#press(event));
    new ResizeObserver(() => this.#draw()).observe(host);
  }

  show(drawing, scene) {
    if (drawing !== this.#drawing || scene.keys.length !== this.#scene?.keys.length)
      this.#cell = null;
    this.#drawing = drawing;
    this.#scene = scene;
    this.#draw();
  }

  #draw() {
    const width = this.#host.clientWidth;
    if (!this.#scene || !width) return;
    this.#place = place(this.#drawing, this.#scene, width);
    this.#host.style.height = `${this.#place.height}px`;
    this.#scale = Math.min(devicePixelRatio, TALLEST / this.#place.height);
    for (const canvas of [this.#base, this.#above]) {
      canvas.width = Math.round(width * this.#scale);
      canvas.height = Math.round(this.#place.height * this.#scale);
    }
    this.#drawing.draw(scaled(this.#base, this.#scale), this.#scene, this.#place);
    this.#mark();
  }

  #mark() {
    const context = scaled(this.#above, this.#scale);
    context.clearRect(0, 0, this.#place.width, this.#place.height);
    const alone = this.#drawing.mark(context, this.#scene, this.#place, this.#cell);
    this.#base.classList.toggle("faded", Boolean(alone));
  }

  #find({ clientX, clientY }) {
    if (!this.#place) return null;
    const { left, top } = this.#host.getBoundingClientRect();
    return this.#drawing.find(this.#scene, this.#place, clientX - left, clientY - top);
  }

  #point(cell, moved = false) {
    if (!this.#place) return;
    const { query, key } = this.#cell ?? {};
    if (cell?.query === query && cell?.key === key) return;
    this.#cell = cell;
    this.#mark();
    this.#hooks.tell(cell, moved);
  }

  #pick(cell) {
    if (cell) this.#hooks.pick(cell);
  }

  #press(event) {
    if (!this.#place || event.ctrlKey || event.metaKey || event.altKey) return;
    if (KEYS.has(event.key))
      this.#point(this.#drawing.step(this.#scene, this.#cell, event.key), true);
    else if (event.key === "Enter" || event.key === " ") this.#pick(this.#cell);
    else if (event.key === "Escape") this.#point(null);
    else return;
    event.preventDefault();
  }
}

/** Where a drawing of that width has its parts. */
export function place(drawing, scene, width) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = "13px Inter, system-ui, sans-serif";
  return drawing.layout(scene, width, (text) => context.measureText(text).width);
}

function scaled(canvas, scale) {
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

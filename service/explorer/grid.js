// Layers x attention heads, each a button with a small picture of its weights.

import { paint } from "./colour.js";

const SLICE_MS = 8; // of painting at a time
const MOVES = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

export class Grid {
  #table;
  #pick;
  #rows = []; // of buttons, as on the page
  #shape = "";
  #weights = null;
  #painting = 0;

  /**
   * @param {HTMLTableElement} table
   * @param {(at: {layer: number, head: number | "mean"}) => void} pick
   */
  constructor(table, pick) {
    this.#table = table;
    this.#pick = pick;
    table.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) this.#pick(read(button));
    });
    addEventListener("theme", () => this.#weights && this.#paint(this.#weights));
    table.addEventListener("keydown", (event) => this.#press(event));
  }

  /**
   * @param {number} layers all that the model has
   * @param {Array<number | "mean">} heads all that a layer has
   * @param {import("./weights.js").Weights} weights of some of them
   */
  show(layers, heads, weights) {
    const shape = `${layers}x${heads}`;
    if (shape !== this.#shape) this.#build(layers, heads);
    if (weights !== this.#weights) this.#paint(weights);
    this.#shape = shape;
    this.#weights = weights;
  }

  /** @param {Array<{at: {layer, head}, name: string}>} chosen; a name is drawn on it */
  choose(chosen) {
    for (const button of this.#rows.flat()) {
      const here = chosen.filter(({ at }) => same(at, read(button)));
      button.setAttribute("aria-pressed", String(here.length > 0));
      button.dataset.pane = here.map(({ name }) => name).join(" ");
      button.tabIndex = -1;
      if (same(chosen[0].at, read(button))) button.tabIndex = 0;
    }
  }

  #build(layers, heads) {
    const corner = cell("td", "");
    const top = cell("tr", "", corner, ...heads.map((head) => heading("col", head)));
    this.#rows = Array.from({ length: layers }, (_, layer) =>
      heads.map((head) => button(layer, head)),
    );
    const body = this.#rows.map((buttons, layer) =>
      cell("tr", "", heading("row", layer), ...buttons.map((each) => cell("td", "", each))),
    );
    this.#table.replaceChildren(cell("thead", "", top), cell("tbody", "", ...body));
    this.#table.classList.toggle("single", heads.length === 1);
  }

  async #paint(weights) {
    const turn = ++this.#painting;
    this.#table.ariaBusy = "true";
    let startedMs = performance.now();
    for (const button of this.#rows.flat()) {
      if (performance.now() - startedMs > SLICE_MS) {
        await breathe();
        if (turn !== this.#painting) return;
        startedMs = performance.now();
      }
      const canvas = button.firstChild;
      canvas.hidden = !weights.has(read(button));
      if (canvas.hidden) continue;
      const matrix = weights.matrix(read(button));
      paint(canvas, matrix);
      canvas.classList.toggle("coarse", matrix.keys <= 40);
    }
    this.#table.ariaBusy = "false";
  }

  #press(event) {
    const move = MOVES[event.key];
    const row = this.#rows.findIndex((buttons) => buttons.includes(document.activeElement));
    if (!move || row < 0) return;
    const column = this.#rows[row].indexOf(document.activeElement);
    const next = this.#rows[row + move[0]]?.[column + move[1]];
    if (next) {
      document.activeElement.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
    event.preventDefault();
  }
}

/** In words: "layer 5, head 3". */
export function nameHead({ layer, head }) {
  return `layer ${layer}, ${head === "mean" ? "mean of its heads" : `head ${head}`}`;
}

const same = (one, other) => one.layer === other.layer && one.head === other.head;

function read({ dataset: { layer, head } }) {
  return { layer: +layer, head: head === "mean" ? head : +head };
}

function button(layer, head) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(document.createElement("canvas"));
  Object.assign(made.dataset, { layer, head });
  const name = nameHead({ layer, head });
  made.setAttribute("aria-label", name[0].toUpperCase() + name.slice(1));
  return made;
}

function heading(scope, text) {
  const made = cell("th", String(text));
  made.scope = scope;
  return made;
}

function cell(tag, text, ...children) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.append(...children);
  return made;
}

function breathe() {
  return globalThis.scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));
}

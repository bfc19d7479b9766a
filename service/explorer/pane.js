// One attention head of one input: in the text itself, as a picture, in words.

import { paint } from "./colour.js";
import { nameHead } from "./grid.js";
import * as lines from "./lines.js";
import { make } from "./make.js";
import * as matrix from "./matrix.js";
import { Picture } from "./picture.js";
import { VIEWS } from "./views.js";
import { column, row, spread } from "./weights.js";
import { drawStrongest, sayCell } from "./words.js";

export const DRAWINGS = { matrix, lines };
const HINTS = {
  matrix: "Rows look, columns are looked at. The arrow keys move, Enter chooses.",
  lines: "Those on the left look at those on the right. The arrow keys move, Enter chooses.",
};

export class Pane {
  #host;
  #view = null;
  #positions = null;
  #picture;
  #hint;
  #pick;

  /**
   * @param {HTMLElement} host as in index.html
   * @param {object} hooks
   * @param {(position: number) => void} hooks.pick called when a position is chosen
   * @param {(words: string) => void} hooks.say what somebody who does not see it should hear
   */
  constructor(host, { pick, say }) {
    this.#host = host;
    this.#pick = (position) => this.scene.queries.length > 1 && pick(position);
    const at = ({ query, key }) => {
      const { firstQuery, firstKey } = this.scene.matrix;
      return query === undefined ? firstKey + key : firstQuery + query;
    };
    this.#picture = new Picture(this.#find(".picture"), {
      pick: (cell) => this.#pick(at(cell)),
      tell: (cell, moved) => {
        const words = cell ? sayCell(this.scene, cell) : this.#hint;
        this.#find(".readout").textContent = words;
        if (cell && moved) say(words);
      },
    });
  }

  /**
   * @param {object} shown
   * @param {object} shown.model as /v1/models describes it
   * @param {string} shown.letter before the title; may be empty
   * @param {string | object} shown.input
   * @param {import("./weights.js").Weights} shown.weights of the input
   * @param {import("./tracks.js").Track[]} shown.tracks labels of its positions
   * @param {{layer: number, head: number | "mean"}} shown.at
   * @param {?number} shown.selected position
   * @param {number} shown.threshold
   * @param {"matrix" | "lines"} shown.picture
   */
  show(shown) {
    const { model, letter, input, weights, tracks, at, threshold, picture } = shown;
    const View = VIEWS[model.modality];
    this.scene = makeScene(shown, View.nameOf);
    this.title = nameHead(at);
    this.#find(".letter").textContent = letter;
    this.#find(".pane-title").textContent = `${this.title[0].toUpperCase()}${this.title.slice(1)}`;
    if (this.#positions !== weights.positions) {
      const place = document.createElement("div");
      place.className = "positions";
      this.#find(".positions").replaceWith(place);
      this.#view = new View(place, this.#pick);
      this.#view.show(input, weights.positions, tracks, model.preprocess);
      this.#positions = weights.positions;
    }
    this.#view.mark(markOf(this.scene, shown));
    const drawing = this.#find(".picture");
    drawing.setAttribute("aria-label", `Attention as ${picture}, ${this.title}`);
    const cut = picture === "lines" && this.scene.matrix.values.length > lines.MOST;
    this.#hint = HINTS[picture] + (cut ? ` The ${lines.MOST} strongest lines are drawn.` : "");
    this.#find(".readout").textContent = this.#hint;
    this.#picture.show(DRAWINGS[picture], this.scene);
    this.#find(".legend").replaceChildren(...legend(this.scene));
    this.#find(".largest").textContent = this.scene.matrix.largest.toFixed(2);
    this.#find(".strongest-lists").replaceChildren(...drawStrongest(this.scene));
  }

  #find(selector) {
    return this.#host.querySelector(selector);
  }
}

function makeScene({ input, weights, at, selected, threshold }, nameOf) {
  const found = weights.matrix(at);
  const { queries, keys, firstQuery, firstKey } = found;
  const names = weights.positions.map((position) => nameOf(position, input));
  const query = selected - firstQuery;
  const known = selected !== null && queries > 1 && query >= 0 && query < queries;
  return {
    matrix: found,
    queries: queries === 1 ? ["all positions"] : names.slice(firstQuery, firstQuery + queries),
    keys: names.slice(firstKey, firstKey + keys),
    selected: known ? { query, key: selected - firstKey } : null,
    threshold,
    bitmap: paint(document.createElement("canvas"), found, threshold),
  };
}

function legend({ queries, selected }) {
  if (queries.length === 1) return [make("span", "out", "how much it is looked at")];
  if (selected === null) return ["Choose one to see what it looks at, and what looks at it."];
  return [make("span", "out", "it looks at"), make("span", "in", "looks at it")];
}

function markOf({ matrix: found, queries, selected }, { weights, selected: position, threshold }) {
  const mark = { selected: selected && position, looksAt: null, lookedAtBy: null, threshold };
  const { firstQuery, firstKey } = found;
  const { length } = weights.positions;
  if (queries.length === 1) return { ...mark, looksAt: spread(found.values, firstKey, length) };
  if (selected === null) return mark;
  return {
    ...mark,
    looksAt: spread(row(found, selected.query), firstKey, length),
    lookedAtBy: spread(column(found, selected.key), firstQuery, length),
  };
}

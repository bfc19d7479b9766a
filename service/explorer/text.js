// The positions of a text, drawn in the text itself.
//
// A view of positions. There is one for each modality, and all have these members; see views.js.

import { shade } from "./colour.js";

const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class TextView {
  #host;
  #pick;
  #tokens = [];

  /**
   * @param {HTMLElement} host
   * @param {(position: number) => void} pick called when a position is chosen
   */
  constructor(host, pick) {
    this.#host = host;
    this.#pick = pick;
    host.addEventListener("click", ({ target }) => {
      const index = this.#tokens.indexOf(target.closest(".token"));
      if (index >= 0) this.#pick(index);
    });
    host.addEventListener("keydown", (event) => this.#press(event));
  }

  /** What a position is called. */
  static nameOf(position) {
    return position.text;
  }

  /**
   * @param {string} input
   * @param {Array<{text: string, special?: true, start?: number, end?: number}>} positions
   */
  show(input, positions) {
    const characters = [...input]; // `start` and `end` count code points
    const parts = [];
    let at = 0;
    this.#tokens = positions.map((position) => {
      const token = document.createElement("button");
      token.type = "button";
      token.className = position.special ? "token special" : "token";
      token.textContent = position.text;
      token.tabIndex = -1;
      if (!position.special) {
        parts.push(characters.slice(at, position.start).join(""));
        at = Math.max(at, position.end);
      }
      parts.push(token);
      return token;
    });
    parts.push(characters.slice(at).join(""));
    if (this.#tokens.length) this.#tokens[0].tabIndex = 0;
    this.#host.replaceChildren(...parts);
  }

  /**
   * @param {?number} selected
   * @param {?Float32Array} looksAt a weight for each position, or null
   * @param {?Float32Array} lookedAtBy the same, from each position
   * @param {number} threshold smaller weights are not shown
   */
  mark({ selected, looksAt, lookedAtBy, threshold }) {
    const shades = [looksAt, lookedAtBy].map((values) => strengths(values, threshold));
    this.#tokens.forEach((token, index) => {
      token.setAttribute("aria-pressed", String(index === selected));
      token.style.setProperty("--looks", shades[0]?.[index] ?? 0);
      token.style.setProperty("--looked", shades[1]?.[index] ?? 0);
    });
    if (selected !== null && this.#tokens[selected]) this.#reach(selected);
  }

  #press(event) {
    const at = this.#tokens.indexOf(document.activeElement);
    const last = this.#tokens.length - 1;
    const to = { Home: 0, End: last }[event.key] ?? at + MOVES[event.key];
    if (at < 0 || !(to >= 0 && to <= last)) return;
    this.#reach(to);
    this.#tokens[to].focus();
    event.preventDefault();
  }

  /** Make it the one that the tab key leads to. */
  #reach(index) {
    this.#tokens.forEach((token, i) => (token.tabIndex = i === index ? 0 : -1));
  }
}

function strengths(values, threshold) {
  if (!values) return null;
  const largest = Math.max(...values);
  return Array.from(values, (value) => (value < threshold ? 0 : shade(value, largest).toFixed(3)));
}

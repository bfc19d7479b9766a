// Positions as buttons, one of which the tab key leads to: what all views of positions share.

import { shade } from "./colour.js";
import { make } from "./make.js";

const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Positions {
  #pick;
  #buttons = [];
  #reached = 0; // the one that the tab key leads to

  /**
   * @param {HTMLElement} host
   * @param {(position: number) => void} pick called when a position is chosen
   */
  constructor(host, pick) {
    this.host = host;
    this.#pick = pick;
    host.addEventListener("click", ({ target }) => {
      const index = this.#buttons.indexOf(target.closest(".token"));
      if (index >= 0) this.#pick(index);
    });
    host.addEventListener("keydown", (event) => this.#press(event));
  }

  /**
   * A button for each position; where they are on the page is the view's to say.
   *
   * @param {object[]} positions
   * @param {(position: object, index: number) => string} write what is on it
   * @returns {HTMLButtonElement[]}
   */
  make(positions, write) {
    this.#reached = 0;
    this.#buttons = positions.map((position, index) => {
      const token = make("button", "token", write(position, index));
      token.type = "button";
      token.tabIndex = index ? -1 : 0;
      return token;
    });
    return this.#buttons;
  }

  /**
   * @param {?number} selected
   * @param {?Float32Array} looksAt a weight for each position, or null
   * @param {?Float32Array} lookedAtBy the same, from each position
   * @param {number} threshold smaller weights are not shown
   */
  mark({ selected, looksAt, lookedAtBy, threshold }) {
    const shades = [looksAt, lookedAtBy].map((values) => strengths(values, threshold));
    this.#buttons.forEach((token, index) => {
      const marks = [index === selected, ...shades.map((each) => each?.[index] ?? 0)];
      if (String(marks) === token.dataset.marks) return; // there may be thousands
      token.dataset.marks = marks;
      token.setAttribute("aria-pressed", String(marks[0]));
      token.style.setProperty("--looks", marks[1]);
      token.style.setProperty("--looked", marks[2]);
    });
    if (selected !== null && this.#buttons[selected]) this.#reach(selected);
  }

  /** Where a key leads from a position; not a number: nowhere. */
  step(at, key) {
    return at + MOVES[key];
  }

  #press(event) {
    const at = this.#buttons.indexOf(document.activeElement);
    const last = this.#buttons.length - 1;
    const to = { Home: 0, End: last }[event.key] ?? this.step(at, event.key);
    if (at < 0 || !(to >= 0 && to <= last)) return;
    this.#reach(to);
    this.#buttons[to].focus();
    event.preventDefault();
  }

  /** Make it the one that the tab key leads to. */
  #reach(index) {
    this.#buttons[this.#reached].tabIndex = -1;
    this.#buttons[index].tabIndex = 0;
    this.#reached = index;
  }
}

/** How strongly each weight is shown, 0 to 1. */
export function strengths(values, threshold) {
  if (!values) return null;
  const largest = values.reduce((most, value) => Math.max(most, value), 0);
  return Array.from(values, (value) => (value < threshold ? 0 : shade(value, largest).toFixed(3)));
}

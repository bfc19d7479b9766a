// The positions of a text, drawn in the text itself.

import { Positions } from "./positions.js";

export class TextView extends Positions {
  static input = { name: "Text", hint: "Type or paste a sentence", read: (text) => text };
  static isText = true;

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
    this.make(positions, ({ text }) => text).forEach((token, index) => {
      const { special, start, end } = positions[index];
      token.classList.toggle("special", Boolean(special));
      if (!special) {
        parts.push(characters.slice(at, start).join(""));
        at = Math.max(at, end);
      }
      parts.push(token);
    });
    parts.push(characters.slice(at).join(""));
    this.host.replaceChildren(...parts);
  }
}

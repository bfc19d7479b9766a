// The letters of a word; several neighbours may be of one.

import { CellsView } from "./cells.js";

export class SpellingView extends CellsView {
  static input = { name: "Word", hint: "Type one word", read: (text) => text.trim() };

  static nameOf({ start, end }, input) {
    return [...input].slice(start, end).join("");
  }
}

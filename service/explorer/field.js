// One input, as it is written, chosen, dropped or drawn.

import { base64Of, KINDS, toText } from "./inputs.js";
import { Sketch } from "./sketch.js";

const TYPING_MS = 150; // after the last key, before the service is asked
const SKETCHED = 64; // rows and columns of a picture that is drawn by hand, at most
const IMAGE = /^\{"image":"([^"]*)"\}$/;

export class Field {
  #host;
  #changed;
  #sketch;
  #kind = KINDS.text;
  #chosen = ""; // what the chosen file holds, as a field has it

  /**
   * @param {HTMLElement} host as in index.html
   * @param {(text: string, waitMs?: number) => void} changed called with what is there now
   */
  constructor(host, changed) {
    this.#host = host;
    this.#changed = changed;
    const area = this.#find("textarea");
    area.addEventListener("input", () => changed(area.value, TYPING_MS));
    const file = this.#find("input");
    file.addEventListener("change", () => this.#take(file.files[0]));
    host.addEventListener("dragover", (event) => this.#kind.file && event.preventDefault());
    host.addEventListener("drop", (event) => {
      if (!this.#kind.file) return;
      event.preventDefault();
      file.files = event.dataTransfer.files;
      this.#take(file.files[0]);
    });
    this.#sketch = new Sketch(this.#find(".sketch"), (image) =>
      changed(image && toText({ image })),
    );
  }

  /** Show an input, see inputs.js, of a model; `ordinal` is put before what it is called. */
  show(text, { modality, preprocess }, ordinal = "") {
    const kind = (this.#kind = KINDS[modality]);
    const [area, file, label] = ["textarea", "input", "label"].map((name) => this.#find(name));
    label.textContent = ordinal ? `${ordinal} ${kind.name.toLowerCase()}` : kind.name;
    area.hidden = Boolean(kind.file);
    file.hidden = this.#find(".file").hidden = !kind.file;
    label.htmlFor = kind.file ? file.id : area.id;
    area.classList.toggle("json", Boolean(kind.sample));
    if (!kind.file) {
      area.placeholder = kind.hint;
      if (area.value !== text) area.value = text;
      return;
    }
    this.#find(".hint").textContent = kind.hint;
    file.accept = kind.accept;
    if (text !== this.#chosen) file.value = ""; // its name would be wrong
    const { rows, columns } = preprocess;
    const drawn = modality === "image" && Math.max(rows, columns) <= SKETCHED;
    this.#find(".sketch").hidden = !drawn;
    if (drawn) this.#sketch.show(IMAGE.exec(text)?.[1] ?? "", preprocess);
  }

  async #take(file) {
    if (!file) return;
    this.#chosen = toText({ [this.#kind.file]: await base64Of(file) });
    this.#changed(this.#chosen);
  }

  #find(selector) {
    return this.#host.querySelector(selector);
  }
}

// One input, as it is written, chosen, dropped, or made with a tool.

import { base64Of } from "./base64.js";
import { fileOf, toText } from "./inputs.js";
import { make } from "./make.js";
import { VIEWS } from "./views.js";

const TYPING_MS = 150; // after the last key, before the service is asked

export class Field {
  #host;
  #changed;
  #input = null;
  #tool = null;
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
    host.addEventListener("dragover", (event) => this.#input?.file && event.preventDefault());
    host.addEventListener("drop", (event) => {
      if (!this.#input?.file) return;
      event.preventDefault();
      file.files = event.dataTransfer.files;
      this.#take(file.files[0]);
    });
  }

  /** Show an input, see inputs.js, of a model; `ordinal` is put before what it is called. */
  show(text, { modality, preprocess }, ordinal = "") {
    const { input } = VIEWS[modality];
    const [area, file, label] = ["textarea", "input", "label"].map((name) => this.#find(name));
    if (input !== this.#input) this.#setTool(input);
    this.#input = input;
    label.textContent = ordinal ? `${ordinal} ${input.name.toLowerCase()}` : input.name;
    area.hidden = Boolean(input.file);
    file.hidden = this.#find(".file").hidden = !input.file;
    label.htmlFor = input.file ? file.id : area.id;
    area.classList.toggle("json", !input.read);
    if (!input.file) {
      area.placeholder = input.hint;
      if (area.value !== text) area.value = text;
      return;
    }
    this.#find(".hint").textContent = input.hint;
    file.accept = input.accept;
    if (text !== this.#chosen) file.value = ""; // its name would be wrong
    this.#tool?.show(fileOf(text, input.file), preprocess);
  }

  #setTool({ file, Tool }) {
    const place = make("div", "tool");
    this.#find(".tool").replaceWith(place);
    this.#tool?.close();
    const gave = (base64) => this.#changed(base64 && toText({ [file]: base64 }));
    this.#tool = Tool ? new Tool(place, gave) : null;
  }

  async #take(file) {
    if (!file) return;
    this.#chosen = toText({ [this.#input.file]: await base64Of(file) });
    this.#changed(this.#chosen);
  }

  #find(selector) {
    return this.#host.querySelector(selector);
  }
}

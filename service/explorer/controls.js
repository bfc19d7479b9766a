// What the page's fields say of the view, and the other way round.

import { make } from "./make.js";

const TYPING_MS = 150; // after the last key, before the service is asked
const CHOSEN = ["compare", "level", "kind", "picture", "active"]; // one radio button of several

export class Controls {
  #form = document.querySelector("#controls");
  #model = document.querySelector("#model");
  #texts = [document.querySelector("#text-0"), document.querySelector("#text-1")];
  #examples = document.querySelector("#examples");
  #last = 0; // the text that was written in last
  #view = null;

  /** @param {(changes: object, waitMs?: number) => void} change called with what was set */
  constructor(change) {
    this.#model.addEventListener("change", () => change({ model: this.#model.value }));
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("input", ({ target }) => change(this.#read(target)));
    this.#texts.forEach((field, index) => {
      field.addEventListener("focus", () => (this.#last = index));
      field.addEventListener("input", () => change(this.#write(index, field.value), TYPING_MS));
    });
    this.#examples.addEventListener("click", ({ target }) => {
      const example = target.closest("button")?.textContent;
      const index = this.#view.compare === "texts" ? this.#last : 0;
      if (example) change(this.#write(index, example));
    });
  }

  setModels(models) {
    this.#model.replaceChildren(...models.map(({ name }) => new Option(name)));
  }

  show(view, model) {
    this.#view = view;
    const { elements } = this.#form;
    for (const name of CHOSEN) elements[name].value = view[name];
    elements.special.checked = view.special === "keep";
    elements.threshold.value = view.threshold;
    elements["threshold-value"].value = view.threshold.toFixed(2);
    this.#texts.forEach((field, index) => {
      if (field.value !== view.texts[index]) field.value = view.texts[index];
    });
    document.querySelector("#field-1").hidden = view.compare !== "texts";
    document.querySelector("#active").hidden = view.compare === "none";
    if (!model) return;
    this.#model.value = view.model || model.name; // none, if there is none of that name
    document.querySelector("#about").textContent = model.description;
    if (this.#examples.dataset.model === model.name) return;
    this.#examples.dataset.model = model.name;
    const buttons = model.examples.map((example) => make("button", "example", example));
    buttons.forEach((button) => (button.type = "button"));
    this.#examples.replaceChildren(...buttons);
  }

  #read({ name, value, checked }) {
    if (name === "special") return { special: checked ? "keep" : "drop", selected: [null, null] };
    if (name === "threshold") return { threshold: Number(value) };
    // The next head that is chosen in the grid is then the second one.
    if (name === "compare") return { compare: value, active: value === "heads" ? "1" : "0" };
    if (name === "level") return { level: value, selected: [null, null] };
    return { [name]: value };
  }

  #write(index, text) {
    const selected = [...this.#view.selected];
    selected[index] = null;
    return { texts: this.#view.texts.with(index, text), selected };
  }
}

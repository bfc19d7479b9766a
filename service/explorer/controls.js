// What the page's fields say of the view, and the other way round.

import { Field } from "./field.js";
import { toText } from "./inputs.js";
import { make } from "./make.js";
import { textOptions } from "./request.js";
import { VIEWS } from "./views.js";

const CHOSEN = ["compare", "kind", "picture", "active"]; // one radio button of several

export class Controls {
  #form = document.querySelector("#controls");
  #model = document.querySelector("#model");
  #fields;
  #examples = document.querySelector("#examples");
  #last = 0; // the field that was in use last
  #view = null;
  #given = []; // the examples, as fields have them

  /** @param {(changes: object, waitMs?: number) => void} change called with what was set */
  constructor(change) {
    this.#model.addEventListener("change", () => change({ model: this.#model.value }));
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("input", ({ target }) => change(this.#read(target)));
    this.#fields = [0, 1].map((index) => {
      const host = document.querySelector(`#field-${index}`);
      host.addEventListener("focusin", () => (this.#last = index));
      return new Field(host, (text, waitMs) => change(this.#write(index, text), waitMs));
    });
    this.#examples.addEventListener("click", ({ target }) => {
      const example = this.#given[target.closest("button")?.dataset.index];
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
    elements.threshold.value = view.threshold;
    elements["threshold-value"].value = view.threshold.toFixed(2);
    document.querySelector("#field-1").hidden = view.compare !== "texts";
    document.querySelector("#active").hidden = view.compare === "none";
    if (!model) return;
    this.#fields[0].show(view.texts[0], model);
    this.#fields[1].show(view.texts[1], model, "Second");
    const { level, special } = textOptions(view, model);
    elements.level.value = level;
    elements.special.checked = special === "keep";
    const text = Boolean(VIEWS[model.modality].isText);
    elements.levels.disabled = elements.special.disabled = !text;
    document.querySelector("#text-alone").hidden = text;
    this.#model.value = view.model || model.name; // none, if there is none of that name
    document.querySelector("#about").textContent = model.description;
    if (this.#examples.dataset.model !== model.name) this.#showExamples(model);
  }

  #showExamples({ name, examples }) {
    this.#examples.dataset.model = name;
    this.#given = examples.map(toText);
    const buttons = examples.map((example, index) => {
      const shown = typeof example === "string" ? example : `Example ${index + 1}`;
      const button = make("button", "example", shown);
      button.type = "button";
      button.dataset.index = index;
      return button;
    });
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

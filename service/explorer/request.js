// What /v1/predict is asked for a view.

import { Problem } from "./api.js";
import { toInput } from "./inputs.js";
import { VIEWS } from "./views.js";

const TOP_K = 5; // classes
const WHOLE = { level: "position", special: "keep" };

/** What is asked about, as the fields have it: one or two, none that is blank. */
export function textsOf({ compare, texts }) {
  return (compare === "texts" ? texts : texts.slice(0, 1)).filter((text) => text.trim());
}

/** The options that only text has: `level` and `special`. */
export function textOptions(view, { modality }) {
  return VIEWS[modality].isText ? view : WHOLE;
}

/**
 * @param {import("./state.js").View} view
 * @param {object} model as /v1/models describes it
 * @param {object} selection of layers, attention heads and rows
 * @throws {Problem} an input is not written as it should be
 */
export function requestOf(view, model, selection) {
  const { kind } = view;
  const { level, special } = textOptions(view, model);
  const attention = { ...selection };
  if (kind !== "weights") attention.kind = kind;
  if (level !== "position") attention.level = level;
  if (special !== "keep") attention.special = special;
  const inputs = textsOf(view).map((text, index) => read(model, text, index));
  return { model: view.model || model.name, inputs, options: { top_k: TOP_K }, attention };
}

function read({ modality }, text, index) {
  try {
    return toInput(modality, text);
  } catch (error) {
    const fault = { loc: ["inputs", index], message: `this is not JSON: ${error.message}` };
    throw new Problem({ title: "Not JSON", errors: [fault] });
  }
}

// What /v1/predict is asked for a view.

import { Problem } from "./api.js";
import { toInput } from "./inputs.js";
import { VIEWS } from "./views.js";

const TOP_K = 5; // classes
const STEP = 128; // positions that one walks before others are asked about
const WHOLE = { level: "position", special: "keep" };

/** What is asked about, as the fields have it: one or two, none that is blank. */
export function textsOf({ compare, texts }) {
  return (compare === "texts" ? texts : texts.slice(0, 1)).filter((text) => text.trim());
}

/**
 * What is asked of an input's attention: all, and where that is too much for one answer, less and
 * less. Each takes the view, the model and how many positions the input has; null: not known yet.
 */
export const SELECTIONS = [
  () => ({ layers: "all", heads: "all" }),
  (view, model) => ({ layers: layersOf(view, model), heads: "all" }),
  (view, model) => ({ layers: layersOf(view, model), heads: headsOf(view) }),
  (view, model, length) => ({
    layers: layersOf(view, model),
    heads: headsOf(view),
    query: rowsAround(length === null ? 0 : view.selected[0] ?? 0, length ?? Infinity),
  }),
];

const chosen = ({ compare, heads }) => (compare === "heads" ? heads : heads.slice(0, 1));

function layersOf(view, model) {
  return [...new Set(chosen(view).map((at) => at?.layer ?? model.attention.layers - 1))];
}

function headsOf(view) {
  const heads = new Set(chosen(view).map((at) => at?.head ?? "mean"));
  return heads.has("mean") || view.kind === "rollout" ? "mean" : [...heads];
}

/** A position well within them; the same rows for its neighbours. */
function rowsAround(position, length) {
  const first = Math.max(0, STEP * Math.floor(position / STEP) - STEP / 2);
  return { first, last: Math.min(first + 2 * STEP, length) - 1 };
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

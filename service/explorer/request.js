// What /v1/predict is asked for a view.

const TOP_K = 5; // classes

/** The texts that are asked about: one or two, none that is blank. */
export function inputsOf({ compare, texts }) {
  return (compare === "texts" ? texts : texts.slice(0, 1)).filter((text) => text.trim());
}

/** The layers of the attention heads that are chosen. */
export function layersOf({ compare, heads }, model) {
  const chosen = compare === "heads" ? heads : heads.slice(0, 1);
  return [...new Set(chosen.map((at) => at?.layer ?? model.attention.layers - 1))];
}

/**
 * @param {import("./state.js").View} view
 * @param {object} model as /v1/models describes it
 * @param {"all" | number[]} layers
 */
export function requestOf(view, model, layers) {
  const { level, kind, special } = view;
  const attention = { layers, heads: "all" };
  if (kind !== "weights") attention.kind = kind;
  if (level !== "position") attention.level = level;
  if (special !== "keep") attention.special = special;
  const inputs = inputsOf(view);
  return { model: view.model || model.name, inputs, options: { top_k: TOP_K }, attention };
}

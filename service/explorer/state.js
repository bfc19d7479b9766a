// What is shown, and the same as the fragment of a link, which no browser sends to a server.

const LINKED = 8000; // characters of an input that a link holds, at most

const CHOICES = {
  compare: ["none", "texts", "heads"],
  level: ["position", "word"],
  kind: ["weights", "rollout", "received"],
  special: ["keep", "drop"],
  picture: ["matrix", "lines"],
  active: ["0", "1"],
};

/**
 * @typedef {object} View
 * @property {string} model its name; "": the default one
 * @property {string[]} texts two inputs, as inputs.js writes them; the second is read where two are
 *   compared
 * @property {string} compare "none", "texts" or "heads": what the two panes differ in
 * @property {string} level what a row is: "position" or "word"
 * @property {string} kind "weights", "rollout" or "received"
 * @property {string} special special positions: "keep" or "drop"
 * @property {string} picture "matrix" or "lines"
 * @property {string} active the pane that the grid of attention heads is about: "0" or "1"
 * @property {number} threshold smaller weights are not drawn
 * @property {Array<?{layer: number, head: number | "mean"}>} heads of the two panes; null: unchosen
 * @property {Array<?number>} selected the chosen position of each pane
 */

function start() {
  const first = Object.entries(CHOICES).map(([name, values]) => [name, values[0]]);
  return {
    ...Object.fromEntries(first),
    model: "",
    texts: ["", ""],
    threshold: 0,
    heads: [null, null],
    selected: [null, null],
  };
}

/** What a first visit shows: whole words alone are the easiest to read. @returns {View} */
export function welcome() {
  return { ...start(), level: "word", special: "drop" };
}

/** Whether a link holds the inputs. */
export const isLinked = ({ texts }) => texts.every((text) => text.length <= LINKED);

/** The view as a fragment, without "#"; without the inputs where these are too large. */
export function write(view) {
  const fields = new URLSearchParams();
  const put = (name, value) => value && fields.set(name, value);
  put("model", view.model);
  if (isLinked(view)) {
    put("text", view.texts[0]);
    put("other", view.texts[1]);
  }
  for (const [name, [usual]] of Object.entries(CHOICES)) {
    if (view[name] !== usual) fields.set(name, view[name]);
  }
  put("threshold", view.threshold && String(view.threshold));
  view.heads.forEach((at, pane) => put(`head${pane}`, at && `${at.layer}.${at.head}`));
  view.selected.forEach((position, pane) => put(`at${pane}`, position?.toString()));
  return fields.toString();
}

/** The view of a fragment; what it does not say, or says wrongly, is as at the start. */
export function read(fragment) {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const view = start();
  view.model = fields.get("model") ?? "";
  view.texts = [fields.get("text") ?? "", fields.get("other") ?? ""];
  for (const [name, values] of Object.entries(CHOICES)) {
    if (values.includes(fields.get(name))) view[name] = fields.get(name);
  }
  const threshold = Number(fields.get("threshold"));
  if (threshold > 0 && threshold <= 1) view.threshold = threshold;
  for (const pane of [0, 1]) {
    const [, layer, head] = /^(\d{1,4})\.(\d{1,4}|mean)$/.exec(fields.get(`head${pane}`)) ?? [];
    if (layer) view.heads[pane] = { layer: +layer, head: head === "mean" ? head : +head };
    if (/^\d{1,5}$/.test(fields.get(`at${pane}`))) view.selected[pane] = +fields.get(`at${pane}`);
  }
  return view;
}

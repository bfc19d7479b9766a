// Of an input's attention all is asked for; where that is too much for one answer, less and less.

import { Problem } from "./api.js";
import { requestOf } from "./request.js";

const STEP = 128; // positions that one walks before others are asked about
const ADVICE =
  "this is too much for one answer: show the weights of one input, or give a shorter one";

// From the view, the model and how many positions the input has; null: not known yet.
const SELECTIONS = [
  () => ({ layers: "all", heads: "all" }),
  (view, model) => ({ layers: layersOf(view, model), heads: "all" }),
  (view, model) => ({ layers: layersOf(view, model), heads: headsOf(view, model) }),
  (view, model, length) => ({
    layers: layersOf(view, model),
    heads: headsOf(view, model),
    query: length === null ? rowsAround(0, Infinity) : rowsAround(view.selected[0] ?? 0, length),
  }),
];

export class Narrowing {
  #of = ""; // the inputs, as a request
  #by = 0; // index into selections
  #length = null;

  /** What to ask for a view. @throws {Problem} an input is not written as it should be */
  bodyOf(view, model) {
    const of = JSON.stringify(requestOf({ ...view, kind: "weights" }, model, SELECTIONS[0]()));
    if (of !== this.#of) {
      this.#of = of;
      this.#by = 0;
      this.#length = null;
    }
    const body = requestOf(view, model, SELECTIONS[this.#by](view, model, this.#length));
    body.attention.dtype = "float16";
    return body;
  }

  /** What was asked last was answered. */
  answered({ results }) {
    this.#length = results[0].attention.positions.length;
  }

  /**
   * What was asked last failed.
   * @returns {?Problem} what to tell; null: something smaller is asked now
   */
  failed(problem, { inputs }) {
    if (problem.status !== 413 || problem.errors[0]?.loc[0] !== "attention") return problem;
    const last = SELECTIONS.length - (inputs.length > 1 ? 2 : 1); // rows are those of one input
    if (this.#by < last) {
      this.#by += 1;
      return null;
    }
    return new Problem({
      title: problem.title,
      errors: [{ loc: ["attention"], message: ADVICE }],
    });
  }
}

function layersOf(view, { attention: { layers } }) {
  return [...new Set(chosen(view).map((at) => Math.min(at?.layer ?? layers, layers - 1)))];
}

function headsOf(view, { attention }) {
  const heads = new Set(chosen(view).map((at) => at?.head ?? "mean"));
  const known = [...heads].every((head) => head < attention.heads); // "mean" is not
  return known && view.kind !== "rollout" ? [...heads] : "mean";
}

const chosen = ({ compare, heads }) => (compare === "heads" ? heads : heads.slice(0, 1));

/** A position well within them; the same rows for its neighbours. */
function rowsAround(position, length) {
  const first = Math.max(0, STEP * Math.floor(position / STEP) - STEP / 2);
  return { first, last: Math.min(first + 2 * STEP, length) - 1 };
}

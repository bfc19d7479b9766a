// The weights in words and tables: what a picture shows, for those who do not see it.

import { make } from "./make.js";
import { quote } from "./names.js";
import { VIEWS } from "./views.js";
import { column, row, strongest } from "./weights.js";

const LISTED = 6;
const SAID = 3;

/** What was fetched of an input's attention; "": all of it. */
export function sayPart({ model, input, weights }) {
  const { layers, heads, query, positions, kind } = weights;
  const nameOf = (index) => quote(VIEWS[model.modality].nameOf(positions[index], input));
  const fetched = (what) => `For an input this long, only ${what} is fetched.`;
  if (query) {
    const rows = `${nameOf(query[0])} to ${nameOf(query.at(-1))}`;
    return `${fetched(`what ${rows} look at`)} Choose another position to see its neighbours.`;
  }
  if (kind !== "rollout" && heads.length <= model.attention.heads) {
    return fetched("the chosen attention head");
  }
  return layers.length < model.attention.layers ? fetched("the chosen layer") : "";
}

/** One cell of a picture, as a sentence. */
export function sayCell({ matrix, queries, keys, threshold }, cell) {
  if (cell.query !== undefined && cell.key !== undefined) {
    const weight = matrix.values[cell.query * matrix.keys + cell.key];
    return `${quote(queries[cell.query])} looks at ${quote(keys[cell.key])}: ${weight.toFixed(3)}`;
  }
  const looks = cell.query !== undefined;
  const values = looks ? row(matrix, cell.query) : column(matrix, cell.key);
  const names = looks ? keys : queries;
  const found = strongest(values, SAID, threshold);
  const listed = found.map((i) => `${quote(names[i])} ${values[i].toFixed(2)}`).join(", ");
  const subject = looks ? queries[cell.query] : keys[cell.key];
  return `${quote(subject)} ${looks ? "looks at" : "is looked at by"} ${listed || "none"}`;
}

/** What the chosen position looks at and who looks at it, or the strongest of all. */
export function drawStrongest(scene) {
  const { matrix, queries, keys, selected, threshold } = scene;
  const named = (names) => (index) => names[index];
  if (matrix.queries === 1) {
    return [list("Most looked at", matrix.values, named(keys), threshold, "out")];
  }
  if (selected === null) {
    const pair = (index) =>
      `${queries[Math.floor(index / keys.length)]} → ${keys[index % keys.length]}`;
    return [list("Strongest", matrix.values, pair, threshold, "out")];
  }
  const chosen = quote(keys[selected.key]);
  return [
    list(`${chosen} looks at`, row(matrix, selected.query), named(keys), threshold, "out"),
    list(
      `${chosen} is looked at by`,
      column(matrix, selected.key),
      named(queries),
      threshold,
      "in",
    ),
  ];
}

function list(caption, values, nameOf, threshold, direction) {
  const rows = strongest(values, LISTED, threshold).map((index) => {
    const bar = make("span", "bar-fill");
    bar.style.inlineSize = `${100 * values[index]}%`;
    const name = make("th", "", nameOf(index));
    name.scope = "row";
    const track = make("td", "track", make("span", "bar-track", bar));
    return make("tr", "", name, track, make("td", "score", values[index].toFixed(3)));
  });
  if (!rows.length) rows.push(make("tr", "", make("td", "", "Nothing reaches the threshold")));
  return make(
    "table",
    `strongest ${direction}`,
    make("caption", "", caption),
    make("tbody", "", ...rows),
  );
}

// Attention weights as the service answers them, and what is read from them.

/**
 * @typedef {object} Matrix
 * @property {Float32Array} values row-major: a row is a position that looks
 * @property {number} queries rows; 1 where they stand for all positions
 * @property {number} keys columns
 * @property {number} firstQuery the position of the first row
 * @property {number} firstKey the position of the first column; to others none of the rows looks
 * @property {number} largest value
 */

/** All that was answered for one input. */
export class Weights {
  #data;
  #shape;
  #matrices = new Map();

  /**
   * @param {{kind: string, positions: object[], layers: number[], heads: number[] | "mean",
   *   query?: number[]}} answer
   * @param {{data: Float32Array, shape: number[]}} tensor [layer][head][query][key], or without
   *   query for what all positions look at
   * @param {number} most attention heads that a layer has
   */
  constructor({ kind, positions, layers, heads, query }, { data, shape }, most) {
    this.kind = kind;
    this.positions = positions;
    this.layers = layers;
    this.query = query;
    this.heads = heads === "mean" ? ["mean"] : heads.length < most ? heads : [...heads, "mean"];
    this.#data = data;
    this.#shape = shape.length === 3 ? [shape[0], shape[1], 1, shape[2]] : shape;
  }

  /** Whether it was answered. */
  has({ layer, head }) {
    return this.layers.includes(layer) && this.heads.includes(head);
  }

  /** The one asked for, or where it was not answered the nearest to it. */
  locate(at) {
    const layer = this.layers.includes(at?.layer) ? at.layer : this.layers.at(-1);
    return { layer, head: this.heads.includes(at?.head) ? at.head : this.heads.at(-1) };
  }

  /** @returns {Matrix} of one attention head of a layer, or of the mean of them all */
  matrix({ layer, head }) {
    const name = `${layer}.${head}`;
    if (!this.#matrices.has(name)) this.#matrices.set(name, this.#cut(layer, head));
    return this.#matrices.get(name);
  }

  #cut(layer, head) {
    const [, heads, queries, keys] = this.#shape;
    const size = queries * keys;
    const first = this.layers.indexOf(layer) * heads;
    const at = (index) => this.#data.subarray((first + index) * size, (first + index + 1) * size);
    const mean = head === "mean" && heads > 1;
    const values = mean
      ? average(at, heads, size)
      : at(head === "mean" ? 0 : this.heads.indexOf(head));
    let largest = 0;
    for (const value of values) if (value > largest) largest = value;
    const whole = { values, queries, keys, firstQuery: this.query?.[0] ?? 0, firstKey: 0, largest };
    return this.query ? trim(whole, this.query.length) : whole;
  }
}

/** Without the columns at both ends that no row looks at; those of the rows' positions are kept. */
function trim(matrix, rows) {
  const { values, keys, firstQuery } = matrix;
  const looked = new Uint8Array(keys).fill(1, firstQuery, firstQuery + rows);
  values.forEach((value, index) => value > 0 && (looked[index % keys] = 1));
  const firstKey = looked.indexOf(1);
  const kept = looked.lastIndexOf(1) + 1 - firstKey;
  const cut = values.filter((_, index) => {
    const key = (index % keys) - firstKey;
    return key >= 0 && key < kept;
  });
  return { ...matrix, values: cut, keys: kept, firstKey };
}

function average(at, heads, size) {
  const mean = new Float32Array(size);
  for (let head = 0; head < heads; head++) {
    const values = at(head);
    for (let i = 0; i < size; i++) mean[i] += values[i];
  }
  return mean.map((sum) => sum / heads);
}

/** What a position looks at; `query` is a row. */
export function row({ values, keys }, query) {
  return values.subarray(query * keys, (query + 1) * keys);
}

/** Who looks at a position; `key` is a column. */
export function column({ values, queries, keys }, key) {
  return Float32Array.from({ length: queries }, (_, query) => values[query * keys + key]);
}

/** Values of neighbours, the first of them at a position, as values of all positions. */
export function spread(values, first, length) {
  const all = new Float32Array(length);
  all.set(values, first);
  return all;
}

/** Indices of the largest values that reach the threshold, largest first. */
export function strongest(values, count, threshold) {
  const floor = Math.max(threshold, cutoff(values, count), Number.MIN_VALUE);
  const found = [];
  values.forEach((value, index) => value >= floor && found.push(index));
  return found.sort((a, b) => values[b] - values[a]).slice(0, count);
}

/** A value that at least `count` values reach, and not many more. */
function cutoff(values, count) {
  if (values.length <= 4 * count) return 0;
  const BINS = 4096;
  const bins = new Uint32Array(BINS);
  for (const value of values) bins[bin(value, BINS)]++;
  let left = count;
  let lowest = BINS;
  while (lowest > 0 && left > 0) left -= bins[--lowest];
  return (lowest / BINS) ** 2;
}

const bin = (value, bins) => Math.min(bins - 1, Math.floor(Math.sqrt(value) * bins));

// Where the nodes of a graph are drawn: neighbours near each other, others apart.

const TURNS = 200;
const GRAVITY = 1; // so that parts without an edge between them stay in sight

/**
 * Fruchterman and Reingold 1991, from a circle: the same graph always looks the same.
 *
 * @param {number} count of nodes
 * @param {Array<[number, number]>} edges
 * @returns {Array<[number, number]>} x and y, each from 0 to 1
 */
export function layOut(count, edges) {
  const around = (i) => (2 * Math.PI * i) / count;
  const at = Array.from({ length: count }, (_, i) => [Math.cos(around(i)), Math.sin(around(i))]);
  const wanted = 2 / Math.sqrt(count); // distance
  for (let turn = 0; turn < TURNS; turn++) {
    const push = at.map(([x, y]) => [-GRAVITY * x, -GRAVITY * y]);
    const move = (i, j, strength) => {
      const [dx, dy] = [at[i][0] - at[j][0], at[i][1] - at[j][1]];
      const distance = Math.hypot(dx, dy) || 1e-3;
      const part = strength(distance) / distance;
      push[i] = [push[i][0] + dx * part, push[i][1] + dy * part];
      push[j] = [push[j][0] - dx * part, push[j][1] - dy * part];
    };
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < i; j++) move(i, j, (distance) => wanted ** 2 / distance);
    }
    for (const [i, j] of edges) if (i !== j) move(i, j, (distance) => -(distance ** 2) / wanted);
    const most = 0.1 * (1 - turn / TURNS);
    push.forEach(([x, y], i) => {
      const part = Math.min(1, most / (Math.hypot(x, y) || 1));
      at[i] = [at[i][0] + x * part, at[i][1] + y * part];
    });
  }
  return fit(at);
}

function fit(at) {
  const sides = [0, 1].map((axis) => at.map((point) => point[axis]));
  const lows = sides.map((side) => Math.min(...side));
  const spans = sides.map((side, axis) => Math.max(...side) - lows[axis]);
  return at.map((point) =>
    point.map((value, axis) => (spans[axis] > 1e-6 ? (value - lows[axis]) / spans[axis] : 0.5)),
  );
}

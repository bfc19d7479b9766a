// A graph: its nodes near their neighbours, its edges, and the weights of the chosen node as lines.

import { CellsView } from "./cells.js";
import { layOut } from "./force.js";
import { make } from "./make.js";
import { strengths } from "./positions.js";
import { labelsOf } from "./tracks.js";
import { rows } from "./vectors.js";

const MOST = 100; // nodes that are drawn; more are a list
const LABELLED = 20; // nodes whose labels have room; of more, those in use show theirs
const SVG = "http://www.w3.org/2000/svg";

export class GraphView extends CellsView {
  #at = null; // of each position x and y, in percent
  #weights;

  static input = {
    name: "Graph",
    hint: '{"nodes": [[…], …], "edges": [[0, 1], …]}',
    sample: ({ features }) => ({
      nodes: rows(5, features),
      edges: [0, 1, 2, 3].map((node) => [node, node + 1]),
    }),
  };

  static nameOf({ node }) {
    return node === undefined ? "hub" : `${node}`;
  }

  show(input, positions, tracks) {
    if (positions.length > MOST) {
      super.show(input, positions, tracks);
      return;
    }
    const nodes = input.nodes.length;
    const edges = (input.edges ?? []).filter(([i, j]) => i !== j);
    const places = layOut(nodes, edges).map((point) => point.map((part) => 14 + 78 * part));
    const hub = [4, 5]; // it is no part of the graph: in a corner
    this.#at = positions.map(({ node }) => places[node] ?? hub);
    const labels = labelsOf(tracks, positions.length);
    const buttons = this.make(positions, GraphView.nameOf);
    const drawn = buttons.map((button, index) => {
      const [x, y] = this.#at[index];
      const place = make("div", "node", button, ...labels[index]);
      const hue = labels[index][0]?.style.getPropertyValue("--hue");
      if (hue) place.style.setProperty("--hue", hue);
      place.classList.toggle("labelled", Boolean(hue));
      Object.assign(place.style, { left: `${x}%`, top: `${y}%` });
      return place;
    });
    const lines = element("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none" });
    this.#weights = element("g", {});
    lines.append(...edges.map(([i, j]) => line("edge", places[i], places[j])), this.#weights);
    this.host.classList.add("graph");
    const frame = make("div", "frame", lines, ...drawn);
    frame.classList.toggle("crowded", positions.length > LABELLED);
    this.host.replaceChildren(frame);
  }

  mark(shown) {
    super.mark(shown);
    const { selected, threshold } = shown;
    if (!this.#at) return;
    const drawn = selected === null ? [] : ["looksAt", "lookedAtBy"];
    const groups = drawn.map((name) =>
      strengths(shown[name], threshold).map((strength, other) => {
        if (!(strength > 0) || other === selected) return "";
        const made = line(name, this.#at[selected], this.#at[other]);
        made.style.setProperty("--strength", strength);
        return made;
      }),
    );
    this.#weights.replaceChildren(...groups.flat().filter(Boolean));
  }
}

function line(name, [x1, y1], [x2, y2]) {
  return element("line", { class: name, x1, y1, x2, y2 });
}

function element(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

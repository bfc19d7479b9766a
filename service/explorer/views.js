// How the inputs of each modality are given, and their positions drawn.
//
// A view is a class: new View(host, pick), .show(input, positions, tracks, preprocess),
// .mark({selected, looksAt, lookedAtBy, threshold}) and the static nameOf(position, input). Most of
// it is in positions.js; text.js is the pattern. `tracks` are labels, see tracks.js; `preprocess`
// is the model's, as /v1/models has it. Its static `input` is an Input; where it is a running
// text, with words, special positions and labels of parts of it, the static `isText` is true.

import { GraphView } from "./graph.js";
import { ImageView } from "./image.js";
import { SoundView } from "./sound.js";
import { SpellingView } from "./spelling.js";
import { TextView } from "./text.js";
import { VectorsView } from "./vectors.js";

/**
 * @typedef {object} Input
 * @property {string} name of the field
 * @property {string} hint what to do there
 * @property {(text: string) => string} [read] where it is written: what is asked about
 * @property {(preprocess: object) => object} [sample] a small one, where the bundle has no example
 * @property {string} [file] where it is a file: what the request's object calls it
 * @property {string} [accept] what files may be chosen
 * @property {new (host: HTMLElement, gave: (base64: string) => void) => Tool} [Tool] another way to
 *   make such a file
 *
 * @typedef {object} Tool
 * @property {(base64: string, preprocess: object) => void} show its file; "": none
 * @property {() => void} close
 */

export const VIEWS = {
  text: TextView,
  spelling: SpellingView,
  speech: SoundView,
  image: ImageView,
  graph: GraphView,
  vectors: VectorsView,
};

// How the positions of an input are drawn, by modality.
//
// A view is a class: new View(host, pick), .show(input, positions, tracks, preprocess),
// .mark({selected, looksAt, lookedAtBy, threshold}) and the static nameOf(position, input). Most of
// it is in positions.js; text.js is the pattern. `tracks` are labels, see tracks.js; `preprocess`
// is the model's, as /v1/models has it.

import { SpellingView, VectorsView } from "./cells.js";
import { GraphView } from "./graph.js";
import { ImageView } from "./image.js";
import { SoundView } from "./sound.js";
import { TextView } from "./text.js";

export const VIEWS = {
  text: TextView,
  spelling: SpellingView,
  speech: SoundView,
  image: ImageView,
  graph: GraphView,
  vectors: VectorsView,
};

// How the positions of an input are drawn, by modality.
//
// A view is a class: new View(host, pick), .show(input, positions), .mark({selected, looksAt,
// lookedAtBy, threshold}) and the static nameOf(position). text.js is the pattern.

import { TextView } from "./text.js";

export const VIEWS = { text: TextView };

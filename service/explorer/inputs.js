// What an input is, in a field and in a request.
//
// In a field, in the view and in its link an input is a string: where it is written, as it is; of
// others the JSON of the request's object.

import { VIEWS } from "./views.js";

/** As a field has it -> as a request has it. @throws {SyntaxError} where it is no JSON */
export function toInput(modality, text) {
  const { read = JSON.parse } = VIEWS[modality].input;
  return read(text);
}

/** As a request has it -> as a field has it. */
export function toText(input) {
  return typeof input === "string" ? input : JSON.stringify(input);
}

/** The file in an input as a field has it, in base64; "": there is none. */
export function fileOf(text, name) {
  try {
    return JSON.parse(text)[name] ?? "";
  } catch {
    return "";
  }
}

/** What to begin with: an example of the bundle, or a sample; "": there is none. */
export function firstOf({ modality, examples, preprocess }) {
  if (examples.length) return toText(examples[0]);
  const { sample } = VIEWS[modality].input;
  return sample ? toText(sample(preprocess)) : "";
}

/** Whether an input of one model is one of another's. */
export function takesTheSame(one, other) {
  return one.modality === other.modality && one.preprocess.features === other.preprocess.features;
}

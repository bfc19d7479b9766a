// What an input of each modality is, in a field and in a request.
//
// In a field, in the view and in its link an input is a string: of a text or a word it is that, of
// others the JSON of the request's object.

/**
 * @typedef {object} Kind
 * @property {string} name of the field
 * @property {string} hint what to do there
 * @property {string} [file] where it is a file: what the request's object calls it
 * @property {string} [accept] what files may be chosen
 * @property {(features: number) => object} [sample] a small one, where the bundle has no example
 */

/** @type {Object<string, Kind>} */
export const KINDS = {
  text: { name: "Text", hint: "Type or paste a sentence" },
  spelling: { name: "Word", hint: "Type one word" },
  speech: {
    name: "Sound",
    hint: "A WAV, FLAC or Ogg file: choose it, or drop it here.",
    file: "audio",
    accept: ".wav,.flac,.ogg,audio/*",
  },
  image: {
    name: "Picture",
    hint: "A PNG or JPEG file: choose it, or drop it here.",
    file: "image",
    accept: "image/png,image/jpeg",
  },
  graph: {
    name: "Graph",
    hint: '{"nodes": [[…], …], "edges": [[0, 1], …]}',
    sample: (features) => ({
      nodes: rows(5, features),
      edges: [0, 1, 2, 3].map((i) => [i, i + 1]),
    }),
  },
  vectors: {
    name: "Vectors",
    hint: '{"vectors": [[…], …]}',
    sample: (features) => ({ vectors: rows(4, features) }),
  },
};

const isWritten = (modality) => ["text", "spelling"].includes(modality);

/** As a field has it -> as a request has it. @throws {SyntaxError} where it is no JSON */
export function toInput(modality, text) {
  return isWritten(modality) ? text : JSON.parse(text);
}

/** As a request has it -> as a field has it. */
export function toText(input) {
  return typeof input === "string" ? input : JSON.stringify(input);
}

/** What to begin with: an example of the bundle, or a sample; "": there is none. */
export function firstOf({ modality, examples, preprocess }) {
  if (examples.length) return toText(examples[0]);
  const { sample } = KINDS[modality];
  return sample ? toText(sample(preprocess.features)) : "";
}

/** Whether an input of one model is one of another's. */
export function takesTheSame(one, other) {
  return one.modality === other.modality && one.preprocess.features === other.preprocess.features;
}

/** Base64 -> bytes. */
export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** A file's bytes, or another blob's -> base64. */
export function base64Of(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.split(",", 2)[1] ?? ""));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

function rows(count, features) {
  const number = (row, column) => ((3 * row + 5 * column) % 7) / 10;
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: features }, (_, column) => number(row, column)),
  );
}

// Colours: of weights, of labels, and of what is drawn on a canvas, as the style sheet says.

const SHADES = 256;
const GOLDEN = 137.508; // degrees: neighbours on the list are far apart on the circle
let theme = null;

addEventListener("theme", () => (theme = null));

/**
 * @returns {{ink: string, soft: string, card: string, accent: string, glow: string,
 *   shades: Uint32Array}} shades: from no weight to the largest, as a canvas keeps its pixels
 */
export function colours() {
  if (!theme) {
    const named = ["ink", "soft", "card", "accent", "glow"].map((name) => [name, computed(name)]);
    theme = { ...Object.fromEntries(named), shades: shades() };
  }
  return theme;
}

/** The shade of a weight: by its root, as most weights are small. */
export function shade(value, largest) {
  return largest > 0 ? Math.min(1, Math.sqrt(value / largest)) : 0;
}

/** Paint a matrix on a canvas, a pixel a weight; what is below the threshold stays clear. */
export function paint(canvas, { values, queries, keys, largest }, threshold = 0) {
  canvas.width = keys;
  canvas.height = queries;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(keys, queries);
  const pixels = new Uint32Array(image.data.buffer);
  const table = colours().shades;
  for (let i = 0; i < values.length; i++) {
    const shown = values[i] >= threshold ? shade(values[i], largest) : 0;
    pixels[i] = table[Math.floor(shown * (SHADES - 1))];
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The hue of a label, in degrees: the same for as long as the model's labels are. */
export function hue(label, labels) {
  return (labels.indexOf(label) * GOLDEN + 250) % 360;
}

/** A head's labels without the prefixes of BIO, in order. */
export function kinds(labels) {
  return [...new Set(labels.map((label) => label.replace(/^[BI]-/, "")))].sort();
}

function computed(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function shades() {
  const canvas = document.createElement("canvas");
  canvas.width = SHADES;
  canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const gradient = context.createLinearGradient(0, 0, SHADES, 0);
  const stops = ["heat-0", "heat-1", "heat-2", "heat-3"];
  stops.forEach((name, i) => gradient.addColorStop(i / (stops.length - 1), computed(name)));
  context.fillStyle = gradient;
  context.fillRect(0, 0, SHADES, 1);
  return new Uint32Array(context.getImageData(0, 0, SHADES, 1).data.buffer);
}

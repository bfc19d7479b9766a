// Sound over time: its waveform, a strip for each position over it, and what was said when below.

import { bytesOf } from "./base64.js";
import { make } from "./make.js";
import { Positions } from "./positions.js";
import { Recorder } from "./record.js";
import { drawLabel, joined } from "./tracks.js";

const RATE = 48_000; // Hz, of what is decoded
const POINTS = 1000; // of the waveform, from left to right
const AROUND_S = 0.25; // played to either side of the chosen position
const SVG = "http://www.w3.org/2000/svg";

export class SoundView extends Positions {
  static input = {
    name: "Sound",
    hint: "A WAV, FLAC or Ogg file: choose it, or drop it here.",
    file: "audio",
    accept: ".wav,.flac,.ogg,audio/*",
    Tool: Recorder,
  };

  #positions;
  #selected = null;
  #sound = null;
  #play = make("button", "", "Play");

  static nameOf({ start_s, end_s }) {
    return `${((start_s + end_s) / 2).toFixed(2)} s`;
  }

  show(input, positions, tracks) {
    this.#positions = positions;
    const length = positions.at(-1).end_s;
    const percent = (seconds) => `${(100 * seconds) / length}%`;
    const strips = this.make(positions, () => "");
    strips.forEach((strip, index) => {
      const { start_s, end_s } = positions[index];
      strip.ariaLabel = strip.title = SoundView.nameOf(positions[index]);
      Object.assign(strip.style, { left: percent(start_s), width: percent(end_s - start_s) });
    });
    const wave = document.createElementNS(SVG, "svg");
    wave.setAttribute("preserveAspectRatio", "none");
    wave.setAttribute("viewBox", `0 -1 ${POINTS} 2`);
    this.#play.type = "button";
    this.#play.hidden = true;
    this.#play.addEventListener("click", () => this.#sounds());
    this.host.classList.add("sound");
    const rows = tracks.map((track) => this.#drawTrack(track, percent));
    this.host.replaceChildren(make("div", "frame", wave, ...strips), ...rows, this.#play);
    this.#read(bytesOf(input.audio), wave, length);
  }

  mark(shown) {
    super.mark(shown);
    this.#selected = shown.selected;
    this.#play.textContent = shown.selected === null ? "Play" : "Play around it";
  }

  #drawTrack({ name, labels, marks }, percent) {
    const row = make("div", "track-row");
    row.role = "group";
    row.ariaLabel = name;
    for (const { first, last, label } of joined(marks)) {
      const drawn = drawLabel(label, labels);
      const [start, end] = [this.#positions[first].start_s, this.#positions[last].end_s];
      drawn.title = `${label}: ${start.toFixed(2)} to ${end.toFixed(2)} s`;
      drawn.style.insetInlineStart = percent(start);
      drawn.style.minInlineSize = percent(end - start);
      row.append(drawn);
    }
    return row;
  }

  /** Draw the waveform, if the browser knows this sort of file. */
  async #read(bytes, wave, length) {
    try {
      this.#sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes.buffer);
    } catch {
      return;
    }
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", outline(this.#sound.getChannelData(0), (length * RATE) / POINTS));
    wave.append(path);
    this.#play.hidden = false;
  }

  #sounds() {
    const speaker = new AudioContext();
    const source = new AudioBufferSourceNode(speaker, { buffer: this.#sound });
    source.connect(speaker.destination);
    source.addEventListener("ended", () => speaker.close());
    if (this.#selected === null) return source.start();
    const { start_s, end_s } = this.#positions[this.#selected];
    const from = Math.max(0, start_s - AROUND_S);
    source.start(0, from, end_s + AROUND_S - from);
  }
}

/** What lies between the lowest and the highest of every `step` samples, as an SVG path. */
function outline(samples, step) {
  const [above, below] = [[], []];
  let loudest = 1e-6;
  for (let at = 0, x = 0; at < samples.length; at += step, x++) {
    const part = samples.subarray(Math.floor(at), Math.floor(at + step) + 1);
    let [low, high] = [0, 0];
    for (const value of part) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    loudest = Math.max(loudest, high, -low);
    above.push([x, high]);
    below.unshift([x, low]);
  }
  const points = [...above, ...below].map(([x, y]) => `${x} ${(-y / loudest).toFixed(3)}`);
  return `M${points.join("L")}Z`;
}

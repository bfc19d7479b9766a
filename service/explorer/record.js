// A sound that somebody records, as a WAV file at the model's rate.

import { base64Of } from "./base64.js";
import { make } from "./make.js";

const BYTES = 2; // of a sample
const HEADER = 44; // bytes

export class Recorder {
  #button = make("button", "", "Record");
  #told = make("span", "hint");
  #asking = false;
  #closed = false;
  #recorder = null;
  #gave;
  #rate;

  /**
   * @param {HTMLElement} host
   * @param {(audio: string) => void} gave called with the sound, a WAV file in base64
   */
  constructor(host, gave) {
    this.#gave = gave;
    this.#button.type = "button";
    this.#told.role = "status";
    this.#button.addEventListener("click", () => {
      if (this.#recorder) this.#recorder.stop();
      else this.#record();
    });
    // Browsers have microphones for pages alone that came from this machine, or by TLS.
    host.hidden = !navigator.mediaDevices;
    host.append(this.#button, this.#told);
  }

  show(audio, { rate }) {
    this.#rate = rate;
  }

  /** Nobody waits for it any more. */
  close() {
    this.#gave = () => {};
    this.#closed = true;
    this.#recorder?.stop();
  }

  async #record() {
    if (this.#asking) return; // somebody else, whether it may
    this.#asking = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
      this.#listen(stream);
    } catch (error) {
      this.#told.textContent = `No microphone: ${error.message}`;
    }
    this.#asking = false;
  }

  #listen(stream) {
    const parts = [];
    this.#recorder = new MediaRecorder(stream);
    this.#recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    this.#recorder.addEventListener("stop", () => {
      for (const track of stream.getTracks()) track.stop();
      this.#recorder = null;
      this.#button.textContent = "Record";
      this.#told.textContent = "";
      this.#give(new Blob(parts));
    });
    this.#recorder.start();
    this.#button.textContent = "Stop";
    this.#told.textContent = "Recording.";
    if (this.#closed) this.#recorder.stop();
  }

  async #give(blob) {
    let audio;
    try {
      audio = await this.#write(blob);
    } catch {
      this.#told.textContent = "Nothing was recorded.";
      return;
    }
    this.#gave(audio);
  }

  /** What the browser recorded -> base64 of a WAV file. */
  async #write(blob) {
    const decoder = new OfflineAudioContext(1, 1, this.#rate);
    const sound = await decoder.decodeAudioData(await blob.arrayBuffer());
    return base64Of(new Blob([toWav(sound.getChannelData(0), this.#rate)]));
  }
}

/** Samples between -1 and 1 as a file of 16 bits a sample, one channel. */
function toWav(samples, rate) {
  const size = BYTES * samples.length;
  const file = new DataView(new ArrayBuffer(HEADER + size));
  const name = (at, text) => [...text].forEach((c, i) => file.setUint8(at + i, c.charCodeAt(0)));
  const short = (at, value) => file.setUint16(at, value, true);
  const long = (at, value) => file.setUint32(at, value, true);
  name(0, "RIFF");
  long(4, HEADER - 8 + size);
  name(8, "WAVEfmt ");
  long(16, 16); // bytes of what follows, up to "data"
  short(20, 1); // PCM
  short(22, 1); // channels
  long(24, rate);
  long(28, BYTES * rate);
  short(32, BYTES);
  short(34, 8 * BYTES);
  name(36, "data");
  long(40, size);
  samples.forEach((sample, i) => {
    const value = Math.round(0x7fff * Math.max(-1, Math.min(1, sample)));
    file.setInt16(HEADER + BYTES * i, value, true);
  });
  return file.buffer;
}

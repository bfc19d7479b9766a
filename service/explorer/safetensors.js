// Reads a safetensors file: https://github.com/huggingface/safetensors#format

const READERS = {
  F32: (bytes) => view(Float32Array, bytes),
  I32: (bytes) => view(Int32Array, bytes),
  F16: (bytes) => widen(view(Uint16Array, bytes)),
};

/**
 * Read a whole file.
 *
 * @param {ArrayBuffer} buffer the file
 * @returns {Promise<{metadata: Object<string, string>,
 *   tensors: Object<string, {dtype: string, shape: number[], data: Float32Array | Int32Array}>}>}
 *   `data` is in row-major order; float16 has become float32, and where it can be it is a view.
 * @throws {Error} it is no such file, or a tensor is neither F32, F16 nor I32
 */
export async function readSafetensors(buffer) {
  if (buffer.byteLength < 8) throw new Error("no safetensors file: it has no header");
  const start = 8 + Number(new DataView(buffer).getBigUint64(0, true));
  if (start > buffer.byteLength) throw new Error("no safetensors file: its header is cut short");
  const header = new TextDecoder("utf-8", { fatal: true }).decode(
    new Uint8Array(buffer, 8, start - 8),
  );
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(header);
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
    const read = READERS[dtype];
    if (!read) throw new Error(`${name} is ${dtype}; ${Object.keys(READERS).join(", ")} are read`);
    const [first, end] = offsets;
    if (start + end > buffer.byteLength) throw new Error(`${name} is cut short`);
    const data = read(new Uint8Array(buffer, start + first, end - first));
    const size = shape.reduce((product, length) => product * length, 1);
    if (data.length !== size) throw new Error(`${name} has ${data.length} numbers, not ${size}`);
    tensors[name] = { dtype, shape, data };
  }
  return { metadata, tensors };
}

/** These bytes as numbers; copied where they do not begin at a multiple of a number's size. */
function view(Numbers, bytes) {
  const size = Numbers.BYTES_PER_ELEMENT;
  const own = bytes.byteOffset % size ? bytes.slice() : bytes;
  return new Numbers(own.buffer, own.byteOffset, own.byteLength / size);
}

/** float16 bits to float32: shifted into place, they are the number times 2 ** -112. */
function widen(bits) {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    wide[i] = ((bits[i] & 0x8000) << 16) | ((bits[i] & 0x7fff) << 13);
  }
  const data = new Float32Array(wide.buffer);
  for (let i = 0; i < data.length; i++) {
    data[i] = (bits[i] & 0x7c00) === 0x7c00 ? special(bits[i]) : data[i] * 2 ** 112;
  }
  return data;
}

/** Infinity or NaN. */
function special(bits) {
  if (bits & 0x03ff) return NaN;
  return bits & 0x8000 ? -Infinity : Infinity;
}

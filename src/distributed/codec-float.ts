/** Floats of 32 and 16 bits. Rounding is to nearest, ties to even, in all three. */
import type { Codec } from "./codec.ts";
import { WireError } from "./wire.ts";

/** The payload as an array of words: a view where its place in memory allows, else a copy. */
export function aligned<T>(
  payload: Uint8Array<ArrayBuffer>,
  make: { new (buffer: ArrayBuffer, offset: number, length: number): T; readonly BYTES_PER_ELEMENT: number },
): T {
  const size = make.BYTES_PER_ELEMENT;
  const bytes = payload.byteOffset % size === 0 ? payload : payload.slice();
  return new make(bytes.buffer, bytes.byteOffset, bytes.byteLength / size);
}

export function checkBytes(codec: string, payload: Uint8Array, wanted: number): void {
  if (payload.byteLength !== wanted) {
    throw new WireError(`${codec}: a payload of ${payload.byteLength} bytes, must be ${wanted}`);
  }
}

export const bytesOf = (values: Float32Array | Uint16Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);

export const f32: Codec = {
  lossy: false,
  bytes: (count) => 4 * count,
  encode: bytesOf,
  decode(payload, count) {
    checkBytes("f32", payload, 4 * count);
    return aligned(payload, Float32Array);
  },
};

/** The upper half of an f32: its range, 8 bits of precision. */
export const bf16: Codec = {
  lossy: true,
  bytes: (count) => 2 * count,
  encode(values) {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    const out = new Uint16Array(values.length);
    for (let i = 0; i < bits.length; i++) {
      const b = bits[i]!;
      const size = b & 0x7fffffff;
      const rounded = (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
      // Rounding can make a NaN infinite (keep it a NaN), and so the largest floats (they saturate).
      if (size > 0x7f800000) out[i] = (b >>> 16) | 1;
      else out[i] = size < 0x7f800000 && (rounded & 0x7fff) === 0x7f80 ? rounded - 1 : rounded;
    }
    return bytesOf(out);
  },
  decode(payload, count) {
    checkBytes("bf16", payload, 2 * count);
    const words = aligned(payload, Uint16Array);
    const out = new Float32Array(count);
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < count; i++) bits[i] = words[i]! << 16;
    return out;
  },
};

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** IEEE 754 half precision. Beyond 65504 it saturates: error feedback carries on what is left. */
export const f16: Codec = {
  lossy: true,
  bytes: (count) => 2 * count,
  encode(values) {
    const out = new Uint16Array(values.length);
    for (let i = 0; i < values.length; i++) out[i] = toHalf(values[i]!);
    return bytesOf(out);
  },
  decode(payload, count) {
    checkBytes("f16", payload, 2 * count);
    const words = aligned(payload, Uint16Array);
    const out = new Float32Array(count);
    for (let i = 0; i < count; i++) out[i] = fromHalf(words[i]!);
    return out;
  },
};

/** 2^13: an f16 has so many more steps between powers of two in an f32's fraction. */
function toHalf(x: number): number {
  scratch[0] = x;
  const bits = scratchBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size === 0x7f800000) return sign | 0x7c00;
  if (size >= 0x477ff000) return sign | 0x7bff;
  // Below 2^-14 steps are 2^-24: adding 0.5 in f32, whose steps are then 2^-24, rounds there, ties to even.
  if (size < 0x38800000) {
    scratch[0] = Math.abs(x) + 0.5;
    return sign | (scratchBits[0]! - 0x3f000000);
  }
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

function fromHalf(h: number): number {
  const exponent = (h >>> 10) & 31;
  const fraction = h & 1023;
  const sign = h & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/**
 * Eight bits a value, one f32 scale a block of 4,096: x is about q * scale, |q| <= 127, scale the block's largest
 * magnitude / 127. Payload: the scales, then the values (Dettmers 2015 with a linear map).
 *
 * Each worker has scales of its own, and sums are of decoded values: the tree fixes their bits whatever the codec, so
 * no scale need be agreed on beforehand and nothing saturates.
 */
import type { Codec } from "./codec.ts";
import { aligned, checkBytes } from "./codec-float.ts";
import { WireError } from "./wire.ts";

const BLOCK = 4096;
const blocks = (count: number): number => Math.ceil(count / BLOCK);

export const int8: Codec = {
  lossy: true,
  bytes: (count) => 4 * blocks(count) + count,
  encode(values) {
    const n = blocks(values.length);
    const out = new Uint8Array(4 * n + values.length);
    const scales = new Float32Array(out.buffer, 0, n);
    const q = new Int8Array(out.buffer, 4 * n);
    for (let b = 0; b < n; b++) {
      const end = Math.min((b + 1) * BLOCK, values.length);
      let largest = 0;
      for (let i = b * BLOCK; i < end; i++) largest = Math.max(largest, Math.abs(values[i]!));
      scales[b] = largest / 127;
      const scale = scales[b]!;
      // Where a scale is too small to divide by, the values are noise beside any others.
      const inverse = scale > 1e-37 ? 1 / scale : 0;
      for (let i = b * BLOCK; i < end; i++) {
        const x = values[i]! * inverse;
        q[i] = x >= 0 ? Math.min(127, x + 0.5) : Math.max(-127, x - 0.5);
      }
    }
    return out;
  },
  decode(payload, count) {
    const n = blocks(count);
    checkBytes("int8", payload, 4 * n + count);
    const scales = aligned(payload.subarray(0, 4 * n), Float32Array);
    const q = new Int8Array(payload.buffer, payload.byteOffset + 4 * n, count);
    const out = new Float32Array(count);
    for (let b = 0; b < n; b++) {
      const scale = scales[b]!;
      if (!(scale >= 0)) throw new WireError(`int8: the scale of block ${b} is ${scale}`);
      const end = Math.min((b + 1) * BLOCK, count);
      for (let i = b * BLOCK; i < end; i++) out[i] = q[i]! * scale;
    }
    return out;
  },
};

/**
 * The one in a hundred values of largest magnitude, with their places (Aji & Heafield 2017; Lin et al. 2018). Payload:
 * their number, the values as f32, the places as u16 ascending. A sum of such chunks has more of them; one with too
 * many to pay is sent whole, as f32, with the number 2^32 - 1 in front.
 */
import type { Codec } from "./codec.ts";
import { aligned, bytesOf, checkBytes } from "./codec-float.ts";
import { WireError } from "./wire.ts";

const SHARE = 0.01;
const WHOLE = 2 ** 32 - 1;
const kept = (count: number): number => Math.max(1, Math.ceil(count * SHARE));

export const topk: Codec = {
  lossy: true,
  bytes: (count) => 4 + Math.max(4 * count, 6 * kept(count)),
  encode: (values) => sparse(values, largest(values, kept(values.length))),
  decode(payload, count) {
    if (payload.byteLength < 4) throw new WireError(`topk: a payload of ${payload.byteLength} bytes has no number`);
    const n = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
    if (n === WHOLE) {
      checkBytes("topk", payload, 4 + 4 * count);
      return aligned(payload.subarray(4), Float32Array);
    }
    if (n > count) throw new WireError(`topk: ${n} of ${count} values`);
    checkBytes("topk", payload, 4 + 6 * n);
    const values = aligned(payload.subarray(4, 4 + 4 * n), Float32Array);
    const places = aligned(payload.subarray(4 + 4 * n), Uint16Array);
    const out = new Float32Array(count);
    let last = -1;
    for (let i = 0; i < n; i++) {
      const at = places[i]!;
      if (at <= last || at >= count) throw new WireError(`topk: place ${at} after ${last}, of ${count}`);
      out[at] = values[i]!;
      last = at;
    }
    return out;
  },
};

/** All that is not 0, exactly: for sums, which every worker must take as they are. */
export function encodeExact(values: Float32Array): Uint8Array<ArrayBuffer> {
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) places.push(i);
  if (6 * places.length < 4 * values.length) return sparse(values, places);
  const out = new Uint8Array(4 + 4 * values.length);
  new DataView(out.buffer).setUint32(0, WHOLE, true);
  out.set(bytesOf(values), 4);
  return out;
}

function sparse(values: Float32Array, places: readonly number[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(4 + 6 * places.length);
  new DataView(out.buffer).setUint32(0, places.length, true);
  out.set(bytesOf(Float32Array.from(places, (i) => values[i]!)), 4);
  out.set(bytesOf(Uint16Array.from(places)), 4 + 4 * places.length);
  return out;
}

/** The places of the k values of largest magnitude, ascending; of equal ones those that come first. */
function largest(values: Float32Array, k: number): number[] {
  const sizes = values.map(Math.abs).sort();
  const least = sizes[sizes.length - k]!;
  let ties = k;
  for (let i = sizes.length - 1; i >= 0 && sizes[i]! > least; i--) ties--;
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (size > least || (size === least && ties-- > 0)) places.push(i);
  }
  return places;
}

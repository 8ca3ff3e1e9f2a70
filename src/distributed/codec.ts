/**
 * How values of a chunk become payload and back. Decoding gives the same bits everywhere: the server decodes what
 * workers send, and all workers (and the server's own replica) decode the same bytes of a sum.
 *
 * Lossy codecs lose nothing in the long run: what a payload does not carry is added to the next one (error feedback;
 * Seide et al. 2014, Karimireddy et al. 2019), by whoever encodes. A codec is a row of the table below.
 * Not here: whose residual is kept where (member.ts, round.ts).
 */
import { codecNames, WireError, type CodecName } from "./wire.ts";
import { int8 } from "./codec-int8.ts";
import { bf16, f16, f32 } from "./codec-float.ts";
import { topk } from "./codec-topk.ts";

export interface Codec {
  /** Whether a payload can be less than what it was made of. */
  readonly lossy: boolean;
  /** Bytes of `count` values, or the most there may be where the payload says itself how many it has. */
  bytes(count: number): number;
  /** values: [count] of f32. The result may share their memory: it is copied into a frame at once. */
  encode(values: Float32Array): Uint8Array<ArrayBuffer>;
  /**
   * [count] values, in an array of their own or over the payload's memory, which is then theirs. Throws WireError where
   * the payload is not of `count` values.
   */
  decode(payload: Uint8Array<ArrayBuffer>, count: number): Float32Array;
}

export const codecs: Readonly<Record<CodecName, Codec>> = { f32, f16, bf16, int8, topk };

/** Throws TexgradError's kin where there is no such codec. */
export function checkCodec(name: string): CodecName {
  const known = codecNames.find((codec) => codec === name);
  if (known === undefined) throw new WireError(`codec: there is no "${name}"; there are ${codecNames.join(", ")}`);
  return known;
}

/** Whether every value is a number: an exponent of all ones is infinite or NaN. */
export function isFinite32(values: Float32Array): boolean {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let worst = 0;
  for (let i = 0; i < bits.length; i++) {
    const exponent = bits[i]! & 0x7f800000;
    if (exponent > worst) worst = exponent;
  }
  return worst !== 0x7f800000;
}

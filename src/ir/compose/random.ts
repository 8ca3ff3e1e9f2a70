/**
 * Random tensors as functions of a stream and a key. Element i of a tensor reads Philox at counter (i, stream); whoever
 * draws owns the stream number and never uses it twice. The same stream gives the same bits everywhere, however often
 * a value is recomputed. Bits, uniforms, integers and booleans are exact on every device.
 */
import type { Node } from "../node.ts";
import { add, mul, sub } from "../ops/arithmetic.ts";
import { bitsToUnit, mulHigh, philox } from "../ops/bits.ts";
import { cast, lt } from "../ops/compare.ts";
import type { Operand } from "../ops/define.ts";
import { iota } from "../ops/leaf.ts";
import { cos, log, sqrt } from "../ops/transcendental.ts";
import { reshape } from "../ops/view.ts";
import { numel, type Shape } from "../shape.ts";

/** u32 scalars. */
export interface Stream {
  readonly stream: Node;
  readonly key0: Node;
  readonly key1: Node;
}

/** u32 of `shape`, all bits random; words 0 to 3 are independent. */
export function randomBits(shape: Shape, { stream, key0, key1 }: Stream, word = 0): Node {
  return philox(cast(reshape(iota(numel(shape)), shape), "u32"), stream, key0, key1, word);
}

/** f32 in [0, 1), multiples of 2^-24. */
export const randomUniform = (shape: Shape, stream: Stream, word = 0): Node =>
  bitsToUnit(randomBits(shape, stream, word));

/** Standard normal by Box and Muller: sqrt(-2 log u) cos(2 pi v), with u in (0, 1], so that the log is finite. */
export function randomNormal(shape: Shape, stream: Stream): Node {
  const u = sub(1, randomUniform(shape, stream, 0));
  const v = randomUniform(shape, stream, 1);
  return mul(sqrt(mul(log(u), -2)), cos(mul(v, 2 * Math.PI)));
}

/** bool, true with probability p (f32, broadcasts to `shape`). */
export const randomBernoulli = (shape: Shape, p: Operand, stream: Stream): Node => lt(randomUniform(shape, stream), p);

/** i32 in [low, high), both i32 scalars, by the upper half of bits * (high - low): off uniform by at most 2^-32 n. */
export const randomIntegers = (shape: Shape, low: Operand, high: Operand, stream: Stream): Node =>
  add(cast(mulHigh(randomBits(shape, stream), span(low, high)), "i32"), low);

/** high - low as u32. */
function span(low: Operand, high: Operand): Operand {
  if (typeof low === "number" && typeof high === "number") return high - low;
  return cast(sub(high, low), "u32");
}

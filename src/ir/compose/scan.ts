/**
 * Running reductions along an axis by doubling: after step s each element holds the result of the s elements up to it,
 * so that log2 n elementwise steps make all prefixes (Hillis and Steele, 1986). Each step reads the one before it twice;
 * the sum's error grows with log n, its gradient is the same from the other end, and nothing divides.
 *
 * Letters: n the extent of the axis.
 */
import type { Node } from "../node.ts";
import { add, maximum, minimum, mul } from "../ops/arithmetic.ts";
import { cast, ge, le, or, where } from "../ops/compare.ts";
import { gather } from "../ops/gather.ts";
import { isnan } from "../ops/special.ts";
import { expand } from "../ops/broadcast.ts";
import { pad, slice } from "../ops/view.ts";
import { logaddexp } from "./elementwise.ts";
import { positions, type Extreme } from "./reduction.ts";

/** x moved `by` places along the axis, `fill` where nothing came. */
function shifted(x: Node, axis: number, by: number, fill: number): Node {
  const only = (v: number, rest: number): number[] => x.shape.map((_, i) => (i === axis ? v : rest));
  const size = x.shape.map((e, i) => (i === axis ? e - by : e));
  return pad(slice(x, only(0, 0), size), only(by, 0), only(0, 0), fill);
}

/** Prefixes of an associative f whose neutral element is `neutral`: f(of what comes before, of what comes after). */
function scan(x: Node, axis: number, neutral: number, f: (before: Node, here: Node) => Node): Node {
  let y = x;
  for (let by = 1; by < (x.shape[axis] ?? 1); by *= 2) y = f(shifted(y, axis, by, neutral), y);
  return y;
}

export const cumsum = (x: Node, axis: number): Node => scan(x, axis, 0, (a, b) => add(a, b));
export const cumprod = (x: Node, axis: number): Node => scan(x, axis, 1, (a, b) => mul(a, b));

export const logcumsumexp = (x: Node, axis: number): Node => scan(x, axis, -Infinity, logaddexp);

/** The last place up to each element where the running extreme was met, as torch: a tie goes to the later one. */
function extremeAlong(x: Node, axis: number, running: Node, met: (a: Node, b: Node) => Node): Extreme {
  const here = expand(positions(x.shape, axis), x.shape);
  const reached = met(x, running);
  const at = where(x.dtype === "f32" ? or(reached, isnan(x)) : reached, here, -1);
  const indices = scan(at, axis, -1, (a, b) => maximum(a, b));
  return { values: gather(x, axis, indices), indices };
}

/** The lowest and the highest value of a dtype. */
const least = (x: Node): number => (x.dtype === "f32" ? -Infinity : x.dtype === "i32" ? -2147483648 : 0);
const greatest = (x: Node): number => (x.dtype === "f32" ? Infinity : x.dtype === "i32" ? 2147483647 : 4294967295);

const asNumber = (x: Node): Node => (x.dtype === "bool" ? cast(x, "i32") : x);

/** Largest element up to each, with its position, the last of equals; the gradient goes to that one. */
export function cummax(x: Node, axis: number): Extreme {
  const e = asNumber(x);
  return extremeAlong(e, axis, scan(e, axis, least(e), maximum), ge);
}
export function cummin(x: Node, axis: number): Extreme {
  const e = asNumber(x);
  return extremeAlong(e, axis, scan(e, axis, greatest(e), minimum), le);
}

/**
 * Elementwise functions made of ops: hyperbolic ones, other bases, remainders, what is told of a number. Gradients come
 * with the parts; where a formula would have none at a point that has one, it is chosen so that it has (asinh at 0,
 * logaddexp of equals).
 *
 * An operand that would make NaN in a branch not taken is replaced before the function: the gradient of that branch is
 * 0 times what the function's is there.
 * Letters: x, a, b f32 unless said otherwise.
 */
import type { Node } from "../node.ts";
import { abs, add, ceil, div, floor, maximum, mul, neg, reciprocal, sub } from "../ops/arithmetic.ts";
import { and, cast, detach, eq, ge, gt, le, lt, ne, not, or, where } from "../ops/compare.ts";
import { isInt, type Operand } from "../ops/define.ts";
import { bitAnd } from "../ops/integer.ts";
import { literal } from "../ops/leaf.ts";
import { atan2, expm1, isnan, log1p } from "../ops/special.ts";
import { cos, exp, log, sin, softplus, sqrt } from "../ops/transcendental.ts";

/** The largest finite f32, (2 - 2^-23) 2^127. */
export const HIGHEST = 3.4028234663852886e38;

const isIntNode = (x: Node): boolean => isInt(x.dtype) || x.dtype === "bool";

/** 2^x, as e^(x log 2): 5e-6 relative at the ends of the range. */
export const exp2 = (x: Node): Node => exp(mul(x, Math.LN2));
export const log2 = (x: Node): Node => mul(log(x), Math.LOG2E);
export const log10 = (x: Node): Node => mul(log(x), Math.LOG10E);

export const tan = (x: Node): Node => div(sin(x), cos(x));
export const atan = (x: Node): Node => atan2(x, 1);

/** By expm1, so that nothing cancels near 0. Above 88.7, where e^x is no f32, it is infinite, as cosh. */
export const sinh = (x: Node): Node => mul(sub(expm1(x), expm1(neg(x))), 0.5);
export const cosh = (x: Node): Node => mul(add(exp(x), exp(neg(x))), 0.5);

/** log1p(u + u^2 / (1 + sqrt(1 + u^2))) of u = |x|, with x's sign; log 2u where u^2 would not be finite. */
export function asinh(x: Node): Node {
  const negative = lt(x, 0);
  const u = where(negative, neg(x), x);
  const large = gt(u, 1e8);
  const small = where(large, 1, u);
  const part = div(mul(small, small), add(sqrt(add(mul(small, small), 1)), 1));
  const y = add(log1p(where(large, u, add(u, part))), where(large, literal(Math.LN2), 0));
  return where(negative, neg(y), y);
}

/** log1p(t + sqrt(t) sqrt(t + 2)) of t = x - 1; NaN below 1. */
export function acosh(x: Node): Node {
  const t = sub(x, 1);
  return log1p(add(t, mul(sqrt(t), sqrt(add(t, 2)))));
}

export const atanh = (x: Node): Node => mul(sub(log1p(x), log1p(neg(x))), 0.5);

/** Toward 0; integers as they are. */
export const trunc = (x: Node): Node => (isIntNode(x) ? x : where(lt(x, 0), ceil(x), floor(x)));
export const frac = (x: Node): Node => sub(x, trunc(x));

/** sqrt(a^2 + b^2), scaled by the larger without a gradient, which cancels: no square overflows. */
export function hypot(a: Node, b: Node): Node {
  const largest = detach(maximum(abs(a), abs(b)));
  const scale = where(or(eq(largest, 0), eq(largest, Infinity)), 1, largest);
  const [p, q] = [div(a, scale), div(b, scale)];
  return mul(sqrt(add(mul(p, p), mul(q, q))), scale);
}

/** log(e^a + e^b). Infinities of one sign give themselves. */
export function logaddexp(a: Node, b: Node): Node {
  const swapped = lt(a, b);
  const high = where(swapped, b, a);
  const low = where(swapped, a, b);
  const alike = and(eq(a, b), eq(abs(a), Infinity));
  return add(high, softplus(sub(where(alike, 0, low), where(alike, 0, high))));
}

/** log2(2^a + 2^b). */
export const logaddexp2 = (a: Node, b: Node): Node => mul(logaddexp(mul(a, Math.LN2), mul(b, Math.LN2)), Math.LOG2E);

/** x log(y), 0 where x is 0 and y no NaN. */
export function xlogy(x: Node, y: Node): Node {
  const none = and(eq(x, 0), or(le(y, 0), eq(y, Infinity)));
  return mul(x, log(where(none, 1, y)));
}

/** x log(1 + y), 0 where x is 0 and y no NaN. */
export function xlog1py(x: Node, y: Node): Node {
  const none = and(eq(x, 0), or(le(y, -1), eq(y, Infinity)));
  return mul(x, log1p(where(none, 0, y)));
}

/** start + weight (end - start), from whichever end is nearer, as torch. */
export function lerp(start: Node, end: Node, weight: Node): Node {
  const d = sub(end, start);
  return where(lt(abs(weight), 0.5), add(start, mul(d, weight)), sub(end, mul(d, sub(1, weight))));
}

export const isinf = (x: Node): Node => (isIntNode(x) ? ne(x, x) : eq(abs(x), Infinity));
export const isfinite = (x: Node): Node => (isIntNode(x) ? eq(x, x) : and(not(isnan(x)), lt(abs(x), Infinity)));
export const isNaN = (x: Node): Node => (isIntNode(x) ? ne(x, x) : isnan(x));

/** NaN and the infinities replaced; no gradient flows where. Integers as they are. */
export function nanToNum(x: Node, nan: Operand, posinf: Operand, neginf: Operand): Node {
  if (isIntNode(x)) return x;
  return where(isnan(x), nan, where(eq(x, Infinity), posinf, where(eq(x, -Infinity), neginf, x)));
}

/** Whether the sign is set, that of -0 included. */
const signed = (x: Node): Node => or(lt(x, 0), and(eq(x, 0), lt(reciprocal(x), 0)));
export const signbit = (x: Node): Node => (x.dtype === "f32" ? signed(x) : lt(cast(x, "i32"), 0));

/** |a| with the sign of b; no gradient to b. */
export const copysign = (a: Node, b: Node): Node => where(signed(b), neg(abs(a)), abs(a));

/** 0 below 0, 1 above, v at 0. */
export const heaviside = (x: Node, v: Node): Node => where(eq(x, 0), v, cast(gt(x, 0), v.dtype));

// Quotients and what they leave.

/** floor(a / b) and the rest, of i32. The quotient in f32 is mended until the rest is right. By 0: anything. */
function wholeDivision(a: Node, b: Node): { readonly quotient: Node; readonly rest: Node } {
  const near = (p: Node): Node => cast(floor(div(p, b)), "i32");
  const rough = near(a);
  const better = add(rough, near(sub(a, mul(rough, b))));
  const r = sub(a, mul(better, b));
  const down = and(ne(r, 0), ne(lt(r, 0), lt(b, 0)));
  const up = and(not(down), ge(abs(r), abs(b)));
  const correction = sub(cast(up, "i32"), cast(down, "i32"));
  return { quotient: add(better, correction), rest: sub(r, mul(correction, b)) };
}

/** a - q b, a itself where q is 0: q b would be NaN beside an infinite b. */
const less = (a: Node, q: Node, b: Node): Node => where(eq(q, 0), a, sub(a, mul(q, b)));

/** The largest whole number not above a / b; of i32 exact, of f32 from the rounded quotient. */
export const floorDivide = (a: Node, b: Node): Node => (isIntNode(a) ? wholeDivision(a, b).quotient : floor(div(a, b)));

/** a - b floor(a / b), with b's sign, as Python. */
export function remainder(a: Node, b: Node): Node {
  if (isIntNode(a)) return wholeDivision(a, b).rest;
  const r = less(a, floor(div(a, b)), b);
  const past = and(ne(r, 0), ne(lt(r, 0), lt(b, 0)));
  return where(past, add(r, b), where(ge(abs(r), abs(b)), sub(r, b), r));
}

/** a - b trunc(a / b), with a's sign, as C. */
export function fmod(a: Node, b: Node): Node {
  if (isIntNode(a)) {
    const { rest } = wholeDivision(a, b);
    return where(and(ne(rest, 0), ne(lt(a, 0), lt(b, 0))), sub(rest, b), rest);
  }
  const r = less(a, trunc(div(a, b)), b);
  const size = where(ne(lt(a, 0), lt(b, 0)), neg(b), b);
  const past = and(ne(r, 0), ne(lt(r, 0), lt(a, 0)));
  return where(past, add(r, size), where(ge(abs(r), abs(b)), sub(r, size), r));
}

/** log(x / (1 - x)), x first brought to [eps, 1 - eps] where eps is given. */
export const logit = (x: Node, eps?: Operand): Node => {
  const p = eps === undefined ? x : clampBoth(x, eps);
  return sub(log(p), log1p(neg(p)));
};

const clampBoth = (x: Node, eps: Operand): Node => {
  const high = typeof eps === "number" ? 1 - eps : sub(1, eps);
  return where(lt(x, eps), eps, where(gt(x, high), high, x));
};

// Bits, of integers by sums that wrap, of bools by logic.

export const bitwiseAnd = (a: Node, b: Node): Node => (a.dtype === "bool" ? and(a, b) : bitAnd(a, b));
export const bitwiseOr = (a: Node, b: Node): Node => (a.dtype === "bool" ? or(a, b) : sub(add(a, b), bitAnd(a, b)));
export const bitwiseXor = (a: Node, b: Node): Node =>
  a.dtype === "bool" ? ne(a, b) : sub(add(a, b), mul(bitAnd(a, b), 2));
export const bitwiseNot = (x: Node): Node =>
  x.dtype === "bool" ? not(x) : sub(x.dtype === "u32" ? 4294967295 : -1, x);

/**
 * Activations that are not ops of their own, with torch's gradients at their kinks. Not here: those that draw (rrelu in
 * src/nn/functional-activation.ts).
 *
 * An operand that would overflow where it is not wanted is replaced before the function, not after: a branch that
 * `where` does not take still makes NaN of 0 * inf in its gradient.
 * Letters: x f32; other operands are scalars, the user's numbers.
 */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { abs, add, div, mul, neg, sub } from "../ops/arithmetic.ts";
import { ge, gt, le, lt, where } from "../ops/compare.ts";
import type { Operand } from "../ops/define.ts";
import { erfc, expm1 } from "../ops/special.ts";
import { sigmoid, softplus, tanh } from "../ops/transcendental.ts";
import { reshape, slice } from "../ops/view.ts";
import { normalizeAxis, show } from "../shape.ts";

/** x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the tanh form of Hendrycks and Gimpel (2016). */
export function gelu(x: Node): Node {
  const cubic = add(x, mul(mul(mul(x, x), x), 0.044715));
  return mul(mul(x, 0.5), add(tanh(mul(cubic, Math.sqrt(2 / Math.PI))), 1));
}

/** x/2 (1 + erf(x / sqrt 2)), with the complement: 1 + erf loses everything far below 0. */
export const geluExact = (x: Node): Node => mul(mul(x, 0.5), erfc(mul(x, -Math.SQRT1_2)));

/** x between two numbers; at a number the gradient is 0, unlike that of clamp. */
export const hardtanh = (x: Node, low: Operand, high: Operand): Node =>
  where(le(x, low), low, where(ge(x, high), high, x));

/** x above 0, slope x below. */
export const leakyRelu = (x: Node, slope: Operand): Node => where(gt(x, 0), x, mul(x, slope));

/** x: [n, c, ..], w: [c] or of one element: x above 0, w x below. */
export function prelu(x: Node, w: Node): Node {
  const channels = x.shape.length < 2 ? 1 : x.shape[1]!;
  if (w.shape.length > 1 || (w.shape.length === 1 && w.shape[0] !== 1 && w.shape[0] !== channels)) {
    throw new ShapeError(
      `prelu: weight is ${show(w.shape)}, must be [1] or [${channels}], one a channel of x ${show(x.shape)}`,
    );
  }
  const single = w.shape.length === 0 || w.shape[0] === 1;
  const aligned = reshape(w, single ? [] : [channels, ...x.shape.slice(2).map(() => 1)]);
  return where(gt(x, 0), x, mul(x, aligned));
}

/** What of x is below 0. */
const below = (x: Node): Node => where(gt(x, 0), 0, x);

/** x above 0, alpha (e^x - 1) below. */
export const elu = (x: Node, alpha: Operand): Node => where(gt(x, 0), x, mul(expm1(below(x)), alpha));

/** x above 0, alpha (e^(x / alpha) - 1) below. */
export const celu = (x: Node, alpha: Operand): Node => where(gt(x, 0), x, mul(expm1(div(below(x), alpha)), alpha));

/** Klambauer, Unterthiner, Mayr and Hochreiter (2017): the fixed point of mean 0 and variance 1. */
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** elu with the two constants, so that mean 0 and variance 1 stay. */
export const selu = (x: Node): Node => mul(elu(x, SELU_ALPHA), SELU_SCALE);

/** x sigmoid(x). */
export const silu = (x: Node): Node => mul(x, sigmoid(x));

/** x tanh(log(1 + e^x)). */
export const mish = (x: Node): Node => mul(x, tanh(softplus(x)));

/** log sigmoid(x). */
export const logSigmoid = (x: Node): Node => neg(softplus(neg(x)));

/** x / (1 + |x|). */
export const softsign = (x: Node): Node => div(x, add(abs(x), 1));

/** x + 3 between 0 and 6, over 6. */
export const hardsigmoid = (x: Node): Node => div(hardtanh(add(x, 3), 0, 6), 6);

/** x (x + 3) / 6 between -3 and 3; 0 below, x above. */
export const hardswish = (x: Node): Node => where(lt(x, -3), 0, where(le(x, 3), div(mul(x, add(x, 3)), 6), x));

/** x - tanh(x). */
export const tanhshrink = (x: Node): Node => sub(x, tanh(x));

/** x nearer to 0 by lambda; 0 where it is nearer than that. */
export const softshrink = (x: Node, lambda: Operand): Node =>
  where(
    gt(x, lambda),
    sub(x, lambda),
    where(lt(x, typeof lambda === "number" ? -lambda : neg(lambda)), add(x, lambda), 0),
  );

/** 0 where x is within lambda of 0. */
export const hardshrink = (x: Node, lambda: Operand): Node => where(le(abs(x), lambda), 0, x);

/** x where it is above the bound, value elsewhere. */
export const threshold = (x: Node, bound: Operand, value: Operand): Node => where(le(x, bound), value, x);

/** One half of x along an axis times the sigmoid of the other. */
export function glu(x: Node, dim: number): Node {
  const axis = normalizeAxis("glu", dim, x.shape.length);
  const n = x.shape[axis];
  if (n === undefined || n % 2 !== 0) {
    throw new ShapeError(`glu: ${show(x.shape)} has ${n ?? "no"} elements along axis ${axis}, which must be even`);
  }
  const half = x.shape.map((e, i) => (i === axis ? e / 2 : e));
  const at = (start: number): Node =>
    slice(
      x,
      x.shape.map((_, i) => (i === axis ? start : 0)),
      half,
    );
  return mul(at(0), sigmoid(at(n / 2)));
}

/** max(x, 0), at most 6. */
export const relu6 = (x: Node): Node => hardtanh(x, 0, 6);

/**
 * Functions of single elements, with torch's names: what is not a method of Tensor. Tensors broadcast by numpy's rule; a
 * number is a uniform of its own. Not here: activations (src/nn/functional-activation.ts).
 */
import * as compose from "../ir/compose/index.ts";
import { DtypeError, ShapeError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import * as ops from "../ir/ops/index.ts";
import { broadcastShapes, type Shape } from "../ir/shape.ts";
import { apply, scalar, type Tensor } from "../trace/index.ts";
import {
  binaryFloat,
  binaryPromoted,
  checkTensors,
  floated,
  unaryAny,
  unaryFloat,
  type Binary,
  type Operand,
  type Unary,
} from "./lift.ts";

/** exp(x) - 1, exact near 0. */
export const expm1: Unary = /* @__PURE__ */ unaryFloat("expm1", ops.expm1);
/** log(1 + x), exact near 0. */
export const log1p: Unary = /* @__PURE__ */ unaryFloat("log1p", ops.log1p);
/** 2 to the x. */
export const exp2: Unary = /* @__PURE__ */ unaryFloat("exp2", compose.exp2);
/** Logarithm to base 2. */
export const log2: Unary = /* @__PURE__ */ unaryFloat("log2", compose.log2);
/** Logarithm to base 10. */
export const log10: Unary = /* @__PURE__ */ unaryFloat("log10", compose.log10);
/** Tangent, x in radians. */
export const tan: Unary = /* @__PURE__ */ unaryFloat("tan", compose.tan);
/** The angle in [-pi/2, pi/2] whose sine is x; NaN outside [-1, 1]. */
export const asin: Unary = /* @__PURE__ */ unaryFloat("asin", ops.asin);
/** The angle in [0, pi] whose cosine is x; NaN outside [-1, 1]. */
export const acos: Unary = /* @__PURE__ */ unaryFloat("acos", ops.acos);
/** The angle in [-pi/2, pi/2] whose tangent is x. */
export const atan: Unary = /* @__PURE__ */ unaryFloat("atan", compose.atan);
/** Hyperbolic sine. */
export const sinh: Unary = /* @__PURE__ */ unaryFloat("sinh", compose.sinh);
/** Hyperbolic cosine. */
export const cosh: Unary = /* @__PURE__ */ unaryFloat("cosh", compose.cosh);
/** Inverse hyperbolic sine. */
export const asinh: Unary = /* @__PURE__ */ unaryFloat("asinh", compose.asinh);
/** Inverse hyperbolic cosine; NaN below 1. */
export const acosh: Unary = /* @__PURE__ */ unaryFloat("acosh", compose.acosh);
/** Inverse hyperbolic tangent; NaN outside [-1, 1]. */
export const atanh: Unary = /* @__PURE__ */ unaryFloat("atanh", compose.atanh);
/** The error function. */
export const erf: Unary = /* @__PURE__ */ unaryFloat("erf", ops.erf);
/** 1 - erf(x), exact where erf is near 1. */
export const erfc: Unary = /* @__PURE__ */ unaryFloat("erfc", ops.erfc);
/** The number whose erf is x; NaN outside [-1, 1]. */
export const erfinv: Unary = /* @__PURE__ */ unaryFloat("erfinv", ops.erfinv);
/** log |gamma(x)|. */
export const lgamma: Unary = /* @__PURE__ */ unaryFloat("lgamma", ops.lgamma);
/** The derivative of lgamma. */
export const digamma: Unary = /* @__PURE__ */ unaryFloat("digamma", (x) => ops.polygamma(0, x));
/** x without its fraction, toward 0. */
export const trunc: Unary = /* @__PURE__ */ unaryAny("trunc", compose.trunc);
/** x - trunc(x). */
export const frac: Unary = /* @__PURE__ */ unaryFloat("frac", compose.frac);
/** Whether x is NaN: bool. */
export const isnan: Unary = /* @__PURE__ */ unaryAny("isnan", compose.isNaN);
/** Whether x is one of the infinities: bool. */
export const isinf: Unary = /* @__PURE__ */ unaryAny("isinf", compose.isinf);
/** Whether x is neither NaN nor infinite: bool. */
export const isfinite: Unary = /* @__PURE__ */ unaryAny("isfinite", compose.isfinite);
/** Whether the sign of x is set, that of -0 included: bool. */
export const signbit: Unary = /* @__PURE__ */ unaryAny("signbit", compose.signbit);

/** log(x / (1 - x)); with eps, x is first brought to [eps, 1 - eps]. */
export const logit = (x: Tensor, eps: number | null = null): Tensor =>
  apply((e) => compose.logit(floated(e), eps === null ? undefined : scalar(eps)), [x]);

/** The angle in [-pi, pi] of the point (b, a): the tangent is a / b. */
export const atan2: Binary = /* @__PURE__ */ binaryFloat("atan2", ops.atan2);
/** sqrt(a^2 + b^2), no square of which overflows. */
export const hypot: Binary = /* @__PURE__ */ binaryFloat("hypot", compose.hypot);
/** log(exp(a) + exp(b)). */
export const logaddexp: Binary = /* @__PURE__ */ binaryFloat("logaddexp", compose.logaddexp);
/** log2(2^a + 2^b). */
export const logaddexp2: Binary = /* @__PURE__ */ binaryFloat("logaddexp2", compose.logaddexp2);
/** a log(b), 0 where a is 0. */
export const xlogy: Binary = /* @__PURE__ */ binaryFloat("xlogy", compose.xlogy);
/** a log(1 + b), 0 where a is 0. */
export const xlog1py: Binary = /* @__PURE__ */ binaryFloat("xlog1py", compose.xlog1py);
/** |a| with the sign of b, that of -0 included. */
export const copysign: Binary = /* @__PURE__ */ binaryFloat("copysign", compose.copysign);
/** 0 where a is below 0, 1 above, b at 0. */
export const heaviside: Binary = /* @__PURE__ */ binaryPromoted("heaviside", compose.heaviside);

type OnNodes = (a: Node, b: Node) => Node;

const whole =
  (op: string, f: OnNodes): OnNodes =>
  (a, b) => {
    if (a.dtype === "u32" || a.dtype === "bool") {
      throw new DtypeError(`${op}: got ${a.dtype}, takes f32, i32; x.cast("i32") would fit`);
    }
    return f(a, b);
  };

/** a - b trunc(a / b), with the sign of a, as C. The gradient of b is -trunc(a / b). f32 and i32. */
export const fmod: Binary = /* @__PURE__ */ binaryPromoted("fmod", /* @__PURE__ */ whole("fmod", compose.fmod));
/** a - b floor(a / b), with the sign of b, as Python's %. f32 and i32. */
export const remainder: Binary = /* @__PURE__ */ binaryPromoted(
  "remainder",
  /* @__PURE__ */ whole("remainder", compose.remainder),
);
/** floor(a / b), as Python's //. f32 and i32; of i32 exact. */
export const floorDivide: Binary = /* @__PURE__ */ binaryPromoted(
  "floorDivide",
  /* @__PURE__ */ whole("floorDivide", compose.floorDivide),
);

/** start + weight (end - start); weight a tensor or a number. */
export function lerp(start: Tensor, end: Tensor, weight: Operand): Tensor {
  const operands = typeof weight === "number" ? [start, end] : [start, end, weight];
  checkTensors("lerp", operands);
  const integer = operands.find((t) => t.dtype !== "f32");
  if (integer !== undefined) throw new DtypeError(`lerp: got ${integer.dtype}, takes f32; x.cast("f32") would fit`);
  operands.reduce<Shape>((shape, t) => broadcastShapes("lerp", shape, t.shape), []);
  return typeof weight === "number"
    ? apply((a, b) => compose.lerp(a, b, scalar(weight)), [start, end])
    : apply(compose.lerp, [start, end, weight]);
}

/** NaN as `nan`, the infinities as `posinf` and `neginf`: by default 0 and the largest and lowest f32. */
export function nanToNum(x: Tensor, nan = 0, posinf = compose.HIGHEST, neginf = compose.LOWEST): Tensor {
  return apply((e) => compose.nanToNum(e, scalar(nan), scalar(posinf), scalar(neginf)), [x]);
}

/** Derivative n of digamma, n a whole number from 0 on; of n above 1 for x above 0. */
export function polygamma(x: Tensor, n: number): Tensor {
  if (!Number.isInteger(n) || n < 0 || n > 20)
    throw new ShapeError(`polygamma: n is ${n}, must be whole, from 0 to 20`);
  return apply((e) => ops.polygamma(n, floated(e)), [x]);
}

const bits =
  (op: string, f: OnNodes, bools = true): OnNodes =>
  (a, b) => {
    if (a.dtype === "f32" || (a.dtype === "bool" && !bools)) {
      throw new DtypeError(`${op}: got ${a.dtype}, takes ${bools ? "bool, " : ""}i32, u32; x.cast("i32") would fit`);
    }
    return f(a, b);
  };

/** Bits set in both; of bools, whether both are true. */
export const bitwiseAnd: Binary = /* @__PURE__ */ binaryPromoted(
  "bitwiseAnd",
  /* @__PURE__ */ bits("bitwiseAnd", compose.bitwiseAnd),
);
/** Bits set in either. */
export const bitwiseOr: Binary = /* @__PURE__ */ binaryPromoted(
  "bitwiseOr",
  /* @__PURE__ */ bits("bitwiseOr", compose.bitwiseOr),
);
/** Bits set in one of both. */
export const bitwiseXor: Binary = /* @__PURE__ */ binaryPromoted(
  "bitwiseXor",
  /* @__PURE__ */ bits("bitwiseXor", compose.bitwiseXor),
);
/** Every bit turned; of bools, not. */
export const bitwiseNot: Unary = /* @__PURE__ */ unaryAny("bitwiseNot", (x) =>
  bits("bitwiseNot", (e) => compose.bitwiseNot(e))(x, x),
);
/** a moved by b places towards the higher bits, b from 0 to 31. */
export const bitwiseLeftShift: Binary = /* @__PURE__ */ binaryPromoted(
  "bitwiseLeftShift",
  /* @__PURE__ */ bits("bitwiseLeftShift", ops.shiftLeft, false),
);
/** a moved by b places towards the lower bits, b from 0 to 31; the sign stays. */
export const bitwiseRightShift: Binary = /* @__PURE__ */ binaryPromoted(
  "bitwiseRightShift",
  /* @__PURE__ */ bits("bitwiseRightShift", ops.shiftRight, false),
);

/** f with the last operand times a number of the user's. */
const plusScaled = (f: OnNodes, a: Tensor, b: Tensor, c: Tensor, value: number): Tensor =>
  apply(
    (x, y, z) => {
      const term = f(y, z);
      return ops.add(x, value === 1 ? term : ops.mul(term, scalar(value, term.dtype)));
    },
    [a, b, c],
  );

export interface ScaledOptions {
  /** Default 1. */
  readonly value?: number;
}

/** a + value b c. */
export const addcmul = (a: Tensor, b: Tensor, c: Tensor, { value = 1 }: ScaledOptions = {}): Tensor =>
  plusScaled(ops.mul, a, b, c, value);
/** a + value b / c. */
export const addcdiv = (a: Tensor, b: Tensor, c: Tensor, { value = 1 }: ScaledOptions = {}): Tensor =>
  plusScaled(ops.div, a, b, c, value);

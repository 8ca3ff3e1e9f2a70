/**
 * Tensor's own methods as functions, for programs that write torch.exp(x): each is the method of its name, with the
 * tensor first. Roots, logarithms and the like also take integers, which become f32. Not here: what is no method.
 */
import * as compose from "../ir/compose/index.ts";
import * as ops from "../ir/ops/index.ts";
import { apply, Tensor, tensor, type Dims, type ValuesAndIndices } from "../trace/index.ts";
import { binaryPromoted, unaryFloat, type Binary, type Operand, type Unary } from "./lift.ts";

/** |x|. */
export const abs: Unary = (x) => x.abs();
/** -x. */
export const neg: Unary = (x) => x.neg();
/** -1, 0 or 1. */
export const sign: Unary = (x) => x.sign();
/** x * x. */
export const square: Unary = (x) => x.square();
/** The largest whole number not above x. */
export const floor: Unary = (x) => x.floor();
/** The smallest whole number not below x. */
export const ceil: Unary = (x) => x.ceil();
/** The nearest whole number, halves to even. */
export const round: Unary = (x) => x.round();
/** e to the x. */
export const exp: Unary = /* @__PURE__ */ unaryFloat("exp", ops.exp);
/** Natural logarithm. */
export const log: Unary = /* @__PURE__ */ unaryFloat("log", ops.log);
/** Square root. */
export const sqrt: Unary = /* @__PURE__ */ unaryFloat("sqrt", ops.sqrt);
/** 1 / sqrt(x). */
export const rsqrt: Unary = /* @__PURE__ */ unaryFloat("rsqrt", ops.rsqrt);
/** 1 / x. */
export const reciprocal: Unary = /* @__PURE__ */ unaryFloat("reciprocal", ops.reciprocal);
/** Sine, x in radians. */
export const sin: Unary = /* @__PURE__ */ unaryFloat("sin", ops.sin);
/** Cosine, x in radians. */
export const cos: Unary = /* @__PURE__ */ unaryFloat("cos", ops.cos);
/** Hyperbolic tangent. */
export const tanh: Unary = /* @__PURE__ */ unaryFloat("tanh", ops.tanh);
/** 1 / (1 + exp(-x)). */
export const sigmoid: Unary = /* @__PURE__ */ unaryFloat("sigmoid", ops.sigmoid);
/** max(x, 0). */
export const relu: Unary = (x) => x.relu();

/** a + b. */
export const add: Binary = /* @__PURE__ */ binaryPromoted("add", ops.add);
/** a - b. */
export const sub: Binary = /* @__PURE__ */ binaryPromoted("sub", ops.sub);
/** a * b. */
export const mul: Binary = /* @__PURE__ */ binaryPromoted("mul", ops.mul);
/** a / b, the true quotient. */
export const div: Binary = /* @__PURE__ */ binaryPromoted("div", ops.div);
/** a to the power b. */
export const pow = (x: Tensor, exponent: Operand): Tensor => x.pow(exponent);
/** The larger of two; a tie gives each half of the gradient. */
export const maximum: Binary = /* @__PURE__ */ binaryPromoted("maximum", ops.maximum);
/** The smaller of two; a tie gives each half of the gradient. */
export const minimum: Binary = /* @__PURE__ */ binaryPromoted("minimum", ops.minimum);
/** a = b. */
export const eq: Binary = /* @__PURE__ */ binaryPromoted("eq", ops.eq);
/** a is not b; true where either is NaN. */
export const ne: Binary = /* @__PURE__ */ binaryPromoted("ne", ops.ne);
/** a < b. */
export const lt: Binary = /* @__PURE__ */ binaryPromoted("lt", ops.lt);
/** a <= b. */
export const le: Binary = /* @__PURE__ */ binaryPromoted("le", ops.le);
/** a > b. */
export const gt: Binary = /* @__PURE__ */ binaryPromoted("gt", ops.gt);
/** a >= b. */
export const ge: Binary = /* @__PURE__ */ binaryPromoted("ge", ops.ge);
/** Both are true (not 0). */
export const logicalAnd = (a: Tensor, b: Tensor): Tensor => a.logicalAnd(b);
/** Either is true, or both. */
export const logicalOr = (a: Tensor, b: Tensor): Tensor => a.logicalOr(b);
/** One is true and the other is not. */
export const logicalXor = (a: Tensor, b: Tensor): Tensor => a.logicalXor(b);
/** True where x is 0. */
export const logicalNot: Unary = (x) => x.logicalNot();

/** x between two bounds, numbers or tensors that broadcast, either of which may be null; at a bound the gradient passes. */
export function clamp(x: Tensor, min: Operand | null = null, max: Operand | null = null): Tensor {
  if (!(min instanceof Tensor) && !(max instanceof Tensor)) return x.clamp(min, max);
  const given = [min, max].filter((b) => b !== null).map((b) => (typeof b === "number" ? tensor(b) : b));
  return apply(
    (e, ...b) => {
      const low = min === null ? undefined : ops.cast(b[0]!, e.dtype);
      return compose.clamp(e, low, max === null ? undefined : ops.cast(b.at(-1)!, e.dtype));
    },
    [x, ...given],
  );
}

/** x with `value` where the mask is true. */
export const maskedFill = (x: Tensor, mask: Tensor, value: number): Tensor => x.maskedFill(mask, value);

/** Sum along `dim`. */
export const sum = (x: Tensor, dim?: Dims, keepdim?: boolean): Tensor => x.sum(dim, keepdim);
/** Mean along `dim`. */
export const mean = (x: Tensor, dim?: Dims, keepdim?: boolean): Tensor => x.mean(dim, keepdim);
/** Product along `dim`. */
export const prod = (x: Tensor, dim?: Dims, keepdim?: boolean): Tensor => x.prod(dim, keepdim);
/** Largest element along `dim`; ties share the gradient. */
export const amax = (x: Tensor, dim?: Dims, keepdim?: boolean): Tensor => x.amax(dim, keepdim);
/** Smallest element along `dim`; ties share the gradient. */
export const amin = (x: Tensor, dim?: Dims, keepdim?: boolean): Tensor => x.amin(dim, keepdim);
/** Largest element of all, or along `dim` with its position. */
export function max(x: Tensor): Tensor;
export function max(x: Tensor, dim: number, keepdim?: boolean): ValuesAndIndices;
export function max(x: Tensor, dim?: number, keepdim?: boolean): Tensor | ValuesAndIndices {
  return dim === undefined ? x.max() : x.max(dim, keepdim);
}
/** Smallest element of all, or along `dim` with its position. */
export function min(x: Tensor): Tensor;
export function min(x: Tensor, dim: number, keepdim?: boolean): ValuesAndIndices;
export function min(x: Tensor, dim?: number, keepdim?: boolean): Tensor | ValuesAndIndices {
  return dim === undefined ? x.min() : x.min(dim, keepdim);
}
/** Position of the largest element, the first of equals. */
export const argmax = (x: Tensor, dim?: number, keepdim?: boolean): Tensor => x.argmax(dim, keepdim);
/** Position of the smallest element, the first of equals. */
export const argmin = (x: Tensor, dim?: number, keepdim?: boolean): Tensor => x.argmin(dim, keepdim);
/** Whether some element along `dim` is true. */
export const any = (x: Tensor, dim?: Dims, keepdim?: boolean): Tensor => x.any(dim, keepdim);
/** Whether every element along `dim` is true. */
export const all = (x: Tensor, dim?: Dims, keepdim?: boolean): Tensor => x.all(dim, keepdim);
/** log sum exp along `dim`. */
export const logsumexp = (x: Tensor, dim: Dims, keepdim?: boolean): Tensor => x.logsumexp(dim, keepdim);
/** exp(x) over its sum along `dim`. */
export const softmax = (x: Tensor, dim: number): Tensor => x.softmax(dim);
/** Logarithm of the softmax along `dim`. */
export const logSoftmax = (x: Tensor, dim: number): Tensor => x.logSoftmax(dim);

/** The same elements under another shape; one size may be -1. */
export const reshape = (x: Tensor, shape: readonly number[]): Tensor => x.reshape(shape);
/** Axes in another order. */
export const permute = (x: Tensor, dims: readonly number[]): Tensor => x.permute(dims);
/** Two axes exchanged. */
export const transpose = (x: Tensor, dim0: number, dim1: number): Tensor => x.transpose(dim0, dim1);
/** Axes of 1 removed: all, or one. */
export const squeeze = (x: Tensor, dim?: number): Tensor => x.squeeze(dim);
/** An axis of 1 put in before `dim`. */
export const unsqueeze = (x: Tensor, dim: number): Tensor => x.unsqueeze(dim);
/** Axes startDim to endDim as one. */
export const flatten = (x: Tensor, startDim?: number, endDim?: number): Tensor => x.flatten(startDim, endDim);
/** Axes reversed. */
export const flip = (x: Tensor, dims: readonly number[]): Tensor => x.flip(dims);
/** `length` elements of one axis from `start` on. */
export const narrow = (x: Tensor, dim: number, start: number, length: number): Tensor => x.narrow(dim, start, length);
/** One position of one axis, which goes. */
export const select = (x: Tensor, dim: number, position: number): Tensor => x.select(dim, position);
/** Parts of `size` along an axis, or of the sizes given. */
export const split = (x: Tensor, size: number | readonly number[], dim?: number): Tensor[] => x.split(size, dim);
/** At most `chunks` parts of equal size along an axis. */
export const chunk = (x: Tensor, chunks: number, dim?: number): Tensor[] => x.chunk(chunks, dim);
/** The positions of one axis one by one. */
export const unbind = (x: Tensor, dim?: number): Tensor[] => x.unbind(dim);

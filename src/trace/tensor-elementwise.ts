/**
 * The part of Tensor that works element by element. One documented line an op.
 *
 * Operands broadcast by numpy's rule and are promoted as torch does (bool < integers < f32). A number is a uniform of
 * its own, so that changing it compiles nothing; only those that change nothing (x * 1, x + 0) or have a cheaper form
 * (x * -1, x ** 2) are looked at.
 */
import type { DType } from "../ir/dtype.ts";
import { DtypeError } from "../ir/errors.ts";
import { gelu } from "../ir/compose/activation.ts";
import { promoted } from "../ir/compose/promote.ts";
import { oneHot } from "../ir/compose/select.ts";
import type { Node } from "../ir/node.ts";
import * as ops from "../ir/ops/index.ts";
import { apply, numberDtype, scalar, type Scalar } from "./handle.ts";
import type { Tensor } from "./tensor.ts";
import { ReadingTensor } from "./tensor-reading.ts";

export type Operand = ElementwiseTensor | Scalar;

function checkOperand(op: string, other: Operand): void {
  if (typeof other === "number" || other instanceof ElementwiseTensor) return;
  throw new DtypeError(`${op}: takes a tensor or a number, got ${other === null ? "null" : typeof other}`);
}

/** Both operands promoted, a number as a uniform. */
function binary(op: string, f: (a: Node, b: Node) => Node, a: ElementwiseTensor, b: Operand, flip = false): Tensor {
  checkOperand(op, b);
  const g = flip ? (x: Node, y: Node): Node => f(y, x) : f;
  if (typeof b !== "number") return apply((x, y) => g(...promoted(op, x, y)), [a, b]);
  const dtype = numberDtype(a.dtype, b);
  return apply((x) => g(ops.cast(x, dtype), scalar(b, dtype)), [a]);
}

const bool = (x: Node): Node => ops.cast(x, "bool");

/** x to the power n / 2, |n| <= 8, by products and a square root. */
function halfPower(x: Node, n: number): Node {
  if (n < 0) return ops.reciprocal(halfPower(x, -n));
  if (n === 0) return ops.expand(ops.literal(1, x.dtype), x.shape);
  if (n % 2 === 1) return n === 1 ? ops.sqrt(x) : ops.mul(halfPower(x, n - 1), ops.sqrt(x));
  if (n === 2) return x;
  return n % 4 === 0 ? square(halfPower(x, n / 2)) : ops.mul(halfPower(x, n - 2), x);
}
const square = (x: Node): Node => ops.mul(x, x);

export abstract class ElementwiseTensor extends ReadingTensor {
  /** The tensor as `dtype`: to integers by truncation, to bool by x != 0. */
  cast(dtype: DType): Tensor {
    return apply((x) => ops.cast(x, dtype), [this]);
  }
  /** torch's name for `cast`. */
  to(dtype: DType): Tensor {
    return this.cast(dtype);
  }

  /** a + b. */
  add(other: Operand): Tensor {
    return other === 0 ? apply((x) => x, [this]) : binary("add", ops.add, this, other);
  }
  /** a - b. */
  sub(other: Operand): Tensor {
    return other === 0 ? apply((x) => x, [this]) : binary("sub", ops.sub, this, other);
  }
  /** b - a. */
  rsub(other: Operand): Tensor {
    return binary("rsub", ops.sub, this, other, true);
  }
  /** a * b. */
  mul(other: Operand): Tensor {
    if (other === 1 && this.dtype !== "bool") return apply((x) => x, [this]);
    return other === -1 && this.dtype === "f32" ? this.neg() : binary("mul", ops.mul, this, other);
  }
  /** a / b, the true quotient: integers give f32. */
  div(other: Operand): Tensor {
    return other === 1 && this.dtype === "f32" ? apply((x) => x, [this]) : binary("div", ops.div, this, other);
  }
  /** a to the power b; halves up to 4 by products and square roots. */
  pow(exponent: Operand): Tensor {
    const n = typeof exponent === "number" ? exponent * 2 : NaN;
    if (Number.isInteger(n) && Math.abs(n) <= 8) return apply((x) => halfPower(x, n), [this]);
    return binary("pow", ops.pow, this, exponent);
  }
  /** The larger of two; a tie gives each half of the gradient. */
  maximum(other: Operand): Tensor {
    return binary("maximum", ops.maximum, this, other);
  }
  /** The smaller of two; a tie gives each half of the gradient. */
  minimum(other: Operand): Tensor {
    return binary("minimum", ops.minimum, this, other);
  }

  /** -x. */
  neg(): Tensor {
    return apply(ops.neg, [this]);
  }
  /** |x|. */
  abs(): Tensor {
    return apply(ops.abs, [this]);
  }
  /** -1, 0 or 1. */
  sign(): Tensor {
    return apply(ops.sign, [this]);
  }
  /** x * x. */
  square(): Tensor {
    return apply(square, [this]);
  }
  /** Square root. */
  sqrt(): Tensor {
    return apply(ops.sqrt, [this]);
  }
  /** 1 / sqrt(x). */
  rsqrt(): Tensor {
    return apply(ops.rsqrt, [this]);
  }
  /** 1 / x. */
  reciprocal(): Tensor {
    return apply(ops.reciprocal, [this]);
  }
  /** e to the x. */
  exp(): Tensor {
    return apply(ops.exp, [this]);
  }
  /** Natural logarithm. */
  log(): Tensor {
    return apply(ops.log, [this]);
  }
  /** Sine, x in radians. */
  sin(): Tensor {
    return apply(ops.sin, [this]);
  }
  /** Cosine, x in radians. */
  cos(): Tensor {
    return apply(ops.cos, [this]);
  }
  /** The largest whole number not above x. */
  floor(): Tensor {
    return apply(ops.floor, [this]);
  }
  /** The smallest whole number not below x. */
  ceil(): Tensor {
    return apply(ops.ceil, [this]);
  }
  /** The nearest whole number, halves to even. */
  round(): Tensor {
    return apply(ops.round, [this]);
  }
  /** x between `min` and `max`; at a bound the gradient passes. */
  clamp(min: Scalar | null = null, max: Scalar | null = null): Tensor {
    return apply(
      (x) => {
        const low = min === null ? x : ops.where(ops.lt(x, scalar(min, x.dtype)), scalar(min, x.dtype), x);
        return max === null ? low : ops.where(ops.gt(low, scalar(max, x.dtype)), scalar(max, x.dtype), low);
      },
      [this],
    );
  }

  /** max(x, 0). */
  relu(): Tensor {
    return apply(ops.relu, [this]);
  }
  /** Hyperbolic tangent. */
  tanh(): Tensor {
    return apply(ops.tanh, [this]);
  }
  /** 1 / (1 + exp(-x)). */
  sigmoid(): Tensor {
    return apply(ops.sigmoid, [this]);
  }
  /** The tanh form of GELU. */
  gelu(): Tensor {
    return apply(gelu, [this]);
  }
  /** log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold, which at 20 no f32 can tell apart. */
  softplus(beta: Scalar = 1, threshold: Scalar = 20): Tensor {
    const y = beta === 1 ? apply(ops.softplus, [this]) : apply(ops.softplus, [this.mul(beta)]).div(beta);
    return threshold === 20 ? y : y.where(this.mul(beta).le(threshold), this);
  }

  /** a = b. */
  eq(other: Operand): Tensor {
    return binary("eq", ops.eq, this, other);
  }
  /** a is not b; true where either is NaN. */
  ne(other: Operand): Tensor {
    return binary("ne", ops.ne, this, other);
  }
  /** a < b. */
  lt(other: Operand): Tensor {
    return binary("lt", ops.lt, this, other);
  }
  /** a <= b. */
  le(other: Operand): Tensor {
    return binary("le", ops.le, this, other);
  }
  /** a > b. */
  gt(other: Operand): Tensor {
    return binary("gt", ops.gt, this, other);
  }
  /** a >= b. */
  ge(other: Operand): Tensor {
    return binary("ge", ops.ge, this, other);
  }
  /** Both are true (not 0). */
  logicalAnd(other: ElementwiseTensor): Tensor {
    return apply((a, b) => ops.and(bool(a), bool(b)), [this, other]);
  }
  /** Either is true, or both. */
  logicalOr(other: ElementwiseTensor): Tensor {
    return apply((a, b) => ops.or(bool(a), bool(b)), [this, other]);
  }
  /** One is true and the other is not. */
  logicalXor(other: ElementwiseTensor): Tensor {
    return apply((a, b) => ops.ne(bool(a), bool(b)), [this, other]);
  }
  /** True where x is false (0). */
  logicalNot(): Tensor {
    return apply((x) => ops.not(bool(x)), [this]);
  }
  /** This tensor where the mask is true, `other` elsewhere; a NaN of the branch not taken is not seen. */
  where(mask: ElementwiseTensor, other: Operand): Tensor {
    checkOperand("where", other);
    if (typeof other !== "number")
      return apply((a, b, c) => ops.where(c, ...promoted("where", a, b)), [this, other, mask]);
    const dtype = numberDtype(this.dtype, other);
    return apply((a, c) => ops.where(c, ops.cast(a, dtype), scalar(other, dtype)), [this, mask]);
  }
  /** `value` where the mask is true, this tensor elsewhere. */
  maskedFill(mask: ElementwiseTensor, value: Scalar): Tensor {
    return apply((x, m) => ops.where(m, scalar(value, x.dtype), x), [this, mask]);
  }
  /** Indices [..] to rows [.., numClasses] with a 1 where the index says. */
  oneHot(numClasses: number, dtype: DType = "i32"): Tensor {
    return apply((x) => oneHot(x, numClasses, dtype), [this]);
  }
}

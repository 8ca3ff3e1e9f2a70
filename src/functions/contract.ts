/**
 * Products, with torch's names: what is not a method of Tensor. Operands are promoted as torch does. All are spelled as
 * matmul is, so that the scheduler sees the same contraction.
 */
import * as compose from "../ir/compose/index.ts";
import { promote, type DType } from "../ir/dtype.ts";
import { DtypeError, ShapeError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { add, mul } from "../ir/ops/arithmetic.ts";
import { cast } from "../ir/ops/compare.ts";
import { broadcastShapes, show } from "../ir/shape.ts";
import { apply, scalar, type Tensor } from "../trace/index.ts";
import { checkTensors } from "./lift.ts";

function checkRanks(op: string, operands: readonly Tensor[], ranks: readonly number[], form: string): void {
  if (operands.every((t, i) => t.ndim === ranks[i])) return;
  throw new ShapeError(`${op}: ${operands.map((t) => show(t.shape)).join(" and ")} must be ${form}; matmul takes any`);
}

/** f on operands of the dtype they promote to. */
function promotedTo(op: string, f: (...x: Node[]) => Node, operands: readonly Tensor[]): Tensor {
  checkTensors(op, operands);
  const dtype = operands.map((t) => t.dtype).reduce(promote);
  return apply((...x) => f(...x.map((e) => cast(e, dtype))), operands);
}

/** a: [n], b: [n] -> the sum of their products. */
export function dot(a: Tensor, b: Tensor): Tensor {
  checkRanks("dot", [a, b], [1, 1], "[n] and [n]");
  return a.matmul(b);
}
/** a: [m, k], b: [k] -> [m]. */
export function mv(a: Tensor, b: Tensor): Tensor {
  checkRanks("mv", [a, b], [2, 1], "[m, k] and [k]");
  return a.matmul(b);
}
/** a: [m, k], b: [k, n] -> [m, n]. */
export function mm(a: Tensor, b: Tensor): Tensor {
  checkRanks("mm", [a, b], [2, 2], "[m, k] and [k, n]");
  return a.matmul(b);
}
/** a: [b, m, k], b: [b, k, n] -> [b, m, n]. */
export function bmm(a: Tensor, b: Tensor): Tensor {
  checkRanks("bmm", [a, b], [3, 3], "[b, m, k] and [b, k, n]");
  if (a.shape[0] !== b.shape[0]) throw new ShapeError(`bmm: ${show(a.shape)} and ${show(b.shape)} differ in the batch`);
  return a.matmul(b);
}
/** Matrix product of the last two axes; leading axes broadcast, one axis is a row or a column. */
export const matmul = (a: Tensor, b: Tensor): Tensor => a.matmul(b);

/** a: [m], b: [n] -> [m, n], each with each. */
export function outer(a: Tensor, b: Tensor): Tensor {
  checkRanks("outer", [a, b], [1, 1], "[m] and [n]");
  return a.reshape([a.numel, 1]).mul(b);
}

/** a: [.., n], b: [.., n] -> sums of products along the last axes, [..a, ..b]; of a scalar the product. */
export function inner(a: Tensor, b: Tensor): Tensor {
  if (a.ndim === 0 || b.ndim === 0) return a.mul(b);
  return tensordot(a, b, [[-1], [-1]]);
}

export interface AddProductOptions {
  /** Of the first operand, which is not read where it is 0. Default 1. */
  readonly beta?: number;
  /** Of the product. Default 1. */
  readonly alpha?: number;
}

function plusProduct(op: string, input: Tensor, product: Tensor, { beta = 1, alpha = 1 }: AddProductOptions): Tensor {
  if (show(broadcastShapes(op, product.shape, input.shape)) !== show(product.shape)) {
    throw new ShapeError(`${op}: input ${show(input.shape)} must broadcast to the product ${show(product.shape)}`);
  }
  const scaled = alpha === 1 ? product : product.mul(alpha);
  if (beta === 0) return scaled;
  return apply((x, y) => add(x, y), [beta === 1 ? input : input.mul(beta), scaled]);
}

/** beta input + alpha a b. input broadcasts to [m, n], a: [m, k], b: [k, n]. */
export const addmm = (input: Tensor, a: Tensor, b: Tensor, options: AddProductOptions = {}): Tensor =>
  plusProduct("addmm", input, mm(a, b), options);
/** beta input + alpha a b. input broadcasts to [m], a: [m, k], b: [k]. */
export const addmv = (input: Tensor, a: Tensor, b: Tensor, options: AddProductOptions = {}): Tensor =>
  plusProduct("addmv", input, mv(a, b), options);
/** beta input + alpha a b. input broadcasts to [b, m, n], a: [b, m, k], b: [b, k, n]. */
export const baddbmm = (input: Tensor, a: Tensor, b: Tensor, options: AddProductOptions = {}): Tensor =>
  plusProduct("baddbmm", input, bmm(a, b), options);

/**
 * Products summed by letters, one an axis: "bij,bjk->bik" is a batched matmul. A letter twice in one operand is its
 * diagonal, one that the result lacks is summed, "..." stands for leading axes that broadcast; without "->" the result
 * has the letters that occur once, in order. Throws ShapeError where letters and sizes do not fit.
 */
export function einsum(spec: string, ...operands: readonly Tensor[]): Tensor {
  if (operands.length === 0) throw new ShapeError(`einsum: "${spec}" without operands; takes at least one tensor`);
  return promotedTo("einsum", (...x) => compose.einsum(spec, x), operands);
}

/** Sums over pairs of axes: dims as a number are a's last and b's first, or the two lists, a's and b's. */
export function tensordot(
  a: Tensor,
  b: Tensor,
  dims: number | readonly [readonly number[], readonly number[]] = 2,
): Tensor {
  if (typeof dims === "number" && (!Number.isInteger(dims) || dims < 0 || dims > Math.min(a.ndim, b.ndim))) {
    throw new ShapeError(`tensordot: dims is ${dims}; ${show(a.shape)} and ${show(b.shape)} have not so many axes`);
  }
  const [left, right] =
    typeof dims === "number"
      ? [Array.from({ length: dims }, (_, i) => a.ndim - dims + i), Array.from({ length: dims }, (_, i) => i)]
      : dims;
  return promotedTo("tensordot", (x, y) => compose.tensordot(x, y, left, right), [a, b]);
}

/** Each element of a times all of b: [i, ..] and [j, ..] -> [i j, ..]. */
export const kron = (a: Tensor, b: Tensor): Tensor => promotedTo("kron", (x, y) => compose.kron(x, y), [a, b]);

const checkFloats = (op: string, operands: readonly Tensor[]): void => {
  const wrong: DType | undefined = operands.find((t) => t.dtype !== "f32")?.dtype;
  if (wrong !== undefined) throw new DtypeError(`${op}: got ${wrong}, takes f32; x.cast("f32") would fit`);
};

/** a: [.., m, d], b: [.., n, d] -> [.., m, n], the p-norms of all differences. Where one is 0 its gradient is 0. */
export function cdist(a: Tensor, b: Tensor, p = 2): Tensor {
  checkFloats("cdist", [a, b]);
  return apply((x, y) => compose.cdist(x, y, p, scalar(p)), [a, b]);
}

/** The 3-vectors along `dim` that stand on both. */
export function cross(a: Tensor, b: Tensor, dim = -1): Tensor {
  const d = dim < 0 ? dim + a.ndim : dim;
  if (a.shape[d] !== 3 || b.shape[d] !== 3 || a.ndim !== b.ndim) {
    throw new ShapeError(`cross: ${show(a.shape)} and ${show(b.shape)} must be 3 along axis ${dim}`);
  }
  const turned = (x: Node, by: number): Node => compose.roll(x, d, by);
  return promotedTo(
    "cross",
    (x, y) => {
      const p = mul(turned(x, -1), turned(y, 1));
      const q = mul(turned(x, 1), turned(y, -1));
      return add(p, mul(q, -1));
    },
    [a, b],
  );
}

/** Sums of products along `dim`, which broadcast. */
export const vecdot = (a: Tensor, b: Tensor, dim = -1): Tensor => a.mul(b).sum(dim);

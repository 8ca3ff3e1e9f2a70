/**
 * Matrix products, spelled as views, one product and one sum:
 *
 *     a: [.., m, k] -> [.., m, k, 1]    b: [.., k, n] -> [.., 1, k, n]    sum(a * b, axis k): [.., m, n]
 *
 * This is the only spelling the library uses, and what a user writes by hand with reshape, expand, mul and sum. It
 * needs no permute, and what makes it fast is the scheduler, which sees affine index maps and no names.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { sum } from "../ops/broadcast.ts";
import { permute, reshape } from "../ops/view.ts";
import { broadcastShapes, show } from "../shape.ts";

/**
 * torch.matmul: 1-D operands are a row and a column whose axis is dropped from the result; leading axes broadcast.
 * Throws ShapeError when the inner sizes differ or the leading axes do not broadcast.
 */
export function matmul(a: Node, b: Node): Node {
  if (a.dtype !== b.dtype) throw new DtypeError(`matmul: operands are ${a.dtype} and ${b.dtype}; cast one`);
  if (a.shape.length === 0 || b.shape.length === 0) {
    throw new ShapeError(
      `matmul: ${show(a.shape)} x ${show(b.shape)}: takes at least one axis each; use mul for scalars`,
    );
  }
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const k = left[left.length - 1]!;
  const inner = right[right.length - 2]!;
  if (k !== inner) {
    throw new ShapeError(
      `matmul: ${show(a.shape)} x ${show(b.shape)}: inner sizes differ (${k} and ${inner})${transposeHint(a, b)}`,
    );
  }
  const batch = broadcastShapes("matmul", left.slice(0, -2), right.slice(0, -2));
  const m = left[left.length - 2]!;
  const n = right[right.length - 1]!;
  const product = mul(reshape(a, [...left, 1]), reshape(b, [...right.slice(0, -2), 1, k, n]));
  const c = sum(product, [batch.length + 1]);
  const rows = a.shape.length === 1 ? [] : [m];
  const columns = b.shape.length === 1 ? [] : [n];
  return reshape(c, [...batch, ...rows, ...columns]);
}

function transposeHint(a: Node, b: Node): string {
  const k = a.shape[a.shape.length - 1];
  if (b.shape.length >= 2 && b.shape[b.shape.length - 1] === k) return "; b.transpose() would fit";
  if (a.shape.length >= 2 && a.shape[a.shape.length - 2] === b.shape[Math.max(0, b.shape.length - 2)]) {
    return "; a.transpose() would fit";
  }
  return "";
}

/** x: [.., in], w: [out, in] (torch's order), b: [out] -> x w^T + b: [.., out]. */
export function linear(x: Node, w: Node, b?: Node): Node {
  const features = x.shape[x.shape.length - 1];
  if (w.shape.length !== 2 || features !== w.shape[1]) {
    throw new ShapeError(
      `linear: x ${show(x.shape)} with weight ${show(w.shape)}: the last axis of x and weight's second must be equal`,
    );
  }
  const y = matmul(x, permute(w, [1, 0]));
  if (b === undefined) return y;
  if (b.shape.length !== 1 || b.shape[0] !== w.shape[0]) {
    throw new ShapeError(`linear: bias ${show(b.shape)} must be [${w.shape[0]}], one a row of weight ${show(w.shape)}`);
  }
  return add(y, b);
}

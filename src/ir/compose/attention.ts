/**
 * Attention: softmax(q k^T scale + mask), to be multiplied with v. Not here: dropout of the weights, which draws.
 *
 * Letters: l queries, s keys, e features; leading axes [..] broadcast.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { le, where } from "../ops/compare.ts";
import { iota } from "../ops/leaf.ts";
import { permute, reshape } from "../ops/view.ts";
import { show } from "../shape.ts";
import { matmul } from "./matmul.ts";
import { maskedSoftmax, softmax } from "./softmax.ts";

/** x with its last two axes exchanged. */
const transposed = (x: Node): Node => {
  const r = x.shape.length;
  return permute(
    x,
    x.shape.map((_, i) => (i === r - 1 ? r - 2 : i === r - 2 ? r - 1 : i)),
  );
};

/**
 * q: [.., l, e], k: [.., s, e], scale: [], mask: broadcasts to [.., l, s], bool (true where a key is seen) or f32 (added)
 * -> [.., l, s], rows of sum 1, those of isCausal of the keys 0 to i. A row that sees no key is 0, as torch since 2.5, and so is its gradient.
 * Throws ShapeError where sizes differ, or for both a mask and isCausal.
 */
export function attentionWeights(q: Node, k: Node, scale: Node, mask: Node | null, isCausal: boolean): Node {
  const op = "scaledDotProductAttention";
  const e = q.shape.at(-1);
  if (q.shape.length < 2 || k.shape.length < 2 || e !== k.shape.at(-1)) {
    throw new ShapeError(`${op}: q ${show(q.shape)} and k ${show(k.shape)} must be [.., l, e] and [.., s, e]`);
  }
  if (mask !== null && isCausal) throw new ShapeError(`${op}: takes attnMask or isCausal, not both`);
  if (mask !== null && mask.dtype !== "bool" && mask.dtype !== "f32") {
    throw new DtypeError(`${op}: attnMask is ${mask.dtype}, takes bool (true: seen) or f32 (added)`);
  }
  const scores = mul(matmul(q, transposed(k)), scale);
  const axis = scores.shape.length - 1;
  if (isCausal) {
    const [l, s] = scores.shape.slice(-2) as [number, number];
    return softmax(where(le(iota(s), reshape(iota(l), [l, 1])), scores, -Infinity), axis);
  }
  if (mask === null) return softmax(scores, axis);
  return maskedSoftmax(mask.dtype === "bool" ? where(mask, scores, -Infinity) : add(scores, mask), axis);
}

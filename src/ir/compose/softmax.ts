/**
 * Softmax and its relatives, all from the pair (m, l) of an axis: m the largest element, without a gradient, and
 * l = sum exp(x - m). No single logsumexp number is ever made of them before the end, so that the passes see the same
 * two statistics in every member of the family, forward and backward.
 *
 * m is never below the lowest finite number: an axis of only -inf would otherwise read -inf - -inf.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, div, maximum, sub } from "../ops/arithmetic.ts";
import { sum } from "../ops/broadcast.ts";
import { detach, gt, where } from "../ops/compare.ts";
import { isInt } from "../ops/define.ts";
import { amax } from "../ops/reduce.ts";
import { exp, log } from "../ops/transcendental.ts";
import { reshape } from "../ops/view.ts";
import { sameShape, show } from "../shape.ts";
import { reduced, type Reduction } from "./loss.ts";
import { keeping, pick } from "./reduction.ts";

/** The lowest finite f32, -(2 - 2^-23) 2^127. */
export const LOWEST = -3.4028234663852886e38;

interface Statistics {
  /** The largest element, axis kept. */
  readonly m: Node;
  /** x - m. */
  readonly shifted: Node;
  /** exp(x - m). */
  readonly e: Node;
  /** sum e, axis kept. */
  readonly l: Node;
}

function statistics(op: string, x: Node, axes: readonly number[]): Statistics {
  if (x.dtype !== "f32") throw new DtypeError(`${op}: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
  // Nothing has no largest element; any m serves.
  const empty = axes.some((a) => x.shape[a] === 0);
  const largest = empty ? keeping(sum, x, axes) : keeping(amax, x, axes);
  const m = detach(maximum(largest, LOWEST));
  const shifted = sub(x, m);
  const e = exp(shifted);
  return { m, shifted, e, l: keeping(sum, e, axes) };
}

export function softmax(x: Node, axis: number): Node {
  const { e, l } = statistics("softmax", x, [axis]);
  return div(e, l);
}

/** softmax, where an axis of only -inf gives 0 and not 0 / 0. Elsewhere l is at least 1, the largest element's part. */
export function maskedSoftmax(x: Node, axis: number): Node {
  const { e, l } = statistics("softmax", x, [axis]);
  return div(e, where(gt(l, 0), l, 1));
}

export function logSoftmax(x: Node, axis: number): Node {
  const { shifted, l } = statistics("logSoftmax", x, [axis]);
  return sub(shifted, log(l));
}

/** log sum exp along sorted axes, which disappear; -inf where all elements are or there is none, NaN beside +inf. */
export function logsumexp(x: Node, axes: readonly number[]): Node {
  const { m, l } = statistics("logsumexp", x, axes);
  return reshape(
    add(m, log(l)),
    x.shape.filter((_, i) => !axes.includes(i)),
  );
}

/**
 * x: [n, classes, ..] logits, y: [n, ..] class indices (i32 or u32) -> -log softmax(x)[y], averaged, summed or each.
 * Without a batch, x: [classes] and y: [].
 * The class is picked by comparing positions, so that neither direction gathers; an index that names no class picks 0.
 */
export function crossEntropy(x: Node, y: Node, reduction: Reduction = "mean"): Node {
  if (x.shape.length < 1) {
    throw new ShapeError(`crossEntropy: logits are ${show(x.shape)}, must be [n, classes, ..] or [classes]`);
  }
  const axis = x.shape.length === 1 ? 0 : 1;
  const want = x.shape.filter((_, i) => i !== axis);
  if (!isInt(y.dtype) || !sameShape(y.shape, want)) {
    throw new (isInt(y.dtype) ? ShapeError : DtypeError)(
      `crossEntropy: logits ${show(x.shape)} want class indices ${show(want)} of i32, got ${show(y.shape)} of ${y.dtype}` +
        (sameShape(y.shape, x.shape)
          ? `; y.argmax(${axis}) would fit one-hot rows`
          : isInt(y.dtype)
            ? ""
            : '; y.cast("i32") gives indices'),
    );
  }
  const { shifted, l } = statistics("crossEntropy", x, [axis]);
  return reduced(sub(reshape(log(l), want), pick(shifted, axis, y)), reduction);
}

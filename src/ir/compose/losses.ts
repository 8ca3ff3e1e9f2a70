/**
 * Losses of numbers against numbers: regression, probabilities, margins, likelihoods. What they share and the mean
 * squared error are in loss.ts; losses of classes are in class-losses.ts, ctc in ctc.ts.
 *
 * Letters: x input, y target, w weight. Operands have one shape: [n] against [n, 1] is always a mistake.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { abs, add, div, maximum, minimum, mul, neg, reciprocal, relu, sub } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { detach, eq, gt, lt, where } from "../ops/compare.ts";
import type { Operand } from "../ops/define.ts";
import { exp, log, pow, softplus, sqrt } from "../ops/transcendental.ts";
import { reshape } from "../ops/view.ts";
import { normalizeAxis, sameShape, show } from "../shape.ts";
import { reduced, type Reduction } from "./loss.ts";
import { mean } from "./reduction.ts";

/** Throws ShapeError unless all have the first one's shape, DtypeError unless all are floats. */
export function checkAlike(op: string, ...all: readonly Node[]): void {
  const [first] = all as readonly [Node];
  for (const x of all) {
    if (x.dtype !== "f32") throw new DtypeError(`${op}: got ${x.dtype}, takes f32; y.cast("f32") would fit`);
    if (!sameShape(first.shape, x.shape)) {
      throw new ShapeError(`${op}: ${show(first.shape)} and ${show(x.shape)} differ; reshape or expand one`);
    }
  }
}

const square = (x: Node): Node => mul(x, x);

/** |x - y|. */
export function l1Loss(x: Node, y: Node, reduction: Reduction): Node {
  checkAlike("l1Loss", x, y);
  return reduced(abs(sub(x, y)), reduction);
}

/** (x - y)^2 / (2 beta) where |x - y| < beta, |x - y| - beta / 2 elsewhere; beta may be 0. */
export function smoothL1Loss(x: Node, y: Node, beta: Node, reduction: Reduction): Node {
  checkAlike("smoothL1Loss", x, y);
  const d = abs(sub(x, y));
  const near = lt(d, beta);
  // The branch not taken divides by 1, so that beta = 0 gives no 0 / 0 to the gradient.
  return reduced(where(near, div(mul(square(d), 0.5), where(near, beta, 1)), sub(d, mul(beta, 0.5))), reduction);
}

/** (x - y)^2 / 2 where |x - y| <= delta, delta (|x - y| - delta / 2) elsewhere. Huber (1964). */
export function huberLoss(x: Node, y: Node, delta: Node, reduction: Reduction): Node {
  checkAlike("huberLoss", x, y);
  const d = abs(sub(x, y));
  return reduced(where(gt(d, delta), mul(delta, sub(d, mul(delta, 0.5))), mul(square(d), 0.5)), reduction);
}

/** log x, at least -100 as torch has it; with no gradient where x is 0. */
const clampedLog = (x: Node): Node => {
  const positive = gt(x, 0);
  return where(positive, maximum(log(where(positive, x, 1)), -100), -100);
};

const weighted = (loss: Node, w: Node | null): Node => (w === null ? loss : mul(loss, w));

/** -(y log x + (1 - y) log(1 - x)), x a probability; logarithms are at least -100. */
export function binaryCrossEntropy(x: Node, y: Node, w: Node | null, reduction: Reduction): Node {
  checkAlike("binaryCrossEntropy", x, y);
  const loss = neg(add(mul(y, clampedLog(x)), mul(sub(1, y), clampedLog(sub(1, x)))));
  return reduced(weighted(loss, w), reduction);
}

/** binaryCrossEntropy(sigmoid(x), y) without overflow: (1 - y) x + (1 + (posWeight - 1) y) softplus(-x). */
export function binaryCrossEntropyWithLogits(
  x: Node,
  y: Node,
  w: Node | null,
  posWeight: Node | null,
  reduction: Reduction,
): Node {
  checkAlike("binaryCrossEntropyWithLogits", x, y);
  const tail = softplus(neg(x));
  const part = posWeight === null ? tail : mul(add(mul(sub(posWeight, 1), y), 1), tail);
  return reduced(weighted(add(mul(sub(1, y), x), part), w), reduction);
}

/** x: log probabilities; y (log y - x), 0 where y is 0; or with a log target exp(y) (y - x). */
export function klDiv(x: Node, y: Node, logTarget: boolean, reduction: Reduction | "batchmean"): Node {
  checkAlike("klDiv", x, y);
  const loss = logTarget ? mul(exp(y), sub(y, x)) : mul(y, sub(log(where(gt(y, 0), y, 1)), x));
  if (reduction !== "batchmean") return reduced(loss, reduction);
  const total = reduced(loss, "sum");
  const n = x.shape[0];
  return n === undefined ? total : div(total, n);
}

/** x where y is 1, max(0, margin - x) where y is -1. */
export function hingeEmbeddingLoss(x: Node, y: Node, margin: Node, reduction: Reduction): Node {
  checkAlike("hingeEmbeddingLoss", x, y);
  // As torch: a target that is neither counts on both sides.
  const far = where(eq(y, 1), 0, relu(sub(margin, x)));
  return reduced(add(far, where(eq(y, -1), 0, x)), reduction);
}

/** max(0, margin - y (a - b)): y is 1 where a shall be the larger, -1 where b. */
export function marginRankingLoss(a: Node, b: Node, y: Node, margin: Node, reduction: Reduction): Node {
  checkAlike("marginRankingLoss", a, b, y);
  return reduced(relu(sub(margin, mul(y, sub(a, b)))), reduction);
}

/** log(1 + exp(-y x)), y is 1 or -1. */
export function softMarginLoss(x: Node, y: Node, reduction: Reduction): Node {
  checkAlike("softMarginLoss", x, y);
  return reduced(softplus(neg(mul(y, x))), reduction);
}

/** [.., classes]: the mean over classes of binaryCrossEntropyWithLogits, with a weight for each. */
export function multilabelSoftMarginLoss(x: Node, y: Node, w: Node | null, reduction: Reduction): Node {
  const loss = binaryCrossEntropyWithLogits(x, y, w, null, "none");
  return reduced(mean(loss, [x.shape.length - 1]), reduction);
}

/** a . b / sqrt(|a|^2 |b|^2) along an axis, which disappears; each square is at least eps^2. */
export function cosineSimilarity(a: Node, b: Node, dim: number, eps: number): Node {
  checkAlike("cosineSimilarity", a, b);
  const axis = normalizeAxis("cosineSimilarity", dim, a.shape.length);
  const [p, q] = [sum(square(a), [axis]), sum(square(b), [axis])];
  return div(sum(mul(a, b), [axis]), mul(sqrt(maximum(p, eps * eps)), sqrt(maximum(q, eps * eps))));
}

/** a, b: [n, d] or [d], y: [n] or []: 1 - cos(a, b) where y is 1, max(0, cos(a, b) - margin) where y is -1. */
export function cosineEmbeddingLoss(a: Node, b: Node, y: Node, margin: Node, reduction: Reduction): Node {
  checkAlike("cosineEmbeddingLoss", a, b);
  const axis = a.shape.length - 1;
  if (a.shape.length < 1 || !sameShape(y.shape, a.shape.slice(0, -1))) {
    throw new ShapeError(
      `cosineEmbeddingLoss: inputs ${show(a.shape)} want a target ${show(a.shape.slice(0, -1))}, got ${show(y.shape)}`,
    );
  }
  // torch adds this to both squares; here it is what keeps 0 from being divided by.
  const tiny = 1e-12;
  const norms = mul(sqrt(add(sum(square(a), [axis]), tiny)), sqrt(add(sum(square(b), [axis]), tiny)));
  const cos = div(sum(mul(a, b), [axis]), norms);
  return reduced(add(where(eq(y, 1), sub(1, cos), 0), where(eq(y, -1), relu(sub(cos, margin)), 0)), reduction);
}

/** |a - b + eps|_p along the last axis, which disappears. */
export function pairwiseDistance(a: Node, b: Node, p: number, eps: Operand): Node {
  checkAlike("pairwiseDistance", a, b);
  const d = add(sub(a, b), eps);
  const axis = [a.shape.length - 1];
  if (p === 2) return sqrt(sum(square(d), axis));
  if (p === 1) return sum(abs(d), axis);
  return pow(sum(pow(abs(d), p), axis), 1 / p);
}

export interface TripletSettings {
  readonly margin: Node;
  readonly p: number;
  readonly eps: number;
  /** Whether the negative's distance is the smaller of those from the anchor and from the positive. */
  readonly swap: boolean;
}

/** max(0, margin + d(anchor, positive) - d(anchor, negative)), d the pairwise distance. */
export function tripletMarginLoss(
  anchor: Node,
  positive: Node,
  negative: Node,
  { margin, p, eps, swap }: TripletSettings,
  reduction: Reduction,
): Node {
  checkAlike("tripletMarginLoss", anchor, positive, negative);
  const near = pairwiseDistance(anchor, positive, p, eps);
  const far = pairwiseDistance(anchor, negative, p, eps);
  const farther = swap ? minimum(far, pairwiseDistance(positive, negative, p, eps)) : far;
  return reduced(relu(add(sub(near, farther), margin)), reduction);
}

/**
 * (log v + (x - y)^2 / v) / 2, v the variance but at least eps, to which the gradient goes all the same; `full` adds
 * log(2 pi) / 2. v: as x, or without its last axis, or with that of 1. Nix & Weigend (1994).
 */
export function gaussianNllLoss(
  x: Node,
  y: Node,
  variance: Node,
  full: boolean,
  eps: number,
  reduction: Reduction,
): Node {
  checkAlike("gaussianNllLoss", x, y);
  const lead = x.shape.slice(0, -1);
  const one = [...lead, 1];
  const column = sameShape(variance.shape, lead) && x.shape.length > 0 ? reshape(variance, one) : variance;
  if (!sameShape(column.shape, x.shape) && !sameShape(column.shape, one)) {
    throw new ShapeError(`gaussianNllLoss: input ${show(x.shape)} and variance ${show(variance.shape)} do not fit`);
  }
  const small = lt(column, eps);
  const v = expand(where(small, add(sub(column, detach(column)), eps), column), x.shape);
  const loss = mul(add(log(v), mul(square(sub(x, y)), reciprocal(v))), 0.5);
  return reduced(full ? add(loss, 0.5 * Math.log(2 * Math.PI)) : loss, reduction);
}

/** exp(x) - y x, or where x is no logarithm x - y log(x + eps); `full` adds Stirling's log y! for y > 1. */
export function poissonNllLoss(
  x: Node,
  y: Node,
  { logInput, full, eps }: { readonly logInput: boolean; readonly full: boolean; readonly eps: number },
  reduction: Reduction,
): Node {
  checkAlike("poissonNllLoss", x, y);
  const loss = logInput ? sub(exp(x), mul(y, x)) : sub(x, mul(y, log(add(x, eps))));
  if (!full) return reduced(loss, reduction);
  const many = where(gt(y, 1), y, 1);
  const stirling = add(sub(mul(many, log(many)), many), mul(log(mul(many, 2 * Math.PI)), 0.5));
  return reduced(add(loss, where(gt(y, 1), stirling, 0)), reduction);
}

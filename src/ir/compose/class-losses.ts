/**
 * Losses of scores against classes, beyond the plain cross entropy of softmax.ts: weights, ignored targets, label
 * smoothing, soft targets, and the margin losses of several classes.
 *
 * Letters: x [n, classes, ..] scores, y [n, ..] class indices, w [classes] weights. Classes are picked by comparing
 * positions, so that neither direction gathers.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, div, mul, neg, relu, sub } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { and, cast, eq, le, lt, not, where } from "../ops/compare.ts";
import { isInt } from "../ops/define.ts";
import { count, iota, literal } from "../ops/leaf.ts";
import { any } from "../ops/reduce.ts";
import { reshape } from "../ops/view.ts";
import { numel, sameShape, show, type Shape } from "../shape.ts";
import { reduced, type Reduction } from "./loss.ts";
import { checkAlike } from "./losses.ts";
import { mean, pick } from "./reduction.ts";
import { logSoftmax } from "./softmax.ts";

export interface ClassLossSettings {
  readonly weight: Node | null;
  /** A class that counts for nothing. */
  readonly ignore: Node | null;
  readonly reduction: Reduction;
}

const classAxis = (x: Node): 0 | 1 => (x.shape.length === 1 ? 0 : 1);

function checkTarget(op: string, x: Node, y: Node): Shape {
  const want = x.shape.filter((_, i) => i !== classAxis(x));
  if (!isInt(y.dtype))
    throw new DtypeError(`${op}: class indices are ${y.dtype}, must be i32; y.cast("i32") would fit`);
  if (x.shape.length < 1 || !sameShape(y.shape, want)) {
    throw new ShapeError(`${op}: scores ${show(x.shape)} want class indices ${show(want)}, got ${show(y.shape)}`);
  }
  return want;
}

/** w in a shape that broadcasts with x. */
function alongClasses(op: string, x: Node, w: Node): Node {
  const axis = classAxis(x);
  const classes = x.shape[axis]!;
  if (!sameShape(w.shape, [classes])) {
    throw new ShapeError(`${op}: weight is ${show(w.shape)}, must be [${classes}], one a class`);
  }
  return reshape(
    w,
    x.shape.slice(axis).map((e, i) => (i === 0 ? e : 1)),
  );
}

/** What each target counts: w[y], 0 where it is ignored; null if all count 1. */
function counts(op: string, x: Node, y: Node, { weight, ignore }: ClassLossSettings): Node | null {
  if (weight === null && ignore === null) return null;
  const w = weight === null ? null : pick(expand(alongClasses(op, x, weight), x.shape), classAxis(x), y);
  if (ignore === null) return w;
  const counted = w ?? expand(literal(1), y.shape);
  return where(eq(y, ignore), 0, counted);
}

/** The losses reduced; a mean is over what the targets count. An ignored one counts 0 even where its loss is NaN. */
function byCount(loss: Node, counted: Node | null, y: Node, { ignore, reduction }: ClassLossSettings): Node {
  const seen = ignore === null ? loss : where(eq(y, ignore), 0, loss);
  if (counted === null || reduction !== "mean") return reduced(seen, reduction);
  return div(reduced(seen, "sum"), reduced(counted, "sum"));
}

/** -w[y] x[y], x log probabilities; a mean is over the sum of w[y]. */
export function nllLoss(x: Node, y: Node, settings: ClassLossSettings, op = "nllLoss"): Node {
  checkTarget(op, x, y);
  const counted = counts(op, x, y, settings);
  const plain = neg(pick(x, classAxis(x), y));
  return byCount(settings.weight === null ? plain : mul(plain, counted!), counted, y, settings);
}

/**
 * (1 - s) nllLoss(logSoftmax(x), y) + s / classes (the same summed over all classes). Szegedy et al. (2016) for the
 * smoothing s; a mean is over the sum of w[y] in both terms.
 */
export function smoothedCrossEntropy(x: Node, y: Node, smoothing: Node | null, settings: ClassLossSettings): Node {
  const op = "crossEntropy";
  checkTarget(op, x, y);
  const axis = classAxis(x);
  const logs = logSoftmax(x, axis);
  const hard = nllLoss(logs, y, settings, op);
  if (smoothing === null) return hard;
  const weighted = settings.weight === null ? logs : mul(logs, alongClasses(op, x, settings.weight));
  const soft = byCount(neg(sum(weighted, [axis])), counts(op, x, y, settings), y, settings);
  return add(mul(sub(1, smoothing), hard), mul(div(smoothing, count(x.shape[axis]!)), soft));
}

/** -sum_c w_c t_c log softmax(x)_c, t: probabilities in x's shape, smoothed; a mean is over targets, not over w. */
export function softCrossEntropy(
  x: Node,
  t: Node,
  smoothing: Node | null,
  { weight, reduction }: ClassLossSettings,
): Node {
  checkAlike("crossEntropy", x, t);
  const axis = classAxis(x);
  const classes = count(x.shape[axis]!);
  const smooth = smoothing === null ? t : add(mul(t, sub(1, smoothing)), div(smoothing, classes));
  const parts = mul(smooth, logSoftmax(x, axis));
  const loss = neg(sum(weight === null ? parts : mul(parts, alongClasses("crossEntropy", x, weight)), [axis]));
  return reduced(loss, reduction);
}

/** Coordinates along axis `axis` of a shape of `rank`. */
const along = (n: number, axis: number, rank: number): Node =>
  reshape(
    iota(n),
    Array.from({ length: rank }, (_, i) => (i === axis ? n : 1)),
  );

/** A batch [n, classes], from one row too. */
function rows(op: string, x: Node): readonly [n: number, classes: number] {
  const [a, b] = x.shape;
  if (x.shape.length === 1) return [1, a!];
  if (x.shape.length === 2) return [a!, b!];
  throw new ShapeError(`${op}: scores are ${show(x.shape)}, must be [n, classes] or [classes]`);
}

/** sum_{j != y} w[y] max(0, margin - x[y] + x[j])^p / classes, p 1 or 2. Crammer & Singer (2001). */
export function multiMarginLoss(
  x: Node,
  y: Node,
  weight: Node | null,
  margin: Node,
  p: 1 | 2,
  reduction: Reduction,
): Node {
  const op = "multiMarginLoss";
  const [n, classes] = rows(op, x);
  checkTarget(op, x, y);
  const [scores, target] = [reshape(x, [n, classes]), reshape(cast(y, "i32"), [n, 1])];
  const isTarget = eq(along(classes, 1, 2), target);
  const own = reshape(sum(where(isTarget, scores, 0), [1]), [n, 1]);
  const over = relu(add(sub(scores, own), margin));
  const each = where(isTarget, 0, p === 1 ? over : mul(over, over));
  const loss = mean(each, [1]);
  const w =
    weight === null ? null : pick(expand(alongClasses(op, scores, weight), [n, classes]), 1, reshape(target, [n]));
  return reduced(reshape(w === null ? loss : mul(loss, w), y.shape), reduction);
}

/**
 * y: class indices in x's shape, those before the first negative one of a row: sum over targets t and other classes i of
 * max(0, 1 - x[t] + x[i]) / classes. Pairs are compared: classes^3 for each row.
 */
export function multilabelMarginLoss(x: Node, y: Node, reduction: Reduction): Node {
  const op = "multilabelMarginLoss";
  const [n, c] = rows(op, x);
  if (!isInt(y.dtype))
    throw new DtypeError(`${op}: class indices are ${y.dtype}, must be i32; y.cast("i32") would fit`);
  if (!sameShape(x.shape, y.shape)) throw new ShapeError(`${op}: ${show(x.shape)} and ${show(y.shape)} differ`);
  const target = reshape(cast(y, "i32"), [n, c]);
  // [n, place, earlier place]: is there a negative one at or before a place?
  const ended = and(lt(reshape(target, [n, 1, c]), count(0, "i32")), le(along(c, 2, 3), along(c, 1, 3)));
  const isListed = not(any(ended, [2]));
  const listed = reshape(isListed, [n, c, 1]);
  // [n, place, class]
  const names = and(eq(reshape(target, [n, c, 1]), along(c, 2, 3)), listed);
  const own = reshape(sum(where(names, reshape(x, [n, 1, c]), 0), [2]), [n, c, 1]);
  const isTarget = reshape(any(names, [1]), [n, 1, c]);
  const over = relu(add(sub(reshape(x, [n, 1, c]), own), 1));
  const loss = div(sum(where(and(listed, not(isTarget)), over, 0), [1, 2]), count(c));
  return reduced(reshape(loss, numel(x.shape) === c && x.shape.length === 1 ? [] : [n]), reduction);
}

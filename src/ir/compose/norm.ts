/**
 * Normalisations: x less its mean over its standard deviation, along axes that make up one norm or another, then scaled
 * and shifted. The variance is the mean of centred squares, over n; running variances are over n - 1, as torch.
 *
 * Not here: who keeps running statistics (src/nn/functional-norm.ts).
 * Letters: n batch, c channels, s spatial extents; w scale, b shift; eps is a scalar, the user's number.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, mul, sub } from "../ops/arithmetic.ts";
import { rsqrt } from "../ops/transcendental.ts";
import { count } from "../ops/leaf.ts";
import { reshape } from "../ops/view.ts";
import { numel, sameShape, show, type Shape } from "../shape.ts";
import { keeping, mean } from "./reduction.ts";

const from = (x: Node, first: number): number[] => x.shape.map((_, i) => i).slice(first);
const others = (x: Node, axis: number): number[] => x.shape.map((_, i) => i).filter((i) => i !== axis);

const centred = (x: Node, axes: readonly number[]): Node => sub(x, keeping(mean, x, axes));

/** (x - mean) / sqrt(variance + eps). */
function standardised(x: Node, axes: readonly number[], eps: Node): Node {
  const c = centred(x, axes);
  return mul(c, rsqrt(add(keeping(mean, mul(c, c), axes), eps)));
}

/** y w + b, each of `shape`, seen as `aligned`, which broadcasts with y. */
function affine(op: string, y: Node, shape: Shape, aligned: Shape, w: Node | null, b: Node | null): Node {
  for (const [name, p] of [["weight", w] as const, ["bias", b] as const]) {
    if (p !== null && !sameShape(p.shape, shape)) {
      throw new ShapeError(`${op}: ${name} is ${show(p.shape)}, must be ${show(shape)}`);
    }
  }
  const scaled = w === null ? y : mul(y, reshape(w, aligned));
  return b === null ? scaled : add(scaled, reshape(b, aligned));
}

/** [c] as it broadcasts with x: [n, c, ..s]. */
const perChannel = (x: Node): Shape => [x.shape[1]!, ...x.shape.slice(2).map(() => 1)];

function checkImage(op: string, x: Node): void {
  if (x.dtype !== "f32") throw new DtypeError(`${op}: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
  if (x.shape.length < 2) throw new ShapeError(`${op}: x is ${show(x.shape)}, must be [n, c, ..]`);
}

function checkMany(op: string, x: Node, axes: readonly number[]): void {
  if (numel(axes.map((a) => x.shape[a]!)) === 1) {
    throw new ShapeError(
      `${op}: x ${show(x.shape)} has one value to normalise, whose variance is 0; takes more in training`,
    );
  }
}

/** The last axes of x, which are `normalizedShape`. */
function trailing(op: string, x: Node, normalizedShape: Shape): number[] {
  const first = x.shape.length - normalizedShape.length;
  if (normalizedShape.length === 0 || first < 0 || !sameShape(x.shape.slice(first), normalizedShape)) {
    throw new ShapeError(`${op}: x is ${show(x.shape)}, must end in ${show(normalizedShape)}`);
  }
  return from(x, first);
}

/** x: [.., ..shape], w and b: shape -> x's shape, each [..] normalised by itself. */
export function layerNorm(x: Node, shape: Shape, w: Node | null, b: Node | null, eps: Node): Node {
  const y = standardised(x, trailing("layerNorm", x, shape), eps);
  return affine("layerNorm", y, shape, shape, w, b);
}

/** x / sqrt(mean x^2 + eps) w, over the last axes. Zhang and Sennrich (2019). */
export function rmsNorm(x: Node, shape: Shape, w: Node | null, eps: Node): Node {
  const axes = trailing("rmsNorm", x, shape);
  const y = mul(x, rsqrt(add(keeping(mean, mul(x, x), axes), eps)));
  return affine("rmsNorm", y, shape, shape, w, null);
}

/** x: [n, c, ..s], w and b: [c]; c in `groups` groups, each normalised by itself with its s. */
export function groupNorm(x: Node, groups: number, w: Node | null, b: Node | null, eps: Node): Node {
  checkImage("groupNorm", x);
  const [n, c, ...s] = x.shape as [number, number, ...number[]];
  if (!Number.isInteger(groups) || groups < 1 || c % groups !== 0) {
    throw new ShapeError(`groupNorm: numGroups is ${groups}, must divide the ${c} channels of x ${show(x.shape)}`);
  }
  const grouped = reshape(x, [n, groups, c / groups, ...s]);
  const y = reshape(standardised(grouped, from(grouped, 2), eps), x.shape);
  return affine("groupNorm", y, [c], perChannel(x), w, b);
}

/** x: [n, c, ..s], w and b: [c]; each channel of each image normalised by itself. */
export function instanceNorm(x: Node, w: Node | null, b: Node | null, eps: Node): Node {
  checkImage("instanceNorm", x);
  checkMany("instanceNorm", x, from(x, 2));
  return affine("instanceNorm", standardised(x, from(x, 2), eps), [x.shape[1]!], perChannel(x), w, b);
}

/** x: [n, c, ..s], w and b: [c]; each channel normalised over the batch. */
export function batchNorm(x: Node, w: Node | null, b: Node | null, eps: Node): Node {
  checkImage("batchNorm", x);
  checkMany("batchNorm", x, others(x, 1));
  return affine("batchNorm", standardised(x, others(x, 1), eps), [x.shape[1]!], perChannel(x), w, b);
}

/** x: [n, c, ..s] with the statistics given, m and v: [c]; op names the caller. */
export function normalised(op: string, x: Node, m: Node, v: Node, w: Node | null, b: Node | null, eps: Node): Node {
  checkImage(op, x);
  const aligned = perChannel(x);
  const y = affine(op, x, [x.shape[1]!], aligned, null, null);
  const scale = rsqrt(add(reshape(v, aligned), eps));
  return affine(op, mul(sub(y, reshape(m, aligned)), scale), [x.shape[1]!], aligned, w, b);
}

/** What running statistics of x: [n, c, ..s] take in, [c]. Of instances: the means over n of those of each image. */
export function channelMean(x: Node): Node {
  return mean(x, others(x, 1));
}

/** Over n - 1: of the batch, or the mean over n of the variances of each image. */
export function channelVariance(x: Node, ofInstances: boolean): Node {
  const axes = ofInstances ? from(x, 2) : others(x, 1);
  const c = centred(x, axes);
  const size = numel(axes.map((a) => x.shape[a]!));
  return mul(mean(mul(c, c), others(x, 1)), count(size / (size - 1)));
}

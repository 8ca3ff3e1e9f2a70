/**
 * The part of `F` that normalises, and the running statistics of batch and instance norm: state that the call assigns.
 *
 * Letters of shapes: n batch, c channels, s spatial extents.
 */
import * as compose from "../ir/compose/index.ts";
import { TexgradError } from "../ir/errors.ts";
import type { Shape } from "../ir/shape.ts";
import { apply, full, noGrad, type Tensor } from "../trace/index.ts";
import type { Node } from "../ir/node.ts";

export interface NormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

type Optional = Tensor | null;

/** f on x, eps as a number of the user's, and whichever of weight and bias there are. */
function withAffine(
  x: Tensor,
  eps: number,
  weight: Optional,
  bias: Optional,
  f: (x: Node, eps: Node, w: Node | null, b: Node | null) => Node,
): Tensor {
  const given = [weight, bias].filter((t) => t !== null);
  return apply(
    (e, number, ...p) => {
      const w = weight === null ? null : p[0]!;
      return f(e, number, w, bias === null ? null : p.at(-1)!);
    },
    [x, full([], eps), ...given],
  );
}

/** x: [.., ..normalizedShape]: each [..] less its mean, over sqrt(variance + eps), times weight plus bias. */
export const layerNorm = (
  x: Tensor,
  normalizedShape: Shape,
  weight: Optional = null,
  bias: Optional = null,
  { eps = 1e-5 }: NormOptions = {},
): Tensor => withAffine(x, eps, weight, bias, (e, small, w, b) => compose.layerNorm(e, normalizedShape, w, b, small));

/** x: [.., ..normalizedShape]: x / sqrt(mean x^2 + eps) weight; eps is that of f32, 2^-23, unless given. */
export const rmsNorm = (
  x: Tensor,
  normalizedShape: Shape,
  weight: Optional = null,
  { eps = 2 ** -23 }: NormOptions = {},
): Tensor => withAffine(x, eps, weight, null, (e, small, w) => compose.rmsNorm(e, normalizedShape, w, small));

/** x: [n, c, ..s], weight and bias: [c]: the c / numGroups channels of a group normalised together, image by image. */
export const groupNorm = (
  x: Tensor,
  numGroups: number,
  weight: Optional = null,
  bias: Optional = null,
  { eps = 1e-5 }: NormOptions = {},
): Tensor => withAffine(x, eps, weight, bias, (e, small, w, b) => compose.groupNorm(e, numGroups, w, b, small));

export interface RunningNormOptions extends NormOptions {
  /** How much of a batch's statistics the running ones take in. A tensor of one element may change. Default 0.1. */
  readonly momentum?: number | Tensor;
}

export interface BatchNormOptions extends RunningNormOptions {
  /** Whether x is normalised by its own statistics, which the running ones take in. Default false. */
  readonly training?: boolean;
}

export interface InstanceNormOptions extends RunningNormOptions {
  /** As batchNorm's `training`. Default true. */
  readonly useInputStats?: boolean;
}

/** running + (statistic - running) momentum, without a gradient. */
function takeIn(running: Optional, x: Tensor, statistic: (x: Node) => Node, momentum: number | Tensor): void {
  if (running === null) return;
  noGrad(() => running.copy_(running.add(apply(statistic, [x]).sub(running).mul(momentum))));
}

function byRunning(
  op: string,
  x: Tensor,
  m: Optional,
  v: Optional,
  weight: Optional,
  bias: Optional,
  eps: number,
): Tensor {
  if (m === null || v === null) throw new TexgradError(`${op}: without the input's statistics it takes running ones`);
  const given = [weight, bias].filter((t) => t !== null);
  return apply(
    (e, small, mean, variance, ...p) => {
      const w = weight === null ? null : p[0]!;
      return compose.normalised(op, e, mean, variance, w, bias === null ? null : p.at(-1)!, small);
    },
    [x, full([], eps), m, v, ...given],
  );
}

/**
 * x: [n, c, ..s], all others [c]: each channel less its mean, over sqrt(variance + eps), times weight plus bias. In
 * training the batch's own statistics are used and assigned to the running ones, which must then be state (Buffer);
 * otherwise the running ones are used. Throws ShapeError for a training batch with one value a channel.
 */
export function batchNorm(
  x: Tensor,
  runningMean: Optional,
  runningVar: Optional,
  weight: Optional = null,
  bias: Optional = null,
  { training = false, momentum = 0.1, eps = 1e-5 }: BatchNormOptions = {},
): Tensor {
  if (!training) return byRunning("batchNorm", x, runningMean, runningVar, weight, bias, eps);
  const y = withAffine(x, eps, weight, bias, (e, small, w, b) => compose.batchNorm(e, w, b, small));
  takeIn(runningMean, x, compose.channelMean, momentum);
  takeIn(runningVar, x, (e) => compose.channelVariance(e, false), momentum);
  return y;
}

/** x: [n, c, ..s], all others [c]: each channel of each image normalised by itself; running statistics as batchNorm's. */
export function instanceNorm(
  x: Tensor,
  runningMean: Optional = null,
  runningVar: Optional = null,
  weight: Optional = null,
  bias: Optional = null,
  { useInputStats = true, momentum = 0.1, eps = 1e-5 }: InstanceNormOptions = {},
): Tensor {
  if (!useInputStats) return byRunning("instanceNorm", x, runningMean, runningVar, weight, bias, eps);
  const y = withAffine(x, eps, weight, bias, (e, small, w, b) => compose.instanceNorm(e, w, b, small));
  takeIn(runningMean, x, compose.channelMean, momentum);
  takeIn(runningVar, x, (e) => compose.channelVariance(e, true), momentum);
  return y;
}

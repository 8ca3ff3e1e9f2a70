/**
 * Batch and instance norms with PyTorch's options, names and state: running statistics are buffers, which a forward in
 * training assigns. Formulas are in functional-norm.ts; the norms without state are in norm.ts.
 *
 * Letters of shapes: n batch, c channels, s spatial extents.
 */
import { ShapeError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import { noteChange, ones, Parameter, StateTensor, zeros, type Tensor } from "../trace/index.ts";
import { checkCount } from "./check.ts";
import * as F from "./functional.ts";
import { Module, nameOf } from "./module.ts";

export interface RunningNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** How much of a batch the running statistics take in; null: the mean of all batches. Default 0.1. */
  readonly momentum?: number | null;
  /** Whether there are a weight and a bias. Default true for batch norms, false for instance norms. */
  readonly affine?: boolean;
  /** Whether statistics are kept for evaluation. Default true for batch norms, false for instance norms. */
  readonly trackRunningStats?: boolean;
}

/** A weight, a bias and running statistics for each channel. */
abstract class RunningNorm extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  #momentum: number | null;
  /** [numFeatures], as the three below. */
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;
  readonly runningMean: StateTensor | null;
  readonly runningVar: StateTensor | null;
  /** [] of i32: forwards of a batch norm in training. */
  readonly numBatchesTracked: StateTensor | null;

  protected constructor(
    name: string,
    numFeatures: number,
    { eps = 1e-5, momentum = 0.1, affine = false, trackRunningStats = false }: RunningNormOptions,
  ) {
    super();
    this.numFeatures = checkCount(name, "numFeatures", numFeatures, 1);
    this.eps = eps;
    this.#momentum = momentum;
    this.weight = affine ? new Parameter(ones([numFeatures])) : null;
    this.bias = affine ? new Parameter(zeros([numFeatures])) : null;
    this.runningMean = trackRunningStats ? new StateTensor(zeros([numFeatures])) : null;
    this.runningVar = trackRunningStats ? new StateTensor(ones([numFeatures])) : null;
    this.numBatchesTracked = trackRunningStats ? new StateTensor(zeros([], { dtype: "i32" })) : null;
  }

  /** May be assigned at any time and compiles nothing, unless it becomes null or was. */
  get momentum(): number | null {
    return this.#momentum;
  }
  set momentum(momentum: number | null) {
    if (momentum !== this.#momentum) noteChange();
    this.#momentum = momentum;
  }

  abstract forward(x: Tensor): Tensor;

  protected check(x: Tensor, ranks: readonly number[], channelAxis: number): void {
    if (!ranks.includes(x.ndim)) {
      throw new ShapeError(`${nameOf(this)}: x is ${show(x.shape)}, takes ${ranks.join(" or ")} axes`);
    }
    if (x.shape[channelAxis] !== this.numFeatures) {
      throw new ShapeError(
        `${nameOf(this)}: x is ${show(x.shape)}, must have ${this.numFeatures} channels on axis ${channelAxis}`,
      );
    }
  }

  protected override describe(): string {
    const { numFeatures, eps, momentum, weight, runningMean } = this;
    return `${numFeatures}, eps=${eps}, momentum=${momentum}, affine=${weight !== null}, trackRunningStats=${runningMean !== null}`;
  }
}

/** Each channel normalised over the batch; in evaluation by the running statistics, if there are any. */
abstract class BatchNorm extends RunningNorm {
  readonly #ranks: readonly number[];

  protected constructor(name: string, ranks: readonly number[], numFeatures: number, options: RunningNormOptions) {
    super(name, numFeatures, { affine: true, trackRunningStats: true, ...options });
    this.#ranks = ranks;
  }

  forward(x: Tensor): Tensor {
    this.check(x, this.#ranks, 1);
    const { runningMean, runningVar, weight, bias, eps, training, numBatchesTracked: batches } = this;
    if (training && batches !== null) batches.copy_(batches.add(1));
    return F.batchNorm(x, runningMean, runningVar, weight, bias, {
      training: training || runningMean === null,
      momentum: this.momentum ?? batches?.cast("f32").reciprocal() ?? 0,
      eps,
    });
  }
}

/** x: [n, numFeatures] or [n, numFeatures, l]. */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    super("BatchNorm1d", [2, 3], numFeatures, options);
  }
}

/** x: [n, numFeatures, h, w]. */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    super("BatchNorm2d", [4], numFeatures, options);
  }
}

/** x: [n, numFeatures, d, h, w]. */
export class BatchNorm3d extends BatchNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    super("BatchNorm3d", [5], numFeatures, options);
  }
}

/** Each channel of each image normalised by itself; in evaluation by the running statistics, if there are any. */
abstract class InstanceNorm extends RunningNorm {
  readonly #rank: number;

  /** `rank`: of a batch. */
  protected constructor(name: string, rank: number, numFeatures: number, options: RunningNormOptions) {
    super(name, numFeatures, options);
    this.#rank = rank;
  }

  forward(x: Tensor): Tensor {
    const isBatch = x.ndim === this.#rank;
    this.check(x, [this.#rank - 1, this.#rank], isBatch ? 1 : 0);
    const { runningMean, runningVar, weight, bias, eps, training } = this;
    const y = F.instanceNorm(isBatch ? x : x.unsqueeze(0), runningMean, runningVar, weight, bias, {
      useInputStats: training || runningMean === null,
      momentum: this.momentum ?? 0,
      eps,
    });
    return isBatch ? y : y.squeeze(0);
  }
}

/** x: [n, numFeatures, l] or [numFeatures, l]. */
export class InstanceNorm1d extends InstanceNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    super("InstanceNorm1d", 3, numFeatures, options);
  }
}

/** x: [n, numFeatures, h, w] or [numFeatures, h, w]. */
export class InstanceNorm2d extends InstanceNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    super("InstanceNorm2d", 4, numFeatures, options);
  }
}

/** x: [n, numFeatures, d, h, w] or [numFeatures, d, h, w]. */
export class InstanceNorm3d extends InstanceNorm {
  constructor(numFeatures: number, options: RunningNormOptions = {}) {
    super("InstanceNorm3d", 5, numFeatures, options);
  }
}

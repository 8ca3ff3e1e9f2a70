/**
 * Losses as modules; each is the function of the same name in functional-loss.ts, which says what it computes and with
 * which options. A weight is a tensor of the options, as there; it is not a buffer, so state dicts do not hold it.
 */
import type { Tensor } from "../trace/index.ts";
import * as F from "./functional-loss.ts";
import { Module } from "./module.ts";

abstract class Loss<O extends { readonly reduction?: string } = F.LossOptions> extends Module {
  readonly #options: O;

  constructor(options?: O) {
    super();
    this.#options = options ?? ({} as O);
  }

  protected get options(): O {
    return this.#options;
  }

  protected override describe(): string {
    return Object.entries({ reduction: "mean", ...this.#options })
      .filter(([, v]) => typeof v !== "object")
      .map(([k, v]) => `${k}=${v}`)
      .join(", ");
  }
}

/** logits: [n, classes, ..], target: class indices [n, ..] of i32, or probabilities as logits. */
export class CrossEntropyLoss extends Loss<F.CrossEntropyOptions> {
  forward(logits: Tensor, target: Tensor): Tensor {
    return F.crossEntropy(logits, target, this.options);
  }
}

/** logProbs: [n, classes, ..], target: class indices [n, ..] of i32. */
export class NLLLoss extends Loss<F.ClassLossOptions> {
  forward(logProbs: Tensor, target: Tensor): Tensor {
    return F.nllLoss(logProbs, target, this.options);
  }
}

/** input and target of one shape. */
export class MSELoss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.mseLoss(input, target, this.options);
  }
}

/** input and target of one shape. */
export class L1Loss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.l1Loss(input, target, this.options);
  }
}

/** input and target of one shape. */
export class SmoothL1Loss extends Loss<F.LossOptions & { readonly beta?: number }> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.smoothL1Loss(input, target, this.options);
  }
}

/** input and target of one shape. */
export class HuberLoss extends Loss<F.LossOptions & { readonly delta?: number }> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.huberLoss(input, target, this.options);
  }
}

/** input: probabilities, target: 0 to 1, of one shape. */
export class BCELoss extends Loss<F.BinaryLossOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropy(input, target, this.options);
  }
}

/** input: logits, target: 0 to 1, of one shape. */
export class BCEWithLogitsLoss extends Loss<F.BinaryLossOptions & { readonly posWeight?: Tensor | null }> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropyWithLogits(input, target, this.options);
  }
}

/** input: log probabilities, target: probabilities, of one shape. */
export class KLDivLoss extends Loss<F.KlDivOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.klDiv(input, target, this.options);
  }
}

/** input and target of one shape, target 1 or -1. */
export class HingeEmbeddingLoss extends Loss<F.MarginOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.hingeEmbeddingLoss(input, target, this.options);
  }
}

/** All of one shape, target 1 or -1. */
export class MarginRankingLoss extends Loss<F.MarginOptions> {
  forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return F.marginRankingLoss(input1, input2, target, this.options);
  }
}

/** input and target of one shape, target 1 or -1. */
export class SoftMarginLoss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.softMarginLoss(input, target, this.options);
  }
}

/** input: [n, classes], target: [n] of i32. */
export class MultiMarginLoss extends Loss<F.MultiMarginOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.multiMarginLoss(input, target, this.options);
  }
}

/** input: [n, classes], target as it, of i32. */
export class MultiLabelMarginLoss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.multilabelMarginLoss(input, target, this.options);
  }
}

/** input and target: [n, classes]. */
export class MultiLabelSoftMarginLoss extends Loss<F.BinaryLossOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.multilabelSoftMarginLoss(input, target, this.options);
  }
}

/** inputs: [n, d], target: [n], 1 or -1. */
export class CosineEmbeddingLoss extends Loss<F.MarginOptions> {
  forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return F.cosineEmbeddingLoss(input1, input2, target, this.options);
  }
}

/** All [n, d]. */
export class TripletMarginLoss extends Loss<F.TripletOptions> {
  forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return F.tripletMarginLoss(anchor, positive, negative, this.options);
  }
}

/** input and target of one shape, variance as they, or its last axis 1 or absent. */
export class GaussianNLLLoss extends Loss<F.LikelihoodOptions> {
  forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
    return F.gaussianNllLoss(input, target, variance, this.options);
  }
}

/** input and target of one shape. */
export class PoissonNLLLoss extends Loss<F.LikelihoodOptions & { readonly logInput?: boolean }> {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.poissonNllLoss(input, target, this.options);
  }
}

/** logProbs: [t, n, classes], targets: [n, s] of i32, lengths [n]. */
export class CTCLoss extends Loss<F.CtcOptions> {
  forward(
    logProbs: Tensor,
    targets: Tensor,
    inputLengths: Tensor | readonly number[],
    targetLengths: Tensor | readonly number[],
  ): Tensor {
    return F.ctcLoss(logProbs, targets, inputLengths, targetLengths, this.options);
  }
}

/** a . b / (|a| |b|) along `dim`. */
export class CosineSimilarity extends Module {
  readonly dim: number;
  readonly eps: number;
  constructor({ dim = 1, eps = 1e-8 }: { readonly dim?: number; readonly eps?: number } = {}) {
    super();
    this.dim = dim;
    this.eps = eps;
  }
  forward(a: Tensor, b: Tensor): Tensor {
    return F.cosineSimilarity(a, b, this);
  }
}

/** |a - b + eps|_p along the last axis. */
export class PairwiseDistance extends Module {
  readonly p: number;
  readonly eps: number;
  constructor({ p = 2, eps = 1e-6 }: { readonly p?: number; readonly eps?: number } = {}) {
    super();
    this.p = p;
    this.eps = eps;
  }
  forward(a: Tensor, b: Tensor): Tensor {
    return F.pairwiseDistance(a, b, this);
  }
}

/** Losses as modules; each is the function of the same name in functional.ts. */
import type { Tensor } from "../trace/index.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

abstract class Loss extends Module {
  readonly reduction: F.Reduction;

  constructor({ reduction = "mean" }: F.LossOptions = {}) {
    super();
    this.reduction = reduction;
  }

  protected override describe(): string {
    return `reduction=${this.reduction}`;
  }
}

/** logits: [n, classes, ..], target: class indices [n, ..] of i32. */
export class CrossEntropyLoss extends Loss {
  forward(logits: Tensor, target: Tensor): Tensor {
    return F.crossEntropy(logits, target, this);
  }
}

/** input and target of one shape. */
export class MSELoss extends Loss {
  forward(input: Tensor, target: Tensor): Tensor {
    return F.mseLoss(input, target, this);
  }
}

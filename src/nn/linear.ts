/** Linear, with PyTorch's shapes, names and initial distribution. */
import type { Parameter, Tensor } from "../trace/index.ts";
import { checkCount } from "./check.ts";
import * as F from "./functional.ts";
import { initialParameter, type LayerOptions } from "./layer.ts";
import { Module } from "./module.ts";

/** x: [.., inFeatures] -> x weight^T + bias: [.., outFeatures]. */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** [outFeatures, inFeatures]. */
  readonly weight: Parameter;
  /** [outFeatures]. */
  readonly bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, { bias = true, generator }: LayerOptions = {}) {
    super();
    this.inFeatures = checkCount("Linear", "inFeatures", inFeatures, 0);
    this.outFeatures = checkCount("Linear", "outFeatures", outFeatures, 0);
    this.weight = initialParameter([outFeatures, inFeatures], inFeatures, generator);
    this.bias = bias ? initialParameter([outFeatures], inFeatures, generator) : null;
  }

  forward(x: Tensor): Tensor {
    return F.linear(x, this.weight, this.bias);
  }

  protected override describe(): string {
    return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}`;
  }
}

/** Linear and Bilinear, with PyTorch's shapes, names and initial distribution. */
import type { Parameter, Tensor } from "../trace/index.ts";
import { checkCount, checkInput } from "./check.ts";
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
    checkInput(this, x, ["..", this.inFeatures]);
    return F.linear(x, this.weight, this.bias);
  }

  protected override describe(): string {
    return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}`;
  }
}

/** x1: [.., in1Features], x2: [.., in2Features] -> y[.., o] = x1 weight[o] x2 + bias[o]: [.., outFeatures]. */
export class Bilinear extends Module {
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  /** [outFeatures, in1Features, in2Features]. */
  readonly weight: Parameter;
  /** [outFeatures]. */
  readonly bias: Parameter | null;

  constructor(
    in1Features: number,
    in2Features: number,
    outFeatures: number,
    { bias = true, generator }: LayerOptions = {},
  ) {
    super();
    this.in1Features = checkCount("Bilinear", "in1Features", in1Features, 1);
    this.in2Features = checkCount("Bilinear", "in2Features", in2Features, 1);
    this.outFeatures = checkCount("Bilinear", "outFeatures", outFeatures, 1);
    // As torch: U(-b, b) with b = 1 / sqrt(in1Features).
    this.weight = initialParameter([outFeatures, in1Features, in2Features], in1Features, generator);
    this.bias = bias ? initialParameter([outFeatures], in1Features, generator) : null;
  }

  forward(x1: Tensor, x2: Tensor): Tensor {
    checkInput(this, x1, ["..", this.in1Features]);
    checkInput(this, x2, ["..", this.in2Features]);
    return F.bilinear(x1, x2, this.weight, this.bias);
  }

  protected override describe(): string {
    const { in1Features, in2Features, outFeatures, bias } = this;
    return `in1Features=${in1Features}, in2Features=${in2Features}, outFeatures=${outFeatures}, bias=${bias !== null}`;
  }
}

/** Norms without state: layer, RMS and group norm; each is the function of the same name in functional-norm.ts. */
import { TexgradError } from "../ir/errors.ts";
import { show, type Shape } from "../ir/shape.ts";
import { ones, Parameter, zeros, type Tensor } from "../trace/index.ts";
import { checkCount } from "./check.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

export interface LayerNormOptions extends F.NormOptions {
  /** Whether there is a weight. Default true. */
  readonly elementwiseAffine?: boolean;
  /** Whether there is a bias beside the weight. Default true. */
  readonly bias?: boolean;
}

const shapeOf = (layer: string, shape: number | Shape): Shape =>
  (typeof shape === "number" ? [shape] : shape).map((e) => checkCount(layer, "normalizedShape", e, 1));

/** x: [.., ..normalizedShape], each [..] normalised by itself. One number is the last axis' extent. */
export class LayerNorm extends Module {
  readonly normalizedShape: Shape;
  readonly eps: number;
  /** Of normalizedShape. */
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;

  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super();
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = options;
    this.normalizedShape = shapeOf("LayerNorm", normalizedShape);
    this.eps = eps;
    this.weight = elementwiseAffine ? new Parameter(ones(this.normalizedShape)) : null;
    this.bias = elementwiseAffine && bias ? new Parameter(zeros(this.normalizedShape)) : null;
  }

  forward(x: Tensor): Tensor {
    return F.layerNorm(x, this.normalizedShape, this.weight, this.bias, this);
  }

  protected override describe(): string {
    return `${show(this.normalizedShape)}, eps=${this.eps}, elementwiseAffine=${this.weight !== null}`;
  }
}

/** x: [.., ..normalizedShape], each [..] over the root of its mean square. eps: that of f32, 2^-23, unless given. */
export class RMSNorm extends Module {
  readonly normalizedShape: Shape;
  readonly eps: number;
  /** Of normalizedShape. */
  readonly weight: Parameter | null;

  constructor(normalizedShape: number | Shape, options: Omit<LayerNormOptions, "bias"> = {}) {
    super();
    const { eps = 2 ** -23, elementwiseAffine = true } = options;
    this.normalizedShape = shapeOf("RMSNorm", normalizedShape);
    this.eps = eps;
    this.weight = elementwiseAffine ? new Parameter(ones(this.normalizedShape)) : null;
  }

  forward(x: Tensor): Tensor {
    return F.rmsNorm(x, this.normalizedShape, this.weight, this);
  }

  protected override describe(): string {
    return `${show(this.normalizedShape)}, eps=${this.eps}, elementwiseAffine=${this.weight !== null}`;
  }
}

export interface GroupNormOptions extends F.NormOptions {
  /** Whether there are a weight and a bias. Default true. */
  readonly affine?: boolean;
}

/** x: [n, numChannels, ..], the channels of each of numGroups groups normalised together, image by image. */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  /** [numChannels]. */
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;

  constructor(numGroups: number, numChannels: number, { eps = 1e-5, affine = true }: GroupNormOptions = {}) {
    super();
    this.numGroups = checkCount("GroupNorm", "numGroups", numGroups, 1);
    this.numChannels = checkCount("GroupNorm", "numChannels", numChannels, 1);
    if (numChannels % numGroups !== 0) {
      throw new TexgradError(`GroupNorm: numGroups is ${numGroups}; it must divide numChannels ${numChannels}`);
    }
    this.eps = eps;
    this.weight = affine ? new Parameter(ones([numChannels])) : null;
    this.bias = affine ? new Parameter(zeros([numChannels])) : null;
  }

  forward(x: Tensor): Tensor {
    return F.groupNorm(x, this.numGroups, this.weight, this.bias, this);
  }

  protected override describe(): string {
    return `${this.numGroups}, ${this.numChannels}, eps=${this.eps}, affine=${this.weight !== null}`;
  }
}

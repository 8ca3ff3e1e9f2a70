/** Convolutions in one to three dimensions and their transposes, with PyTorch's shapes, names and initial weights. */
import { TexgradError } from "../ir/errors.ts";
import { numel, show } from "../ir/shape.ts";
import type { Parameter, Tensor } from "../trace/index.ts";
import { checkCount, checkSizes } from "./check.ts";
import * as F from "./functional.ts";
import { initialParameter, type LayerOptions } from "./layer.ts";
import { Module } from "./module.ts";

export interface Conv1dOptions extends LayerOptions, F.ConvOptions<F.Single> {}
export interface Conv2dOptions extends LayerOptions, F.ConvOptions {}
export interface Conv3dOptions extends LayerOptions, F.ConvOptions<F.Triple> {}
export interface ConvTranspose1dOptions extends LayerOptions, F.ConvTransposeOptions<F.Single> {}
export interface ConvTranspose2dOptions extends LayerOptions, F.ConvTransposeOptions {}
export interface ConvTranspose3dOptions extends LayerOptions, F.ConvTransposeOptions<F.Triple> {}

type Sizes = number | readonly number[];

interface Options extends LayerOptions {
  readonly stride?: Sizes;
  readonly padding?: Sizes | "same" | "valid";
  readonly dilation?: Sizes;
  readonly groups?: number;
}

/** What all six share. S: one size an axis. */
abstract class Convolution<S extends readonly number[], P> extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  /** One size an axis, outermost first, as the three below. */
  readonly kernelSize: S;
  readonly stride: S;
  readonly padding: P;
  readonly dilation: S;
  readonly groups: number;
  /** [outChannels, inChannels / groups, ..kernelSize]; transposed [inChannels, outChannels / groups, ..kernelSize]. */
  readonly weight: Parameter;
  /** [outChannels]. */
  readonly bias: Parameter | null;

  /** `name` and `d`, the number of axes, are the subclass' own. */
  protected constructor(
    name: string,
    d: number,
    channels: readonly [inChannels: number, outChannels: number],
    kernelSize: Sizes,
    options: Options,
    transposed = false,
  ) {
    super();
    const { bias = true, generator, stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
    const sizes = (what: string, value: Sizes, least: number): S => checkSizes(name, what, value, d, least) as S;
    this.inChannels = checkCount(name, "inChannels", channels[0], 1);
    this.outChannels = checkCount(name, "outChannels", channels[1], 1);
    this.kernelSize = sizes("kernelSize", kernelSize, 1);
    this.stride = sizes("stride", stride, 1);
    this.padding = (padding === "same" || padding === "valid" ? padding : sizes("padding", padding, 0)) as P;
    this.dilation = sizes("dilation", dilation, 1);
    this.groups = checkCount(name, "groups", groups, 1);
    if (channels.some((c) => c % groups !== 0)) {
      throw new TexgradError(
        `${name}: groups is ${groups}; it must divide inChannels ${channels[0]} and outChannels ${channels[1]}`,
      );
    }
    const [rows, columns] = transposed ? channels : [channels[1], channels[0]];
    // Transposed, PyTorch takes the second axis for the inputs all the same.
    const fanIn = (columns / groups) * numel(this.kernelSize);
    this.weight = initialParameter([rows, columns / groups, ...this.kernelSize], fanIn, generator);
    this.bias = bias ? initialParameter([this.outChannels], fanIn, generator) : null;
  }

  abstract forward(x: Tensor): Tensor;

  protected override describe(): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this;
    return (
      `${inChannels}, ${outChannels}, kernelSize=${show(kernelSize)}, stride=${show(stride)}, ` +
      `padding=${typeof padding === "string" ? padding : show(padding as readonly number[])}, dilation=${show(dilation)}, ` +
      `${groups === 1 ? "" : `groups=${groups}, `}bias=${bias !== null}`
    );
  }
}

type Padding<S> = S | "same" | "valid";
type One = readonly [number];
type Two = readonly [number, number];
type Three = readonly [number, number, number];

/** x: [n, inChannels, l] -> [n, outChannels, l'], l' as Conv2d's sizes. */
export class Conv1d extends Convolution<One, Padding<One>> {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Single, options: Conv1dOptions = {}) {
    super("Conv1d", 1, [inChannels, outChannels], kernelSize, options);
  }
  forward(x: Tensor): Tensor {
    return F.conv1d(x, this.weight, this.bias, this);
  }
}

/** x: [n, inChannels, h, w] -> [n, outChannels, h', w'], h' = floor((h + 2 padding - dilation (k - 1) - 1) / stride) + 1. */
export class Conv2d extends Convolution<Two, Padding<Two>> {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Pair, options: Conv2dOptions = {}) {
    super("Conv2d", 2, [inChannels, outChannels], kernelSize, options);
  }
  forward(x: Tensor): Tensor {
    return F.conv2d(x, this.weight, this.bias, this);
  }
}

/** x: [n, inChannels, d, h, w] -> [n, outChannels, d', h', w'], sizes as Conv2d's. */
export class Conv3d extends Convolution<Three, Padding<Three>> {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Triple, options: Conv3dOptions = {}) {
    super("Conv3d", 3, [inChannels, outChannels], kernelSize, options);
  }
  forward(x: Tensor): Tensor {
    return F.conv3d(x, this.weight, this.bias, this);
  }
}

/** x: [n, inChannels, l] -> [n, outChannels, l'], l' as ConvTranspose2d's sizes. */
export class ConvTranspose1d extends Convolution<One, One> {
  readonly outputPadding: One;
  constructor(inChannels: number, outChannels: number, kernelSize: F.Single, options: ConvTranspose1dOptions = {}) {
    super("ConvTranspose1d", 1, [inChannels, outChannels], kernelSize, options, true);
    this.outputPadding = outputPadding("ConvTranspose1d", 1, options) as One;
  }
  forward(x: Tensor): Tensor {
    return F.convTranspose1d(x, this.weight, this.bias, this);
  }
}

/** x: [n, inChannels, h, w] -> [n, outChannels, h', w'], h' = (h - 1) stride - 2 padding + dilation (k - 1) + outputPadding + 1. */
export class ConvTranspose2d extends Convolution<Two, Two> {
  readonly outputPadding: Two;
  constructor(inChannels: number, outChannels: number, kernelSize: F.Pair, options: ConvTranspose2dOptions = {}) {
    super("ConvTranspose2d", 2, [inChannels, outChannels], kernelSize, options, true);
    this.outputPadding = outputPadding("ConvTranspose2d", 2, options) as Two;
  }
  forward(x: Tensor): Tensor {
    return F.convTranspose2d(x, this.weight, this.bias, this);
  }
}

/** x: [n, inChannels, d, h, w] -> [n, outChannels, d', h', w'], sizes as ConvTranspose2d's. */
export class ConvTranspose3d extends Convolution<Three, Three> {
  readonly outputPadding: Three;
  constructor(inChannels: number, outChannels: number, kernelSize: F.Triple, options: ConvTranspose3dOptions = {}) {
    super("ConvTranspose3d", 3, [inChannels, outChannels], kernelSize, options, true);
    this.outputPadding = outputPadding("ConvTranspose3d", 3, options) as Three;
  }
  forward(x: Tensor): Tensor {
    return F.convTranspose3d(x, this.weight, this.bias, this);
  }
}

const outputPadding = (name: string, d: number, options: { readonly outputPadding?: Sizes }): readonly number[] =>
  checkSizes(name, "outputPadding", options.outputPadding ?? 0, d, 0);

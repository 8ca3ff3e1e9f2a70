/** Convolutions in one to three dimensions and their transposes, with PyTorch's shapes, names and initial weights. */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { numel, show } from "../ir/shape.ts";
import type { Parameter, Tensor } from "../trace/index.ts";
import { checkCount, checkInput, checkSizes } from "./check.ts";
import * as F from "./functional.ts";
import { initialParameter, type LayerOptions } from "./layer.ts";
import { Module, nameOf } from "./module.ts";

interface PaddingMode {
  /** What padding consists of: zeros, or what is there mirrored, repeated, or from the other end. Default "zeros". */
  readonly paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}
export interface Conv1dOptions extends LayerOptions, PaddingMode, F.ConvOptions<F.Single> {}
export interface Conv2dOptions extends LayerOptions, PaddingMode, F.ConvOptions {}
export interface Conv3dOptions extends LayerOptions, PaddingMode, F.ConvOptions<F.Triple> {}
export interface ConvTranspose1dOptions extends LayerOptions, F.ConvTransposeOptions<F.Single> {}
export interface ConvTranspose2dOptions extends LayerOptions, F.ConvTransposeOptions {}
export interface ConvTranspose3dOptions extends LayerOptions, F.ConvTransposeOptions<F.Triple> {}

type Sizes = number | readonly number[];

interface Options extends LayerOptions, PaddingMode {
  readonly stride?: Sizes;
  readonly padding?: Sizes | "same" | "valid";
  readonly dilation?: Sizes;
  readonly groups?: number;
}

/** What all six share. S: one size an axis. */
abstract class Convolution<S extends readonly number[], P extends S | string> extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  /** One size an axis, outermost first, as the three below. */
  readonly kernelSize: S;
  readonly stride: S;
  readonly padding: P;
  readonly dilation: S;
  readonly groups: number;
  readonly paddingMode: "zeros" | "reflect" | "replicate" | "circular";
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
    this.paddingMode = options.paddingMode ?? "zeros";
    if (!["zeros", "reflect", "replicate", "circular"].includes(this.paddingMode)) {
      throw new TexgradError(
        `${name}: paddingMode is ${this.paddingMode}; there are zeros, reflect, replicate, circular`,
      );
    }
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

  protected get options(): { readonly stride: S; readonly dilation: S; readonly groups: number } {
    return { stride: this.stride, dilation: this.dilation, groups: this.groups };
  }

  /** x, which is a batch or one image of inChannels channels; else throws ShapeError that names this layer. */
  protected checked(x: Tensor): Tensor {
    const image = [this.inChannels, ...["D", "H", "W"].slice(3 - this.kernelSize.length)];
    checkInput(this, x, ["N", ...image], image);
    return x;
  }

  /** The input and the padding that is left to the convolution: with a mode of its own, none is. */
  protected padded(x: Tensor): readonly [x: Tensor, padding: P] {
    const { paddingMode: mode, padding, kernelSize, dilation } = this;
    if (mode === "zeros" || padding === "valid") return [this.checked(x), padding];
    const sides = kernelSize.map((k, i): readonly [number, number] => {
      if (padding !== "same") return [(padding as readonly number[])[i]!, (padding as readonly number[])[i]!];
      const total = dilation[i]! * (k - 1);
      return [Math.floor(total / 2), total - Math.floor(total / 2)];
    });
    return [F.pad(this.checked(x), sides.reverse().flat(), { mode }), kernelSize.map(() => 0) as unknown as P];
  }

  protected override describe(): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this;
    return (
      `${inChannels}, ${outChannels}, kernelSize=${show(kernelSize)}, stride=${show(stride)}, ` +
      `padding=${typeof padding === "string" ? padding : show(padding)}, dilation=${show(dilation)}, ` +
      `${groups === 1 ? "" : `groups=${groups}, `}${this.paddingMode === "zeros" ? "" : `paddingMode=${this.paddingMode}, `}bias=${bias !== null}`
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
    const [input, padding] = this.padded(x);
    return F.conv1d(input, this.weight, this.bias, { ...this.options, padding });
  }
}

/** x: [n, inChannels, h, w] -> [n, outChannels, h', w'], h' = floor((h + 2 padding - dilation (k - 1) - 1) / stride) + 1. */
export class Conv2d extends Convolution<Two, Padding<Two>> {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Pair, options: Conv2dOptions = {}) {
    super("Conv2d", 2, [inChannels, outChannels], kernelSize, options);
  }
  forward(x: Tensor): Tensor {
    const [input, padding] = this.padded(x);
    return F.conv2d(input, this.weight, this.bias, { ...this.options, padding });
  }
}

/** x: [n, inChannels, d, h, w] -> [n, outChannels, d', h', w'], sizes as Conv2d's. */
export class Conv3d extends Convolution<Three, Padding<Three>> {
  constructor(inChannels: number, outChannels: number, kernelSize: F.Triple, options: Conv3dOptions = {}) {
    super("Conv3d", 3, [inChannels, outChannels], kernelSize, options);
  }
  forward(x: Tensor): Tensor {
    const [input, padding] = this.padded(x);
    return F.conv3d(input, this.weight, this.bias, { ...this.options, padding });
  }
}

/** x: [n, inChannels, l] -> [n, outChannels, l'], l' as ConvTranspose2d's sizes. */
export class ConvTranspose1d extends Convolution<One, One> {
  readonly outputPadding: One;
  constructor(inChannels: number, outChannels: number, kernelSize: F.Single, options: ConvTranspose1dOptions = {}) {
    super("ConvTranspose1d", 1, [inChannels, outChannels], kernelSize, options, true);
    this.outputPadding = outputPadding("ConvTranspose1d", 1, options) as One;
  }
  forward(x: Tensor, { outputSize = null }: OutputSize = {}): Tensor {
    const outputPadding = fitted(this, x, outputSize) as One;
    return F.convTranspose1d(this.checked(x), this.weight, this.bias, {
      ...this.options,
      padding: this.padding,
      outputPadding,
    });
  }
}

/** x: [n, inChannels, h, w] -> [n, outChannels, h', w'], h' = (h - 1) stride - 2 padding + dilation (k - 1) + outputPadding + 1. */
export class ConvTranspose2d extends Convolution<Two, Two> {
  readonly outputPadding: Two;
  constructor(inChannels: number, outChannels: number, kernelSize: F.Pair, options: ConvTranspose2dOptions = {}) {
    super("ConvTranspose2d", 2, [inChannels, outChannels], kernelSize, options, true);
    this.outputPadding = outputPadding("ConvTranspose2d", 2, options) as Two;
  }
  forward(x: Tensor, { outputSize = null }: OutputSize = {}): Tensor {
    const outputPadding = fitted(this, x, outputSize) as Two;
    return F.convTranspose2d(this.checked(x), this.weight, this.bias, {
      ...this.options,
      padding: this.padding,
      outputPadding,
    });
  }
}

/** x: [n, inChannels, d, h, w] -> [n, outChannels, d', h', w'], sizes as ConvTranspose2d's. */
export class ConvTranspose3d extends Convolution<Three, Three> {
  readonly outputPadding: Three;
  constructor(inChannels: number, outChannels: number, kernelSize: F.Triple, options: ConvTranspose3dOptions = {}) {
    super("ConvTranspose3d", 3, [inChannels, outChannels], kernelSize, options, true);
    this.outputPadding = outputPadding("ConvTranspose3d", 3, options) as Three;
  }
  forward(x: Tensor, { outputSize = null }: OutputSize = {}): Tensor {
    const outputPadding = fitted(this, x, outputSize) as Three;
    return F.convTranspose3d(this.checked(x), this.weight, this.bias, {
      ...this.options,
      padding: this.padding,
      outputPadding,
    });
  }
}

const outputPadding = (name: string, d: number, options: { readonly outputPadding?: Sizes }): readonly number[] =>
  checkSizes(name, "outputPadding", options.outputPadding ?? 0, d, 0);

interface OutputSize {
  /** The result's spatial extents, of the several that a stride allows; outputPadding follows. */
  readonly outputSize?: readonly number[] | null;
}

interface Transposed extends Module {
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly outputPadding: readonly number[];
}

/** The output padding that gives `outputSize` ([.., ..s]); throws ShapeError where none does. */
function fitted(layer: Transposed, x: Tensor, outputSize: readonly number[] | null): readonly number[] {
  if (outputSize === null) return layer.outputPadding;
  const { kernelSize, stride, padding, dilation } = layer;
  const d = kernelSize.length;
  const least = x.shape
    .slice(-d)
    .map((e, i) => (e - 1) * stride[i]! - 2 * padding[i]! + dilation[i]! * (kernelSize[i]! - 1) + 1);
  const wanted = outputSize.slice(-d);
  const extra = wanted.map((e, i) => e - least[i]!);
  if (wanted.length < d || extra.some((e, i) => e < 0 || e >= stride[i]!)) {
    const most = least.map((e, i) => e + stride[i]! - 1);
    throw new ShapeError(
      `${nameOf(layer)}: outputSize ${show(outputSize)}: from ${show(x.shape)} come sizes ${show(least)} to ${show(most)}`,
    );
  }
  return extra;
}

/** Convolution and pooling of images, NCHW. */
import { show } from "../ir/shape.ts";
import type { Parameter, Tensor } from "../trace/index.ts";
import { checkCount } from "./check.ts";
import * as F from "./functional.ts";
import { initialParameter, type LayerOptions } from "./layer.ts";
import { Module } from "./module.ts";

export interface Conv2dOptions extends LayerOptions, F.ConvOptions {}

/** x: [n, inChannels, h, w] -> [n, outChannels, h', w'], h' = floor((h + 2 padding - dilation (k - 1) - 1) / stride) + 1. */
export class Conv2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  /** [vertical, horizontal], as the three below. */
  readonly kernelSize: Size;
  readonly stride: Size;
  readonly padding: Size;
  readonly dilation: Size;
  /** [outChannels, inChannels, vertical, horizontal]. */
  readonly weight: Parameter;
  /** [outChannels]. */
  readonly bias: Parameter | null;

  constructor(inChannels: number, outChannels: number, kernelSize: F.Pair, options: Conv2dOptions = {}) {
    super();
    const { bias = true, generator, stride = 1, padding = 0, dilation = 1 } = options;
    this.inChannels = checkCount("Conv2d", "inChannels", inChannels, 1);
    this.outChannels = checkCount("Conv2d", "outChannels", outChannels, 1);
    this.kernelSize = pair("Conv2d", "kernelSize", kernelSize, 1);
    this.stride = pair("Conv2d", "stride", stride, 1);
    this.padding = pair("Conv2d", "padding", padding, 0);
    this.dilation = pair("Conv2d", "dilation", dilation, 1);
    const [kh, kw] = this.kernelSize;
    const fanIn = inChannels * kh * kw;
    this.weight = initialParameter([outChannels, inChannels, kh, kw], fanIn, generator);
    this.bias = bias ? initialParameter([outChannels], fanIn, generator) : null;
  }

  forward(x: Tensor): Tensor {
    return F.conv2d(x, this.weight, this.bias, this);
  }

  protected override describe(): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, bias } = this;
    return (
      `${inChannels}, ${outChannels}, kernelSize=${show(kernelSize)}, stride=${show(stride)}, ` +
      `padding=${show(padding)}, dilation=${show(dilation)}, bias=${bias !== null}`
    );
  }
}

export interface PoolOptions {
  /** Default: the kernel's size. */
  readonly stride?: F.Pair;
  /** Zeros around the image, which count in the mean. Default 0. */
  readonly padding?: F.Pair;
}

/** The mean over windows: x: [n, c, h, w] -> [n, c, h', w'], sizes as Conv2d's. */
export class AvgPool2d extends Module {
  readonly kernelSize: Size;
  readonly stride: Size;
  readonly padding: Size;

  constructor(kernelSize: F.Pair, { stride = kernelSize, padding = 0 }: PoolOptions = {}) {
    super();
    this.kernelSize = pair("AvgPool2d", "kernelSize", kernelSize, 1);
    this.stride = pair("AvgPool2d", "stride", stride, 1);
    this.padding = pair("AvgPool2d", "padding", padding, 0);
  }

  forward(x: Tensor): Tensor {
    return F.avgPool2d(x, this.kernelSize, this);
  }

  protected override describe(): string {
    return `kernelSize=${show(this.kernelSize)}, stride=${show(this.stride)}, padding=${show(this.padding)}`;
  }
}

type Size = readonly [number, number];

/** One number for both axes made two; each checked. */
function pair(layer: string, name: string, value: F.Pair, least: number): Size {
  const [v, h] = typeof value === "number" ? [value, value] : value;
  return [checkCount(layer, name, v, least), checkCount(layer, name, h, least)];
}

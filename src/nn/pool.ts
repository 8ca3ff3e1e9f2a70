/** Pools as modules; each is the function of the same name in functional-spatial.ts, which says what it computes. */
import { show } from "../ir/shape.ts";
import type { Tensor, ValuesAndIndices } from "../trace/index.ts";
import { checkSizes } from "./check.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

type Sizes = number | readonly number[];
type One = readonly [number];
type Two = readonly [number, number];
type Three = readonly [number, number, number];

/** Windows of one size. S: one size an axis. */
abstract class Pool<S extends readonly number[]> extends Module {
  readonly kernelSize: S;
  readonly stride: S;
  readonly padding: S;
  readonly ceilMode: boolean;

  protected constructor(
    name: string,
    d: number,
    kernelSize: Sizes,
    options: { readonly stride?: Sizes; readonly padding?: Sizes; readonly ceilMode?: boolean },
  ) {
    super();
    const { stride = kernelSize, padding = 0, ceilMode = false } = options;
    this.kernelSize = checkSizes(name, "kernelSize", kernelSize, d, 1) as S;
    this.stride = checkSizes(name, "stride", stride, d, 1) as S;
    this.padding = checkSizes(name, "padding", padding, d, 0) as S;
    this.ceilMode = ceilMode;
  }

  abstract forward(x: Tensor): Tensor;

  protected override describe(): string {
    const { kernelSize, stride, padding, ceilMode } = this;
    const sizes = `kernelSize=${show(kernelSize)}, stride=${show(stride)}, padding=${show(padding)}`;
    return ceilMode ? `${sizes}, ceilMode=true` : sizes;
  }
}

abstract class AvgPool<S extends readonly number[]> extends Pool<S> {
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;
  protected constructor(
    name: string,
    d: number,
    kernelSize: Sizes,
    options: {
      readonly stride?: Sizes;
      readonly padding?: Sizes;
      readonly ceilMode?: boolean;
      readonly countIncludePad?: boolean;
      readonly divisorOverride?: number | null;
    },
  ) {
    super(name, d, kernelSize, options);
    this.countIncludePad = options.countIncludePad ?? true;
    this.divisorOverride = options.divisorOverride ?? null;
  }
}

/** Means of windows: x: [n, c, l] -> [n, c, l']. */
export class AvgPool1d extends AvgPool<One> {
  constructor(kernelSize: F.Single, options: F.AvgPoolOptions<F.Single> = {}) {
    super("AvgPool1d", 1, kernelSize, options);
  }
  forward(x: Tensor): Tensor {
    return F.avgPool1d(x, this.kernelSize, this);
  }
}

/** Means of windows: x: [n, c, h, w] -> [n, c, h', w']. */
export class AvgPool2d extends AvgPool<Two> {
  constructor(kernelSize: F.Pair, options: F.AvgPoolOptions = {}) {
    super("AvgPool2d", 2, kernelSize, options);
  }
  forward(x: Tensor): Tensor {
    return F.avgPool2d(x, this.kernelSize, this);
  }
}

/** Means of windows: x: [n, c, d, h, w] -> [n, c, d', h', w']. */
export class AvgPool3d extends AvgPool<Three> {
  constructor(kernelSize: F.Triple, options: F.AvgPoolOptions<F.Triple> = {}) {
    super("AvgPool3d", 3, kernelSize, options);
  }
  forward(x: Tensor): Tensor {
    return F.avgPool3d(x, this.kernelSize, this);
  }
}

/** The largest of windows: x: [n, c, l] -> [n, c, l']. */
export class MaxPool1d extends Pool<One> {
  readonly dilation: One;
  constructor(kernelSize: F.Single, options: F.MaxPoolOptions<F.Single> = {}) {
    super("MaxPool1d", 1, kernelSize, options);
    this.dilation = checkSizes("MaxPool1d", "dilation", options.dilation ?? 1, 1, 1) as One;
  }
  forward(x: Tensor): Tensor {
    return F.maxPool1d(x, this.kernelSize, this);
  }
  /** The largest and where they are in their image: torch's returnIndices. For MaxUnpool1d. */
  withIndices(x: Tensor): ValuesAndIndices {
    return F.maxPool1dWithIndices(x, this.kernelSize, this);
  }
}

/** The largest of windows: x: [n, c, h, w] -> [n, c, h', w']. */
export class MaxPool2d extends Pool<Two> {
  readonly dilation: Two;
  constructor(kernelSize: F.Pair, options: F.MaxPoolOptions = {}) {
    super("MaxPool2d", 2, kernelSize, options);
    this.dilation = checkSizes("MaxPool2d", "dilation", options.dilation ?? 1, 2, 1) as Two;
  }
  forward(x: Tensor): Tensor {
    return F.maxPool2d(x, this.kernelSize, this);
  }
  /** The largest and where they are in their image: torch's returnIndices. For MaxUnpool2d. */
  withIndices(x: Tensor): ValuesAndIndices {
    return F.maxPool2dWithIndices(x, this.kernelSize, this);
  }
}

/** The largest of windows: x: [n, c, d, h, w] -> [n, c, d', h', w']. */
export class MaxPool3d extends Pool<Three> {
  readonly dilation: Three;
  constructor(kernelSize: F.Triple, options: F.MaxPoolOptions<F.Triple> = {}) {
    super("MaxPool3d", 3, kernelSize, options);
    this.dilation = checkSizes("MaxPool3d", "dilation", options.dilation ?? 1, 3, 1) as Three;
  }
  forward(x: Tensor): Tensor {
    return F.maxPool3d(x, this.kernelSize, this);
  }
  /** The largest and where they are in their image: torch's returnIndices. For MaxUnpool3d. */
  withIndices(x: Tensor): ValuesAndIndices {
    return F.maxPool3dWithIndices(x, this.kernelSize, this);
  }
}

/** Windows that cover x evenly, as many as the result has elements. */
abstract class AdaptivePool extends Module {
  readonly outputSize: F.OutputSizes;
  constructor(outputSize: F.OutputSizes) {
    super();
    this.outputSize = outputSize;
  }
  abstract forward(x: Tensor): Tensor;
  protected override describe(): string {
    return `outputSize=${JSON.stringify(this.outputSize)}`;
  }
}

/** Means: x: [n, c, l] -> [n, c, outputSize]. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return F.adaptiveAvgPool1d(x, this.outputSize);
  }
}

/** Means: x: [n, c, h, w] -> [n, c, ..outputSize]. */
export class AdaptiveAvgPool2d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return F.adaptiveAvgPool2d(x, this.outputSize);
  }
}

/** Means: x: [n, c, d, h, w] -> [n, c, ..outputSize]. */
export class AdaptiveAvgPool3d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return F.adaptiveAvgPool3d(x, this.outputSize);
  }
}

/** The largest: x: [n, c, l] -> [n, c, outputSize]. */
export class AdaptiveMaxPool1d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return F.adaptiveMaxPool1d(x, this.outputSize);
  }
}

/** The largest: x: [n, c, h, w] -> [n, c, ..outputSize]. */
export class AdaptiveMaxPool2d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return F.adaptiveMaxPool2d(x, this.outputSize);
  }
}

/** The largest: x: [n, c, d, h, w] -> [n, c, ..outputSize]. */
export class AdaptiveMaxPool3d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return F.adaptiveMaxPool3d(x, this.outputSize);
  }
}

/** What MaxPool took, put back: x: [n, c, ..o], indices as withIndices gives them -> [n, c, ..s], 0 elsewhere. */
abstract class MaxUnpool<S extends readonly number[]> extends Module {
  readonly kernelSize: S;
  readonly stride: S;
  readonly padding: S;

  protected constructor(
    name: string,
    d: number,
    kernelSize: Sizes,
    { stride = kernelSize, padding = 0 }: { readonly stride?: Sizes; readonly padding?: Sizes },
  ) {
    super();
    this.kernelSize = checkSizes(name, "kernelSize", kernelSize, d, 1) as S;
    this.stride = checkSizes(name, "stride", stride, d, 1) as S;
    this.padding = checkSizes(name, "padding", padding, d, 0) as S;
  }

  protected override describe(): string {
    return `kernelSize=${show(this.kernelSize)}, stride=${show(this.stride)}, padding=${show(this.padding)}`;
  }
}

interface OutputSize {
  /** Of the several sizes that are pooled to one. */
  readonly outputSize?: readonly number[] | null;
}

/** x: [n, c, o] -> [n, c, s]. */
export class MaxUnpool1d extends MaxUnpool<One> {
  constructor(kernelSize: F.Single, options: Omit<F.UnpoolOptions<F.Single>, "outputSize"> = {}) {
    super("MaxUnpool1d", 1, kernelSize, options);
  }
  forward(x: Tensor, indices: Tensor, { outputSize = null }: OutputSize = {}): Tensor {
    const { kernelSize, stride, padding } = this;
    return F.maxUnpool1d(x, indices, kernelSize, { stride, padding, outputSize });
  }
}

/** x: [n, c, oh, ow] -> [n, c, h, w]. */
export class MaxUnpool2d extends MaxUnpool<Two> {
  constructor(kernelSize: F.Pair, options: Omit<F.UnpoolOptions<F.Pair>, "outputSize"> = {}) {
    super("MaxUnpool2d", 2, kernelSize, options);
  }
  forward(x: Tensor, indices: Tensor, { outputSize = null }: OutputSize = {}): Tensor {
    const { kernelSize, stride, padding } = this;
    return F.maxUnpool2d(x, indices, kernelSize, { stride, padding, outputSize });
  }
}

/** x: [n, c, od, oh, ow] -> [n, c, d, h, w]. */
export class MaxUnpool3d extends MaxUnpool<Three> {
  constructor(kernelSize: F.Triple, options: Omit<F.UnpoolOptions<F.Triple>, "outputSize"> = {}) {
    super("MaxUnpool3d", 3, kernelSize, options);
  }
  forward(x: Tensor, indices: Tensor, { outputSize = null }: OutputSize = {}): Tensor {
    const { kernelSize, stride, padding } = this;
    return F.maxUnpool3d(x, indices, kernelSize, { stride, padding, outputSize });
  }
}

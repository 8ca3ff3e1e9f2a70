/**
 * Layers without weights that move the elements of images; each is a function of functional-image.ts, which says what it
 * computes. x is a batch [n, c, ..s].
 */
import { TexgradError } from "../ir/errors.ts";
import type { Tensor } from "../trace/index.ts";
import { checkCount } from "./check.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

/** Another size, by a factor or to a size. */
export class Upsample extends Module {
  readonly #options: F.InterpolateOptions;
  constructor(options: Omit<F.InterpolateOptions, "recomputeScaleFactor">) {
    super();
    if ((options.size == null) === (options.scaleFactor == null)) {
      throw new TexgradError("Upsample: takes size or scaleFactor, one of them");
    }
    this.#options = options;
  }
  forward(x: Tensor): Tensor {
    return F.interpolate(x, this.#options);
  }
  protected override describe(): string {
    const { size, scaleFactor, mode = "nearest" } = this.#options;
    return size == null ? `scaleFactor=${String(scaleFactor)}, mode=${mode}` : `size=${String(size)}, mode=${mode}`;
  }
}

/** x: [.., c r^2, h, w] -> [.., c, h r, w r]. Shi et al. (2016). */
export class PixelShuffle extends Module {
  readonly upscaleFactor: number;
  constructor(upscaleFactor: number) {
    super();
    this.upscaleFactor = checkCount("PixelShuffle", "upscaleFactor", upscaleFactor, 1);
  }
  forward(x: Tensor): Tensor {
    return F.pixelShuffle(x, this.upscaleFactor);
  }
  protected override describe(): string {
    return `upscaleFactor=${this.upscaleFactor}`;
  }
}

/** x: [.., c, h r, w r] -> [.., c r^2, h, w]. */
export class PixelUnshuffle extends Module {
  readonly downscaleFactor: number;
  constructor(downscaleFactor: number) {
    super();
    this.downscaleFactor = checkCount("PixelUnshuffle", "downscaleFactor", downscaleFactor, 1);
  }
  forward(x: Tensor): Tensor {
    return F.pixelUnshuffle(x, this.downscaleFactor);
  }
  protected override describe(): string {
    return `downscaleFactor=${this.downscaleFactor}`;
  }
}

/** x: [n, c, ..]: the k-th channels of all groups next to one another. */
export class ChannelShuffle extends Module {
  readonly groups: number;
  constructor(groups: number) {
    super();
    this.groups = checkCount("ChannelShuffle", "groups", groups, 1);
  }
  forward(x: Tensor): Tensor {
    return F.channelShuffle(x, this.groups);
  }
  protected override describe(): string {
    return `groups=${this.groups}`;
  }
}

/** One number for all sides, or [before, after] of the last axis, then of the one before. */
type Amounts = number | readonly number[];

/** Elements put around the last axes of x. */
abstract class Padding extends Module {
  readonly padding: readonly number[];
  readonly #mode: F.PadOptions;

  protected constructor(d: number, padding: Amounts, mode: NonNullable<F.PadOptions["mode"]>, value = 0) {
    super();
    this.padding = typeof padding === "number" ? new Array<number>(2 * d).fill(padding) : padding;
    if (this.padding.length !== 2 * d) {
      throw new TexgradError(
        `${new.target.name}: padding is [${this.padding.join(",")}]; takes one number or ${2 * d}`,
      );
    }
    this.#mode = { mode, value };
  }
  forward(x: Tensor): Tensor {
    return F.pad(x, this.padding, this.#mode);
  }
  protected override describe(): string {
    return `[${this.padding.join(",")}]`;
  }
}

export class ReflectionPad1d extends Padding {
  constructor(padding: Amounts) {
    super(1, padding, "reflect");
  }
}

export class ReflectionPad2d extends Padding {
  constructor(padding: Amounts) {
    super(2, padding, "reflect");
  }
}

export class ReflectionPad3d extends Padding {
  constructor(padding: Amounts) {
    super(3, padding, "reflect");
  }
}

export class ReplicationPad1d extends Padding {
  constructor(padding: Amounts) {
    super(1, padding, "replicate");
  }
}

export class ReplicationPad2d extends Padding {
  constructor(padding: Amounts) {
    super(2, padding, "replicate");
  }
}

export class ReplicationPad3d extends Padding {
  constructor(padding: Amounts) {
    super(3, padding, "replicate");
  }
}

export class CircularPad1d extends Padding {
  constructor(padding: Amounts) {
    super(1, padding, "circular");
  }
}

export class CircularPad2d extends Padding {
  constructor(padding: Amounts) {
    super(2, padding, "circular");
  }
}

export class CircularPad3d extends Padding {
  constructor(padding: Amounts) {
    super(3, padding, "circular");
  }
}

export class ConstantPad1d extends Padding {
  constructor(padding: Amounts, value: number) {
    super(1, padding, "constant", value);
  }
}

export class ConstantPad2d extends Padding {
  constructor(padding: Amounts, value: number) {
    super(2, padding, "constant", value);
  }
}

export class ConstantPad3d extends Padding {
  constructor(padding: Amounts, value: number) {
    super(3, padding, "constant", value);
  }
}

export class ZeroPad1d extends Padding {
  constructor(padding: Amounts) {
    super(1, padding, "constant");
  }
}

export class ZeroPad2d extends Padding {
  constructor(padding: Amounts) {
    super(2, padding, "constant");
  }
}

export class ZeroPad3d extends Padding {
  constructor(padding: Amounts) {
    super(3, padding, "constant");
  }
}

/**
 * Convolution in one to three dimensions, as windows, a product and a sum; transposed, as the windows' adjoint, a
 * product and a sum. Padding is the windows' own: what they read outside is 0. Not here: pools (pool.ts).
 *
 * Letters: n batch, c channels in, o channels out, g groups, s spatial extents in, t out, k kernel extents.
 */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { permute, reshape, unwindow } from "../ops/view.ts";
import { show } from "../shape.ts";
import {
  batched,
  fitWindows,
  sizesOf,
  windows,
  type Pair,
  type Single,
  type Sizes,
  type Triple,
  type Windows,
} from "./spatial.ts";

export interface ConvOptions<S extends Sizes = Pair> {
  /** Default 1. */
  readonly stride?: S;
  /** Zeros around x; "valid" is none, "same" as many as keep its size (stride 1 only). Default 0. */
  readonly padding?: S | "same" | "valid";
  /** Default 1. */
  readonly dilation?: S;
  /** Channels in this many groups, each with kernels of its own. Default 1. */
  readonly groups?: number;
}

export interface ConvTransposeOptions<S extends Sizes = Pair> extends Omit<ConvOptions<S>, "padding"> {
  /** What is cut off around the result. Default 0. */
  readonly padding?: S;
  /** Added to the result's sizes, at their end: which of the sizes that a convolution maps to x's. Default 0. */
  readonly outputPadding?: S;
}

/** weight: [.., .., ..k], bias: [o]. */
interface Operands {
  readonly op: string;
  readonly x: Node;
  readonly w: Node;
  readonly b: Node | undefined;
  readonly d: number;
}

function checkGroups({ op, x, w }: Operands, groups: number, channels: number): void {
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new ShapeError(
      `${op}: groups is ${groups}, must divide the ${channels} channels of x ${show(x.shape)} with weight ${show(w.shape)}`,
    );
  }
}

function checkWeight({ op, w, d }: Operands, form: string): void {
  if (w.shape.length !== d + 2) {
    throw new ShapeError(`${op}: weight is ${show(w.shape)}, must be [${form}${", kd, kh, kw".slice(-4 * d)}]`);
  }
}

/**
 * seen: [n, c, ..t, ..k] times w of g x o/g x c/g x ..k elements, summed over c/g and k -> [n, o, ..t]. One group has no
 * axis, so that a convolution spelled by hand is the same node.
 */
function contract(seen: Node, w: Node, g: number, o: number, kernel: readonly number[]): Node {
  const [n, c, ...rest] = seen.shape as [number, number, ...number[]];
  const d = kernel.length;
  const lead = g === 1 ? [] : [g];
  const out = rest.slice(0, d);
  const product = mul(
    reshape(seen, [n, ...lead, 1, c / g, ...rest]),
    reshape(w, [1, ...lead, o / g, c / g, ...out.map(() => 1), ...kernel]),
  );
  const first = lead.length + 2;
  const y = sum(product, [first, ...kernel.map((_, i) => first + 1 + d + i)]);
  return reshape(y, [n, o, ...out]);
}

function biased(y: Node, { op, w, b, d }: Operands): Node {
  if (b === undefined) return y;
  const o = y.shape[1]!;
  if (b.shape.length !== 1 || b.shape[0] !== o) {
    throw new ShapeError(`${op}: bias ${show(b.shape)} must be [${o}], one an output channel of ${show(w.shape)}`);
  }
  return add(y, reshape(b, [o, ...new Array<number>(d).fill(1)]));
}

/** "same" puts the odd zero behind, as torch. */
function samePadding(op: string, x: Node, w: Omit<Windows, "size" | "padding">): Windows {
  if (w.stride.some((s) => s !== 1)) {
    throw new ShapeError(`${op}: padding "same" takes a stride of 1, got ${show(w.stride)}`);
  }
  const padding = w.kernel.map((k, i) => Math.floor((w.dilation[i]! * (k - 1)) / 2));
  return { ...w, padding, size: x.shape.slice(2) };
}

function convolve<S extends Sizes>(all: Operands, options: ConvOptions<S>): Node {
  const { op, x, w, d } = all;
  const { padding = 0, groups = 1 } = options;
  checkWeight(all, "o, c");
  const [o, per, ...kernel] = w.shape as [number, number, ...number[]];
  const c = x.shape[1]!;
  checkGroups(all, groups, c);
  if (c !== per * groups) {
    throw new ShapeError(
      `${op}: x ${show(x.shape)} has ${c} channels, weight ${show(w.shape)} takes ${per * groups}` +
        (d === 2 && x.shape[3] === per * groups ? "; x is NCHW here: x.permute(0, 3, 1, 2) would fit" : ""),
    );
  }
  if (o % groups !== 0)
    throw new ShapeError(`${op}: groups is ${groups}, must divide the ${o} rows of weight ${show(w.shape)}`);
  const steps = {
    kernel: sizesOf(op, "kernel", kernel, d, 1),
    stride: sizesOf(op, "stride", options.stride ?? 1, d, 1),
    dilation: sizesOf(op, "dilation", options.dilation ?? 1, d, 1),
  };
  const places =
    padding === "same"
      ? samePadding(op, x, steps)
      : fitWindows(op, x.shape, { ...steps, padding: sizesOf(op, "padding", padding === "valid" ? 0 : padding, d, 0) });
  return biased(contract(windows(x, places, 0), w, groups, o, kernel), all);
}

function convolveTransposed<S extends Sizes>(all: Operands, options: ConvTransposeOptions<S>): Node {
  const { op, x, w, d } = all;
  const { groups = 1 } = options;
  checkWeight(all, "c, o");
  const [c, per, ...kernel] = w.shape as [number, number, ...number[]];
  if (x.shape[1] !== c) {
    throw new ShapeError(`${op}: x ${show(x.shape)} has ${x.shape[1]} channels, weight ${show(w.shape)} takes ${c}`);
  }
  checkGroups(all, groups, c);
  const stride = sizesOf(op, "stride", options.stride ?? 1, d, 1);
  const padding = sizesOf(op, "padding", options.padding ?? 0, d, 0);
  const dilation = sizesOf(op, "dilation", options.dilation ?? 1, d, 1);
  const extra = sizesOf(op, "outputPadding", options.outputPadding ?? 0, d, 0);
  let seen = x;
  kernel.forEach((k, i) => {
    if (extra[i]! >= Math.max(stride[i]!, dilation[i]!)) {
      throw new ShapeError(
        `${op}: outputPadding is ${show(extra)}, must be below stride ${show(stride)} or dilation ${show(dilation)}`,
      );
    }
    const size = (x.shape[2 + i]! - 1) * stride[i]! - 2 * padding[i]! + dilation[i]! * (k - 1) + 1 + extra[i]!;
    if (size < 1) {
      throw new ShapeError(`${op}: x ${show(x.shape)} less padding ${show(padding)} leaves nothing of axis ${2 + i}`);
    }
    seen = unwindow(expand(reshape(seen, [...seen.shape, 1]), [...seen.shape, k]), {
      axis: 2 + i,
      stride: stride[i]!,
      dilation: dilation[i]!,
      padding: padding[i]!,
      size,
    });
  });
  const grouped = reshape(w, [groups, c / groups, per, ...kernel]);
  const turned = permute(grouped, [0, 2, 1, ...kernel.map((_, i) => 3 + i)]);
  return biased(contract(seen, turned, groups, per * groups, kernel), all);
}

type Convolution<O> = (x: Node, w: Node, b?: Node, options?: O) => Node;

const convolution =
  <S extends Sizes>(d: number): Convolution<ConvOptions<S>> =>
  (x, w, b, options = {}) => {
    const op = `conv${d}d`;
    return batched(op, x, d, (e) => convolve({ op, x: e, w, b, d }, options));
  };

const transposed =
  <S extends Sizes>(d: number): Convolution<ConvTransposeOptions<S>> =>
  (x, w, b, options = {}) => {
    const op = `convTranspose${d}d`;
    return batched(op, x, d, (e) => convolveTransposed({ op, x: e, w, b, d }, options));
  };

/**
 * x: [n, c, ..s] or [c, ..s], w: [o, c/g, ..k], b: [o] -> [n, o, ..t], t = floor((s + 2p - dilation (k - 1) - 1) / stride) + 1.
 * Cross-correlation, as torch. Throws ShapeError when channels or groups differ or the kernel does not fit.
 */
export const conv1d: Convolution<ConvOptions<Single>> = /* @__PURE__ */ convolution(1);
export const conv2d: Convolution<ConvOptions> = /* @__PURE__ */ convolution(2);
export const conv3d: Convolution<ConvOptions<Triple>> = /* @__PURE__ */ convolution(3);

/**
 * x: [n, c, ..s] or [c, ..s], w: [c, o/g, ..k], b: [o] -> [n, o, ..t], t = (s - 1) stride - 2p + dilation (k - 1) + 1 +
 * outputPadding: what the input gradient of a convolution with these options computes. Throws ShapeError as that does.
 */
export const convTranspose1d: Convolution<ConvTransposeOptions<Single>> = /* @__PURE__ */ transposed(1);
export const convTranspose2d: Convolution<ConvTransposeOptions> = /* @__PURE__ */ transposed(2);
export const convTranspose3d: Convolution<ConvTransposeOptions<Triple>> = /* @__PURE__ */ transposed(3);

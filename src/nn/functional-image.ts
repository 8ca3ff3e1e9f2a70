/**
 * The part of `F` that resamples and rearranges images, pads by what is there, and normalises vectors. x is a batch
 * [n, c, ..s]; sizes are one number for all axes or one an axis, outermost first.
 *
 * Letters of shapes: n batch, c channels, s spatial extents in, o out, k kernel extents.
 */
import * as compose from "../ir/compose/index.ts";
import { DtypeError, ShapeError } from "../ir/errors.ts";
import { normalizeAxis, show, type Shape } from "../ir/shape.ts";
import { apply, scalar, type Tensor } from "../trace/index.ts";

export type { FoldOptions, InterpolationMode, PadMode, SampleMode, SamplePadding } from "../ir/compose/index.ts";

type Numbers = number | readonly number[];

export interface InterpolateOptions {
  /** The sizes o; or a scale factor. */
  readonly size?: Numbers | null;
  /** o = floor(s factor); places are then s apart by exactly the factor. */
  readonly scaleFactor?: Numbers | null;
  /** Default "nearest". "linear" is for [n, c, l], "bilinear" and "bicubic" for [n, c, h, w], "trilinear" for 3d. */
  readonly mode?: compose.InterpolationMode;
  /** Whether the corners of both images fall together. Default false. */
  readonly alignCorners?: boolean;
  /** Whether places follow from the sizes alone, where a factor made them. Default false. */
  readonly recomputeScaleFactor?: boolean;
}

/** x: [n, c, ..s] -> [n, c, ..o]. Throws ShapeError unless exactly one of size and scaleFactor is given. */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  const {
    size = null,
    scaleFactor = null,
    mode = "nearest",
    alignCorners = false,
    recomputeScaleFactor = false,
  } = options;
  const s = x.shape.slice(2);
  if ((size === null) === (scaleFactor === null)) {
    throw new ShapeError("interpolate: takes one of size and scaleFactor");
  }
  if (alignCorners && (mode.startsWith("nearest") || mode === "area")) {
    throw new ShapeError(`interpolate: alignCorners means nothing for "${mode}"`);
  }
  const each = (v: Numbers): readonly number[] => (typeof v === "number" ? s.map(() => v) : v);
  const factors = scaleFactor === null ? null : each(scaleFactor);
  if (factors !== null && (factors.length !== s.length || factors.some((f) => !(f > 0)))) {
    throw new ShapeError(`interpolate: scaleFactor ${show(factors)} must be above 0, one or ${s.length} numbers`);
  }
  const o = factors === null ? each(size!) : s.map((e, i) => Math.floor(e * factors[i]!));
  const steps = s.map((e, i) => (factors === null || recomputeScaleFactor ? e / o[i]! : 1 / factors[i]!));
  return apply((e) => compose.interpolate(e, o, steps, mode, alignCorners), [x]);
}

export interface GridSampleOptions {
  /** Default "bilinear". */
  readonly mode?: compose.SampleMode;
  /** What lies outside: nothing, the border, or the image mirrored. Default "zeros". */
  readonly paddingMode?: compose.SamplePadding;
  /** Whether -1 and 1 are the centres of the corner pixels, not their outer edges. Default false. */
  readonly alignCorners?: boolean;
}

/**
 * x: [n, c, h, w], grid: [n, oh, ow, 2] of (x, y) from -1 to 1 -> [n, c, oh, ow], x read at those places; or with depth,
 * [n, c, d, h, w] and [n, od, oh, ow, 3].
 */
export const gridSample = (
  x: Tensor,
  grid: Tensor,
  { mode = "bilinear", paddingMode = "zeros", alignCorners = false }: GridSampleOptions = {},
): Tensor => apply((e, g) => compose.gridSample(e, g, mode, paddingMode, alignCorners), [x, grid]);

/** theta: [n, 2, 3] and size [n, c, h, w] -> [n, h, w, 2]: the grid of an affine map, for gridSample. 3d alike. */
export function affineGrid(
  theta: Tensor,
  size: Shape,
  { alignCorners = false }: { readonly alignCorners?: boolean } = {},
): Tensor {
  if (theta.dtype !== "f32") throw new DtypeError(`affineGrid: theta is ${theta.dtype}, takes f32`);
  return apply((t) => compose.affineGrid(t, size, alignCorners), [theta]);
}

/** x: [.., c r^2, h, w] -> [.., c, h r, w r]. */
export const pixelShuffle = (x: Tensor, upscaleFactor: number): Tensor =>
  apply((e) => compose.pixelShuffle(e, upscaleFactor), [x]);
/** x: [.., c, h r, w r] -> [.., c r^2, h, w]. */
export const pixelUnshuffle = (x: Tensor, downscaleFactor: number): Tensor =>
  apply((e) => compose.pixelUnshuffle(e, downscaleFactor), [x]);
/** x: [n, c, ..]: the k-th channels of all groups next to one another. */
export const channelShuffle = (x: Tensor, groups: number): Tensor =>
  apply((e) => compose.channelShuffle(e, groups), [x]);

/** x: [n, c, h, w] or [c, h, w] -> [n, c kh kw, places]: a column for each window. */
export const unfold = (x: Tensor, kernelSize: compose.Pair, options: compose.FoldOptions = {}): Tensor =>
  apply((e) => compose.unfoldImage(e, kernelSize, options), [x]);
/** x: [n, c kh kw, places] -> [n, c, ..outputSize]: columns put back where unfold takes them from, and added. */
export const fold = (
  x: Tensor,
  outputSize: compose.Pair,
  kernelSize: compose.Pair,
  options: compose.FoldOptions = {},
): Tensor => apply((e) => compose.foldImage(e, outputSize, kernelSize, options), [x]);

export interface PadOptions {
  /** "constant", or what is there: mirrored without the edge, the edge, or from the other end. Default "constant". */
  readonly mode?: "constant" | compose.PadMode;
  /** Of "constant". Default 0. */
  readonly value?: number;
}

/**
 * Elements put around: [before, after] of the last axis, then of the one before, and so on; negative ones take away.
 * Throws ShapeError where a mode needs more elements than there are.
 */
export function pad(x: Tensor, amounts: readonly number[], { mode = "constant", value = 0 }: PadOptions = {}): Tensor {
  if (mode === "constant") return x.pad(amounts, value);
  if (!["reflect", "replicate", "circular"].includes(mode)) {
    throw new ShapeError(`pad: no mode "${mode}"; there are constant, reflect, replicate, circular`);
  }
  if (amounts.length % 2 !== 0 || amounts.length > 2 * x.ndim || amounts.some((e) => !Number.isInteger(e))) {
    throw new ShapeError(`pad: ${show(amounts)} must hold two whole numbers an axis, for at most ${x.ndim} axes`);
  }
  return apply(
    (e) => {
      let y = e;
      for (let i = 0; i < amounts.length / 2; i++) {
        y = compose.padBySelf("pad", y, e.shape.length - 1 - i, amounts[2 * i]!, amounts[2 * i + 1]!, mode);
      }
      return y;
    },
    [x],
  );
}

type LpPool<S> = (x: Tensor, normType: number, kernelSize: S, options?: LpPoolOptions<S>) => Tensor;

export interface LpPoolOptions<S> {
  /** Default: the kernel's size. */
  readonly stride?: S;
  /** Whether a last window that reaches out counts. Default false. */
  readonly ceilMode?: boolean;
}

const lpPool =
  <S extends Numbers>(d: number): LpPool<S> =>
  (x, normType, kernelSize, options = {}) => {
    if (normType === 0 || Number.isNaN(normType)) throw new ShapeError(`lpPool${d}d: normType is ${normType}`);
    return apply((e) => compose.lpPool(d, e, normType, scalar(normType), kernelSize, options), [x]);
  };

/** (sum x^p)^(1/p) of the windows of x: [n, c, l]; 0 where the sum is not above 0. */
export const lpPool1d: LpPool<compose.Single> = /* @__PURE__ */ lpPool(1);
/** (sum x^p)^(1/p) of the windows of x: [n, c, h, w]; 0 where the sum is not above 0. */
export const lpPool2d: LpPool<compose.Pair> = /* @__PURE__ */ lpPool(2);
/** (sum x^p)^(1/p) of the windows of x: [n, c, d, h, w]; 0 where the sum is not above 0. */
export const lpPool3d: LpPool<compose.Triple> = /* @__PURE__ */ lpPool(3);

export interface UnpoolOptions<S> {
  /** Default: the kernel's size. */
  readonly stride?: S;
  /** Default 0. */
  readonly padding?: S;
  /** The size s, where several are pooled to the same. Default: (o - 1) stride - 2 padding + kernel. */
  readonly outputSize?: readonly number[] | null;
}

type Unpool<S> = (x: Tensor, indices: Tensor, kernelSize: S, options?: UnpoolOptions<S>) => Tensor;

const maxUnpool =
  <S extends Numbers>(d: number): Unpool<S> =>
  (x, indices, kernelSize, { stride, padding, outputSize = null } = {}) => {
    const each = (v: Numbers): readonly number[] => (typeof v === "number" ? new Array<number>(d).fill(v) : v);
    const o = x.shape.slice(-d);
    const s = o.map((e, i) => {
      const k = each(kernelSize)[i]!;
      return (e - 1) * each(stride ?? kernelSize)[i]! - 2 * each(padding ?? 0)[i]! + k;
    });
    return apply((e, at) => compose.maxUnpool(d, e, at, outputSize?.slice(-d) ?? s), [x, indices]);
  };

/** x: [n, c, o] put where maxPool1dWithIndices found it: [n, c, s], 0 elsewhere. */
export const maxUnpool1d: Unpool<compose.Single> = /* @__PURE__ */ maxUnpool(1);
/** x: [n, c, oh, ow] put where maxPool2dWithIndices found it: [n, c, h, w], 0 elsewhere. */
export const maxUnpool2d: Unpool<compose.Pair> = /* @__PURE__ */ maxUnpool(2);
/** x: [n, c, od, oh, ow] put where maxPool3dWithIndices found it: [n, c, d, h, w], 0 elsewhere. */
export const maxUnpool3d: Unpool<compose.Triple> = /* @__PURE__ */ maxUnpool(3);

export interface NormalizeOptions {
  /** The norm's order. Default 2. */
  readonly p?: number;
  /** Default 1. */
  readonly dim?: number;
  /** The least that a length counts. Default 1e-12. */
  readonly eps?: number;
}

/** x over its p-norm along `dim`. */
export function normalize(x: Tensor, { p = 2, dim = 1, eps = 1e-12 }: NormalizeOptions = {}): Tensor {
  if (x.dtype !== "f32") throw new DtypeError(`normalize: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
  return apply(
    (e) => {
      const axis = normalizeAxis("normalize", dim, e.shape.length);
      return compose.normalized(e, axis, p, scalar(p), scalar(eps));
    },
    [x],
  );
}

/**
 * The part of `F` that works on images: convolutions and pools in one to three dimensions. x is a batch [n, c, ..s], or
 * one image [c, ..s]; sizes are one number for all axes or one an axis, outermost first.
 *
 * Letters of shapes: n batch, c channels in, o channels out, g groups, s spatial extents, k kernel extents.
 */
import * as compose from "../ir/compose/index.ts";
import type { Node } from "../ir/node.ts";
import { apply, type Tensor, type ValuesAndIndices } from "../trace/index.ts";

export type {
  AvgPoolOptions,
  ConvOptions,
  ConvTransposeOptions,
  MaxPoolOptions,
  OutputSizes,
  Pair,
  PoolOptions,
  Single,
  Triple,
} from "../ir/compose/index.ts";

type Convolution<O> = (x: Tensor, weight: Tensor, bias?: Tensor | null, options?: O) => Tensor;

const convolution =
  <O>(f: (x: Node, w: Node, b: Node | undefined, options: O | undefined) => Node): Convolution<O> =>
  (x, weight, bias = null, options) =>
    apply((e, w, b) => f(e, w, b, options), bias === null ? [x, weight] : [x, weight, bias]);

/** x: [n, c, l], weight: [o, c/g, k], bias: [o] -> [n, o, l'], the cross-correlation; l' as conv2d's sizes. */
export const conv1d: Convolution<compose.ConvOptions<compose.Single>> = /* @__PURE__ */ convolution(compose.conv1d);
/**
 * x: [n, c, h, w], weight: [o, c/g, kh, kw], bias: [o] -> [n, o, h', w'], the cross-correlation;
 * h' = floor((h + 2 padding - dilation (kh - 1) - 1) / stride) + 1. Throws ShapeError where channels, groups or sizes
 * do not fit.
 */
export const conv2d: Convolution<compose.ConvOptions> = /* @__PURE__ */ convolution(compose.conv2d);
/** x: [n, c, d, h, w], weight: [o, c/g, kd, kh, kw], bias: [o] -> [n, o, d', h', w']; sizes as conv2d's. */
export const conv3d: Convolution<compose.ConvOptions<compose.Triple>> = /* @__PURE__ */ convolution(compose.conv3d);

/** x: [n, c, l], weight: [c, o/g, k], bias: [o] -> [n, o, l']; l' as convTranspose2d's sizes. */
export const convTranspose1d: Convolution<compose.ConvTransposeOptions<compose.Single>> = /* @__PURE__ */ convolution(
  compose.convTranspose1d,
);
/**
 * x: [n, c, h, w], weight: [c, o/g, kh, kw], bias: [o] -> [n, o, h', w'], what the input gradient of conv2d computes;
 * h' = (h - 1) stride - 2 padding + dilation (kh - 1) + outputPadding + 1. Throws ShapeError as conv2d.
 */
export const convTranspose2d: Convolution<compose.ConvTransposeOptions> = /* @__PURE__ */ convolution(
  compose.convTranspose2d,
);
/** x: [n, c, d, h, w], weight: [c, o/g, kd, kh, kw], bias: [o] -> [n, o, d', h', w']; sizes as convTranspose2d's. */
export const convTranspose3d: Convolution<compose.ConvTransposeOptions<compose.Triple>> = /* @__PURE__ */ convolution(
  compose.convTranspose3d,
);

type Pool<S, O> = (x: Tensor, kernelSize: S, options?: O) => Tensor;

const pool =
  <S, O>(f: (x: Node, kernel: S, options: O | undefined) => Node): Pool<S, O> =>
  (x, kernelSize, options) =>
    apply((e) => f(e, kernelSize, options), [x]);

/** Means of the windows of x: [n, c, l]; the stride is the kernel unless given. */
export const avgPool1d: Pool<compose.Single, compose.AvgPoolOptions<compose.Single>> = /* @__PURE__ */ pool(
  compose.avgPool1d,
);
/** Means of the windows of x: [n, c, h, w]; the stride is the kernel unless given. Padding counts as zeros. */
export const avgPool2d: Pool<compose.Pair, compose.AvgPoolOptions> = /* @__PURE__ */ pool(compose.avgPool2d);
/** Means of the windows of x: [n, c, d, h, w]; the stride is the kernel unless given. */
export const avgPool3d: Pool<compose.Triple, compose.AvgPoolOptions<compose.Triple>> = /* @__PURE__ */ pool(
  compose.avgPool3d,
);

/** The largest of each window of x: [n, c, l]; of equals the first gets the gradient, a NaN wins. */
export const maxPool1d: Pool<compose.Single, compose.MaxPoolOptions<compose.Single>> = /* @__PURE__ */ pool(
  compose.maxPool1d,
);
/** The largest of each window of x: [n, c, h, w]; of equals the first gets the gradient, a NaN wins. */
export const maxPool2d: Pool<compose.Pair, compose.MaxPoolOptions> = /* @__PURE__ */ pool(compose.maxPool2d);
/** The largest of each window of x: [n, c, d, h, w]; of equals the first gets the gradient, a NaN wins. */
export const maxPool3d: Pool<compose.Triple, compose.MaxPoolOptions<compose.Triple>> = /* @__PURE__ */ pool(
  compose.maxPool3d,
);

type PoolWithIndices<S, O> = (x: Tensor, kernelSize: S, options?: O) => ValuesAndIndices;

const withIndices =
  <S, O>(values: Pool<S, O>, indices: Pool<S, O>): PoolWithIndices<S, O> =>
  (...all) => ({ values: values(...all), indices: indices(...all) });

/** maxPool1d and where each value is: its position on l, i32. */
export const maxPool1dWithIndices: PoolWithIndices<
  compose.Single,
  compose.MaxPoolOptions<compose.Single>
> = /* @__PURE__ */ withIndices(maxPool1d, /* @__PURE__ */ pool(compose.maxPool1dIndices));
/** maxPool2d and where each value is: its position in h, w flattened, i32. */
export const maxPool2dWithIndices: PoolWithIndices<compose.Pair, compose.MaxPoolOptions> = /* @__PURE__ */ withIndices(
  maxPool2d,
  /* @__PURE__ */ pool(compose.maxPool2dIndices),
);
/** maxPool3d and where each value is: its position in d, h, w flattened, i32. */
export const maxPool3dWithIndices: PoolWithIndices<
  compose.Triple,
  compose.MaxPoolOptions<compose.Triple>
> = /* @__PURE__ */ withIndices(maxPool3d, /* @__PURE__ */ pool(compose.maxPool3dIndices));

type AdaptivePool = (x: Tensor, outputSize: compose.OutputSizes) => Tensor;

const adaptive =
  (f: (x: Node, outputSize: compose.OutputSizes) => Node): AdaptivePool =>
  (x, outputSize) =>
    apply((e) => f(e, outputSize), [x]);

/** x: [n, c, l] -> [n, c, o], means of o windows that cover l evenly; null keeps l. */
export const adaptiveAvgPool1d: AdaptivePool = /* @__PURE__ */ adaptive(compose.adaptiveAvgPool1d);
/** x: [n, c, h, w] -> [n, c, ..outputSize], means of windows that cover the image evenly; null keeps a size. */
export const adaptiveAvgPool2d: AdaptivePool = /* @__PURE__ */ adaptive(compose.adaptiveAvgPool2d);
/** x: [n, c, d, h, w] -> [n, c, ..outputSize]; as adaptiveAvgPool2d. */
export const adaptiveAvgPool3d: AdaptivePool = /* @__PURE__ */ adaptive(compose.adaptiveAvgPool3d);
/** x: [n, c, l] -> [n, c, o], the largest of o windows that cover l evenly; null keeps l. */
export const adaptiveMaxPool1d: AdaptivePool = /* @__PURE__ */ adaptive(compose.adaptiveMaxPool1d);
/** x: [n, c, h, w] -> [n, c, ..outputSize], the largest of windows that cover the image evenly; null keeps a size. */
export const adaptiveMaxPool2d: AdaptivePool = /* @__PURE__ */ adaptive(compose.adaptiveMaxPool2d);
/** x: [n, c, d, h, w] -> [n, c, ..outputSize]; as adaptiveMaxPool2d. */
export const adaptiveMaxPool3d: AdaptivePool = /* @__PURE__ */ adaptive(compose.adaptiveMaxPool3d);

type AdaptivePoolWithIndices = (x: Tensor, outputSize: compose.OutputSizes) => ValuesAndIndices;

const adaptiveWithIndices =
  (values: AdaptivePool, indices: AdaptivePool): AdaptivePoolWithIndices =>
  (...all) => ({ values: values(...all), indices: indices(...all) });

/** adaptiveMaxPool1d and where each value is: its position on l, i32. */
export const adaptiveMaxPool1dWithIndices: AdaptivePoolWithIndices = /* @__PURE__ */ adaptiveWithIndices(
  adaptiveMaxPool1d,
  /* @__PURE__ */ adaptive(compose.adaptiveMaxPool1dIndices),
);
/** adaptiveMaxPool2d and where each value is: its position in h, w flattened, i32. */
export const adaptiveMaxPool2dWithIndices: AdaptivePoolWithIndices = /* @__PURE__ */ adaptiveWithIndices(
  adaptiveMaxPool2d,
  /* @__PURE__ */ adaptive(compose.adaptiveMaxPool2dIndices),
);
/** adaptiveMaxPool3d and where each value is: its position in d, h, w flattened, i32. */
export const adaptiveMaxPool3dWithIndices: AdaptivePoolWithIndices = /* @__PURE__ */ adaptiveWithIndices(
  adaptiveMaxPool3d,
  /* @__PURE__ */ adaptive(compose.adaptiveMaxPool3dIndices),
);

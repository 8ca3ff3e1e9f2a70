/**
 * Pools in one to three dimensions: the mean or the largest element of each window. Images are [n, c, ..s] or [c, ..s].
 *
 * The largest is found with its position, so that of equals the first gets the gradient. Letters as in spatial.ts.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, div, maximum, minimum, mul, sub } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { cast } from "../ops/compare.ts";
import { count, iota } from "../ops/leaf.ts";
import { argmax } from "../ops/reduce.ts";
import { reshape } from "../ops/view.ts";
import { numel, show } from "../shape.ts";
import { mean, pick, type Extreme } from "./reduction.ts";
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

export interface PoolOptions<S extends Sizes = Pair> {
  /** Default: the kernel's size. */
  readonly stride?: S;
  /** Around x, at most half a window. Default 0. */
  readonly padding?: S;
  /** Whether a last window that reaches past the padding counts. Default false. */
  readonly ceilMode?: boolean;
}

export interface MaxPoolOptions<S extends Sizes = Pair> extends PoolOptions<S> {
  /** Default 1. */
  readonly dilation?: S;
}

export interface AvgPoolOptions<S extends Sizes = Pair> extends PoolOptions<S> {
  /** Whether the zeros of the padding are elements of a window. Default true. */
  readonly countIncludePad?: boolean;
  /** What sums are divided by in place of the number of elements. */
  readonly divisorOverride?: number | null;
}

function places<S extends Sizes>(op: string, x: Node, kernel: S, options: MaxPoolOptions<S>): Windows {
  if (x.dtype !== "f32") throw new DtypeError(`${op}: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
  const d = x.shape.length - 2;
  const size = sizesOf(op, "kernel", kernel, d, 1);
  const padding = sizesOf(op, "padding", options.padding ?? 0, d, 0);
  const dilation = sizesOf(op, "dilation", options.dilation ?? 1, d, 1);
  const stride = sizesOf(op, "stride", options.stride ?? kernel, d, 1);
  if (padding.some((p, i) => p > (dilation[i]! * (size[i]! - 1) + 1) / 2)) {
    throw new ShapeError(`${op}: padding ${show(padding)} is more than half of the window, kernel ${show(size)}`);
  }
  return fitWindows(op, x.shape, { kernel: size, stride, dilation, padding }, options.ceilMode);
}

/** The last d axes of [n, c, ..o, ..k]. */
const kernelAxes = (d: number): number[] => Array.from({ length: d }, (_, i) => 2 + d + i);

/** How many elements the windows of one axis hold, i32 [o], or one number if all hold the same. */
function held(n: number, w: Windows, i: number, padding: boolean): Node | number {
  const [k, s, p, m] = [w.kernel[i]!, w.stride[i]!, w.padding[i]!, w.size[i]!];
  const [low, high] = padding ? [-p, n + p] : [0, n];
  if (-p >= low && (m - 1) * s - p + k <= high) return k;
  const start = add(mul(iota(m), s), -p);
  return sub(minimum(add(start, k), count(high, "i32")), maximum(start, count(low, "i32")));
}

/** Means of the windows of x: [n, c, ..s]. */
export function averaged<S extends Sizes>(op: string, x: Node, kernel: S, options: AvgPoolOptions<S>): Node {
  const { countIncludePad = true, divisorOverride = null } = options;
  const w = places(op, x, kernel, options);
  const d = w.kernel.length;
  const seen = windows(x, w, 0);
  if (divisorOverride !== null) {
    if (divisorOverride === 0) throw new ShapeError(`${op}: divisorOverride is 0`);
    return div(sum(seen, kernelAxes(d)), count(divisorOverride));
  }
  let varying: Node | null = null;
  let same = 1;
  w.kernel.forEach((_, i) => {
    const h = held(x.shape[2 + i]!, w, i, countIncludePad);
    if (typeof h === "number") same *= h;
    else {
      const along = reshape(cast(h, "f32"), [w.size[i]!, ...new Array<number>(d - 1 - i).fill(1)]);
      varying = varying === null ? along : mul(varying, along);
    }
  });
  if (varying === null) return mean(seen, kernelAxes(d));
  return div(sum(seen, kernelAxes(d)), same === 1 ? varying : mul(varying, count(same)));
}

/** [n, c, ..o, ..k] as [n, c, ..o, K]. */
const flatWindows = (seen: Node, d: number): Node =>
  reshape(seen, [...seen.shape.slice(0, -d), numel(seen.shape.slice(-d))]);

/** The largest of each window of x: [n, c, ..s] with its position in the flattened spatial axes. */
export function largest<S extends Sizes>(op: string, x: Node, kernel: S, options: MaxPoolOptions<S>): Extreme {
  const w = places(op, x, kernel, options);
  const d = w.kernel.length;
  const seen = flatWindows(windows(x, w, -Infinity), d);
  const axis = 2 + d;
  const found = argmax(seen, axis);
  const s = x.shape.slice(2);
  const image = flatWindows(windows(reshape(iota(numel(s)), [1, 1, ...s]), w, 0), d);
  return { values: pick(seen, axis, found), indices: pick(expand(image, seen.shape), axis, found) };
}

type Pool<S, O> = (x: Node, kernel: S, options?: O) => Node;

const avgPool =
  <S extends Sizes>(d: number): Pool<S, AvgPoolOptions<S>> =>
  (x, kernel, options = {}) => {
    const op = `avgPool${d}d`;
    return batched(op, x, d, (e) => averaged(op, e, kernel, options));
  };

const maxPool =
  <S extends Sizes>(d: number, part: keyof Extreme): Pool<S, MaxPoolOptions<S>> =>
  (x, kernel, options = {}) => {
    const op = `maxPool${d}d`;
    return batched(op, x, d, (e) => largest(op, e, kernel, options)[part]);
  };

export const avgPool1d: Pool<Single, AvgPoolOptions<Single>> = /* @__PURE__ */ avgPool(1);
export const avgPool2d: Pool<Pair, AvgPoolOptions> = /* @__PURE__ */ avgPool(2);
export const avgPool3d: Pool<Triple, AvgPoolOptions<Triple>> = /* @__PURE__ */ avgPool(3);
export const maxPool1d: Pool<Single, MaxPoolOptions<Single>> = /* @__PURE__ */ maxPool(1, "values");
export const maxPool2d: Pool<Pair, MaxPoolOptions> = /* @__PURE__ */ maxPool(2, "values");
export const maxPool3d: Pool<Triple, MaxPoolOptions<Triple>> = /* @__PURE__ */ maxPool(3, "values");
/** Positions in the flattened spatial axes, i32: what the values of maxPool were read from. */
export const maxPool1dIndices: Pool<Single, MaxPoolOptions<Single>> = /* @__PURE__ */ maxPool(1, "indices");
export const maxPool2dIndices: Pool<Pair, MaxPoolOptions> = /* @__PURE__ */ maxPool(2, "indices");
export const maxPool3dIndices: Pool<Triple, MaxPoolOptions<Triple>> = /* @__PURE__ */ maxPool(3, "indices");

/**
 * Functions along axes, with torch's names: statistics, norms, running reductions, and what needs the order of elements.
 * `dim` counts from the end when negative; where it may be several, absent or an empty list means all.
 */
import * as compose from "../ir/compose/index.ts";
import { DtypeError, ShapeError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { cast } from "../ir/ops/compare.ts";
import { reshape } from "../ir/ops/view.ts";
import { normalizeAxes, normalizeAxis, numel, show, type Shape } from "../ir/shape.ts";
import { apply, scalar, tensor, type Dims, type Tensor, type ValuesAndIndices } from "../trace/index.ts";

export interface KeepOptions {
  /** Whether the axes stay, as 1. Default false. */
  readonly keepdim?: boolean;
}

export interface VarianceOptions extends KeepOptions {
  /** What the count is lessened by; 1 is the unbiased variance. Default 1. */
  readonly correction?: number;
}

const axesOf = (op: string, x: { readonly shape: Shape }, dim: Dims | null | undefined): number[] =>
  normalizeAxes(
    op,
    dim === null || dim === undefined || (typeof dim !== "number" && dim.length === 0)
      ? undefined
      : typeof dim === "number"
        ? [dim]
        : dim,
    x.shape.length,
  );

function checkFloat(op: string, x: Tensor): void {
  if (x.dtype !== "f32") throw new DtypeError(`${op}: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
}

/** A reduction over any axes. */
function reduced(
  op: string,
  f: (x: Node, axes: readonly number[]) => Node,
  x: Tensor,
  dim: Dims | null | undefined,
  keepdim: boolean,
): Tensor {
  return apply(
    (e) => {
      const axes = axesOf(op, e, dim);
      return keepdim ? compose.keeping(f, e, axes) : f(e, axes);
    },
    [x],
  );
}

/** Variance along `dim`, over n - correction. torch's `var`, which is no name for a binding. */
export function variance(
  x: Tensor,
  dim?: Dims | null,
  { correction = 1, keepdim = false }: VarianceOptions = {},
): Tensor {
  checkFloat("variance", x);
  axesOf("variance", x, dim);
  return x.var(dim ?? undefined, { correction, keepdim });
}
export { variance as var };

/** Standard deviation along `dim`, over n - correction. */
export function std(x: Tensor, dim?: Dims | null, { correction = 1, keepdim = false }: VarianceOptions = {}): Tensor {
  checkFloat("std", x);
  axesOf("std", x, dim);
  return x.std(dim ?? undefined, { correction, keepdim });
}

export interface NormOptions extends KeepOptions {
  /** Any number; 0 counts what is not 0, the infinities take the largest and the smallest. Default 2. */
  readonly p?: number;
  /** Default: all. */
  readonly dim?: Dims | null;
}

/** (sum |x|^p)^(1/p) along `dim`. Where it is 0, so is its gradient. */
export function norm(x: Tensor, { p = 2, dim = null, keepdim = false }: NormOptions = {}): Tensor {
  checkFloat("norm", x);
  if (Number.isNaN(p)) throw new ShapeError("norm: p is NaN; takes a number or an infinity");
  return reduced("norm", (e, axes) => compose.norm(e, axes, p, scalar(p)), x, dim, keepdim);
}

/** How many elements along `dim` are not 0: i32. */
export const countNonzero = (x: Tensor, dim?: Dims | null): Tensor =>
  reduced("countNonzero", compose.countNonzero, x, dim, false);

/** Smallest and largest element along `dim`, or of all; ties share the gradient. */
export function aminmax(
  x: Tensor,
  { dim = null, keepdim = false }: KeepOptions & { readonly dim?: number | null } = {},
): { readonly min: Tensor; readonly max: Tensor } {
  return { min: x.amin(dim ?? undefined, keepdim), max: x.amax(dim ?? undefined, keepdim) };
}

/** Sum along `dim`, NaN counting as 0. */
export const nansum = (x: Tensor, dim?: Dims | null, { keepdim = false }: KeepOptions = {}): Tensor =>
  apply((e) => compose.nanToNum(e, 0, Infinity, -Infinity), [x]).sum(dim ?? undefined, keepdim);

// Running reductions.

/** A scalar counts as a vector of one. */
const asVector = (x: Node): Node => (x.shape.length === 0 ? reshape(x, [1]) : x);
const asNumber = (x: Node): Node => (x.dtype === "bool" ? cast(x, "i32") : x);

const running = (op: string, f: (x: Node, axis: number) => Node, x: Tensor, dim: number): Tensor =>
  apply((e) => reshape(f(asVector(asNumber(e)), normalizeAxis(op, dim, e.shape.length)), e.shape), [x]);

/** Sums of the elements up to each along `dim`; bool counts as i32. */
export const cumsum = (x: Tensor, dim: number): Tensor => running("cumsum", compose.cumsum, x, dim);
/** Products of the elements up to each along `dim`; the gradient is exact at zeros. */
export const cumprod = (x: Tensor, dim: number): Tensor => running("cumprod", compose.cumprod, x, dim);
/** log sum exp of the elements up to each along `dim`. */
export function logcumsumexp(x: Tensor, dim: number): Tensor {
  checkFloat("logcumsumexp", x);
  return running("logcumsumexp", compose.logcumsumexp, x, dim);
}

/** Both parts of a pair along one axis; a scalar counts as a vector of one. */
function extremes(
  op: string,
  f: (x: Node, axis: number) => compose.Extreme,
  x: Tensor,
  dim: number,
  shaped: (y: Node, x: Node, axis: number) => Node,
): ValuesAndIndices {
  const axis = normalizeAxis(op, dim, x.ndim);
  const part = (name: "values" | "indices"): Tensor => apply((e) => shaped(f(asVector(e), axis)[name], e, axis), [x]);
  return { values: part("values"), indices: part("indices") };
}

const unchanged = (y: Node, x: Node): Node => reshape(y, x.shape);

/** The largest element up to each along `dim`, with its position, the last of equals. */
export const cummax = (x: Tensor, dim: number): ValuesAndIndices =>
  extremes("cummax", compose.cummax, x, dim, unchanged);
/** The smallest element up to each along `dim`, with its position, the last of equals. */
export const cummin = (x: Tensor, dim: number): ValuesAndIndices =>
  extremes("cummin", compose.cummin, x, dim, unchanged);

// By order.

const dropping =
  (keepdim: boolean) =>
  (y: Node, x: Node, axis: number): Node =>
    x.shape.length === 0 ? reshape(y, []) : keepdim ? compose.keepAxes(y, x.shape, [axis]) : y;

/**
 * The elements along `dim` in order, with the positions they had; equal ones stay as they stand, NaN are largest. By
 * counting, n comparisons an element: for axes of some thousands.
 */
export const sort = (
  x: Tensor,
  dim = -1,
  { descending = false }: { readonly descending?: boolean } = {},
): ValuesAndIndices => extremes("sort", (e, axis) => compose.sorted(e, axis, descending), x, dim, unchanged);

/** The positions that put the elements along `dim` in order; as `sort`. */
export const argsort = (x: Tensor, dim = -1, options: { readonly descending?: boolean } = {}): Tensor =>
  sort(x, dim, options).indices;

export interface TopkOptions {
  /** Default true: the largest. */
  readonly largest?: boolean;
}

/** The k largest (or smallest) elements along `dim` in order, with their positions. Throws ShapeError for too large a k. */
export function topk(x: Tensor, k: number, dim = -1, { largest = true }: TopkOptions = {}): ValuesAndIndices {
  const axis = normalizeAxis("topk", dim, x.ndim);
  const n = x.shape[axis] ?? 1;
  if (!Number.isInteger(k) || k < 0 || k > n) {
    throw new ShapeError(`topk: k is ${k}, axis ${axis} of ${show(x.shape)} has ${n} elements`);
  }
  const { values, indices } = sort(x, dim, { descending: largest });
  if (x.ndim === 0) return { values, indices };
  return { values: values.narrow(axis, 0, k), indices: indices.narrow(axis, 0, k) };
}

/** The k-th smallest element along `dim`, k from 1, with its position. */
export function kthvalue(x: Tensor, k: number, dim = -1, { keepdim = false }: KeepOptions = {}): ValuesAndIndices {
  const axis = normalizeAxis("kthvalue", dim, x.ndim);
  const n = x.shape[axis] ?? 1;
  if (!Number.isInteger(k) || k < 1 || k > n) {
    throw new ShapeError(`kthvalue: k is ${k}, axis ${axis} of ${show(x.shape)} has ${n} elements, counted from 1`);
  }
  return extremes(
    "kthvalue",
    (e, d) => {
      const { values, indices } = compose.sorted(e, d, false);
      const only = (y: Node): Node =>
        reshape(
          compose.cut(y, d, k - 1, 1),
          y.shape.filter((_, i) => i !== d),
        );
      return { values: only(values), indices: only(indices) };
    },
    x,
    dim,
    dropping(keepdim),
  );
}

/**
 * The middle element along `dim`, the lower of two, with its position, the first of equals; without `dim` of all,
 * values alone. NaN where there is one.
 */
export function median(x: Tensor): Tensor;
export function median(x: Tensor, dim: number, options?: KeepOptions): ValuesAndIndices;
export function median(x: Tensor, dim?: number, { keepdim = false }: KeepOptions = {}): Tensor | ValuesAndIndices {
  if (dim === undefined) return apply((e) => compose.median(reshape(e, [numel(e.shape)]), 0).values, [x]);
  return extremes("median", compose.median, x, dim, dropping(keepdim));
}

/** The most frequent element along `dim`, the smallest of those, with the last position it has. */
export const mode = (x: Tensor, dim = -1, { keepdim = false }: KeepOptions = {}): ValuesAndIndices =>
  extremes("mode", compose.mode, x, dim, dropping(keepdim));

export interface QuantileOptions extends KeepOptions {
  /** What is taken between two elements. Default "linear". */
  readonly interpolation?: compose.Interpolation;
}

/**
 * The elements at the fractions q of the order along `dim`, or of all: q a number, or a tensor [m] whose axis comes
 * first. NaN where there is one. Throws ShapeError for a q outside [0, 1] that is known.
 */
export function quantile(
  x: Tensor,
  q: number | Tensor,
  dim: number | null = null,
  { keepdim = false, interpolation = "linear" }: QuantileOptions = {},
): Tensor {
  checkFloat("quantile", x);
  if (typeof q === "number" && !(q >= 0 && q <= 1)) throw new ShapeError(`quantile: q is ${q}, must be from 0 to 1`);
  const fractions = typeof q === "number" ? tensor([q]) : q;
  if (fractions.ndim > 1)
    throw new ShapeError(`quantile: q is ${show(fractions.shape)}, must be a number or have one axis`);
  const single = typeof q === "number" || q.ndim === 0;
  return apply(
    (e, f) => {
      const flat = dim === null || e.shape.length === 0;
      const axis = flat ? 0 : normalizeAxis("quantile", dim, e.shape.length);
      const y = compose.quantile(
        flat ? reshape(e, [numel(e.shape)]) : e,
        reshape(f, [numel(f.shape)]),
        axis,
        interpolation,
      );
      const rest = !keepdim
        ? y.shape.slice(1)
        : flat
          ? e.shape.map(() => 1)
          : e.shape.map((n, i) => (i === axis ? 1 : n));
      return reshape(y, single ? rest : [y.shape[0]!, ...rest]);
    },
    [x, fractions],
  );
}

/**
 * Functions that read and write at positions held in tensors, with torch's names. Indices are i32 or u32. Those the
 * host holds are checked at once; an index made on a device that names nothing reads 0 and writes nothing.
 */
import * as compose from "../ir/compose/index.ts";
import { ShapeError } from "../ir/errors.ts";
import { mul } from "../ir/ops/arithmetic.ts";
import { cast } from "../ir/ops/compare.ts";
import { gather as gatherNode } from "../ir/ops/gather.ts";
import { expand, literal } from "../ir/ops/index.ts";
import { reshape } from "../ir/ops/view.ts";
import { broadcastShapes, normalizeAxis, numel, show, type Shape } from "../ir/shape.ts";
import { apply, scalar, type Tensor } from "../trace/index.ts";
import { hostValues } from "./lift.ts";

/** Throws ShapeError where the host knows that an index names no position of `extent`. */
function checkRange(op: string, index: Tensor, extent: number, negative = false): void {
  const values = hostValues(index);
  if (values === null) return;
  const low = negative ? -extent : 0;
  const wrong = values.find((i) => i < low || i >= extent);
  if (wrong !== undefined) {
    throw new ShapeError(`${op}: index ${wrong} is out of range for an axis of ${extent}; use ${low} to ${extent - 1}`);
  }
}

function axisOf(op: string, x: Tensor, dim: number, index: Tensor): number {
  const axis = normalizeAxis(op, dim, x.ndim);
  checkRange(op, index, x.shape[axis] ?? 1);
  return axis;
}

/** y[.., j, ..] = x[.., index[.., j, ..], ..] along `dim`; index has x's rank. */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  axisOf("gather", x, dim, index);
  return x.gather(dim, index);
}

/** The positions index: [m] of axis `dim`. */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  axisOf("indexSelect", x, dim, index);
  return x.indexSelect(dim, index);
}

/** The elements at positions of the flattened tensor, in index's shape; negative ones from the end. */
export function take(x: Tensor, index: Tensor): Tensor {
  checkRange("take", index, x.numel, true);
  return apply(
    (e, i) => {
      compose.checkIndex("take", i);
      const n = numel(e.shape);
      const at = compose.wrapped(reshape(i, [numel(i.shape)]), n);
      return reshape(gatherNode(reshape(e, [n]), 0, at), i.shape);
    },
    [x, index],
  );
}

/** gather, where x and index broadcast on the other axes; without dim, of the flattened tensors. */
export function takeAlongDim(x: Tensor, index: Tensor, dim: number | null = null): Tensor {
  if (dim === null) {
    checkRange("takeAlongDim", index, x.numel);
    return x.reshape([x.numel]).gather(0, index.reshape([index.numel]));
  }
  const axis = axisOf("takeAlongDim", x, dim, index);
  if (x.ndim !== index.ndim) {
    throw new ShapeError(
      `takeAlongDim: x ${show(x.shape)} and index ${show(index.shape)} differ in rank; unsqueeze the index`,
    );
  }
  const others = (s: Shape): number[] => s.map((e, i) => (i === axis ? 1 : e));
  const shape = broadcastShapes("takeAlongDim", others(x.shape), others(index.shape));
  const at = (n: number): number[] => shape.map((e, i) => (i === axis ? n : e));
  return x.expand(at(x.shape[axis] ?? 1)).gather(axis, index.expand(at(index.shape[axis] ?? 1)));
}

/** The value src of a scatter: a tensor, or a number for all positions. */
type Source = Tensor | number;

const asSource = (x: Tensor, index: Tensor, src: Source): Tensor =>
  typeof src === "number" ? apply((i) => expand(scalar(src, x.dtype), i.shape), [index]) : src;

/** x with src put where index says along `dim`; of several for one element the last. src a tensor or a number. */
export function scatter(x: Tensor, dim: number, index: Tensor, src: Source): Tensor {
  const axis = axisOf("scatter", x, dim, index);
  return apply((e, i, s) => compose.scatter(e, axis, i, s), [x, index, asSource(x, index, src)]);
}

/** x with src added where index says along `dim`. */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, src: Tensor): Tensor {
  const axis = axisOf("scatterAdd", x, dim, index);
  return apply((e, i, s) => compose.scatterAdd(e, axis, i, s), [x, index, src]);
}

export interface ScatterReduceOptions {
  /** Whether x's own value is among those combined. Default true. */
  readonly includeSelf?: boolean;
}

/** x with src combined where index says along `dim`. f32. */
export function scatterReduce(
  x: Tensor,
  dim: number,
  index: Tensor,
  src: Tensor,
  reduce: compose.ScatterReduction,
  { includeSelf = true }: ScatterReduceOptions = {},
): Tensor {
  const axis = axisOf("scatterReduce", x, dim, index);
  return apply((e, i, s) => compose.scatterReduce(e, axis, i, s, reduce, includeSelf), [x, index, src]);
}

function spread(op: string, x: Tensor, axis: number, index: Tensor, source: Tensor): Tensor {
  const m = index.numel;
  const want = x.shape.map((e, i) => (i === axis ? m : e));
  if (show(source.shape) !== show(want)) {
    throw new ShapeError(
      `${op}: source is ${show(source.shape)}, must be ${show(want)}: ${m} along axis ${axis} of ${show(x.shape)}`,
    );
  }
  return apply((i) => compose.broadcastIndex(op, i, x.shape, axis), [index]);
}

/** x with alpha times the m slices of source added at the positions index: [m] of axis `dim`. */
export function indexAdd(
  x: Tensor,
  dim: number,
  index: Tensor,
  source: Tensor,
  { alpha = 1 }: { readonly alpha?: number } = {},
): Tensor {
  const axis = axisOf("indexAdd", x, dim, index);
  const at = spread("indexAdd", x, axis, index, source);
  return apply(
    (e, i, s) => compose.scatterAdd(e, axis, i, alpha === 1 ? s : mul(s, scalar(alpha, s.dtype))),
    [x, at, source],
  );
}

/** x with the m slices of source put at the positions index: [m] of axis `dim`; of several the last. */
export function indexCopy(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  const axis = axisOf("indexCopy", x, dim, index);
  const at = spread("indexCopy", x, axis, index, source);
  return apply((e, i, s) => compose.scatter(e, axis, i, s), [x, at, source]);
}

/** x with one value at the positions index: [m] of axis `dim`. */
export function indexFill(x: Tensor, dim: number, index: Tensor, value: number): Tensor {
  const axis = axisOf("indexFill", x, dim, index);
  return apply((e, i) => compose.indexFill(e, axis, i, scalar(value, e.dtype)), [x, index]);
}

/** How often each of the numbers 0 to size - 1 occurs, or the sum of its weights. index: [m]. */
export function bincount(index: Tensor, size: number, weights: Tensor | null = null): Tensor {
  if (index.ndim !== 1) throw new ShapeError(`bincount: index is ${show(index.shape)}, must have one axis`);
  checkRange("bincount", index, size);
  const dtype = weights === null ? "i32" : "f32";
  const source = weights ?? apply((i) => expand(literal(1, "i32"), i.shape), [index]);
  return apply((i, s) => compose.scatterAdd(expand(literal(0, dtype), [size]), 0, i, cast(s, dtype)), [index, source]);
}

/**
 * Functions that move elements, with torch's names: what is not a method of Tensor. Nothing is computed; results are
 * views, or selections among views. `dim` counts from the end when negative.
 */
import * as compose from "../ir/compose/index.ts";
import { ShapeError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { flip, permute, reshape } from "../ir/ops/view.ts";
import { normalizeAxis, numel, show } from "../ir/shape.ts";
import { apply, cat, tensor, type Tensor } from "../trace/index.ts";

type Integers = number | readonly number[];
const listed = (x: Integers): readonly number[] => (typeof x === "number" ? [x] : x);

/** `count` axes, each named once. */
function axesOf(op: string, x: Node, dims: readonly number[]): number[] {
  const axes = dims.map((d) => normalizeAxis(op, d, x.shape.length));
  if (new Set(axes).size !== axes.length)
    throw new ShapeError(`${op}: ${show(dims)} names an axis of ${show(x.shape)} twice`);
  return axes;
}

/** Axes `source` to the places `destination`; the others keep their order. */
export function movedim(x: Tensor, source: Integers, destination: Integers): Tensor {
  return apply(
    (e) => {
      const from = axesOf("movedim", e, listed(source));
      const to = axesOf("movedim", e, listed(destination));
      if (from.length !== to.length) {
        throw new ShapeError(`movedim: ${show(from)} and ${show(to)} must name as many axes`);
      }
      const rest = e.shape.map((_, i) => i).filter((i) => !from.includes(i));
      return permute(
        e,
        e.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!)),
      );
    },
    [x],
  );
}

/** One axis as several, `sizes`, one of which may be -1. */
export function unflatten(x: Tensor, dim: number, sizes: readonly number[]): Tensor {
  const axis = normalizeAxis("unflatten", dim, x.ndim);
  const n = x.shape[axis] ?? 1;
  const known = numel(sizes.filter((e) => e !== -1));
  const whole = sizes.map((e) => (e === -1 ? n / known : e));
  if (numel(whole) !== n || whole.some((e) => !Number.isInteger(e) || e < 0)) {
    throw new ShapeError(`unflatten: ${show(sizes)} does not make up axis ${axis} of ${show(x.shape)}`);
  }
  return x.reshape([...x.shape.slice(0, axis), ...whole, ...x.shape.slice(axis + 1)]);
}

/** x beside itself, counts[i] times along axis i; more counts than axes put new axes in front. */
export function repeat(x: Tensor, counts: readonly number[]): Tensor {
  if (counts.length < x.ndim || counts.some((e) => !Number.isInteger(e) || e < 0)) {
    throw new ShapeError(
      `repeat: ${show(counts)} for ${show(x.shape)}: takes a whole count for each axis; tile pads them`,
    );
  }
  return apply((e) => compose.repeat(e, counts), [x]);
}

/** `repeat`, with counts of 1 in front where there are fewer than axes. */
export const tile = (x: Tensor, counts: readonly number[]): Tensor =>
  repeat(x, [...new Array<number>(Math.max(0, x.ndim - counts.length)).fill(1), ...counts]);

/**
 * Each element `repeats` times in a row along `dim` (without: of the flattened tensor); a list has a count for each
 * position.
 */
export function repeatInterleave(x: Tensor, repeats: Integers, dim: number | null = null): Tensor {
  const flat = dim === null ? x.reshape([x.numel]) : x;
  const axis = normalizeAxis("repeatInterleave", dim ?? 0, flat.ndim);
  const counts = listed(repeats);
  const n = flat.shape[axis] ?? 1;
  if (counts.some((e) => !Number.isInteger(e) || e < 0) || (counts.length !== 1 && counts.length !== n)) {
    throw new ShapeError(
      `repeatInterleave: repeats ${show(counts)} must be one whole number, or ${n}, one a position of axis ${axis}`,
    );
  }
  const vector = flat.ndim === 0 ? flat.reshape([1]) : flat;
  if (counts.length === 1) return apply((e) => compose.repeatEach(e, axis, counts[0]!), [vector]);
  const index = Int32Array.from(counts.flatMap((c, i) => new Array<number>(c).fill(i)));
  return vector.indexSelect(axis, tensor(index));
}

/** Elements moved by `shifts` along `dims`, what leaves coming in at the other end; without dims in the flattened tensor. */
export function roll(x: Tensor, shifts: Integers, dims: Integers | null = null): Tensor {
  const by = listed(shifts);
  if (dims === null) {
    if (by.length !== 1) throw new ShapeError(`roll: shifts ${show(by)} without dims must be one number`);
    return apply((e) => reshape(compose.roll(reshape(e, [numel(e.shape)]), 0, by[0]!), e.shape), [x]);
  }
  const along = listed(dims);
  if (by.length !== along.length || by.some((e) => !Number.isInteger(e))) {
    throw new ShapeError(`roll: shifts ${show(by)} and dims ${show(along)} must be whole and as many`);
  }
  return apply(
    (e) => along.reduce((y, d, i) => compose.roll(y, normalizeAxis("roll", d, e.shape.length), by[i]!), e),
    [x],
  );
}

/** Turned by k quarters in the plane of two axes, from the first towards the second. */
export function rot90(x: Tensor, k = 1, dims: readonly [number, number] = [0, 1]): Tensor {
  return apply(
    (e) => {
      const [a, b] = axesOf("rot90", e, dims) as [number, number];
      const swapped = (y: Node): Node =>
        permute(
          y,
          y.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
        );
      switch (((k % 4) + 4) % 4) {
        case 1:
          return swapped(flip(e, [b]));
        case 2:
          return flip(e, [Math.min(a, b), Math.max(a, b)]);
        case 3:
          return flip(swapped(e), [b]);
        default:
          return e;
      }
    },
    [x],
  );
}

/** 0 above diagonal k of [.., rows, columns]. */
export const tril = (x: Tensor, diagonal = 0): Tensor => apply((e) => compose.tril(e, diagonal), [x]);
/** 0 below diagonal k of [.., rows, columns]. */
export const triu = (x: Tensor, diagonal = 0): Tensor => apply((e) => compose.triu(e, diagonal), [x]);

/** Diagonal `offset` of the axes dim1 and dim2, as the last axis. */
export const diagonal = (x: Tensor, offset = 0, dim1 = 0, dim2 = 1): Tensor =>
  apply(
    (e) => {
      const [a, b] = axesOf("diagonal", e, [dim1, dim2]) as [number, number];
      return compose.diagonal(e, offset, a, b);
    },
    [x],
  );

/** Of a matrix its diagonal, of a vector the matrix that has it. Throws ShapeError for other ranks. */
export function diag(x: Tensor, offset = 0): Tensor {
  if (x.ndim !== 1 && x.ndim !== 2)
    throw new ShapeError(`diag: ${show(x.shape)} must have one or two axes; diagonal takes more`);
  return apply(
    (e) => (e.shape.length === 1 ? compose.diagonalMatrix(e, offset) : compose.diagonal(e, offset, 0, 1)),
    [x],
  );
}

/** [.., n] -> [.., m, m] with x on diagonal `offset`, m = n + |offset|. */
export function diagEmbed(x: Tensor, offset = 0): Tensor {
  if (x.ndim < 1) throw new ShapeError("diagEmbed: a scalar has no diagonal; reshape it to [1]");
  return apply((e) => compose.diagonalMatrix(e, offset), [x]);
}

/** The sum of the diagonal of a matrix. */
export function trace(x: Tensor): Tensor {
  if (x.ndim !== 2) throw new ShapeError(`trace: ${show(x.shape)} must have two axes; diagonal(x).sum(-1) takes more`);
  return apply(compose.trace, [x.dtype === "bool" ? x.cast("i32") : x]);
}

export interface MeshgridOptions {
  /** "ij": the first tensor along axis 0; "xy": along axis 1. Default "ij". */
  readonly indexing?: "ij" | "xy";
}

/** Coordinates of the grid that vectors span, one tensor an axis. */
export function meshgrid(tensors: readonly Tensor[], { indexing = "ij" }: MeshgridOptions = {}): Tensor[] {
  tensors.forEach((t) => {
    if (t.ndim > 1) throw new ShapeError(`meshgrid: takes vectors and scalars, got ${show(t.shape)}`);
  });
  const turned = indexing === "xy" && tensors.length > 1;
  const shape = tensors.map((t) => t.numel);
  const grids = tensors.map((_, k) => apply((...e) => compose.meshgrid(e, shape)[k]!, tensors));
  return turned ? grids.map((g) => g.transpose(0, 1)) : grids;
}

/** Tensors below one another: vectors become rows. */
export const vstack = (tensors: readonly Tensor[]): Tensor =>
  cat(tensors.map((t) => (t.ndim < 2 ? t.reshape([1, t.numel]) : t)));
/** Tensors side by side: along axis 1, of vectors along axis 0. */
export function hstack(tensors: readonly Tensor[]): Tensor {
  const wide = tensors.map((t) => (t.ndim === 0 ? t.reshape([1]) : t));
  return cat(wide, wide[0]?.ndim === 1 ? 0 : 1);
}

/** Axes reversed: a negative step of torch and numpy. */
export const fliplr = (x: Tensor): Tensor => x.flip(1);
export const flipud = (x: Tensor): Tensor => x.flip(0);

/** x over a larger shape, without copying; -1 leaves an axis as it is. */
export const broadcastTo = (x: Tensor, shape: readonly number[]): Tensor => x.expand([...shape]);

/**
 * Reductions made of others: those that keep their axes, the mean, and the largest element with its position.
 * Axes are sorted, distinct and in range (`normalizeAxes`).
 */
import { DtypeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { div } from "../ops/arithmetic.ts";
import { sum } from "../ops/broadcast.ts";
import { cast, eq, where } from "../ops/compare.ts";
import { count, iota } from "../ops/leaf.ts";
import { argmax, argmin } from "../ops/reduce.ts";
import { reshape } from "../ops/view.ts";
import { numel, type Shape } from "../shape.ts";

/** y, the result of reducing something of `shape` along `axes`, with those axes back as 1. */
export const keepAxes = (y: Node, shape: Shape, axes: readonly number[]): Node =>
  reshape(
    y,
    shape.map((e, i) => (axes.includes(i) ? 1 : e)),
  );

/** A reduction whose axes stay as 1. */
export const keeping = (
  reduction: (x: Node, axes: readonly number[]) => Node,
  x: Node,
  axes: readonly number[],
): Node => keepAxes(reduction(x, axes), x.shape, axes);

/** sum / count, the count being a uniform; NaN over no elements, as torch. */
export function mean(x: Node, axes: readonly number[]): Node {
  if (x.dtype !== "f32") throw new DtypeError(`mean: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
  return div(sum(x, axes), count(numel(axes.map((a) => x.shape[a]!))));
}

/** Coordinates along `axis`, in a shape that broadcasts with `shape`. */
export const positions = (shape: Shape, axis: number): Node =>
  reshape(
    iota(shape[axis]!),
    shape.slice(axis).map((e, i) => (i === 0 ? e : 1)),
  );

export interface Extreme {
  readonly values: Node;
  /** i32. */
  readonly indices: Node;
}

/** The element at `indices` (without the axis), by comparing positions: its gradient is a mask, not a scatter. */
export const pick = (x: Node, axis: number, indices: Node): Node =>
  sum(where(eq(positions(x.shape, axis), keepAxes(cast(indices, "i32"), x.shape, [axis])), x, 0), [axis]);

function extreme(x: Node, axis: number, position: (x: Node, axis: number) => Node): Extreme {
  const indices = position(x, axis);
  return { values: pick(x, axis, indices), indices };
}

/** Largest element along one axis and the position of the first such; the gradient goes to that one. */
export const maxAlong = (x: Node, axis: number): Extreme => extreme(x, axis, argmax);
export const minAlong = (x: Node, axis: number): Extreme => extreme(x, axis, argmin);

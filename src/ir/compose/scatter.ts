/**
 * Writing at computed coordinates, which a fragment shader cannot do: each element of the result looks at all positions
 * and takes those whose index names it. That costs m comparisons an element, and the gradients are gathers. An index
 * out of range names nothing.
 *
 * Letters: x: [.., n, ..] the target, index: [.., m, ..] of integers, no larger than x on the other axes, src the values.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, div, maximum } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { any, amax, amin, prod } from "../ops/reduce.ts";
import { and, cast, eq, ge, gt, where } from "../ops/compare.ts";
import { isInt } from "../ops/define.ts";
import { gather } from "../ops/gather.ts";
import { iota } from "../ops/leaf.ts";
import { pad, reshape, slice } from "../ops/view.ts";
import { show, type Shape } from "../shape.ts";
import { concat } from "./select.ts";

/** What a scatter looks at: [.., n, m, ..], whether position j names element i, and src there. */
interface Pairs {
  readonly named: Node;
  readonly src: Node;
  /** The axis of m. */
  readonly axis: number;
  /** Of [.., n, ..] as large as index on the other axes, a result of x's shape. */
  readonly whole: (y: Node, fill: number) => Node;
  /** x as far as index reaches on the other axes. */
  readonly target: Node;
}

export function checkIndex(op: string, index: Node): void {
  if (!isInt(index.dtype)) {
    throw new DtypeError(`${op}: index is ${index.dtype}, takes i32 or u32; index.cast("i32") would fit`);
  }
}

function pairs(op: string, x: Node, axis: number, index: Node, src: Node): Pairs {
  checkIndex(op, index);
  const rank = x.shape.length;
  if (index.shape.length !== rank || src.shape.length !== rank) {
    throw new ShapeError(
      `${op}: x ${show(x.shape)}, index ${show(index.shape)} and src ${show(src.shape)} differ in rank`,
    );
  }
  if (src.dtype !== x.dtype) throw new DtypeError(`${op}: x is ${x.dtype}, src ${src.dtype}; cast one`);
  index.shape.forEach((e, i) => {
    if (e > src.shape[i]! || (i !== axis && e > x.shape[i]!)) {
      throw new ShapeError(
        `${op}: index ${show(index.shape)} is larger than ${e > src.shape[i]! ? `src ${show(src.shape)}` : `x ${show(x.shape)}`} on axis ${i}`,
      );
    }
  });
  const n = x.shape[axis]!;
  const m = index.shape[axis]!;
  const before = index.shape.slice(0, axis);
  const after = index.shape.slice(axis + 1);
  const paired = [...before, n, m, ...after];
  const none = index.shape.map(() => 0);
  const along = (y: Node): Node => expand(reshape(y, [...before, 1, m, ...after]), paired);
  const element = expand(reshape(iota(n), [n, 1, ...after.map(() => 1)]), paired);
  const covered = index.shape.map((e, i) => (i === axis ? n : e));
  return {
    named: eq(along(cast(index, "i32")), element),
    src: along(slice(src, none, index.shape)),
    axis: axis + 1,
    target: slice(x, none, covered),
    whole: (y, fill) =>
      pad(
        y,
        none,
        x.shape.map((e, i) => e - covered[i]!),
        fill,
      ),
  };
}

/** x with src added where index says. */
export function scatterAdd(x: Node, axis: number, index: Node, src: Node): Node {
  const p = pairs("scatterAdd", x, axis, index, src);
  return add(x, p.whole(sum(where(p.named, p.src, 0), [p.axis]), 0));
}

/** Where a smaller tensor that starts at 0 covers one of `shape`: bool. */
function covers(shape: Shape, part: Shape): Node | null {
  let inside: Node | null = null;
  shape.forEach((e, i) => {
    if (part[i] === e) return;
    const here = gt(part[i]!, reshape(iota(e), [e, ...shape.slice(i + 1).map(() => 1)]));
    inside = inside === null ? here : and(inside, here);
  });
  return inside;
}

const merged = (x: Node, y: Node, whole: Pairs["whole"]): Node => {
  const inside = covers(x.shape, y.shape);
  return inside === null ? y : where(inside, whole(y, 0), x);
};

/** x with the values of src where index says; of several for one element the last, where torch promises none. */
export function scatter(x: Node, axis: number, index: Node, src: Node): Node {
  const p = pairs("scatter", x, axis, index, src);
  if (index.shape[axis] === 0) return x;
  const m = index.shape[axis]!;
  const place = expand(reshape(iota(m), [m, ...index.shape.slice(axis + 1).map(() => 1)]), p.named.shape);
  const last = amax(where(p.named, place, -1), [p.axis]);
  const found = gather(slice(src, src.shape.map(() => 0), index.shape), axis, maximum(last, 0)); // prettier-ignore
  return merged(x, where(ge(last, 0), found, p.target), p.whole);
}

const reductions = ["sum", "prod", "mean", "amax", "amin"] as const;
export type ScatterReduction = (typeof reductions)[number];

/** x with src combined where index says, x's own value among them unless `includeSelf` is false. */
export function scatterReduce(
  x: Node,
  axis: number,
  index: Node,
  src: Node,
  reduction: ScatterReduction,
  includeSelf: boolean,
): Node {
  if (!reductions.includes(reduction)) {
    throw new ShapeError(`scatterReduce: no reduction "${reduction as string}"; there are ${reductions.join(", ")}`);
  }
  const p = pairs("scatterReduce", x, axis, index, src);
  if (index.shape[axis] === 0) return x;
  const own = reshape(p.target, [...p.target.shape.slice(0, p.axis), 1, ...p.target.shape.slice(p.axis)]);
  /** Both as one axis, so that ties share as in one reduction. */
  const together = (neutral: number): Node => {
    const others = where(p.named, p.src, neutral);
    return includeSelf ? concat([own, others], p.axis) : others;
  };
  const named = any(p.named, [p.axis]);
  const y = ((): Node => {
    switch (reduction) {
      case "sum":
        return sum(together(0), [p.axis]);
      case "prod":
        return prod(together(1), [p.axis]);
      case "amax":
        return amax(together(-Infinity), [p.axis]);
      case "amin":
        return amin(together(Infinity), [p.axis]);
      case "mean": {
        const times = sum(cast(p.named, "f32"), [p.axis]);
        return div(sum(together(0), [p.axis]), includeSelf ? add(times, 1) : maximum(times, 1));
      }
    }
  })();
  return merged(x, includeSelf ? y : where(named, y, p.target), p.whole);
}

/** x: [.., n, ..], index: [m], as an index of x's rank that is alike on the other axes of `shape`. */
export function broadcastIndex(op: string, index: Node, shape: Shape, axis: number): Node {
  checkIndex(op, index);
  if (index.shape.length > 1) throw new ShapeError(`${op}: index is ${show(index.shape)}, must have one axis`);
  const m = index.shape[0] ?? 1;
  return expand(
    reshape(
      index,
      shape.map((_, i) => (i === axis ? m : 1)),
    ),
    shape.map((e, i) => (i === axis ? m : e)),
  );
}

/** x with `value`, a scalar, at the positions index: [m] of an axis. */
export function indexFill(x: Node, axis: number, index: Node, value: Node): Node {
  checkIndex("indexFill", index);
  if (index.shape.length > 1) throw new ShapeError(`indexFill: index is ${show(index.shape)}, must have one axis`);
  const m = index.shape[0] ?? 1;
  const n = x.shape[axis]!;
  const named = any(eq(reshape(cast(index, "i32"), [1, m]), reshape(iota(n), [n, 1])), [1]);
  return where(reshape(named, [n, ...x.shape.slice(axis + 1).map(() => 1)]), value, x);
}

/** Positions of an axis of n, negative ones counted from the end. */
export const wrapped = (index: Node, n: number): Node => {
  const i = cast(index, "i32");
  return where(gt(0, i), add(i, n), i);
};

/**
 * Rearrangements that are views, or selections by coordinate among views: repetition, rolling, triangles, diagonals,
 * padding by what is there. Nothing is computed, so gradients are the views' own.
 *
 * Axes are in range (`normalizeAxis`). Letters: n extent of the axis at hand.
 */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { eq, le, where } from "../ops/compare.ts";
import { iota } from "../ops/leaf.ts";
import { flip, pad, permute, reshape, slice } from "../ops/view.ts";
import { numel, show, type Shape } from "../shape.ts";
import { concat } from "./select.ts";

/** `size` elements of one axis from `start` on, every `step`-th. */
export function cut(x: Node, axis: number, start: number, size: number, step = 1): Node {
  return slice(
    x,
    x.shape.map((_, i) => (i === axis ? start : 0)),
    x.shape.map((e, i) => (i === axis ? size : e)),
    x.shape.map((_, i) => (i === axis ? step : 1)),
  );
}

/** x side by side with itself, counts[i] times along axis i; missing axes of x are 1 in front. */
export function repeat(x: Node, counts: readonly number[]): Node {
  const own = [...counts.slice(0, counts.length - x.shape.length).map(() => 1), ...x.shape];
  const paired = own.flatMap((e) => [1, e]);
  const wide = own.flatMap((e, i) => [counts[i]!, e]);
  return reshape(
    expand(reshape(x, paired), wide),
    own.map((e, i) => e * counts[i]!),
  );
}

/** Each element of an axis `times` times in a row. */
export function repeatEach(x: Node, axis: number, times: number): Node {
  const before = x.shape.slice(0, axis);
  const [n, ...after] = x.shape.slice(axis) as [number, ...number[]];
  const wide = expand(reshape(x, [...before, n, 1, ...after]), [...before, n, times, ...after]);
  return reshape(wide, [...before, n * times, ...after]);
}

/** Element i moves to i + shift, what leaves comes in at the other end. */
export function roll(x: Node, axis: number, shift: number): Node {
  const n = x.shape[axis]!;
  const by = n === 0 ? 0 : ((shift % n) + n) % n;
  return by === 0 ? x : concat([cut(x, axis, n - by, by), cut(x, axis, 0, n - by)], axis);
}

/** [.., rows, columns] and coordinates that broadcast with it. */
function grid(op: string, x: Node): { readonly row: Node; readonly column: Node } {
  const [rows, columns] = x.shape.slice(-2);
  if (rows === undefined || columns === undefined) {
    throw new ShapeError(`${op}: ${show(x.shape)} has fewer than two axes, must be [.., rows, columns]`);
  }
  return { row: reshape(iota(rows), [rows, 1]), column: iota(columns) };
}

/** 0 above diagonal k. */
export function tril(x: Node, k: number): Node {
  const { row, column } = grid("tril", x);
  return where(le(column, add(row, k)), x, 0);
}
/** 0 below diagonal k. */
export function triu(x: Node, k: number): Node {
  const { row, column } = grid("triu", x);
  return where(le(add(row, k), column), x, 0);
}

/** x: [.., rows, columns] of axes a and b last -> [.., d], the elements with column = row + k: every (columns + 1)-th. */
export function diagonal(x: Node, k: number, a: number, b: number): Node {
  const rest = x.shape.map((_, i) => i).filter((i) => i !== a && i !== b);
  const y = permute(x, [...rest, a, b]);
  const lead = y.shape.slice(0, -2);
  const [rows, columns] = y.shape.slice(-2) as [number, number];
  const length = Math.max(0, Math.min(k < 0 ? rows + k : rows, k < 0 ? columns : columns - k));
  const flat = reshape(y, [...lead, rows * columns]);
  return cut(flat, lead.length, length === 0 ? 0 : k < 0 ? -k * columns : k, length, columns + 1);
}

/** x: [.., n] -> [.., m, m], m = n + |k|, x on diagonal k and 0 elsewhere. */
export function diagonalMatrix(x: Node, k: number): Node {
  const lead = x.shape.slice(0, -1);
  const n = x.shape.at(-1)!;
  const m = n + Math.abs(k);
  const none = lead.map(() => 0);
  const wide = pad(x, [...none, 0], [...none, Math.abs(k)], 0);
  const seen = expand(reshape(wide, k < 0 ? [...lead, 1, m] : [...lead, m, 1]), [...lead, m, m]);
  return where(eq(iota(m), add(reshape(iota(m), [m, 1]), k)), seen, 0);
}

export type PadMode = "reflect" | "replicate" | "circular";

/** `before` and `after` elements of the tensor's own along one axis. Throws ShapeError where it has not so many. */
export function padBySelf(op: string, x: Node, axis: number, before: number, after: number, mode: PadMode): Node {
  const n = x.shape[axis]!;
  const most = mode === "reflect" ? n - 1 : mode === "circular" ? n : n > 0 ? Infinity : 0;
  if (before > most || after > most) {
    throw new ShapeError(
      `${op}: ${mode} by ${show([before, after])} on axis ${axis} of ${show(x.shape)}: at most ${most} fit; "replicate" takes any`,
    );
  }
  const ends = (count: number, end: "before" | "after"): Node | null => {
    if (count === 0) return null;
    const first = end === "before";
    switch (mode) {
      case "reflect":
        return flip(cut(x, axis, first ? 1 : n - 1 - count, count), [axis]);
      case "circular":
        return cut(x, axis, first ? n - count : 0, count);
      case "replicate":
        return expand(
          cut(x, axis, first ? 0 : n - 1, 1),
          x.shape.map((e, i) => (i === axis ? count : e)),
        );
    }
  };
  const front =
    before < 0 || after < 0 ? cut(x, axis, Math.max(0, -before), n + Math.min(0, before) + Math.min(0, after)) : x;
  if (front !== x) return padBySelf(op, front, axis, Math.max(0, before), Math.max(0, after), mode);
  return concat(
    [ends(before, "before"), x, ends(after, "after")].filter((e) => e !== null),
    axis,
  );
}

/** x[i] along axis i of a grid: each [..] of `shape`, one operand an axis. */
export function meshgrid(x: readonly Node[], shape: Shape): Node[] {
  return x.map((e, axis) =>
    expand(
      reshape(
        e,
        shape.map((_, i) => (i === axis ? numel(e.shape) : 1)),
      ),
      shape,
    ),
  );
}

/** The sum of the main diagonal of a matrix. */
export const trace = (x: Node): Node => sum(diagonal(x, 0, 0, 1), [0]);

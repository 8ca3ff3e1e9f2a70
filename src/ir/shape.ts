/**
 * Pure functions on shapes and axes: sizes, strides, broadcasting, axis normalisation. No nodes, no dtypes.
 */
import { ShapeError } from "./errors.ts";

export type Shape = readonly number[];

export const show = (s: Shape): string => `[${s.join(",")}]`;

export function numel(s: Shape): number {
  let n = 1;
  for (const e of s) n *= e;
  return n;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Row-major strides, in elements. */
export function strides(s: Shape): number[] {
  const out = new Array<number>(s.length);
  for (let i = s.length - 1, n = 1; i >= 0; i--) {
    out[i] = n;
    n *= s[i]!;
  }
  return out;
}

/** The shape two operands broadcast to, by numpy's rule; throws ShapeError naming `op`. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    // Not a[-1] ?? 1: a read before the start makes V8 treat the array as a dictionary.
    const x = i <= a.length ? a[a.length - i]! : 1;
    const y = i <= b.length ? b[b.length - i]! : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        `${op}: ${show(a)} and ${show(b)} do not broadcast: axis -${i} is ${x} in one and ${y} in the other` +
          broadcastHint(a, b),
      );
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}

/** Says how an axis of 1 would make `a` and `b` fit, if one insertion would. */
function broadcastHint(a: Shape, b: Shape): string {
  for (const [name, s, t] of [
    ["the first", a, b],
    ["the second", b, a],
  ] as const) {
    for (let axis = 0; axis <= s.length; axis++) {
      const tried = [...s.slice(0, axis), 1, ...s.slice(axis)];
      const rank = Math.max(tried.length, t.length);
      let fits = true;
      for (let i = 1; i <= rank && fits; i++) {
        const x = tried[tried.length - i] ?? 1;
        const y = t[t.length - i] ?? 1;
        fits = x === y || x === 1 || y === 1;
      }
      if (fits) return `; ${name} as ${show(tried)} (unsqueeze(${axis})) would fit`;
    }
  }
  return "";
}

/** Brings a possibly negative axis into [0, rank). A scalar takes axis 0 and -1, as torch, and gives 0. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const room = Math.max(rank, 1);
  const a = axis < 0 ? axis + room : axis;
  if (!Number.isInteger(axis) || a < 0 || a >= room) {
    throw new ShapeError(
      `${op}: axis ${axis} is out of range for rank ${rank}` + (rank > 0 ? `; use ${-rank} to ${rank - 1}` : ""),
    );
  }
  return a;
}

/** Sorted distinct axes in [0, rank), none of a scalar; throws on a repeated one. `undefined` means all. */
export function normalizeAxes(op: string, axes: readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const out = axes.map((a) => normalizeAxis(op, a, rank)).sort((x, y) => x - y);
  for (let i = 1; i < out.length; i++) {
    if (out[i] === out[i - 1]) throw new ShapeError(`${op}: axis ${out[i]} is given twice in ${show(axes)}`);
  }
  return rank === 0 ? [] : out;
}

export function checkExtents(op: string, s: Shape): void {
  for (const e of s) {
    if (!Number.isInteger(e) || e < 0) throw new ShapeError(`${op}: extents are whole numbers >= 0, got ${show(s)}`);
  }
}

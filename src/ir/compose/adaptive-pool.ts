/**
 * Pools whose result has given sizes: window i of an axis of s elements covers [floor(i s / o), ceil((i + 1) s / o)).
 *
 * Where o divides s on every axis these are ordinary windows. Elsewhere their lengths differ, and each axis by itself
 * is a reduction of all its elements under a mask: a mean of means is the mean, since each row of a window has as many
 * elements; the first of the largest rows has the first of the largest. Letters as in spatial.ts.
 */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, div, mul } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { and, cast, gt, lt, where } from "../ops/compare.ts";
import { iota } from "../ops/leaf.ts";
import { argmax } from "../ops/reduce.ts";
import { permute, reshape } from "../ops/view.ts";
import { numel, show } from "../shape.ts";
import { averaged, largest } from "./pool.ts";
import { maxAlong, pick } from "./reduction.ts";
import { gatherAlong } from "./select.ts";
import { batched } from "./spatial.ts";

/** Of one axis of the result; null keeps x's. */
type Extent = number | null;
/** One for all axes, or one an axis, outermost first. */
export type OutputSizes = Extent | readonly Extent[];

/** Whether window i, [o, 1], covers element j, [s]: i s < (j + 1) o and j o < (i + 1) s. */
function covers(s: number, o: number): Node {
  const i = reshape(iota(o), [o, 1]);
  const j = iota(s);
  return and(lt(mul(i, s), mul(add(j, 1), o)), gt(mul(add(i, 1), s), mul(j, o)));
}

/** x: [.., 1, s] under mask: [o, s] -> [.., o]. */
type Reduction = (x: Node, mask: Node) => Node;

const meanUnder: Reduction = (x, mask) =>
  div(sum(where(mask, x, 0), [x.shape.length - 1]), sum(cast(mask, "f32"), [1]));
const largestUnder: Reduction = (x, mask) => maxAlong(where(mask, x, -Infinity), x.shape.length - 1).values;

/** x: [.., s, ..] -> [.., o, ..] on one axis. */
function alongAxis(x: Node, axis: number, o: number, reduction: Reduction): Node {
  const last = x.shape.length - 1;
  const s = x.shape[axis]!;
  const rest = x.shape.map((_, i) => i).filter((i) => i !== axis);
  const rows = permute(x, [...rest, axis]);
  const y = reduction(reshape(rows, [...rows.shape.slice(0, last), 1, s]), covers(s, o));
  return permute(
    y,
    x.shape.map((_, i) => (i < axis ? i : i === axis ? last : i - 1)),
  );
}

/** The sizes o of x: [n, c, ..s]. */
function wantedSizes(op: string, x: Node, d: number, outputSize: OutputSizes): readonly number[] {
  const s = x.shape.slice(2);
  const wanted = Array.isArray(outputSize) ? (outputSize as readonly Extent[]) : s.map(() => outputSize as Extent);
  const o = wanted.map((size, i) => size ?? s[i]!);
  if (o.length !== d || o.some((size) => !Number.isInteger(size) || size < 1) || s.includes(0)) {
    throw new ShapeError(`${op}: x is ${show(x.shape)}, outputSize ${show(o)}; takes ${d} sizes of at least 1`);
  }
  return o;
}

type AdaptivePool = (x: Node, outputSize: OutputSizes) => Node;

function adaptive(name: "Avg" | "Max", d: number): AdaptivePool {
  const op = `adaptive${name}Pool${d}d`;
  const [windowed, reduction] =
    name === "Avg" ? [averaged, meanUnder] : [(...a: Parameters<typeof largest>) => largest(...a).values, largestUnder];
  return (x, outputSize) =>
    batched(op, x, d, (e) => {
      const s = e.shape.slice(2);
      const o = wantedSizes(op, e, d, outputSize);
      if (s.every((n, i) => n % o[i]! === 0)) {
        const kernel = s.map((n, i) => n / o[i]!);
        return windowed(op, e, kernel, {});
      }
      return o.reduceRight((y, size, i) => (size === s[i] ? y : alongAxis(y, 2 + i, size, reduction)), e);
    });
}

/** x: [n, c, ..s] or [c, ..s] -> [n, c, ..o], means of windows that cover x evenly. */
export const adaptiveAvgPool1d: AdaptivePool = /* @__PURE__ */ adaptive("Avg", 1);
export const adaptiveAvgPool2d: AdaptivePool = /* @__PURE__ */ adaptive("Avg", 2);
export const adaptiveAvgPool3d: AdaptivePool = /* @__PURE__ */ adaptive("Avg", 3);

/** x: [n, c, ..s] or [c, ..s] -> [n, c, ..o], the largest of windows that cover x evenly; ties as maxPool. */
export const adaptiveMaxPool1d: AdaptivePool = /* @__PURE__ */ adaptive("Max", 1);
export const adaptiveMaxPool2d: AdaptivePool = /* @__PURE__ */ adaptive("Max", 2);
export const adaptiveMaxPool3d: AdaptivePool = /* @__PURE__ */ adaptive("Max", 3);

/**
 * Where the largest of each window lies in the flattened spatial axes, i32 [n, c, ..o]: each window is gathered, as long
 * as the longest; a shorter one sees its last element again.
 */
function positionsOfLargest(op: string, x: Node, o: readonly number[]): Node {
  const s = x.shape.slice(2);
  if (s.every((n, i) => n % o[i]! === 0)) {
    const kernel = s.map((n, i) => n / o[i]!);
    return largest(op, x, kernel, {}).indices;
  }
  const d = s.length;
  let seen = x;
  let places = expand(reshape(iota(numel(s)), [1, 1, ...s]), [1, 1, ...s]);
  o.forEach((size, i) => {
    const n = s[i]!;
    const start = Array.from({ length: size }, (_, k) => Math.floor((k * n) / size));
    const end = Array.from({ length: size }, (_, k) => Math.ceil(((k + 1) * n) / size));
    const longest = Math.max(...start.map((from, k) => end[k]! - from));
    const at = Int32Array.from({ length: size * longest }, (_, k) =>
      Math.min(start[Math.floor(k / longest)]! + (k % longest), end[Math.floor(k / longest)]! - 1),
    );
    // An element seen twice in a window is still the same element, and the first of equals is found.
    const windowed = (y: Node): Node => {
      const axis = 2 + 2 * i;
      const wide = gatherAlong(y, axis, at);
      return reshape(wide, [...y.shape.slice(0, axis), size, longest, ...y.shape.slice(axis + 1)]);
    };
    seen = windowed(seen);
    places = windowed(places);
  });
  // [n, c, o0, k0, o1, k1, ..] -> [n, c, ..o, K].
  const order = [0, 1, ...o.map((_, i) => 2 + 2 * i), ...o.map((_, i) => 3 + 2 * i)];
  const rows = (y: Node): Node => {
    const turned = permute(y, order);
    return reshape(turned, [...turned.shape.slice(0, 2 + d), numel(turned.shape.slice(2 + d))]);
  };
  const flat = rows(seen);
  return pick(expand(rows(places), flat.shape), 2 + d, argmax(flat, 2 + d));
}

const positions =
  (d: number): AdaptivePool =>
  (x, outputSize) => {
    const op = `adaptiveMaxPool${d}d`;
    return batched(op, x, d, (e) => positionsOfLargest(op, e, wantedSizes(op, e, d, outputSize)));
  };

/** Positions in the flattened spatial axes, i32: what the values of adaptiveMaxPool were read from. */
export const adaptiveMaxPool1dIndices: AdaptivePool = /* @__PURE__ */ positions(1);
export const adaptiveMaxPool2dIndices: AdaptivePool = /* @__PURE__ */ positions(2);
export const adaptiveMaxPool3dIndices: AdaptivePool = /* @__PURE__ */ positions(3);

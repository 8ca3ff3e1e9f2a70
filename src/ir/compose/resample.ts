/**
 * Images read between their pixels: at evenly spread places (interpolate), or at places that are computed (gridSample).
 * The first works axis by axis, with positions and weights made on the host in double precision; the second gathers
 * each corner around a place from the flattened image. Formulas and edge rules are torch's (UpSample.h, GridSampler.h).
 *
 * Letters: n batch, c channels, s spatial extents in, o out; d spatial axes.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { abs, add, div, floor, maximum, minimum, mul, round, sub } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { and, cast, eq, ge, le, where } from "../ops/compare.ts";
import { gather } from "../ops/gather.ts";
import { input, iota, literal } from "../ops/leaf.ts";
import { permute, reshape } from "../ops/view.ts";
import { numel, show, type Shape } from "../shape.ts";
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d } from "./adaptive-pool.ts";
import { cut, repeatEach } from "./arrange.ts";
import { matmul } from "./matmul.ts";
import { concat, gatherAlong } from "./select.ts";

export type InterpolationMode = "nearest" | "nearest-exact" | "linear" | "bilinear" | "trilinear" | "bicubic" | "area";

/** How o places lie on an axis of n. */
interface Spread {
  readonly n: number;
  readonly o: number;
  /** How far neighbours are apart, in elements of n. */
  readonly step: number;
  readonly alignCorners: boolean;
}

/** Which elements a place reads, and how much of each; `taps` of them. */
interface Taps {
  readonly count: number;
  readonly index: Int32Array;
  readonly weight: Float32Array;
}

/** Keys' cubic with a = -0.75, for the four neighbours of a place t behind the second. */
function cubic(t: number): readonly number[] {
  const a = -0.75;
  const near = (x: number): number => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x: number): number => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}

function tapsOf({ n, o, step, alignCorners }: Spread, count: 2 | 4): Taps {
  const index = new Int32Array(o * count);
  const weight = new Float32Array(o * count);
  for (let i = 0; i < o; i++) {
    const raw = alignCorners ? i * step : (i + 0.5) * step - 0.5;
    const at = count === 2 ? Math.max(0, raw) : raw;
    const first = Math.floor(at);
    const weights = count === 2 ? [1 - (at - first), at - first] : cubic(at - first);
    weights.forEach((w, k) => {
      index[i * count + k] = Math.min(n - 1, Math.max(0, first + k - (count === 4 ? 1 : 0)));
      weight[i * count + k] = w;
    });
  }
  return { count, index, weight };
}

function weighted(x: Node, axis: number, { count, index, weight }: Taps): Node {
  const o = weight.length / count;
  const after = x.shape.slice(axis + 1);
  const seen = reshape(gatherAlong(x, axis, index), [...x.shape.slice(0, axis), o, count, ...after]);
  const factors = input({ kind: "input", array: weight }, "f32", [o, count]);
  return sum(mul(seen, reshape(factors, [o, count, ...after.map(() => 1)])), [axis + 1]);
}

function nearest(x: Node, axis: number, { n, o, step }: Spread, exact: boolean): Node {
  if (o % n === 0 && step === n / o) return repeatEach(x, axis, o / n);
  if (n % o === 0 && step === n / o && !exact) return cut(x, axis, 0, o, n / o);
  const at = (i: number): number => Math.min(n - 1, Math.floor((exact ? i + 0.5 : i) * step));
  return gatherAlong(
    x,
    axis,
    Int32Array.from({ length: o }, (_, i) => at(i)),
  );
}

/** How many spatial axes a mode is for; null for any. */
const axesOfMode: Readonly<Record<InterpolationMode, number | null>> = {
  nearest: null,
  "nearest-exact": null,
  area: null,
  linear: 1,
  bilinear: 2,
  trilinear: 3,
  bicubic: 2,
};

/**
 * x: [n, c, ..s] -> [n, c, ..o]. `steps`: s / o unless a scale factor says otherwise. Throws ShapeError for a mode of
 * another rank, a size below 1, or alignCorners where it means nothing.
 */
export function interpolate(
  x: Node,
  o: readonly number[],
  steps: readonly number[],
  mode: InterpolationMode,
  alignCorners: boolean,
): Node {
  const op = "interpolate";
  const s = x.shape.slice(2);
  if (x.dtype !== "f32") throw new DtypeError(`${op}: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
  const wanted = axesOfMode[mode] as number | null | undefined;
  if (wanted === undefined)
    throw new ShapeError(`${op}: no mode "${mode}"; there are ${Object.keys(axesOfMode).join(", ")}`);
  if (s.length < 1 || s.length > 3 || (wanted !== null && wanted !== s.length)) {
    throw new ShapeError(
      `${op}: "${mode}" takes [n, c, ..] of ${wanted ?? "1 to 3"} spatial axes, x is ${show(x.shape)}`,
    );
  }
  if (o.length !== s.length || o.some((e) => !Number.isInteger(e) || e < 1) || s.includes(0)) {
    throw new ShapeError(`${op}: x ${show(x.shape)} to ${show(o)}: takes one size of at least 1 for each spatial axis`);
  }
  if (mode === "area") {
    if (s.length === 1) return adaptiveAvgPool1d(x, o);
    return s.length === 2 ? adaptiveAvgPool2d(x, o) : adaptiveAvgPool3d(x, o);
  }
  let y = x;
  o.forEach((size, i) => {
    const n = s[i]!;
    const step = alignCorners ? (size > 1 ? (n - 1) / (size - 1) : 0) : steps[i]!;
    const spread = { n, o: size, step, alignCorners };
    if (mode === "nearest" || mode === "nearest-exact") y = nearest(y, 2 + i, spread, mode === "nearest-exact");
    // An axis that stays is read where its elements are.
    else if (size !== n || step !== 1) y = weighted(y, 2 + i, tapsOf(spread, mode === "bicubic" ? 4 : 2));
  });
  return y;
}

// Sampling at computed places.

export type SampleMode = "bilinear" | "nearest" | "bicubic";
export type SamplePadding = "zeros" | "border" | "reflection";

const between = (x: Node, low: number, high: number): Node => minimum(maximum(x, low), high);

/** Brings a coordinate back into the image. */
function padded(at: Node, n: number, padding: SamplePadding, alignCorners: boolean): Node {
  if (padding === "zeros") return at;
  if (padding === "border") return between(at, 0, n - 1);
  const [low, span] = alignCorners ? [0, n - 1] : [-0.5, n];
  if (span === 0) return mul(at, 0);
  const from = abs(sub(at, low));
  const turns = floor(div(from, span));
  const rest = sub(from, mul(turns, span));
  const even = eq(mul(floor(mul(turns, 0.5)), 2), turns);
  return between(add(where(even, rest, sub(span, rest)), low), 0, n - 1);
}

/** One neighbour of a place along one axis. */
interface Neighbour {
  /** i32. */
  readonly index: Node;
  readonly weight: Node;
  /** Whether it lies in the image; null if it must. */
  readonly inside: Node | null;
}

function neighbours(at: Node, n: number, mode: SampleMode, padding: SamplePadding, alignCorners: boolean): Neighbour[] {
  const one = (place: Node, weight: Node): Neighbour => ({
    index: cast(between(place, 0, n - 1), "i32"),
    weight,
    inside: padding === "zeros" ? and(ge(place, 0), le(place, n - 1)) : null,
  });
  if (mode === "nearest") return [one(round(padded(at, n, padding, alignCorners)), literal(1))];
  if (mode === "bilinear") {
    const place = padded(at, n, padding, alignCorners);
    const first = floor(place);
    const t = sub(place, first);
    return [one(first, sub(1, t)), one(add(first, 1), t)];
  }
  const first = floor(at);
  const t = sub(at, first);
  const a = -0.75;
  const near = (x: Node): Node => add(mul(mul(sub(mul(x, a + 2), a + 3), x), x), 1);
  const far = (x: Node): Node => sub(mul(add(mul(sub(mul(x, a), 5 * a), x), 8 * a), x), 4 * a);
  const weights = [far(add(t, 1)), near(t), near(sub(1, t)), far(sub(2, t))];
  return weights.map((w, k) => one(padded(add(first, k - 1), n, padding, alignCorners), w));
}

/** All choices of one neighbour an axis. */
const corners = (axes: readonly Neighbour[][]): Neighbour[][] =>
  axes.reduce<Neighbour[][]>((all, axis) => all.flatMap((some) => axis.map((e) => [...some, e])), [[]]);

/** x: [n, c, ..s], grid: [n, ..o, d], the last coordinate first, -1 to 1 across the image -> [n, c, ..o]. */
export function gridSample(x: Node, grid: Node, mode: SampleMode, padding: SamplePadding, alignCorners: boolean): Node {
  const op = "gridSample";
  const d = x.shape.length - 2;
  if (x.dtype !== "f32" || grid.dtype !== "f32")
    throw new DtypeError(`${op}: got ${x.dtype} and ${grid.dtype}, takes f32`);
  if ((d !== 2 && d !== 3) || grid.shape.length !== d + 2 || grid.shape.at(-1) !== d || grid.shape[0] !== x.shape[0]) {
    throw new ShapeError(
      `${op}: x ${show(x.shape)} and grid ${show(grid.shape)} must be [n, c, h, w] and [n, oh, ow, 2], or [n, c, d, h, w] and [n, od, oh, ow, 3]`,
    );
  }
  if (mode === "bicubic" && d === 3) throw new ShapeError(`${op}: "bicubic" takes [n, c, h, w], x is ${show(x.shape)}`);
  const [n, c, ...s] = x.shape as [number, number, ...number[]];
  if (s.includes(0)) throw new ShapeError(`${op}: x ${show(x.shape)} has no pixels`);
  const o = grid.shape.slice(1, -1);
  const places = s.map((e, i) => {
    const g = reshape(cut(grid, d + 1, d - 1 - i, 1), [n, numel(o)]);
    const at = alignCorners ? mul(add(g, 1), (e - 1) / 2) : mul(sub(mul(add(g, 1), e), 1), 0.5);
    return neighbours(at, e, mode, padding, alignCorners);
  });
  const flat = reshape(x, [n, c, numel(s)]);
  let y: Node | null = null;
  for (const corner of corners(places)) {
    let index = corner[0]!.index;
    let weight = corner[0]!.weight;
    let inside = corner[0]!.inside;
    corner.slice(1).forEach((e, i) => {
      index = add(mul(index, s[i + 1]!), e.index);
      weight = mul(weight, e.weight);
      if (e.inside !== null) inside = and(inside!, e.inside);
    });
    const held: Node = inside === null ? weight : where(inside, weight, 0);
    const seen = gather(flat, 2, expand(reshape(index, [n, 1, numel(o)]), [n, c, numel(o)]));
    const part = mul(seen, held.shape.length === 0 ? held : reshape(held, [n, 1, numel(o)]));
    y = y === null ? part : add(y, part);
  }
  return reshape(y!, [n, c, ...o]);
}

/** theta: [n, d, d + 1], size [n, c, ..s] -> [n, ..s, d]: where an affine map sends the places of an image. */
export function affineGrid(theta: Node, size: Shape, alignCorners: boolean): Node {
  const [n, , ...s] = size as [number, number, ...number[]];
  const d = s.length;
  if (
    (d !== 2 && d !== 3) ||
    theta.shape.length !== 3 ||
    theta.shape[0] !== n ||
    theta.shape[1] !== d ||
    theta.shape[2] !== d + 1
  ) {
    throw new ShapeError(
      `affineGrid: theta ${show(theta.shape)} and size ${show(size)} must be [n, 2, 3] and [n, c, h, w], or [n, 3, 4] and [n, c, d, h, w]`,
    );
  }
  const coordinate = (e: number, axis: number): Node => {
    const i = cast(iota(e), "f32");
    const at = alignCorners ? (e === 1 ? mul(i, 0) : sub(mul(i, 2 / (e - 1)), 1)) : sub(div(add(mul(i, 2), 1), e), 1);
    return expand(reshape(at, [...s.map((_, k) => (k === axis ? e : 1)), 1]), [...s, 1]);
  };
  const columns = [...s.map((_, i) => coordinate(s[d - 1 - i]!, d - 1 - i)), expand(literal(1), [...s, 1])];
  const base = reshape(concat(columns, d), [numel(s), d + 1]);
  const points = expand(reshape(base, [1, numel(s), d + 1]), [n, numel(s), d + 1]);
  const y = matmul(points, permute(theta, [0, 2, 1]));
  return reshape(y, [n, ...s, d]);
}

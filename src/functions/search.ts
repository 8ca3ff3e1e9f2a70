/**
 * Functions that look for values, with torch's names, and those whose result has as many elements as the data says:
 * maskedSelect, nonzero, unique and masks among indices read back to the host, and so wait for the device; everything
 * else is traced as usual.
 */
import * as compose from "../ir/compose/index.ts";
import { promote } from "../ir/dtype.ts";
import { DtypeError, ShapeError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { add, div, floor, minimum, mul, sub } from "../ir/ops/arithmetic.ts";
import { expand, sum } from "../ir/ops/broadcast.ts";
import { and, cast, eq, ge, le, lt, where } from "../ir/ops/compare.ts";
import { gather } from "../ir/ops/gather.ts";
import { count, iota } from "../ir/ops/leaf.ts";
import { permute, reshape } from "../ir/ops/view.ts";
import { broadcastShapes, numel, show, strides, type Shape } from "../ir/shape.ts";
import { apply, tensor, type Tensor } from "../trace/index.ts";
import { hostValues, type Operand } from "./lift.ts";

export interface SearchOptions {
  /** Whether a value that is there goes behind it. Default false. */
  readonly right?: boolean;
}

/**
 * Where each value would go into the sorted last axis: sorted [n], or [.., n] with values [.., m] -> i32 of values' shape.
 * By counting, n comparisons a value.
 */
export function searchsorted(sorted: Tensor, values: Operand, { right = false }: SearchOptions = {}): Tensor {
  const given = typeof values === "number" ? tensor([values], { shape: [] }) : values;
  const lead = sorted.shape.slice(0, -1);
  if (sorted.ndim < 1 || (sorted.ndim > 1 && show(lead) !== show(given.shape.slice(0, -1)))) {
    throw new ShapeError(
      `searchsorted: sorted ${show(sorted.shape)} and values ${show(given.shape)} must be [n] and any, or equal but for the last axis`,
    );
  }
  const dtype = promote(sorted.dtype, given.dtype);
  return apply(
    (s, v) => {
      const n = s.shape.at(-1)!;
      const shape = [...v.shape, n];
      const own = expand(reshape(cast(v, dtype), [...v.shape, 1]), shape);
      const row = s.shape.length === 1 ? cast(s, dtype) : reshape(cast(s, dtype), [...lead, 1, n]);
      const before = right ? le(expand(row, shape), own) : lt(expand(row, shape), own);
      return sum(cast(before, "i32"), [shape.length - 1]);
    },
    [sorted, given],
  );
}

/** searchsorted with the arguments the other way: which bucket between boundaries [n] each value falls into. */
export const bucketize = (values: Tensor, boundaries: Tensor, options: SearchOptions = {}): Tensor =>
  searchsorted(boundaries, values, options);

export interface HistogramOptions {
  /** Default 100. */
  readonly bins?: number;
  /** Where the first bin begins; with max the same, the data's smallest and largest. Default 0. */
  readonly min?: number;
  /** Where the last bin ends, inclusively. Default 0. */
  readonly max?: number;
}

/** How many elements fall into each of `bins` equal bins: f32 [bins]. Elements outside are not counted. */
export function histc(x: Tensor, { bins = 100, min = 0, max = 0 }: HistogramOptions = {}): Tensor {
  if (x.dtype !== "f32") throw new DtypeError(`histc: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
  if (!Number.isInteger(bins) || bins < 1 || max < min) {
    throw new ShapeError(`histc: ${bins} bins from ${min} to ${max}; takes a whole number of bins and min <= max`);
  }
  const flat = x.reshape([x.numel]);
  const data = min === max && x.numel > 0;
  const [low, high] = data ? [flat.amin(), flat.amax()] : [tensor(min), tensor(max)];
  return apply(
    (e, a, b) => {
      const width = where(eq(a, b), 2, sub(b, a));
      const start = where(eq(a, b), sub(a, 1), a);
      const n = e.shape[0]!;
      const place = minimum(floor(mul(div(sub(e, start), width), count(bins))), count(bins - 1));
      const inside = and(ge(e, start), le(e, add(start, width)));
      const own = where(inside, cast(place, "i32"), -1);
      const hit = eq(expand(reshape(own, [1, n]), [bins, n]), expand(reshape(iota(bins), [bins, 1]), [bins, n]));
      return sum(cast(hit, "f32"), [1]);
    },
    [flat, low, high],
  );
}

// What the data decides the size of.

/** Row-major positions of what is not 0. Waits for the device unless the host has the values. */
function positionsOf(x: Tensor): Int32Array {
  const values = hostValues(x) ?? x.dataSync();
  const found: number[] = [];
  values.forEach((v, i) => {
    if (v !== 0) found.push(i);
  });
  return Int32Array.from(found);
}

/** Positions as one row of coordinates for each axis. */
function coordinates(positions: Int32Array, shape: Shape): Int32Array[] {
  const step = strides(shape);
  return shape.map((e, axis) => positions.map((p) => Math.floor(p / step[axis]!) % e));
}

/** [k, axes] of i32: where x is not 0, row by row. Reads x back. */
export function nonzero(x: Tensor): Tensor {
  const positions = positionsOf(x);
  const rows = coordinates(positions, x.shape);
  const data = new Int32Array(positions.length * x.ndim);
  rows.forEach((row, axis) => row.forEach((c, k) => (data[k * x.ndim + axis] = c)));
  return tensor(data, { shape: [positions.length, x.ndim] });
}

/** [k]: the elements of x where the mask is true, row by row; both broadcast. Reads the mask back. */
export function maskedSelect(x: Tensor, mask: Tensor): Tensor {
  if (mask.dtype !== "bool")
    throw new DtypeError(`maskedSelect: mask is ${mask.dtype}, must be bool; compare, as in x.gt(0)`);
  const shape = broadcastShapes("maskedSelect", x.shape, mask.shape);
  const index = tensor(positionsOf(mask.expand([...shape])));
  return apply((e, i) => gather(reshape(expand(e, shape), [numel(shape)]), 0, i), [x, index]);
}

/** The elements of x in order, each once; where each element of x is among them (x's shape); and how often each occurs. Reads x back. */
export function unique(x: Tensor): { readonly values: Tensor; readonly inverse: Tensor; readonly counts: Tensor } {
  const data = hostValues(x) ?? x.dataSync();
  const values = [...new Set(data)].sort((a, b) => a - b);
  const place = new Map(values.map((v, i) => [v, i]));
  const inverse = Int32Array.from(data, (v) => place.get(v)!);
  const counts = new Int32Array(values.length);
  for (const i of inverse) counts[i]!++;
  return {
    values: tensor(values, { dtype: x.dtype, shape: [values.length] }),
    inverse: tensor(inverse, { shape: x.shape }),
    counts: tensor(counts),
  };
}

// Indexing by tensors.

/** One axis of an indexing: all of it, one position, positions (i32), or a mask of as many axes as it has. */
export type Index = null | number | Tensor;

/** Masks as positions, numbers as tensors; null is all of an axis, and so are axes that are not named. */
function perAxis(op: string, x: Tensor, indices: readonly Index[]): (Tensor | null)[] {
  const out: (Tensor | null)[] = [];
  for (const index of indices) {
    const axis = out.length;
    const extent = x.shape[axis];
    if (index === null) out.push(null);
    else if (typeof index === "number") out.push(tensor(index, { dtype: "i32" }));
    else if (index.dtype === "bool") {
      const want = x.shape.slice(axis, axis + index.ndim);
      if (index.ndim === 0 || show(index.shape) !== show(want)) {
        throw new ShapeError(
          `${op}: the mask ${show(index.shape)} must be ${show(want)}, as x ${show(x.shape)} from axis ${axis} on`,
        );
      }
      out.push(...coordinates(positionsOf(index), index.shape).map((row) => tensor(row)));
      continue;
    } else out.push(index);
    const last = out.at(-1);
    const known = last == null ? null : hostValues(last);
    const wrong = extent === undefined ? undefined : known?.find((i) => i < -extent || i >= extent);
    if (wrong !== undefined) {
      throw new ShapeError(
        `${op}: index ${wrong} is out of range for axis ${axis} of ${show(x.shape)}; use ${-extent!} to ${extent! - 1}`,
      );
    }
  }
  if (out.length > x.ndim) throw new ShapeError(`${op}: ${out.length} indices for a tensor of shape ${show(x.shape)}`);
  return [...out, ...new Array<null>(x.ndim - out.length).fill(null)];
}

interface Layout {
  /** The axes with an index first, then the others. */
  readonly order: readonly number[];
  /** What the indices broadcast to. */
  readonly picked: Shape;
  /** Extents of the axes with an index, and of the others. */
  readonly indexed: Shape;
  readonly rest: Shape;
  /** Where among the result's axes those of the indices stand. */
  readonly at: number;
}

function layoutOf(op: string, shape: Shape, indices: readonly (Tensor | null)[]): Layout {
  const axes = indices.flatMap((e, i) => (e === null ? [] : [i]));
  const others = indices.flatMap((e, i) => (e === null ? [i] : []));
  const picked = indices.reduce<Shape>((s, e) => (e === null ? s : broadcastShapes(op, s, e.shape)), []);
  const adjacent = axes.every((a, i) => i === 0 || a === axes[i - 1]! + 1);
  return {
    order: [...axes, ...others],
    picked,
    indexed: axes.map((a) => shape[a]!),
    rest: others.map((a) => shape[a]!),
    at: adjacent ? (axes[0] ?? 0) : 0,
  };
}

/** One position in the flattened indexed axes for each pick: [picks]. */
function linear({ indexed, picked }: Layout, indices: readonly Node[]): Node {
  const step = strides(indexed);
  let position: Node | null = null;
  indices.forEach((index, k) => {
    compose.checkIndex("index", index);
    const part = mul(compose.wrapped(expand(index, picked), indexed[k]!), step[k]!);
    position = position === null ? part : add(position, part);
  });
  return reshape(position!, [numel(picked)]);
}

const inverse = (order: readonly number[]): number[] => order.map((_, i) => order.indexOf(i));

/**
 * x[indices], an index an axis: null all of it, a number, a tensor of positions (negative ones from the end), or a mask
 * of one or more axes. Tensors broadcast; their axes stand where they were if they are neighbours, in front otherwise,
 * as numpy has it; a number counts as a tensor. A mask is read back.
 */
export function index(x: Tensor, indices: readonly Index[]): Tensor {
  const all = perAxis("index", x, indices);
  const tensors = all.filter((e) => e !== null);
  if (tensors.length === 0) return apply((e) => e, [x]);
  const l = layoutOf("index", x.shape, all);
  return apply(
    (e, ...i) => {
      const flat = reshape(permute(e, l.order), [numel(l.indexed), ...l.rest]);
      const y = reshape(gather(flat, 0, compose.broadcastIndex("index", linear(l, i), flat.shape, 0)), [
        ...l.picked,
        ...l.rest,
      ]);
      const p = l.picked.length;
      const front = l.rest.slice(0, l.at).map((_, k) => p + k);
      const behind = l.rest.slice(l.at).map((_, k) => p + l.at + k);
      return permute(y, [...front, ...l.picked.keys(), ...behind]);
    },
    [x, ...tensors],
  );
}

/**
 * x with values put (of several for one place the last), or with `accumulate` added, where `indices` say; as in `index`.
 * values broadcast to the shape index(x, indices) has.
 */
export function indexPut(
  x: Tensor,
  indices: readonly Index[],
  values: Operand,
  { accumulate = false }: { readonly accumulate?: boolean } = {},
): Tensor {
  const all = perAxis("indexPut", x, indices);
  const tensors = all.filter((e) => e !== null);
  const source = typeof values === "number" ? tensor(values, { dtype: x.dtype }) : values;
  if (source.dtype !== x.dtype) throw new DtypeError(`indexPut: x is ${x.dtype}, values ${source.dtype}; cast one`);
  if (tensors.length === 0)
    return apply((e, v) => (accumulate ? add(e, expand(v, e.shape)) : expand(v, e.shape)), [x, source]);
  const l = layoutOf("indexPut", x.shape, all);
  const placed = [...l.rest.slice(0, l.at), ...l.picked, ...l.rest.slice(l.at)];
  if (show(broadcastShapes("indexPut", placed, source.shape)) !== show(placed)) {
    throw new ShapeError(`indexPut: values ${show(source.shape)} must broadcast to ${show(placed)}`);
  }
  return apply(
    (e, v, ...i) => {
      const flat = reshape(permute(e, l.order), [numel(l.indexed), ...l.rest]);
      const p = l.picked.length;
      // The picks first, as the target has them.
      const forward = [...l.picked.map((_, k) => l.at + k), ...l.rest.map((_, k) => (k < l.at ? k : k + p))];
      const src = reshape(permute(expand(v, placed), forward), [numel(l.picked), ...l.rest]);
      const at = compose.broadcastIndex("indexPut", linear(l, i), flat.shape, 0);
      const y = accumulate ? compose.scatterAdd(flat, 0, at, src) : compose.scatter(flat, 0, at, src);
      return permute(reshape(y, [...l.indexed, ...l.rest]), inverse(l.order));
    },
    [x, source, ...tensors],
  );
}

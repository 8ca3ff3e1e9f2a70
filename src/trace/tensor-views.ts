/** The part of Tensor that moves elements without computing: views, selections, reading by index. */
import { DtypeError, ShapeError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import * as ops from "../ir/ops/index.ts";
import { normalizeAxis, numel, show, type Shape } from "../ir/shape.ts";
import { apply } from "./handle.ts";
import type { Tensor } from "./tensor.ts";
import { ReducingTensor } from "./tensor-reductions.ts";

/** One axis of an indexing: all of it, one position (the axis goes), or [start, end, step] (end exclusive). */
export type Range = null | number | readonly [start?: number | null, end?: number | null, step?: number];

/** Sizes given one by one or as one array. */
type Sizes = number[] | [readonly number[]];
const sizes = (s: Sizes): readonly number[] => (Array.isArray(s[0]) ? (s[0] as readonly number[]) : (s as number[]));

/** `shape` with its one -1 replaced by what is left of `x`. */
function inferred(op: string, x: Shape, shape: Shape): Shape {
  const unknown = shape.indexOf(-1);
  if (unknown < 0) return shape;
  const rest = numel(shape.filter((_, i) => i !== unknown));
  const size = rest === 0 ? 0 : numel(x) / rest;
  if (shape.indexOf(-1, unknown + 1) >= 0 || !Number.isInteger(size) || (rest === 0 && numel(x) !== 0)) {
    throw new ShapeError(`${op}: ${show(x)} has ${numel(x)} elements and does not fit ${show(shape)}`);
  }
  return shape.map((e, i) => (i === unknown ? size : e));
}

/** x with one axis cut to `size` elements from `start` on. */
function cut(x: Node, axis: number, start: number, size: number, step = 1): Node {
  return ops.slice(
    x,
    x.shape.map((_, i) => (i === axis ? start : 0)),
    x.shape.map((e, i) => (i === axis ? size : e)),
    x.shape.map((_, i) => (i === axis ? step : 1)),
  );
}

/** A possibly negative position on an axis of `extent`, clamped as Python's slices are. */
const clamped = (at: number, extent: number): number => Math.min(Math.max(at < 0 ? at + extent : at, 0), extent);

function position(op: string, at: number, extent: number): number {
  const i = at < 0 ? at + extent : at;
  if (!Number.isInteger(at) || i < 0 || i >= extent) {
    throw new ShapeError(`${op}: position ${at} is out of range for an axis of ${extent}`);
  }
  return i;
}

const without = (s: Shape, axis: number): number[] => s.filter((_, i) => i !== axis);
const inserted = (s: Shape, axis: number, extent: number): number[] => [...s.slice(0, axis), extent, ...s.slice(axis)];

function indexed(x: Node, ranges: readonly Range[]): Node {
  if (ranges.length > x.shape.length) {
    throw new ShapeError(`slice: ${ranges.length} ranges for a tensor of shape ${show(x.shape)}`);
  }
  let y = x;
  const dropped: number[] = [];
  ranges.forEach((range, axis) => {
    const extent = x.shape[axis]!;
    if (range === null) return;
    if (typeof range === "number") {
      y = cut(y, axis, position("slice", range, extent), 1);
      dropped.push(axis);
      return;
    }
    const [from, to, step = 1] = range;
    if (!Number.isInteger(step) || step < 1) {
      throw new ShapeError(`slice: step ${step} on axis ${axis} must be at least 1; flip(${axis}) reverses`);
    }
    const start = clamped(from ?? 0, extent);
    const end = clamped(to ?? extent, extent);
    y = cut(y, axis, start, Math.max(0, Math.ceil((end - start) / step)), step);
  });
  return ops.reshape(
    y,
    y.shape.filter((_, i) => !dropped.includes(i)),
  );
}

export interface WindowSettings {
  readonly stride?: number;
  readonly padding?: number;
  readonly dilation?: number;
  readonly fill?: number;
}

function windowed(x: Node, dim: number, size: number, options: WindowSettings, op = "window"): Node {
  const { stride = 1, padding = 0, dilation = 1, fill = 0 } = options;
  const axis = normalizeAxis(op, dim, x.shape.length);
  for (const [name, value, least] of [
    ["size", size, 0],
    ["stride", stride, 1],
    ["padding", padding, 0],
    ["dilation", dilation, 1],
  ] as const) {
    if (!Number.isInteger(value) || value < least) {
      throw new ShapeError(`${op}: ${name} is ${value}, must be whole and at least ${least}`);
    }
  }
  const room = x.shape[axis]! + 2 * padding - (size === 0 ? 0 : dilation * (size - 1) + 1);
  if (room < 0) throw new ShapeError(`${op}: windows of ${size} do not fit axis ${axis} of ${show(x.shape)}`);
  const repeated = ops.expand(ops.reshape(x, [...x.shape, 1]), [...x.shape, size]);
  return ops.window(repeated, { axis, stride, dilation, padding, size: Math.floor(room / stride) + 1, fill });
}

export abstract class ViewTensor extends ReducingTensor {
  /** The same elements, row-major, under another shape; one size may be -1, what is left. */
  reshape(...shape: Sizes): Tensor {
    return apply((x) => ops.reshape(x, inferred("reshape", x.shape, sizes(shape))), [this]);
  }
  /** torch's name for `reshape`; nothing here is ever copied by it. */
  view(...shape: Sizes): Tensor {
    return this.reshape(...shape);
  }
  /** Axes in another order: axis i of the result is axis dims[i]. */
  permute(...dims: Sizes): Tensor {
    return apply(
      (x) => {
        const axes = sizes(dims).map((d) => normalizeAxis("permute", d, x.shape.length));
        if (axes.length !== x.shape.length || new Set(axes).size !== axes.length) {
          throw new ShapeError(`permute: ${show(axes)} does not name each axis of ${show(x.shape)} once`);
        }
        return ops.permute(x, axes);
      },
      [this],
    );
  }
  /** Two axes exchanged; the last two unless given. */
  transpose(dim0 = -2, dim1 = -1): Tensor {
    return apply(
      (x) => {
        const a = normalizeAxis("transpose", dim0, x.shape.length);
        const b = normalizeAxis("transpose", dim1, x.shape.length);
        return ops.permute(
          x,
          x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
        );
      },
      [this],
    );
  }
  /** A matrix transposed; at most two axes. */
  t(): Tensor {
    if (this.ndim > 2) throw new ShapeError(`t: ${show(this.shape)} has more than two axes; transpose(a, b) names two`);
    return this.ndim < 2 ? apply((x) => x, [this]) : this.transpose(0, 1);
  }
  /** The axes in reverse. */
  get T(): Tensor {
    return this.permute(this.shape.map((_, i) => this.ndim - 1 - i));
  }
  /** Axes of 1 repeated without copying, new ones in front; -1 leaves an axis as it is. */
  expand(...shape: Sizes): Tensor {
    return apply(
      (x) => {
        const target = sizes(shape);
        const lead = target.length - x.shape.length;
        return ops.expand(
          x,
          target.map((e, i) => (e === -1 && i >= lead ? x.shape[i - lead]! : e)),
        );
      },
      [this],
    );
  }
  /** Broadcast to the shape of another tensor. */
  expandAs(other: ViewTensor): Tensor {
    return this.expand([...other.shape]);
  }
  /** An axis of 1 put in before `dim`. */
  unsqueeze(dim: number): Tensor {
    return apply(
      (x) => ops.reshape(x, inserted(x.shape, normalizeAxis("unsqueeze", dim, x.shape.length + 1), 1)),
      [this],
    );
  }
  /** Axes of 1 removed: all, or `dim` if it is one. */
  squeeze(dim?: number): Tensor {
    return apply(
      (x) => {
        const axis = dim === undefined ? -1 : normalizeAxis("squeeze", dim, x.shape.length);
        return ops.reshape(
          x,
          x.shape.filter((e, i) => e !== 1 || (axis >= 0 && i !== axis)),
        );
      },
      [this],
    );
  }
  /** Axes startDim to endDim as one. */
  flatten(startDim = 0, endDim = -1): Tensor {
    return apply(
      (x) => {
        if (x.shape.length === 0) return ops.reshape(x, [1]);
        const a = normalizeAxis("flatten", startDim, x.shape.length);
        const b = normalizeAxis("flatten", endDim, x.shape.length);
        if (b < a) throw new ShapeError(`flatten: startDim ${startDim} is behind endDim ${endDim}`);
        return ops.reshape(x, [...x.shape.slice(0, a), numel(x.shape.slice(a, b + 1)), ...x.shape.slice(b + 1)]);
      },
      [this],
    );
  }
  /** Indexing, a range an axis: `x.slice(0, [1, -1], null, [null, null, 2])` is Python's `x[0, 1:-1, :, ::2]`. */
  slice(...ranges: Range[]): Tensor {
    return apply((x) => indexed(x, ranges), [this]);
  }
  /** `length` elements of one axis from `start` on. */
  narrow(dim: number, start: number, length: number): Tensor {
    return apply(
      (x) => {
        const axis = normalizeAxis("narrow", dim, x.shape.length);
        const from = start < 0 ? start + x.shape[axis]! : start;
        if (!Number.isInteger(length) || length < 0 || from < 0 || from + length > x.shape[axis]!) {
          throw new ShapeError(`narrow: [${start}, ${start + length}) leaves axis ${axis} of ${show(x.shape)}`);
        }
        return cut(x, axis, from, length);
      },
      [this],
    );
  }
  /** One position of one axis, which goes. */
  select(dim: number, index: number): Tensor {
    return apply(
      (x) => {
        const axis = normalizeAxis("select", dim, x.shape.length);
        return ops.reshape(cut(x, axis, position("select", index, x.shape[axis]!), 1), without(x.shape, axis));
      },
      [this],
    );
  }
  /** Axes reversed. */
  flip(...dims: Sizes): Tensor {
    return apply(
      (x) =>
        ops.flip(
          x,
          sizes(dims).map((d) => normalizeAxis("flip", d, x.shape.length)),
        ),
      [this],
    );
  }
  /** Elements put around: [before, after] of the last axis, then of the one before, and so on. */
  pad(amounts: readonly number[], value = 0): Tensor {
    return apply(
      (x) => {
        if (amounts.length % 2 !== 0 || amounts.length > 2 * x.shape.length) {
          throw new ShapeError(
            `pad: ${show(amounts)} must hold two numbers an axis, for at most ${x.shape.length} axes`,
          );
        }
        const side = (k: number): number[] => x.shape.map((_, i) => amounts[2 * (x.shape.length - 1 - i) + k] ?? 0);
        const before = side(0);
        const after = side(1);
        const negative = (s: readonly number[]): number[] => s.map((e) => Math.max(0, -e));
        const positive = (s: readonly number[]): number[] => s.map((e) => Math.max(0, e));
        const left = negative(before);
        const right = negative(after);
        const size = x.shape.map((e, i) => e - left[i]! - right[i]!);
        if (size.some((e) => e < 0)) throw new ShapeError(`pad: ${show(amounts)} takes more than ${show(x.shape)} has`);
        return ops.pad(ops.slice(x, left, size), positive(before), positive(after), value);
      },
      [this],
    );
  }
  /** Windows of `size` every `step` along an axis; the window axis is the last. */
  unfold(dim: number, size: number, step: number): Tensor {
    return apply((x) => windowed(x, dim, size, { stride: step }, "unfold"), [this]);
  }
  /**
   * Windows of `size` along an axis, the window axis last: y[.., o, .., k] = x[.., stride o + dilation k - padding, ..],
   * `fill` outside.
   */
  window(dim: number, size: number, options: WindowSettings = {}): Tensor {
    return apply((x) => windowed(x, dim, size, options), [this]);
  }
  /** Parts of `size` along an axis, the last one smaller if it must be; or parts of the sizes given. */
  split(size: number | readonly number[], dim = 0): Tensor[] {
    const axis = normalizeAxis("split", dim, this.ndim);
    const extent = this.shape[axis]!;
    const parts =
      typeof size !== "number"
        ? size
        : Array.from({ length: Math.max(1, Math.ceil(extent / size)) }, (_, i) => Math.min(size, extent - i * size));
    if (parts.reduce((a, b) => a + b, 0) !== extent) {
      throw new ShapeError(`split: parts ${show(parts)} do not make up axis ${axis} of ${show(this.shape)}`);
    }
    let start = 0;
    return parts.map((n) => this.narrow(axis, (start += n) - n, n));
  }
  /** At most `chunks` parts of equal size along an axis, the last one smaller if it must be. */
  chunk(chunks: number, dim = 0): Tensor[] {
    const axis = normalizeAxis("chunk", dim, this.ndim);
    return this.split(Math.max(1, Math.ceil(this.shape[axis]! / chunks)), axis);
  }
  /** The positions of one axis one by one, without it. */
  unbind(dim = 0): Tensor[] {
    const axis = normalizeAxis("unbind", dim, this.ndim);
    return Array.from({ length: this.shape[axis]! }, (_, i) => this.select(axis, i));
  }

  /** y[.., j, ..] = x[.., index[.., j, ..], ..] along `dim`; index has x's rank. */
  gather(dim: number, index: ViewTensor): Tensor {
    return apply((x, i) => ops.gather(x, normalizeAxis("gather", dim, x.shape.length), i), [this, index]);
  }
  /** The positions `index` (one axis) of axis `dim`. */
  indexSelect(dim: number, index: ViewTensor): Tensor {
    return apply(
      (x, i) => {
        const axis = normalizeAxis("indexSelect", dim, x.shape.length);
        if (i.shape.length !== 1) throw new ShapeError(`indexSelect: index is ${show(i.shape)}, must have one axis`);
        if (i.dtype !== "i32" && i.dtype !== "u32") {
          throw new DtypeError(`indexSelect: index is ${i.dtype}, takes i32 or u32; index.cast("i32") would fit`);
        }
        const n = i.shape[0]!;
        const rows = ops.reshape(
          i,
          x.shape.map((_, k) => (k === axis ? n : 1)),
        );
        return ops.gather(
          x,
          axis,
          ops.expand(
            rows,
            x.shape.map((e, k) => (k === axis ? n : e)),
          ),
        );
      },
      [this, index],
    );
  }
}

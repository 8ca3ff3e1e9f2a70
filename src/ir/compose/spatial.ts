/**
 * What convolutions and pools share: sizes along the spatial axes of [n, c, ..s], and windows over them. Not here:
 * what is done with a window (conv.ts, pool.ts).
 *
 * Letters: n batch, c channels, s spatial extents, o output extents, k kernel extents; d spatial axes.
 */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { expand } from "../ops/broadcast.ts";
import { reshape, window } from "../ops/view.ts";
import { show, type Shape } from "../shape.ts";

/** Sizes along the spatial axes: one number for all, or one an axis, outermost first. */
export type Single = number | readonly [number];
export type Pair = number | readonly [number, number];
export type Triple = number | readonly [number, number, number];
export type Sizes = number | readonly number[];

/** One size for each of `d` axes, whole and not below `least`. */
export function sizesOf(op: string, name: string, value: Sizes, d: number, least: number): readonly number[] {
  const sizes = typeof value === "number" ? new Array<number>(d).fill(value) : value;
  if (sizes.length !== d) throw new ShapeError(`${op}: ${name} is ${show(sizes)}, takes one number or ${d}`);
  if (sizes.some((e) => !Number.isInteger(e) || e < least)) {
    throw new ShapeError(`${op}: ${name} is ${show(sizes)}, must be whole and at least ${least}`);
  }
  return sizes;
}

/** Where windows stand: all of one length, one entry a spatial axis. */
export interface Windows {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  /** Before the first element. Behind the last, whatever the windows reach. */
  readonly padding: readonly number[];
  /** How many windows. */
  readonly size: readonly number[];
}

/** How many windows fit each axis of x, padded on both sides; with `ceil` also one that begins inside and reaches out. */
export function fitWindows(op: string, x: Shape, w: Omit<Windows, "size">, ceil = false): Windows {
  const size = w.kernel.map((k, i) => {
    const n = x[2 + i]!;
    const [s, p] = [w.stride[i]!, w.padding[i]!];
    const reach = w.dilation[i]! * (k - 1) + 1;
    const room = n + 2 * p - reach;
    if (room < 0) {
      throw new ShapeError(
        `${op}: ${show(x)} padded by ${p} has ${n + 2 * p} ${axisWord(w.kernel.length, i)}, ` +
          `the kernel spans ${reach}; padding of at least ${Math.ceil((reach - n) / 2)} would fit`,
      );
    }
    if (!ceil) return Math.floor(room / s) + 1;
    const m = Math.ceil(room / s) + 1;
    return (m - 1) * s >= n + p ? m - 1 : m;
  });
  return { ...w, size };
}

const axisWord = (d: number, i: number): string =>
  d < 3 ? (["columns", "rows"] as const)[d - 1 - i]! : `on axis ${i}`;

/** x: [n, c, ..s] -> [n, c, ..o, ..k], `fill` outside. */
export function windows(x: Node, w: Windows, fill: number): Node {
  let y = x;
  w.kernel.forEach((k, i) => {
    y = window(expand(reshape(y, [...y.shape, 1]), [...y.shape, k]), {
      axis: 2 + i,
      stride: w.stride[i]!,
      dilation: w.dilation[i]!,
      padding: w.padding[i]!,
      size: w.size[i]!,
      fill,
    });
  });
  return y;
}

/** The letters of [n, c, ..s]. */
const letters = ["", "n, c, l", "n, c, h, w", "n, c, d, h, w"];

/**
 * f on x as a batch: x of [n, c, ..s] as it is, of [c, ..s] as a batch of one whose axis is dropped from the result.
 * Throws ShapeError for any other rank.
 */
export function batched(op: string, x: Node, d: number, f: (x: Node) => Node): Node {
  if (x.shape.length === d + 2) return f(x);
  if (x.shape.length !== d + 1) {
    throw new ShapeError(
      `${op}: x is ${show(x.shape)}, must be [${letters[d]}], or without n` +
        (x.shape.length === d ? "; x.unsqueeze(0) would fit one channel" : ""),
    );
  }
  const y = f(reshape(x, [1, ...x.shape]));
  return reshape(y, y.shape.slice(1));
}

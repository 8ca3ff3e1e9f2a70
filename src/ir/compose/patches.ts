/**
 * Images as patches and back: unfold and fold, pixels to channels, pools by norm, and the way back from a max pool.
 * All but the last are views and sums; that one scatters.
 *
 * Letters as in spatial.ts; r the factor of a shuffle, p the order of a norm.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { abs, div, mul, relu, sign } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { eq, where } from "../ops/compare.ts";
import { literal } from "../ops/leaf.ts";
import { pow } from "../ops/transcendental.ts";
import { permute, reshape, unwindow } from "../ops/view.ts";
import { numel, sameShape, show } from "../shape.ts";
import { averaged, type PoolOptions } from "./pool.ts";
import { checkIndex, scatter } from "./scatter.ts";
import { batched, fitWindows, sizesOf, windows, type Pair, type Sizes, type Windows } from "./spatial.ts";

export interface FoldOptions {
  /** Default 1. */
  readonly stride?: Pair;
  /** Default 0. */
  readonly padding?: Pair;
  /** Default 1. */
  readonly dilation?: Pair;
}

function placesOf(op: string, shape: readonly number[], kernel: Pair, options: FoldOptions): Windows {
  return fitWindows(op, shape, {
    kernel: sizesOf(op, "kernelSize", kernel, 2, 1),
    stride: sizesOf(op, "stride", options.stride ?? 1, 2, 1),
    padding: sizesOf(op, "padding", options.padding ?? 0, 2, 0),
    dilation: sizesOf(op, "dilation", options.dilation ?? 1, 2, 1),
  });
}

/** x: [n, c, h, w] or [c, h, w] -> [n, c kh kw, places], a column a window, as torch.nn.functional.unfold. */
export function unfoldImage(x: Node, kernel: Pair, options: FoldOptions): Node {
  return batched("unfold", x, 2, (e) => {
    const w = placesOf("unfold", e.shape, kernel, options);
    const seen = windows(e, w, 0);
    return reshape(permute(seen, [0, 1, 4, 5, 2, 3]), [e.shape[0]!, e.shape[1]! * numel(w.kernel), numel(w.size)]);
  });
}

/** x: [n, c kh kw, places] or without n -> [n, c, h, w], what lies over one another added: unfold's adjoint. */
export function foldImage(x: Node, size: Pair, kernel: Pair, options: FoldOptions): Node {
  const op = "fold";
  if (x.shape.length === 2) {
    const y = foldImage(reshape(x, [1, ...x.shape]), size, kernel, options);
    return reshape(y, y.shape.slice(1));
  }
  const s = sizesOf(op, "outputSize", size, 2, 1);
  const w = placesOf(op, [1, 1, ...s], kernel, options);
  const [n, rows, places] = x.shape as [number, number, number];
  if (x.shape.length !== 3 || rows % numel(w.kernel) !== 0 || places !== numel(w.size)) {
    throw new ShapeError(
      `${op}: x is ${show(x.shape)}, must be [n, c ${w.kernel.join(" ")}, ${numel(w.size)}] for windows ${show(w.size)} of ${show(s)}`,
    );
  }
  const c = rows / numel(w.kernel);
  // [n, c, kh, kw, oh, ow]; each kernel axis in turn goes last, is put back where it was read, and summed.
  let y = permute(reshape(x, [n, c, ...w.kernel, ...w.size]), [0, 1, 4, 5, 3, 2]);
  for (const i of [0, 1]) {
    const put = unwindow(y, {
      axis: 2 + i,
      stride: w.stride[i]!,
      dilation: w.dilation[i]!,
      padding: w.padding[i]!,
      size: s[i]!,
    });
    y = sum(put, [put.shape.length - 1]);
  }
  return y;
}

function checkFactor(op: string, r: number): void {
  if (!Number.isInteger(r) || r < 1) throw new ShapeError(`${op}: the factor is ${r}, must be whole and at least 1`);
}

/** x: [.., c r^2, h, w] -> [.., c, h r, w r]. Shi et al. (2016). */
export function pixelShuffle(x: Node, r: number): Node {
  checkFactor("pixelShuffle", r);
  const lead = x.shape.slice(0, -3);
  const [channels, h, w] = x.shape.slice(-3) as [number, number, number];
  if (x.shape.length < 3 || channels % (r * r) !== 0) {
    throw new ShapeError(`pixelShuffle: x is ${show(x.shape)}, must be [.., c ${r * r}, h, w]`);
  }
  const l = lead.length;
  const y = reshape(x, [...lead, channels / (r * r), r, r, h, w]);
  const order = [...lead.keys(), ...[0, 3, 1, 4, 2].map((i) => l + i)];
  return reshape(permute(y, order), [...lead, channels / (r * r), h * r, w * r]);
}

/** x: [.., c, h r, w r] -> [.., c r^2, h, w]. */
export function pixelUnshuffle(x: Node, r: number): Node {
  checkFactor("pixelUnshuffle", r);
  const lead = x.shape.slice(0, -3);
  const [c, h, w] = x.shape.slice(-3) as [number, number, number];
  if (x.shape.length < 3 || h % r !== 0 || w % r !== 0) {
    throw new ShapeError(`pixelUnshuffle: x is ${show(x.shape)}, must be [.., c, h ${r}, w ${r}]`);
  }
  const l = lead.length;
  const y = reshape(x, [...lead, c, h / r, r, w / r, r]);
  const order = [...lead.keys(), ...[0, 2, 4, 1, 3].map((i) => l + i)];
  return reshape(permute(y, order), [...lead, c * r * r, h / r, w / r]);
}

/** x: [n, c, ..]; the channels of groups next to one another. Zhang et al. (2018). */
export function channelShuffle(x: Node, groups: number): Node {
  const [n, c, ...s] = x.shape as [number, number, ...number[]];
  if (x.shape.length < 3 || !Number.isInteger(groups) || groups < 1 || c % groups !== 0) {
    throw new ShapeError(`channelShuffle: groups is ${groups}, must divide the channels of x ${show(x.shape)}`);
  }
  const y = reshape(x, [n, groups, c / groups, ...s]);
  return reshape(permute(y, [0, 2, 1, ...s.map((_, i) => 3 + i)]), x.shape);
}

/**
 * x: [n, c, ..s] or [c, ..s] -> (sum of x^p over each window)^(1/p), 0 where the sum is not above 0, as torch. A window
 * that ceilMode lets reach out counts as if it were full.
 */
export function lpPool<S extends Sizes>(
  d: number,
  x: Node,
  p: number,
  power: Node,
  kernel: S,
  options: Pick<PoolOptions<S>, "stride" | "ceilMode">,
): Node {
  const op = `lpPool${d}d`;
  return batched(op, x, d, (e) => {
    const mean = averaged(op, p === 2 ? mul(e, e) : p === 1 ? e : pow(e, power), kernel, options);
    const size = numel(sizesOf(op, "kernel", kernel, d, 1));
    const total = mul(mul(sign(mean), relu(abs(mean))), size);
    if (p === 1) return total;
    const zero = eq(total, 0);
    return where(zero, 0, pow(where(zero, 1, total), div(1, power)));
  });
}

/** x: [n, c, ..o] or [c, ..o], indices into the flattened ..s, as maxPool gives them -> [n, c, ..s], 0 elsewhere. */
export function maxUnpool(d: number, x: Node, indices: Node, s: readonly number[]): Node {
  const op = `maxUnpool${d}d`;
  if (x.dtype !== "f32") throw new DtypeError(`${op}: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
  checkIndex(op, indices);
  if (!sameShape(x.shape, indices.shape) || (x.shape.length !== d + 1 && x.shape.length !== d + 2)) {
    throw new ShapeError(
      `${op}: x ${show(x.shape)} and indices ${show(indices.shape)} must be equal, [n, c, ..] or [c, ..]`,
    );
  }
  const lead = x.shape.slice(0, -d);
  const places = numel(x.shape.slice(-d));
  const zeros = expand(literal(0), [...lead, numel(s)]);
  const flat = (y: Node): Node => reshape(y, [...lead, places]);
  return reshape(scatter(zeros, lead.length, flat(indices), flat(x)), [...lead, ...s]);
}

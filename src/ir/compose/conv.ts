/**
 * Convolution and pooling in two dimensions, as windows over H and W, a product and a sum. Images are NCHW.
 * Padding is the windows' own: what they read outside is 0.
 */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { reshape, window } from "../ops/view.ts";
import { show } from "../shape.ts";
import { mean } from "./reduction.ts";

/** One number for both axes, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number];

export interface ConvOptions {
  readonly stride?: Pair;
  readonly padding?: Pair;
  readonly dilation?: Pair;
}

const pair = (p: Pair): readonly [number, number] => (typeof p === "number" ? [p, p] : p);

/** A pair of whole numbers not below `least`. */
function wholePair(op: string, name: string, p: Pair, least: number): readonly [number, number] {
  const [v, h] = pair(p);
  for (const e of [v, h]) {
    if (!Number.isInteger(e) || e < least) {
      throw new ShapeError(`${op}: ${name} is ${show([v, h])}, must be whole and at least ${least}`);
    }
  }
  return [v, h];
}

/** x: [n, c, H, W] -> [n, c, oh, ow, kh, kw], the windows of `kernel` that fit the padded image. */
function windows(op: string, x: Node, kernel: Pair, options: ConvOptions): Node {
  const size = wholePair(op, "kernel", kernel, 1);
  const stride = wholePair(op, "stride", options.stride ?? 1, 1);
  const padding = wholePair(op, "padding", options.padding ?? 0, 0);
  const dilation = wholePair(op, "dilation", options.dilation ?? 1, 1);
  let y = x;
  for (const i of [0, 1] as const) {
    const n = x.shape[2 + i]!;
    const reach = dilation[i] * (size[i] - 1) + 1;
    const room = n + 2 * padding[i] - reach;
    if (room < 0) {
      throw new ShapeError(
        `${op}: ${show(x.shape)} padded by ${padding[i]} has ${n + 2 * padding[i]} ${i === 0 ? "rows" : "columns"}, ` +
          `the kernel spans ${reach}; padding of at least ${Math.ceil((reach - n) / 2)} would fit`,
      );
    }
    y = window(expand(reshape(y, [...y.shape, 1]), [...y.shape, size[i]]), {
      axis: 2 + i,
      stride: stride[i],
      dilation: dilation[i],
      padding: padding[i],
      size: Math.floor(room / stride[i]) + 1,
      fill: 0,
    });
  }
  return y;
}

function checkImage(op: string, x: Node): void {
  if (x.shape.length !== 4) {
    throw new ShapeError(
      `${op}: x is ${show(x.shape)}, must be [n, c, h, w]` + (x.shape.length === 3 ? "; x.unsqueeze(0) would fit" : ""),
    );
  }
}

/**
 * x: [n, c, h, w], w: [o, c, kh, kw], b: [o] -> [n, o, oh, ow], oh = floor((h + 2p - d(kh - 1) - 1) / s) + 1.
 * Cross-correlation, as torch. Throws ShapeError when channels differ or the kernel does not fit.
 */
export function conv2d(x: Node, w: Node, b?: Node, options: ConvOptions = {}): Node {
  checkImage("conv2d", x);
  if (w.shape.length !== 4) throw new ShapeError(`conv2d: weight is ${show(w.shape)}, must be [o, c, kh, kw]`);
  const [o, c, kh, kw] = w.shape as readonly [number, number, number, number];
  if (x.shape[1] !== c) {
    throw new ShapeError(
      `conv2d: x ${show(x.shape)} has ${x.shape[1]} channels, weight ${show(w.shape)} takes ${c}` +
        (x.shape[3] === c ? "; x is NCHW here: x.permute(0, 3, 1, 2) would fit" : ""),
    );
  }
  const seen = windows("conv2d", x, [kh, kw], options);
  const [n, , oh, ow] = seen.shape as readonly [number, number, number, number];
  const product = mul(reshape(seen, [n, 1, c, oh, ow, kh, kw]), reshape(w, [1, o, c, 1, 1, kh, kw]));
  const y = sum(product, [2, 5, 6]);
  if (b === undefined) return y;
  if (b.shape.length !== 1 || b.shape[0] !== o) {
    throw new ShapeError(`conv2d: bias ${show(b.shape)} must be [${o}], one an output channel of ${show(w.shape)}`);
  }
  return add(y, reshape(b, [o, 1, 1]));
}

/** Mean over windows; padding counts as zeros, as torch's default. The stride is the kernel unless given. */
export function avgPool2d(x: Node, kernel: Pair, options: Omit<ConvOptions, "dilation"> = {}): Node {
  checkImage("avgPool2d", x);
  const { stride = kernel, padding = 0 } = options;
  return mean(windows("avgPool2d", x, kernel, { stride, padding }), [4, 5]);
}

/**
 * Tensor: the end of the chain of classes, with the products.
 *
 * A tensor is a handle on an expression (or on a parameter); its operations are traced when they are called and run
 * when something is read, a step is made or `realize` is called. Shapes and dtypes are checked at once.
 */
import { conv2d, type ConvOptions } from "../ir/compose/conv.ts";
import { matmul } from "../ir/compose/matmul.ts";
import { avgPool2d, type AvgPoolOptions } from "../ir/compose/pool.ts";
import { promoted } from "../ir/compose/promote.ts";
import type { Pair } from "../ir/compose/spatial.ts";
import { apply, provideTensor, wrap } from "./handle.ts";
import { ViewTensor } from "./tensor-views.ts";

export class Tensor extends ViewTensor {
  /** Matrix product of the last two axes; leading axes broadcast, one axis is a row or a column. */
  matmul(other: Tensor): Tensor {
    return apply((a, b) => matmul(...promoted("matmul", a, b)), [this, other]);
  }
  /** x: [n, c, h, w] or [c, h, w] with weight [o, c / groups, kh, kw] and bias [o]: cross-correlation, as torch. */
  conv2d(weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
    return apply((x, w, b) => conv2d(x, w, b, options), bias === null ? [this, weight] : [this, weight, bias]);
  }
  /** x: [n, c, h, w] or [c, h, w], means of windows; the stride is the kernel unless given, padding counts as zeros. */
  avgPool2d(kernelSize: Pair, options: AvgPoolOptions = {}): Tensor {
    return apply((x) => avgPool2d(x, kernelSize, options), [this]);
  }
}

provideTensor((state, requiresGrad) => new Tensor(state, requiresGrad));

/**
 * `wrap` for those who make tensors out of nothing. Imported by name, it keeps this file, and so the line above, in
 * bundles of programs that never name the class.
 */
export const newTensor: typeof wrap = (state, requiresGrad) => wrap(state, requiresGrad);

/**
 * `F`: the functions layers are made of, without state, with PyTorch's names in camelCase. Each is a composition of
 * ops (src/ir/compose) or a method of Tensor; spelling one by hand gives the same program.
 *
 * Here: linear, losses; the other subjects are in the files beside this one, functional-*.ts.
 */
import * as compose from "../ir/compose/index.ts";
import { apply, type Tensor } from "../trace/index.ts";

export * from "./functional-activation.ts";
export * from "./functional-dropout.ts";
export * from "./functional-image.ts";
export * from "./functional-norm.ts";
export * from "./functional-sequence.ts";
export * from "./functional-spatial.ts";
export * from "./functional-loss.ts";

/** x: [.., in], weight: [out, in], bias: [out] -> x weight^T + bias: [.., out]. */
export const linear = (x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor =>
  apply(compose.linear, bias === null ? [x, weight] : [x, weight, bias]);

/** Class indices [..] to rows [.., numClasses] with a 1 where the index says; i32. */
export const oneHot = (x: Tensor, numClasses: number): Tensor => x.oneHot(numClasses);

/** x1: [.., a], x2: [.., b], weight: [out, a, b], bias: [out] -> y[.., o] = x1 weight[o] x2 + bias[o]. */
export function bilinear(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  const [out, a, b] = weight.shape as readonly [number, number, number];
  const lead = x1.shape.slice(0, -1);
  const rows = x1.reshape(-1, a).matmul(weight.permute(1, 0, 2).reshape(a, out * b));
  const y = rows
    .reshape(-1, out, b)
    .mul(x2.reshape(-1, 1, b))
    .sum(2)
    .reshape([...lead, out]);
  return bias === null ? y : y.add(bias);
}

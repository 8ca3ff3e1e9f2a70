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

/**
 * Tensors that can be assigned: parameters, and state without a gradient (running statistics, optimizer moments).
 */
import { Tensor } from "./tensor.ts";
import { cellFrom } from "./handle.ts";

/** A leaf that requires a gradient and that optimizers update. Its handle always means its current value. */
export class Parameter extends Tensor {
  constructor(init: Tensor, options: { readonly requiresGrad?: boolean; readonly label?: string } = {}) {
    super(cellFrom(init, options.label ?? "parameter"), options.requiresGrad ?? true);
  }
}

/** State that no gradient flows to. Its handle always means its current value; change it with `copy_`. */
export class StateTensor extends Tensor {
  constructor(init: Tensor, options: { readonly label?: string } = {}) {
    super(cellFrom(init, options.label ?? "state"), false);
  }
}

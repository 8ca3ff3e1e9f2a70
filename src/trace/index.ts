/**
 * What the trace offers to nn, optim and data, and through src/index.ts to users.
 *
 * For nn:     `new Parameter(tensor)` and `new StateTensor(tensor)` are the two kinds of module state; `x.copy_(y)`
 *             assigns (running statistics), pending until the next submit. `apply(f, [x, w])` lifts a graph function
 *             from src/ir/compose into tensors; `scalar(number, dtype)` is a user's number as a node. `x.clone()` is a
 *             snapshot; `loadValues([[cell, tensor], ..])` assigns all or nothing.
 * For optim:  `updateRule`, `setting` and `applyUpdates` (update.ts). `p.hasGrad()` looks without making p.grad a
 *             result of the next submit, as reading `p.grad` does.
 */
export { Tensor } from "./tensor.ts";
export { apply, scalar, type Scalar } from "./handle.ts";
export { Parameter, StateTensor } from "./parameter.ts";
export { updateRule, setting, applyUpdates } from "./update.ts";
export type { ParameterUpdate, UpdateInputs, UpdateRule } from "./update.ts";
export { noGrad, enableGrad, isGradEnabled } from "./mode.ts";
export { grad, type GradOptions } from "./backward.ts";
export {
  tensor,
  zeros,
  ones,
  full,
  zerosLike,
  onesLike,
  fullLike,
  arange,
  linspace,
  eye,
  where,
  concat,
  stack,
  type TensorOptions,
  type TensorData,
} from "./create.ts";
export { Generator, manualSeed, rand, randn, randint, randperm, bernoulli } from "./random.ts";
export { realize, setDevice, type Engine } from "./engine.ts";
export { loadValues } from "./snapshot.ts";
export { captureLines } from "./lines.ts";

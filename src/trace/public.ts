/** The part of the trace that is for users. */
export { Tensor } from "./tensor.ts";
export type { Operand } from "./tensor-elementwise.ts";
export type { Nested } from "./tensor-reading.ts";
export type { Dims, ValuesAndIndices } from "./tensor-reductions.ts";
export type { Range } from "./tensor-views.ts";
export type { Hook } from "./backward.ts";
export { Parameter, StateTensor } from "./parameter.ts";
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
  cat,
  concat,
  stack,
  type TensorOptions,
  type TensorData,
} from "./create.ts";
export {
  defaultGenerator,
  Generator,
  manualSeed,
  rand,
  randn,
  randint,
  randperm,
  bernoulli,
  type RandomOptions,
} from "./random.ts";
export { realize } from "./batch.ts";
export { compile, type Compiled, type Given } from "./compile.ts";
export { snapshot, type Keepable, type Snapshot } from "./snapshot.ts";
export { survive, type SurviveOptions } from "./survive.ts";
export { currentDevice, setDevice } from "./devices.ts";

/** `texgrad/optim`, torch.optim's counterpart. */
export { Adadelta, type AdadeltaSettings } from "./adadelta.ts";
export { Adagrad, type AdagradSettings } from "./adagrad.ts";
export { Adam, AdamW } from "./adam.ts";
export { Adamax } from "./adamax.ts";
export { LAMB } from "./lamb.ts";
export { Lion, type LionSettings } from "./lion.ts";
export { Muon, type MuonSettings } from "./muon.ts";
export { NAdam, type NAdamSettings } from "./nadam.ts";
export { Optimizer } from "./optimizer.ts";
export type { GroupOptions, OptimizerState, ParameterState, ParamGroup, Params } from "./optimizer.ts";
export { RAdam } from "./radam.ts";
export { RMSprop, type RMSpropSettings } from "./rmsprop.ts";
export { Rprop, type RpropSettings } from "./rprop.ts";
export type { AdamSettings, MomentSettings, SGDSettings } from "./rules.ts";
export { SGD } from "./sgd.ts";
export type { LRScheduler, Scheduler, SchedulerState } from "./scheduler.ts";
export {
  ConstantLR,
  CosineAnnealingLR,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  type LinearLROptions,
  type LrLambda,
  MultiplicativeLR,
  MultiStepLR,
  PolynomialLR,
  StepLR,
  WarmupCosineLR,
  type WarmupOptions,
} from "./schedules.ts";
export {
  CosineAnnealingWarmRestarts,
  CyclicLR,
  type CyclicOptions,
  OneCycleLR,
  type OneCycleOptions,
  type WarmRestartsOptions,
} from "./cycles.ts";
export { type PlateauOptions, ReduceLROnPlateau } from "./plateau.ts";
export { ChainedScheduler, SequentialLR } from "./sequence.ts";

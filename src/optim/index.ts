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

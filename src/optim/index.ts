/** `texgrad/optim`, torch.optim's counterpart. */
export { Adam, AdamW } from "./adam.ts";
export { Optimizer } from "./optimizer.ts";
export type { GroupOptions, OptimizerState, ParameterState, ParamGroup, Params } from "./optimizer.ts";
export type { AdamSettings, SGDSettings } from "./rules.ts";
export { SGD } from "./sgd.ts";

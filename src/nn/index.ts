/** `texgrad/nn`, torch.nn's counterpart. */
export { GELU, LogSoftmax, ReLU, Sigmoid, Softmax, Softplus, Tanh } from "./activation.ts";
export { Flatten, Identity, Sequential } from "./container.ts";
export { AvgPool2d, Conv2d, type Conv2dOptions, type PoolOptions } from "./conv.ts";
export { Dropout } from "./dropout.ts";
export * as functional from "./functional.ts";
export * as init from "./init.ts";
export type { LayerOptions } from "./layer.ts";
export { Linear } from "./linear.ts";
export { CrossEntropyLoss, MSELoss } from "./loss.ts";
export { Module, type Named, type Part, type TensorModule } from "./module.ts";
export type { LoadReport, StateDict } from "./state-dict.ts";
export { Parameter, StateTensor as Buffer } from "../trace/index.ts";

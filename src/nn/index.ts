/** `texgrad/nn`, torch.nn's counterpart. */
export { GELU, LogSoftmax, ReLU, Sigmoid, Softmax, Softplus, Tanh } from "./activation.ts";
export { type MultiheadForwardOptions, MultiheadAttention, type MultiheadAttentionOptions } from "./attention.ts";
export {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  type RunningNormOptions,
} from "./batch-norm.ts";
export { type Clipped, clipGradNorm, clipGradValue } from "./clip.ts";
export { Flatten, Identity, Sequential } from "./container.ts";
export {
  Conv1d,
  type Conv1dOptions,
  Conv2d,
  type Conv2dOptions,
  Conv3d,
  type Conv3dOptions,
  ConvTranspose1d,
  type ConvTranspose1dOptions,
  ConvTranspose2d,
  type ConvTranspose2dOptions,
  ConvTranspose3d,
  type ConvTranspose3dOptions,
} from "./conv.ts";
export { EMA, type EMAOptions } from "./ema.ts";
export { Embedding, type EmbeddingLayerOptions } from "./embedding.ts";
export { Dropout } from "./dropout.ts";
export * as functional from "./functional.ts";
export * as init from "./init.ts";
export type { LayerOptions } from "./layer.ts";
export { Linear } from "./linear.ts";
export {
  BCELoss,
  BCEWithLogitsLoss,
  CosineEmbeddingLoss,
  CosineSimilarity,
  CrossEntropyLoss,
  CTCLoss,
  GaussianNLLLoss,
  HingeEmbeddingLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  MarginRankingLoss,
  MSELoss,
  MultiLabelMarginLoss,
  MultiLabelSoftMarginLoss,
  MultiMarginLoss,
  NLLLoss,
  PairwiseDistance,
  PoissonNLLLoss,
  SmoothL1Loss,
  SoftMarginLoss,
  TripletMarginLoss,
} from "./loss.ts";
export { lora, type LoraOptions, loraStateDict, mergeLora } from "./lora.ts";
export { Module, type Named, type Part, type TensorModule } from "./module.ts";
export type { LoadReport, StateDict } from "./state-dict.ts";
export { GroupNorm, type GroupNormOptions, LayerNorm, type LayerNormOptions, RMSNorm } from "./norm.ts";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
} from "./pool.ts";
export {
  removeSpectralNorm,
  removeWeightNorm,
  spectralNorm,
  type SpectralNormOptions,
  weightNorm,
} from "./reparametrize.ts";
export { GRU, LSTM, type LSTMOptions, type RecurrentOptions, RNN, type RNNOptions } from "./recurrent.ts";
export { GRUCell, LSTMCell, RNNCell, type RNNCellOptions } from "./recurrent-cell.ts";
export { Parameter, StateTensor as Buffer } from "../trace/index.ts";

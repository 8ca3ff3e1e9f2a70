/** `texgrad/nn`, torch.nn's counterpart. */
export {
  CELU,
  ELU,
  GELU,
  GLU,
  Hardshrink,
  Hardsigmoid,
  Hardswish,
  Hardtanh,
  LeakyReLU,
  LogSigmoid,
  LogSoftmax,
  Mish,
  PReLU,
  ReLU,
  ReLU6,
  RReLU,
  SELU,
  Sigmoid,
  SiLU,
  Softmax,
  Softmax2d,
  Softmin,
  Softplus,
  Softshrink,
  Softsign,
  Tanh,
  Tanhshrink,
  Threshold,
} from "./activation.ts";
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
export { Flatten, Identity, ModuleDict, ModuleList, ParameterList, Sequential, Unflatten } from "./container.ts";
export { countParameters, summary } from "./summary.ts";
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
export { Embedding, EmbeddingBag, type EmbeddingBagOptions, type EmbeddingLayerOptions } from "./embedding.ts";
export { AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d } from "./dropout.ts";
export * as functional from "./functional.ts";
export {
  ChannelShuffle,
  CircularPad1d,
  CircularPad2d,
  CircularPad3d,
  ConstantPad1d,
  ConstantPad2d,
  ConstantPad3d,
  ReflectionPad1d,
  ReflectionPad2d,
  ReflectionPad3d,
  ReplicationPad1d,
  ReplicationPad2d,
  ReplicationPad3d,
  ZeroPad1d,
  ZeroPad2d,
  ZeroPad3d,
  PixelShuffle,
  PixelUnshuffle,
  Upsample,
} from "./image.ts";
export * as init from "./init.ts";
export type { LayerOptions } from "./layer.ts";
export { Bilinear, Linear } from "./linear.ts";
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
export { type ForwardHook, type ForwardPreHook, Module, type Named, type Part, type TensorModule } from "./module.ts";
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
  MaxUnpool1d,
  MaxUnpool2d,
  MaxUnpool3d,
} from "./pool.ts";
export {
  removeSpectralNorm,
  removeWeightNorm,
  spectralNorm,
  type SpectralNormOptions,
  weightNorm,
} from "./reparametrize.ts";
export {
  GRU,
  LSTM,
  type LSTMOptions,
  type RecurrentOptions,
  RNN,
  type RNNOptions,
  type SequenceOptions,
} from "./recurrent.ts";
export { GRUCell, LSTMCell, RNNCell, type RNNCellOptions } from "./recurrent-cell.ts";
export { Parameter, StateTensor as Buffer } from "../trace/index.ts";
export { RotaryEmbedding, type RotaryOptions } from "./rotary.ts";
export {
  causalMask,
  type DecoderMasks,
  type EncoderMasks,
  type StackOptions,
  Transformer,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
  type TransformerOptions,
} from "./transformer.ts";

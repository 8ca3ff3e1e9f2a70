/**
 * Transformers, Vaswani et al. (2017), with PyTorch's options, names and defaults. Masks are MultiheadAttention's: true
 * where a key is *not* seen. A stack takes a function that makes its layers, since each has weights of its own.
 *
 * Letters of shapes: l queries, s keys, n batch, e features.
 */
import { TexgradError } from "../ir/errors.ts";
import { arange, type Generator, type Tensor } from "../trace/index.ts";
import { MultiheadAttention } from "./attention.ts";
import { checkCount } from "./check.ts";
import { Dropout } from "./dropout.ts";
import * as F from "./functional.ts";
import { Linear } from "./linear.ts";
import { Module, type TensorModule } from "./module.ts";
import { LayerNorm } from "./norm.ts";

export interface TransformerLayerOptions {
  /** Features between the two Linear layers. Default 2048. */
  readonly dimFeedforward?: number;
  /** Default 0.1. */
  readonly dropout?: number;
  /** Default "relu". */
  readonly activation?: "relu" | "gelu" | ((x: Tensor) => Tensor);
  /** Default 1e-5. */
  readonly layerNormEps?: number;
  /** Whether batches are [n, l, e] and not [l, n, e]. Default false. */
  readonly batchFirst?: boolean;
  /** Whether norms come before attention and not after. Default false. */
  readonly normFirst?: boolean;
  readonly generator?: Generator;
}

/** What both kinds of layers are made of. */
abstract class Layer extends Module {
  readonly selfAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly normFirst: boolean;
  readonly #activation: (x: Tensor) => Tensor;

  protected constructor(dModel: number, nhead: number, options: TransformerLayerOptions) {
    super();
    const { dimFeedforward = 2048, activation = "relu", normFirst = false } = options;
    this.selfAttn = attention(dModel, nhead, options);
    this.linear1 = new Linear(dModel, dimFeedforward, drawn(options));
    this.dropout = drop(options);
    this.linear2 = new Linear(dimFeedforward, dModel, drawn(options));
    this.normFirst = normFirst;
    if (typeof activation === "string" && activation !== "relu" && activation !== "gelu") {
      throw new TexgradError(`${new.target.name}: activation is ${String(activation)}; "relu", "gelu" or a function`);
    }
    this.#activation =
      typeof activation === "function" ? activation : activation === "relu" ? F.relu : (x) => F.gelu(x);
  }

  protected feedForward(x: Tensor): Tensor {
    return this.linear2.forward(this.dropout.forward(this.#activation(this.linear1.forward(x))));
  }

  /** x plus what f makes of it, normalised before f or after the sum. */
  protected residual(x: Tensor, norm: LayerNorm, drop: Dropout, f: (x: Tensor) => Tensor): Tensor {
    if (this.normFirst) return x.add(drop.forward(f(norm.forward(x))));
    return norm.forward(x.add(drop.forward(f(x))));
  }
}

const drawn = ({ generator }: TransformerLayerOptions): { readonly generator?: Generator } =>
  generator === undefined ? {} : { generator };
const drop = (options: TransformerLayerOptions): Dropout => new Dropout(options.dropout ?? 0.1, drawn(options));
const attention = (dModel: number, nhead: number, options: TransformerLayerOptions): MultiheadAttention =>
  new MultiheadAttention(dModel, nhead, {
    dropout: options.dropout ?? 0.1,
    batchFirst: options.batchFirst ?? false,
    ...drawn(options),
  });
const layerNorm = (dModel: number, { layerNormEps = 1e-5 }: TransformerLayerOptions): LayerNorm =>
  new LayerNorm(dModel, { eps: layerNormEps });

/** Masks as MultiheadAttention's attnMask and keyPaddingMask. */
export interface EncoderMasks {
  readonly srcMask?: Tensor | null;
  readonly srcKeyPaddingMask?: Tensor | null;
}

/** src: [l, n, dModel] -> as src: attention to itself, then two Linear layers, each added to what goes in. */
export class TransformerEncoderLayer extends Layer {
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super(dModel, nhead, options);
    this.norm1 = layerNorm(dModel, options);
    this.norm2 = layerNorm(dModel, options);
    this.dropout1 = drop(options);
    this.dropout2 = drop(options);
  }

  forward(src: Tensor, { srcMask = null, srcKeyPaddingMask = null }: EncoderMasks = {}): Tensor {
    const masks = { attnMask: srcMask, keyPaddingMask: srcKeyPaddingMask, needWeights: false };
    const attend = (x: Tensor): Tensor => this.selfAttn.forward(x, x, x, masks)[0];
    const seen = this.residual(src, this.norm1, this.dropout1, attend);
    return this.residual(seen, this.norm2, this.dropout2, (x) => this.feedForward(x));
  }
}

export interface DecoderMasks {
  readonly tgtMask?: Tensor | null;
  readonly memoryMask?: Tensor | null;
  readonly tgtKeyPaddingMask?: Tensor | null;
  readonly memoryKeyPaddingMask?: Tensor | null;
}

/** tgt: [l, n, dModel], memory: [s, n, dModel] -> as tgt: attention to itself, to memory, then two Linear layers. */
export class TransformerDecoderLayer extends Layer {
  readonly multiheadAttn: MultiheadAttention;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly dropout3: Dropout;

  constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
    super(dModel, nhead, options);
    this.multiheadAttn = attention(dModel, nhead, options);
    this.norm1 = layerNorm(dModel, options);
    this.norm2 = layerNorm(dModel, options);
    this.norm3 = layerNorm(dModel, options);
    this.dropout1 = drop(options);
    this.dropout2 = drop(options);
    this.dropout3 = drop(options);
  }

  forward(
    tgt: Tensor,
    memory: Tensor,
    { tgtMask = null, memoryMask = null, tgtKeyPaddingMask = null, memoryKeyPaddingMask = null }: DecoderMasks = {},
  ): Tensor {
    const own = { attnMask: tgtMask, keyPaddingMask: tgtKeyPaddingMask, needWeights: false };
    const other = { attnMask: memoryMask, keyPaddingMask: memoryKeyPaddingMask, needWeights: false };
    const self = (x: Tensor): Tensor => this.selfAttn.forward(x, x, x, own)[0];
    const cross = (x: Tensor): Tensor => this.multiheadAttn.forward(x, memory, memory, other)[0];
    const a = this.residual(tgt, this.norm1, this.dropout1, self);
    const b = this.residual(a, this.norm2, this.dropout2, cross);
    return this.residual(b, this.norm3, this.dropout3, (x) => this.feedForward(x));
  }
}

export interface StackOptions {
  /** A last norm. */
  readonly norm?: TensorModule | null;
}

/** `numLayers` layers one after the other; `layer` makes each. */
export class TransformerEncoder extends Module {
  readonly layers: readonly TransformerEncoderLayer[];
  readonly norm: TensorModule | null;

  constructor(layer: (i: number) => TransformerEncoderLayer, numLayers: number, { norm = null }: StackOptions = {}) {
    super();
    checkCount("TransformerEncoder", "numLayers", numLayers, 1);
    this.layers = Array.from({ length: numLayers }, (_, i) => layer(i));
    this.norm = norm;
  }

  forward(src: Tensor, masks: EncoderMasks = {}): Tensor {
    const y = this.layers.reduce((x, layer) => layer.forward(x, masks), src);
    return this.norm?.forward(y) ?? y;
  }
}

/** `numLayers` layers one after the other; `layer` makes each. */
export class TransformerDecoder extends Module {
  readonly layers: readonly TransformerDecoderLayer[];
  readonly norm: TensorModule | null;

  constructor(layer: (i: number) => TransformerDecoderLayer, numLayers: number, { norm = null }: StackOptions = {}) {
    super();
    checkCount("TransformerDecoder", "numLayers", numLayers, 1);
    this.layers = Array.from({ length: numLayers }, (_, i) => layer(i));
    this.norm = norm;
  }

  forward(tgt: Tensor, memory: Tensor, masks: DecoderMasks = {}): Tensor {
    const y = this.layers.reduce((x, layer) => layer.forward(x, memory, masks), tgt);
    return this.norm?.forward(y) ?? y;
  }
}

export interface TransformerOptions extends TransformerLayerOptions {
  /** Default 512. */
  readonly dModel?: number;
  /** Default 8. */
  readonly nhead?: number;
  /** Default 6. */
  readonly numEncoderLayers?: number;
  /** Default 6. */
  readonly numDecoderLayers?: number;
}

/** An encoder and a decoder: src [s, n, dModel], tgt [l, n, dModel] -> as tgt. */
export class Transformer extends Module {
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;

  constructor(options: TransformerOptions = {}) {
    super();
    const { dModel = 512, nhead = 8, numEncoderLayers = 6, numDecoderLayers = 6 } = options;
    this.encoder = new TransformerEncoder(() => new TransformerEncoderLayer(dModel, nhead, options), numEncoderLayers, {
      norm: layerNorm(dModel, options),
    });
    this.decoder = new TransformerDecoder(() => new TransformerDecoderLayer(dModel, nhead, options), numDecoderLayers, {
      norm: layerNorm(dModel, options),
    });
  }

  forward(src: Tensor, tgt: Tensor, masks: EncoderMasks & DecoderMasks = {}): Tensor {
    return this.decoder.forward(tgt, this.encoder.forward(src, masks), masks);
  }
}

/** [size, size] of bool, true where a later position would be seen. */
export const causalMask = (size: number): Tensor => arange(size).gt(arange(size).reshape(size, 1));

/** Embedding and EmbeddingBag, with PyTorch's names and initial distribution. */
import { TexgradError } from "../ir/errors.ts";
import { Parameter, tensor, type Generator, type Tensor } from "../trace/index.ts";
import { checkCount } from "./check.ts";
import * as F from "./functional.ts";
import { normalValues } from "./init.ts";
import { Module } from "./module.ts";

export interface EmbeddingLayerOptions extends F.EmbeddingOptions {
  /** What the initial weights are drawn from. Default: the library's, which manualSeed sets. */
  readonly generator?: Generator;
}

/** Indices [..] of i32 -> [.., embeddingDim]. Rows start from N(0, 1), that of `paddingIdx` from 0, where it stays. */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  /** Not negative. */
  readonly paddingIdx: number | null;
  /** [numEmbeddings, embeddingDim]. */
  readonly weight: Parameter;

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingLayerOptions = {}) {
    super();
    const { paddingIdx = null, generator } = options;
    this.numEmbeddings = checkCount("Embedding", "numEmbeddings", numEmbeddings, 1);
    this.embeddingDim = checkCount("Embedding", "embeddingDim", embeddingDim, 1);
    if (
      paddingIdx !== null &&
      !(Number.isInteger(paddingIdx) && paddingIdx >= -numEmbeddings && paddingIdx < numEmbeddings)
    ) {
      throw new TexgradError(`Embedding: paddingIdx is ${paddingIdx}; it must name one of ${numEmbeddings} rows`);
    }
    this.paddingIdx = paddingIdx !== null && paddingIdx < 0 ? paddingIdx + numEmbeddings : paddingIdx;
    const shape = [numEmbeddings, embeddingDim];
    const values = normalValues(shape, 0, 1, generator).dataSync().slice();
    if (this.paddingIdx !== null) values.fill(0, this.paddingIdx * embeddingDim, (this.paddingIdx + 1) * embeddingDim);
    this.weight = new Parameter(tensor(values, { shape }));
  }

  forward(indices: Tensor): Tensor {
    return F.embedding(indices, this.weight, this);
  }

  protected override describe(): string {
    const { numEmbeddings, embeddingDim, paddingIdx } = this;
    return `${numEmbeddings}, ${embeddingDim}${paddingIdx === null ? "" : `, paddingIdx=${paddingIdx}`}`;
  }
}

export interface EmbeddingBagOptions extends EmbeddingLayerOptions {
  /** How the rows of a bag become one. Default "mean". */
  readonly mode?: F.BagMode;
}

/** Indices of bags -> one row a bag: [n, embeddingDim]. Rows start from N(0, 1). */
export class EmbeddingBag extends Module {
  readonly mode: F.BagMode;
  readonly paddingIdx: number | null;
  /** [numEmbeddings, embeddingDim]. */
  readonly weight: Parameter;

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingBagOptions = {}) {
    super();
    this.mode = options.mode ?? "mean";
    const { weight, paddingIdx } = new Embedding(numEmbeddings, embeddingDim, options);
    this.weight = weight;
    this.paddingIdx = paddingIdx;
  }

  /** indices: [n, l] of i32, a bag a row; or [l] with offsets [n], where each bag begins. */
  forward(
    indices: Tensor,
    options: { readonly offsets?: Tensor | null; readonly perSampleWeights?: Tensor | null } = {},
  ): Tensor {
    return F.embeddingBag(indices, this.weight, { mode: this.mode, paddingIdx: this.paddingIdx, ...options });
  }

  protected override describe(): string {
    const [rows, d] = this.weight.shape as readonly [number, number];
    return `${rows}, ${d}, mode=${this.mode}`;
  }
}

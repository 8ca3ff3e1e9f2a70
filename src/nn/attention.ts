/**
 * Multi-head attention with PyTorch's options, names and initial weights. The formula is scaledDotProductAttention's.
 * Masks are PyTorch's of this module: true where a key is *not* seen.
 *
 * Letters of shapes: n batch, l queries, s keys, e features, a heads.
 */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import { cat, noteChange, Parameter, zeros, type Generator, type Tensor } from "../trace/index.ts";
import { checkCount, checkProbability } from "./check.ts";
import * as F from "./functional.ts";
import { normalValues, uniformValues, zeros as initZeros } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";

export interface MultiheadAttentionOptions {
  /** The part of the weights that become 0 in training. Default 0. */
  readonly dropout?: number;
  /** Whether the projections have one. Default true. */
  readonly bias?: boolean;
  /** Features of keys and values. Default embedDim. */
  readonly kdim?: number;
  readonly vdim?: number;
  /** Whether a learned key and value are put behind the others. Default false. */
  readonly addBiasKv?: boolean;
  /** Whether a key and value of zeros are put behind the others. Default false. */
  readonly addZeroAttn?: boolean;
  /** Whether batches are [n, l, e] and not [l, n, e]. Default false. */
  readonly batchFirst?: boolean;
  /** What the initial weights and dropout are drawn from. Default: the library's. */
  readonly generator?: Generator;
}

export interface MultiheadForwardOptions {
  /** [n, s] or [s]: bool, true for keys that no query sees, or f32, which is added to the scores. */
  readonly keyPaddingMask?: Tensor | null;
  /** [l, s] or [n a, l, s]: bool, true for keys that a query does not see, or f32, which is added to the scores. */
  readonly attnMask?: Tensor | null;
  /** Whether the weights are given. Default true. */
  readonly needWeights?: boolean;
  /** Whether they are a mean over heads. Default true. */
  readonly averageAttnWeights?: boolean;
}

/**
 * query: [l, n, e], key: [s, n, kdim], value: [s, n, vdim], or all without n -> the output, as query, and the weights
 * [n, l, s] (each head's [n, a, l, s]). A query that sees no key gives the bias of the last projection, where PyTorch's
 * module gives NaN.
 */
export class MultiheadAttention extends Module {
  readonly embedDim: number;
  readonly numHeads: number;
  #dropout: number;
  readonly batchFirst: boolean;
  /** [3 embedDim, embedDim], if keys and values have embedDim features too; else the three below it. */
  readonly inProjWeight: Parameter | null = null;
  readonly qProjWeight: Parameter | null = null;
  readonly kProjWeight: Parameter | null = null;
  readonly vProjWeight: Parameter | null = null;
  /** [3 embedDim]. */
  readonly inProjBias: Parameter | null;
  readonly outProj: Linear;
  /** [1, 1, embedDim], as the one below. */
  readonly biasK: Parameter | null = null;
  readonly biasV: Parameter | null = null;
  readonly addZeroAttn: boolean;
  readonly #generator: Generator | undefined;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    const { dropout = 0, bias = true, kdim = embedDim, vdim = embedDim, batchFirst = false, generator } = options;
    const name = "MultiheadAttention";
    this.embedDim = checkCount(name, "embedDim", embedDim, 1);
    this.numHeads = checkCount(name, "numHeads", numHeads, 1);
    checkProbability(name, dropout);
    if (embedDim % numHeads !== 0) {
      throw new TexgradError(`${name}: numHeads is ${numHeads}; it must divide embedDim ${embedDim}`);
    }
    this.#dropout = dropout;
    this.batchFirst = batchFirst;
    this.#generator = generator;
    // xavierUniform, as PyTorch.
    const fresh = (rows: number, columns: number): Parameter => {
      const bound = Math.sqrt(6 / (rows + columns));
      return new Parameter(uniformValues([rows, columns], -bound, bound, generator));
    };
    if (kdim === embedDim && vdim === embedDim) this.inProjWeight = fresh(3 * embedDim, embedDim);
    else {
      this.qProjWeight = fresh(embedDim, embedDim);
      this.kProjWeight = fresh(embedDim, checkCount(name, "kdim", kdim, 1));
      this.vProjWeight = fresh(embedDim, checkCount(name, "vdim", vdim, 1));
    }
    this.inProjBias = bias ? new Parameter(zeros([3 * embedDim])) : null;
    this.outProj = new Linear(embedDim, embedDim, { bias, ...(generator === undefined ? {} : { generator }) });
    if (this.outProj.bias !== null) initZeros(this.outProj.bias);
    this.addZeroAttn = options.addZeroAttn ?? false;
    if (options.addBiasKv === true) {
      // xavierNormal of [1, 1, e], whose fans torch takes for e both.
      const std = Math.sqrt(2 / (embedDim + embedDim));
      this.biasK = new Parameter(normalValues([1, 1, embedDim], 0, std, generator));
      this.biasV = new Parameter(normalValues([1, 1, embedDim], 0, std, generator));
    }
  }

  get dropout(): number {
    return this.#dropout;
  }
  set dropout(p: number) {
    if (p !== this.#dropout) noteChange();
    this.#dropout = p;
  }

  forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    {
      keyPaddingMask = null,
      attnMask = null,
      needWeights = true,
      averageAttnWeights = true,
    }: MultiheadForwardOptions = {},
  ): readonly [output: Tensor, weights: Tensor | null] {
    const isBatch = query.ndim === 3;
    if (query.ndim < 2 || query.ndim > 3 || [key, value].some((t) => t.ndim !== query.ndim)) {
      const shapes = [query, key, value].map((t) => show(t.shape)).join(", ");
      throw new ShapeError(
        `MultiheadAttention: query, key and value are ${shapes}; takes three axes each, or two without n`,
      );
    }
    // [n, l, e]
    const [q, k, v] = [query, key, value].map((t, i) => this.#projected(this.#batchFirst(t), i)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const mask = this.#mask(q.shape, k.shape, keyPaddingMask, attnMask);
    const dropoutP = this.training ? this.dropout : 0;
    const generator = this.#generator === undefined ? {} : { generator: this.#generator };
    const weights = F.attentionWeights(q, k, { attnMask: mask, dropoutP, ...generator });
    const [n, , l] = weights.shape as readonly [number, number, number];
    const joined = weights.matmul(v).transpose(1, 2).reshape(n, l, this.embedDim);
    const output = this.outProj.forward(joined);
    const shown = !needWeights ? null : averageAttnWeights ? weights.mean(1) : weights;
    if (!isBatch) return [output.squeeze(0), shown?.squeeze(0) ?? null];
    return [this.batchFirst ? output : output.transpose(0, 1), shown];
  }

  #batchFirst(x: Tensor): Tensor {
    if (x.ndim === 2) return x.unsqueeze(0);
    return this.batchFirst ? x : x.transpose(0, 1);
  }

  /** x: [n, l, ..] through the i-th projection: [n, a, l, e / a]. */
  #projected(x: Tensor, i: number): Tensor {
    const e = this.embedDim;
    const a = this.numHeads;
    const added = [null, this.biasK, this.biasV][i] ?? null;
    const w = this.inProjWeight?.narrow(0, i * e, e) ?? [this.qProjWeight, this.kProjWeight, this.vProjWeight][i]!;
    const y = F.linear(x, w, this.inProjBias?.narrow(0, i * e, e) ?? null);
    const n = x.shape[0]!;
    const all = added === null ? y : cat([y, added.expand(n, 1, e)], 1);
    const heads = all.reshape(n, all.shape[1]!, a, e / a).transpose(1, 2);
    return i > 0 && this.addZeroAttn ? cat([heads, zeros([n, a, 1, e / a])], 2) : heads;
  }

  /** Both masks as one that scaledDotProductAttention takes: true where a key is seen, or added. */
  #mask(
    q: readonly number[],
    k: readonly number[],
    keyPaddingMask: Tensor | null,
    attnMask: Tensor | null,
  ): Tensor | null {
    const extra = (this.biasK === null ? 0 : 1) + (this.addZeroAttn ? 1 : 0);
    const [n, l, s] = [q[0]!, q[2]!, k[2]! - extra];
    // Keys put behind the others are seen: 0 is both no mask and nothing added.
    const longer = (mask: Tensor): Tensor =>
      extra === 0 ? mask : cat([mask, zeros([...mask.shape.slice(0, -1), extra], { dtype: mask.dtype })], -1);
    const ofPairs =
      attnMask === null ? null : longer(attnMask.ndim === 3 ? attnMask.reshape(n, this.numHeads, l, s) : attnMask);
    const ofKeys = keyPaddingMask === null ? null : longer(keyPaddingMask.reshape(n, 1, 1, s));
    if (ofPairs === null || ofKeys === null) {
      const one = ofPairs ?? ofKeys;
      return one?.dtype === "bool" ? one.logicalNot() : one;
    }
    if (ofPairs.dtype === "bool" && ofKeys.dtype === "bool") return ofPairs.logicalOr(ofKeys).logicalNot();
    return added(ofPairs).add(added(ofKeys));
  }

  protected override describe(): string {
    return `${this.embedDim}, ${this.numHeads}, dropout=${this.dropout}, batchFirst=${this.batchFirst}`;
  }
}

/** A mask as what is added to the scores. */
const added = (mask: Tensor): Tensor => (mask.dtype === "bool" ? zeros(mask.shape).maskedFill(mask, -Infinity) : mask);

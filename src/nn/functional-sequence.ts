/**
 * The part of `F` that works on sequences: lookups and attention.
 *
 * Letters of shapes: l queries, s keys, e features.
 */
import * as compose from "../ir/compose/index.ts";
import { ShapeError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import { apply, full, type Generator, type Tensor } from "../trace/index.ts";
import { dropout } from "./functional-dropout.ts";

export interface EmbeddingOptions {
  /** A row that gets no gradient; negative: from the end. */
  readonly paddingIdx?: number | null;
}

/** indices: [..] of i32, weight: [rows, d] -> [.., d]. An index that names no row reads 0. */
export const embedding = (indices: Tensor, weight: Tensor, { paddingIdx = null }: EmbeddingOptions = {}): Tensor =>
  apply((i, w) => compose.embedding(i, w, paddingIdx), [indices, weight]);

export interface AttentionOptions {
  /** Broadcasts to [.., l, s]: bool, true where a key is seen, or f32, which is added to the scores. */
  readonly attnMask?: Tensor | null;
  /** The part of the weights that become 0. Default 0. */
  readonly dropoutP?: number;
  /** Query i sees the keys 0 to i. Default false. */
  readonly isCausal?: boolean;
  /** Default 1 / sqrt(e). */
  readonly scale?: number | null;
  /** What dropout draws from. Default: the library's. */
  readonly generator?: Generator;
}

/** softmax(query key^T scale + mask): [.., l, s], the weights of scaledDotProductAttention, dropout included. */
export function attentionWeights(query: Tensor, key: Tensor, options: AttentionOptions = {}): Tensor {
  const { attnMask = null, dropoutP = 0, isCausal = false, scale = null, generator } = options;
  const factor = full([], scale ?? 1 / Math.sqrt(query.shape.at(-1) ?? 1));
  const weights = apply(
    (q, k, f, mask) => compose.attentionWeights(q, k, f, mask ?? null, isCausal),
    attnMask === null ? [query, key, factor] : [query, key, factor, attnMask],
  );
  return dropout(weights, { p: dropoutP, ...(generator === undefined ? {} : { generator }) });
}

/**
 * query: [.., l, e], key: [.., s, e], value: [.., s, f] -> softmax(query key^T scale + mask) value: [.., l, f].
 * A query that sees no key gives 0, as torch since 2.5. Throws ShapeError where sizes differ, or for both a mask and
 * isCausal.
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  if (value.ndim < 2 || value.shape.at(-2) !== key.shape.at(-2)) {
    throw new ShapeError(
      `scaledDotProductAttention: key ${show(key.shape)} and value ${show(value.shape)} differ in the last axis but one`,
    );
  }
  return attentionWeights(query, key, options).matmul(value);
}

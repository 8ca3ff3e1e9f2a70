/**
 * The part of `F` that works on sequences: lookups and attention.
 *
 * Letters of shapes: l queries, s keys, e features.
 */
import * as compose from "../ir/compose/index.ts";
import { ShapeError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import { apply, arange, full, type Generator, type Tensor } from "../trace/index.ts";
import { dropout } from "./functional-dropout.ts";

export interface EmbeddingOptions {
  /** A row that gets no gradient; negative: from the end. */
  readonly paddingIdx?: number | null;
}

/** indices: [..] of i32, weight: [rows, d] -> [.., d]. An index that names no row reads 0. */
export const embedding = (indices: Tensor, weight: Tensor, { paddingIdx = null }: EmbeddingOptions = {}): Tensor =>
  apply((i, w) => compose.embedding(i, w, paddingIdx), [indices, weight]);

export type BagMode = "sum" | "mean" | "max";

export interface EmbeddingBagFunctionOptions {
  /** [n] of i32, where each bag begins; for indices of one axis. */
  readonly offsets?: Tensor | null;
  /** As indices: what each row counts; of "sum" only. */
  readonly perSampleWeights?: Tensor | null;
  /** Default "mean". */
  readonly mode?: BagMode;
  /** A row that counts for nothing and gets no gradient. */
  readonly paddingIdx?: number | null;
}

/**
 * indices: [n, l] of i32, a bag a row, or [l] with offsets [n]; weight: [rows, d] -> the sum, mean or largest of each
 * bag's rows: [n, d]; 0 for an empty bag. Positions are compared with bags: n l for each d.
 */
export function embeddingBag(
  indices: Tensor,
  weight: Tensor,
  { offsets = null, perSampleWeights = null, mode = "mean", paddingIdx = null }: EmbeddingBagFunctionOptions = {},
): Tensor {
  if ((offsets === null) !== (indices.ndim === 2) || indices.ndim > 2) {
    throw new ShapeError(
      `embeddingBag: indices are ${show(indices.shape)} ${offsets === null ? "without" : "with"} offsets; ` +
        `takes [n, l] without or [l] with them`,
    );
  }
  if (perSampleWeights !== null && mode !== "sum") {
    throw new ShapeError(`embeddingBag: perSampleWeights are for the mode "sum", not "${mode}"`);
  }
  const rows = embedding(indices, weight, { paddingIdx });
  const counted = paddingIdx === null ? null : indices.ne(paddingIdx < 0 ? paddingIdx + weight.shape[0]! : paddingIdx);
  const l = indices.shape.at(-1)!;
  // Which positions are in which bag, [n, l, 1], and the rows as [n or 1, l, d].
  let members = counted?.reshape(-1, l, 1) ?? null;
  if (offsets !== null) {
    const at = arange(l);
    const after = offsets.reshape(-1, 1).le(at).cast("i32");
    // A position is of the last bag that begins at or before it: of bag b if b + 1 bags do.
    const own = after.sum(0).sub(1).eq(arange(offsets.shape[0]!).reshape(-1, 1)).reshape(-1, l, 1);
    members = members === null ? own : members.logicalAnd(own);
  }
  const all = offsets === null ? rows : rows.unsqueeze(0);
  const weighted = perSampleWeights === null ? all : all.mul(perSampleWeights.reshape(-1, l, 1));
  if (mode === "max") {
    const seen = members === null ? weighted : weighted.where(members, -Infinity);
    const largest = seen.amax(1);
    return members === null ? largest : largest.where(members.any(1), 0);
  }
  const total = (members === null ? weighted : weighted.where(members, 0)).sum(1);
  if (mode === "sum") return total;
  return members === null ? total.div(l) : total.div(members.cast("f32").sum(1).maximum(1));
}

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

/**
 * Where values lie in the arena, and in which pieces they travel.
 *
 * The arena is one flat array: the trained parameters, the last layer's first (its gradients are known first), then the
 * buffers (running statistics). It is cut in buckets, which are read from the device one by one, and those in chunks,
 * which are summed one by one. Chunks are numbered in the order they are sent. Both sides make the same layout of the
 * same model; none is ever sent.
 */
import { numel } from "../ir/shape.ts";
import type { ModelInfo, TensorInfo } from "./messages.ts";
import { CHUNK, type CodecName } from "./wire.ts";

export interface Chunk {
  readonly id: number;
  readonly bucket: number;
  /** First element in the bucket, and in the arena. */
  readonly offset: number;
  readonly at: number;
  readonly count: number;
  readonly codec: CodecName;
}

/** Elements after which a bucket is full: a first small one, so that sending begins early; PyTorch's DDP does the same. */
const FIRST_BUCKET = 2 ** 18;
const BUCKET = 2 ** 20;
const MAX_BUCKETS = 65_535;

export interface Layout {
  /** Elements of the arena, trained and buffers. */
  readonly size: number;
  /** Of these the trained ones. */
  readonly trained: number;
  readonly chunks: readonly Chunk[];
  /** First elements of the buckets, and the arena's size at the end. */
  readonly buckets: readonly number[];
  /** The chunk that begins there, if one does. */
  find(bucket: number, offset: number): Chunk | undefined;
}

const sizeOf = (tensors: readonly TensorInfo[]): number => tensors.reduce((n, { shape }) => n + numel(shape), 0);

/** Elements of a snapshot beside trained values and optimizer state. */
export const restSize = (model: ModelInfo): number => sizeOf(model.buffers) + sizeOf(model.fixed);

/** Buffers travel as f32 whatever the codec: they are few, and no error feedback makes up for them. */
export function modelLayout(model: ModelInfo, codec: CodecName): Layout {
  const buckets = [0];
  let at = 0;
  for (const { shape } of model.params) {
    at += numel(shape);
    const limit = buckets.length === 1 ? FIRST_BUCKET : BUCKET;
    if (at - buckets.at(-1)! >= limit && buckets.length < MAX_BUCKETS) buckets.push(at);
  }
  if (at > buckets.at(-1)!) buckets.push(at);
  const codecs = Array.from({ length: buckets.length - 1 }, () => codec);
  const size = at + sizeOf(model.buffers);
  if (size > at) {
    buckets.push(size);
    codecs.push("f32");
  }
  return layout(buckets, codecs, at);
}

/** Of a collective: values that were there before, as one bucket. */
export const flatLayout = (count: number): Layout => layout(count === 0 ? [0] : [0, count], ["f32"], count);

function layout(buckets: readonly number[], codecs: readonly CodecName[], trained: number): Layout {
  const chunks: Chunk[] = [];
  const first: number[] = [];
  for (let bucket = 0; bucket + 1 < buckets.length; bucket++) {
    const [from, to] = [buckets[bucket]!, buckets[bucket + 1]!];
    first.push(chunks.length);
    for (let at = from; at < to; at += CHUNK) {
      const count = Math.min(CHUNK, to - at);
      chunks.push({ id: chunks.length, bucket, offset: at - from, at, count, codec: codecs[bucket]! });
    }
  }
  const find = (bucket: number, offset: number): Chunk | undefined => {
    const start = first[bucket];
    const chunk = start === undefined ? undefined : chunks[start + offset / CHUNK];
    return chunk?.bucket === bucket && chunk.offset === offset ? chunk : undefined;
  };
  return { size: buckets.at(-1)!, trained, chunks, buckets, find };
}

/** Whole numbers as ranges [from, to), ascending. */
export function toRanges(numbers: readonly number[]): (readonly [number, number])[] {
  const out: [number, number][] = [];
  for (const n of [...numbers].sort((a, b) => a - b)) {
    const last = out.at(-1);
    if (last?.[1] === n) last[1] = n + 1;
    else out.push([n, n + 1]);
  }
  return out;
}

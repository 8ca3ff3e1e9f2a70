/**
 * Which samples this worker trains on next. The server leases positions of an order that all workers know, so that
 * each sample is trained on once an epoch, whoever comes and goes: no worker has a fixed share.
 */
import { TexgradError } from "../ir/errors.ts";
import { philox4x32, type Words4 } from "../ir/philox.ts";
import { defaultGroup, type ProcessGroup } from "./group.ts";
import type { DataPlan } from "./messages.ts";

export interface SamplerOptions {
  /** Samples of a batch of this worker. Default 1. */
  readonly batchSize?: number;
  /** How many times through the data. Default 1. */
  readonly epochs?: number;
  /** A new random order every epoch, the same on all workers. Default false. */
  readonly shuffle?: boolean;
  /** Fixes the orders; the same on all workers. Default 0. */
  readonly seed?: number;
  readonly group?: ProcessGroup;
}

/**
 * Batches of indices, as long as there is something to train on: `new DataLoader(data, { batchSampler: sampler })`.
 * All workers give the same length, epochs, shuffle and seed; batch sizes may differ. One loop at a time.
 */
export class DistributedSampler implements AsyncIterable<Uint32Array> {
  readonly batchSize: number;
  readonly #plan: DataPlan;
  readonly #group: ProcessGroup;
  #epoch = 0;

  constructor(
    data: { readonly length: number },
    {
      batchSize = 1,
      epochs = 1,
      shuffle = false,
      seed = 0,
      group = defaultGroup("DistributedSampler"),
    }: SamplerOptions = {},
  ) {
    checkWhole("batchSize", batchSize, 1);
    checkWhole("epochs", epochs, 0);
    checkWhole("seed", seed, 0);
    checkWhole("the dataset's length", data.length, 1);
    this.batchSize = batchSize;
    this.#plan = { length: data.length, epochs, shuffle, seed };
    this.#group = group;
  }

  /** The epoch of the last batch. */
  get epoch(): number {
    return this.#epoch;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint32Array, void, undefined> {
    const group = this.#group;
    const { trained, participant } = group;
    if (trained === null) {
      throw new TexgradError("DistributedSampler: no model yet; new DistributedDataParallel(model) comes first");
    }
    await trained.begin(this.#plan, this.batchSize * trained.batchesPerStep);
    let order: Uint32Array = new Uint32Array(0);
    let ordered = -1;
    for (;;) {
      const work = await participant.next();
      trained.publish();
      if (work === null) return;
      this.#epoch = work.epoch;
      if (ordered !== work.epoch) [order, ordered] = [epochOrder(this.#plan, work.epoch), work.epoch];
      const indices = Uint32Array.from((work.lease ?? []).flatMap(([from, to]) => [...order.subarray(from, to)]));
      for (let at = 0; at < indices.length; at += this.batchSize) {
        const batch = indices.slice(at, at + this.batchSize);
        const isLast = at + this.batchSize >= indices.length;
        const fed = { work, samples: batch.length, isLast };
        group.fed = fed;
        yield batch;
        // Whoever goes on without a step has given up the lease's other batches too.
        if (group.fed === fed && isLast) {
          throw new TexgradError(
            "DistributedSampler: no step was made of the last batch; await net.step(optimizer) does",
          );
        }
      }
    }
  }
}

/** Which use of a seed the orders are: "dist" in ASCII. */
const STREAM = 0x64697374;

/** The order of an epoch: Fisher and Yates' shuffle with Philox's words, or 0, 1, 2, .. */
export function epochOrder({ length, shuffle, seed }: DataPlan, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i);
  if (!shuffle) return order;
  let words: Words4 = [0, 0, 0, 0];
  const key: [number, number] = [seed >>> 0, Math.floor(seed / 2 ** 32)];
  let drawn = 0;
  const next = (): number => {
    if (drawn % 4 === 0) words = philox4x32([drawn / 4, STREAM, epoch, 0], key);
    return words[drawn++ % 4]!;
  };
  for (let i = length - 1; i > 0; i--) {
    // 2^32 is no multiple of i + 1: what lies above the last one is drawn again.
    const limit = 2 ** 32 - (2 ** 32 % (i + 1));
    let word = next();
    while (word >= limit) word = next();
    const j = word % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new TexgradError(`DistributedSampler: ${name} is ${value}; it must be a whole number >= ${least}`);
}

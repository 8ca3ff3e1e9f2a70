/**
 * Batches of a dataset in order or shuffled, the next one built while the step on this one runs.
 *
 * Not here: Tensors. `makeTensor` turns each HostTensor of a batch into what the user gets (index.ts passes the real
 * one), at delivery, so that batches built ahead and thrown away never reach the device.
 */
import { TexgradError } from "../ir/errors.ts";
import type { Words2 } from "../ir/philox.ts";
import { collateDefault } from "./collate.ts";
import type { Dataset } from "./dataset.ts";
import { type HostTensor, isHostTensor } from "./host-tensor.ts";
import { permutation, PhiloxWords, seedKey, type WordSource } from "./words.ts";

export interface LoaderOptions<Sample, Batch> {
  /** Samples of a batch. Default 1. */
  readonly batchSize?: number;
  /** A new random order every epoch. Default false: 0, 1, 2, ... */
  readonly shuffle?: boolean;
  /** Leave out a last batch that is smaller than batchSize. Default false. */
  readonly dropLast?: boolean;
  /** Fixes the orders: the same seed gives the same orders, epoch by epoch. From 0 to 2^53 - 1. Default 0. */
  readonly seed?: number;
  /** Instead of a seed: each epoch's order is drawn from these words, which other loops may also draw from. */
  readonly generator?: WordSource;
  /**
   * Which samples make each batch, instead of all of the above: e.g. a DistributedSampler. Batches are then built when
   * they are asked for, none ahead.
   */
  readonly batchSampler?: AsyncIterable<Uint32Array>;
  /** How many batches are built ahead. Default 1; 0 builds each when it is asked for. */
  readonly prefetch?: number;
  /** Samples (and their indices in the dataset) to a batch. Default: stacked, see DefaultBatch. */
  readonly collate?: (samples: readonly Sample[], indices: Uint32Array) => Batch | Promise<Batch>;
}

/** A batch with every HostTensor replaced by T: itself, or what it holds one level down. */
export type Delivered<Batch, T> = Batch extends HostTensor
  ? T
  : { [K in keyof Batch]: Batch[K] extends HostTensor ? T : Batch[K] };

/** Which use of a seed the loader's orders are: "load" in ASCII. */
const ORDER_STREAM = 0x6c6f6164;

/**
 * Iterate it with `for await`, once an epoch, also several times at once. `length` is the number of batches.
 *
 * Throws TexgradError for options out of range; while iterating, what the dataset or collate throws, at the batch it
 * happened in.
 */
export class BatchLoader<Sample, Batch, T> implements AsyncIterable<Delivered<Batch, T>> {
  readonly dataset: Dataset<Sample>;
  readonly batchSize: number;
  readonly #makeTensor: (values: HostTensor) => T;
  readonly #build: (indices: Uint32Array) => Batch | Promise<Batch>;
  readonly #shuffle: boolean;
  readonly #dropLast: boolean;
  readonly #key: Words2;
  readonly #generator: WordSource | undefined;
  readonly #prefetch: number;
  readonly #batchSampler: AsyncIterable<Uint32Array> | undefined;
  #epoch = 0;

  constructor(dataset: Dataset<Sample>, options: LoaderOptions<Sample, Batch>, makeTensor: (values: HostTensor) => T) {
    const { batchSize = 1, shuffle = false, dropLast = false, seed, generator, prefetch = 1, collate } = options;
    checkWhole("batchSize", batchSize, 1);
    checkWhole("prefetch", prefetch, 0);
    if (seed !== undefined && generator !== undefined) {
      throw new TexgradError("DataLoader: both seed and generator given; either fixes the order, give one");
    }
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.#makeTensor = makeTensor;
    this.#build = builder(dataset, collate);
    this.#shuffle = shuffle;
    this.#dropLast = dropLast;
    this.#key = seedKey("DataLoader", seed ?? 0);
    this.#generator = generator;
    this.#prefetch = prefetch;
    this.#batchSampler = options.batchSampler;
    if (this.#batchSampler !== undefined && (batchSize !== 1 || shuffle || dropLast)) {
      throw new TexgradError(
        "DataLoader: a batchSampler says which samples make a batch; batchSize, shuffle and dropLast are its own",
      );
    }
  }

  /** Batches of one epoch; NaN with a batchSampler, which may not know. */
  get length(): number {
    if (this.#batchSampler !== undefined) return NaN;
    const batches = this.#samples() / this.batchSize;
    return this.#dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** How many epochs were begun. The next one's order follows from the seed and this number. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Sets the number of the next epoch, to resume a run where it was. It has no effect on a generator. */
  setEpoch(epoch: number): void {
    checkWhole("epoch", epoch, 0);
    this.#epoch = epoch;
  }

  /** Begins an epoch: the order is drawn now, the first batch built when it is asked for. */
  [Symbol.asyncIterator](): AsyncGenerator<Delivered<Batch, T>, void, undefined> {
    if (this.#batchSampler !== undefined) return this.#sampled(this.#batchSampler);
    const order = this.#order(this.#epoch++);
    const size = this.batchSize;
    const batches = Array.from({ length: this.length }, (_, i) => order.subarray(i * size, (i + 1) * size));
    return this.#deliver(batches);
  }

  async *#sampled(batches: AsyncIterable<Uint32Array>): AsyncGenerator<Delivered<Batch, T>, void, undefined> {
    for await (const indices of batches) yield deliver(await this.#build(indices), this.#makeTensor);
  }

  async *#deliver(batches: readonly Uint32Array[]): AsyncGenerator<Delivered<Batch, T>, void, undefined> {
    const ahead: Ahead<Batch>[] = [];
    // Once a batch turned out to be a promise, the next ones are begun at once: waiting then costs no time of ours.
    let isAsync = false;
    const waiting = batches.map((indices) => () => this.#build(indices));
    try {
      for (let done = 0; done < batches.length; done++) {
        if (ahead.length === 0) ahead.push(new Ahead(waiting.shift() as () => Batch | Promise<Batch>)); // one a round
        const result = (ahead.shift() as Ahead<Batch>).take();
        isAsync ||= result instanceof Promise;
        const batch = await result;
        while (ahead.length < this.#prefetch) {
          const build = waiting.shift();
          if (build === undefined) break;
          const next = new Ahead(build);
          ahead.push(next);
          if (isAsync) next.begin();
          else next.beginWhenIdle();
        }
        yield deliver(batch, this.#makeTensor);
      }
    } finally {
      for (const unused of ahead) unused.cancel();
    }
  }

  #order(epoch: number): Uint32Array {
    const length = this.#samples();
    if (!this.#shuffle) return Uint32Array.from({ length }, (_, i) => i);
    if (this.#generator === undefined) return permutation(new PhiloxWords(this.#key, ORDER_STREAM, epoch), length);
    // Two words however long the dataset is, so that what others draw does not depend on its length.
    const key: Words2 = [this.#generator.uint32(), this.#generator.uint32()];
    return permutation(new PhiloxWords(key, ORDER_STREAM, 0), length);
  }

  #samples(): number {
    const { length } = this.dataset;
    checkWhole("the dataset's length", length, 0);
    return length;
  }
}

/** A batch that may be built before it is asked for. Its error is kept for who takes it. */
class Ahead<Batch> {
  readonly #build: () => Batch | Promise<Batch>;
  #outcome: { readonly value: Batch | Promise<Batch> } | { readonly error: unknown } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(build: () => Batch | Promise<Batch>) {
    this.#build = build;
  }

  begin(): void {
    if (this.#outcome !== undefined) return;
    try {
      const value = this.#build();
      // Kept for take(); without this a batch nobody takes would count as an unhandled rejection.
      if (value instanceof Promise) value.catch(() => undefined);
      this.#outcome = { value };
    } catch (error) {
      this.#outcome = { error };
    }
  }

  /** In the next free turn of the event loop: when the step waits for the device, or never if it does not wait. */
  beginWhenIdle(): void {
    this.#timer = setTimeout(() => this.begin(), 0);
  }

  take(): Batch | Promise<Batch> {
    this.cancel();
    this.begin();
    const outcome = this.#outcome;
    if (outcome === undefined || "error" in outcome) throw outcome?.error;
    return outcome.value;
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}

function builder<Sample, Batch>(
  dataset: Dataset<Sample>,
  collate: LoaderOptions<Sample, Batch>["collate"],
): (indices: Uint32Array) => Batch | Promise<Batch> {
  if (collate !== undefined) {
    return (indices) => {
      const samples = getSamples(dataset, indices);
      return samples instanceof Promise ? samples.then((got) => collate(got, indices)) : collate(samples, indices);
    };
  }
  // Without a collate Batch is DefaultBatch<Sample>: DataLoader's declaration says so, and both branches make it.
  const stacked = (indices: Uint32Array): unknown => {
    if (dataset.getBatch !== undefined) return dataset.getBatch(indices);
    const samples = getSamples(dataset, indices);
    return samples instanceof Promise
      ? samples.then((got) => collateDefault(got, indices))
      : collateDefault(samples, indices);
  };
  return stacked as (indices: Uint32Array) => Batch | Promise<Batch>;
}

/** The samples at these indices; a promise only where the dataset gives one. */
function getSamples<Sample>(dataset: Dataset<Sample>, indices: Uint32Array): Sample[] | Promise<Sample[]> {
  const samples = Array.from(indices, (index) => dataset.get(index));
  // Awaiting a plain value would still give up the turn, so a dataset in memory stays synchronous.
  if (samples.some((sample) => sample instanceof Promise)) return Promise.all(samples);
  return samples as Sample[]; // none is a promise
}

function deliver<Batch, T>(batch: Batch, makeTensor: (values: HostTensor) => T): Delivered<Batch, T> {
  const made = (value: unknown): unknown => (isHostTensor(value) ? makeTensor(value) : value);
  let delivered: unknown;
  if (isHostTensor(batch)) delivered = makeTensor(batch);
  else if (Array.isArray(batch)) delivered = batch.map(made);
  else if (isPlainRecord(batch)) {
    delivered = Object.fromEntries(Object.entries(batch).map(([name, value]) => [name, made(value)]));
  } else delivered = batch;
  return delivered as Delivered<Batch, T>; // the same replacement, said once in types and once in values
}

/** Objects of a class are the user's own and pass as they are. */
function isPlainRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new TexgradError(`DataLoader: ${name} is ${value}; it must be a whole number >= ${least}`);
  }
}

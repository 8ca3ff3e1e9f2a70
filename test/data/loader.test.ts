/** The loader: which samples in which order, what is built when, and what nobody else may hold. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, describe, expect, expectTypeOf, it } from "vitest";
import { ArrayDataset, type Dataset, type DefaultBatch, hostTensor, type HostTensor } from "../../src/data/index.ts";
import { BatchLoader, type LoaderOptions } from "../../src/data/loader.ts";
import { PhiloxWords } from "../../src/data/words.ts";

/** The loader as it is before its arrays become tensors. */
class DataLoader<Sample, Batch = DefaultBatch<Sample>> extends BatchLoader<Sample, Batch, HostTensor> {
  constructor(dataset: Dataset<Sample>, options: LoaderOptions<Sample, Batch> = {}) {
    super(dataset, options, (values) => values);
  }
}

/** Sample i is the number i. */
const counting = (length: number): ArrayDataset<"x"> =>
  new ArrayDataset({
    x: hostTensor(
      "f32",
      [length],
      Float32Array.from({ length }, (_, i) => i),
    ),
  });

async function epochOf(loader: AsyncIterable<{ readonly x: HostTensor }>): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const { x } of loader) batches.push([...x.data]);
  return batches;
}

const upTo = (length: number) => Array.from({ length }, (_, i) => i);

describe("DataLoader", () => {
  it("gives batches in order, the last one smaller", async () => {
    const loader = new DataLoader(counting(5), { batchSize: 2 });
    expect(loader.length).toBe(3);
    expect(await epochOf(loader)).toEqual([[0, 1], [2, 3], [4]]);
  });

  it("leaves the smaller one out when asked to", async () => {
    const loader = new DataLoader(counting(5), { batchSize: 2, dropLast: true });
    expect(loader.length).toBe(2);
    expect(await epochOf(loader)).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it("gives single samples by default, and nothing of nothing", async () => {
    expect(await epochOf(new DataLoader(counting(2)))).toEqual([[0], [1]]);
    expect(await epochOf(new DataLoader(counting(0), { shuffle: true, batchSize: 4 }))).toEqual([]);
  });

  it("gives each sample once an epoch, whatever the options", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(40),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        fc.nat(3),
        fc.nat(),
        async (length, batchSize, shuffle, prefetch, seed) => {
          const loader = new DataLoader(counting(length), { batchSize, shuffle, prefetch, seed });
          const batches = await epochOf(loader);
          expect(batches.length).toBe(loader.length);
          expect(batches.slice(0, -1).every((batch) => batch.length === batchSize)).toBe(true);
          expect(batches.flat().sort((a, b) => a - b)).toEqual(upTo(length));
        },
      ),
    );
  });

  it("draws a new order every epoch, the same ones for the same seed", async () => {
    const of = (options: LoaderOptions<unknown, { x: HostTensor }>) =>
      new DataLoader(counting(50), { batchSize: 50, shuffle: true, ...options });
    const [a, b, other] = [of({ seed: 4 }), of({ seed: 4, prefetch: 0 }), of({ seed: 5 })];
    const [a1, a2] = [await epochOf(a), await epochOf(a)];
    const [b1, b2] = [await epochOf(b), await epochOf(b)];
    expect(a1).not.toEqual(a2);
    expect([a1, a2]).toEqual([b1, b2]);
    expect(await epochOf(other)).not.toEqual(a1);
  });

  it("takes up a run at a later epoch", async () => {
    const first = new DataLoader(counting(20), { shuffle: true, seed: 1 });
    await epochOf(first);
    const second = await epochOf(first);
    expect(first.epoch).toBe(2);
    const resumed = new DataLoader(counting(20), { shuffle: true, seed: 1 });
    resumed.setEpoch(1);
    expect(await epochOf(resumed)).toEqual(second);
  });

  it("draws from a generator, two words an epoch", async () => {
    const orderOf = async (generator: PhiloxWords) =>
      epochOf(new DataLoader(counting(20), { shuffle: true, generator }));
    const shared = new PhiloxWords([1, 0], 0, 0);
    const [first, second] = [await orderOf(shared), await orderOf(shared)];
    expect(first).not.toEqual(second);
    const again = new PhiloxWords([1, 0], 0, 0);
    again.uint32();
    again.uint32();
    expect(await orderOf(again)).toEqual(second);
  });

  it("runs two epochs at once as one after the other", async () => {
    const options = { batchSize: 3, shuffle: true, seed: 2 };
    const apart = new DataLoader(counting(10), options);
    const [first, second] = [await epochOf(apart), await epochOf(apart)];
    const together = new DataLoader(counting(10), options);
    expect(await Promise.all([epochOf(together), epochOf(together)])).toEqual([first, second]);
  });

  it("never gives the same array twice, nor one a consumer wrote to", async () => {
    const loader = new DataLoader(counting(6), { batchSize: 2, prefetch: 2 });
    const buffers = new Set<unknown>();
    for (let epoch = 0; epoch < 2; epoch++) {
      for await (const { x } of loader) {
        buffers.add(x.data.buffer);
        x.data.fill(-1);
      }
    }
    expect(buffers.size).toBe(6);
    expect((await epochOf(loader)).flat()).toEqual(upTo(6));
  });

  it("types batches by the samples", async () => {
    const pairs: Dataset<[Float32Array, HostTensor]> = {
      length: 1,
      get: () => [Float32Array.of(1), hostTensor("i32", [], Int32Array.of(2))],
    };
    for await (const { x, y } of new DataLoader(pairs)) {
      expectTypeOf(x).toEqualTypeOf<HostTensor>();
      expect([x.shape, y.shape, y.dtype]).toEqual([[1, 1], [1], "i32"]);
    }
  });

  it.each([
    [{ batchSize: 0 }, "DataLoader: batchSize is 0; it must be a whole number >= 1"],
    [{ batchSize: 2.5 }, "DataLoader: batchSize is 2.5; it must be a whole number >= 1"],
    [{ prefetch: -1 }, "DataLoader: prefetch is -1; it must be a whole number >= 0"],
    [{ seed: 1e300 }, "DataLoader: seed is 1e+300; it must be an integer from 0 to 2^53 - 1"],
    [
      { seed: 1, generator: { uint32: () => 0 } },
      "DataLoader: both seed and generator given; either fixes the order, give one",
    ],
  ])("refuses %j", (options, message) => {
    expect(() => new DataLoader(counting(3), options)).toThrow(message);
  });

  it("refuses a dataset without a length", () => {
    const dataset = { length: NaN, get: (i: number) => i };
    expect(() => new DataLoader(dataset).length).toThrow("DataLoader: the dataset's length is NaN");
  });
});

describe("collate and makeTensor", () => {
  /** Stands for a Tensor, so that the test sees which values became one. */
  class Made {
    readonly values: HostTensor;
    constructor(values: HostTensor) {
      this.values = values;
    }
  }
  const make = (values: HostTensor) => new Made(values);
  const one = hostTensor("f32", [1], Float32Array.of(1));

  it("makes tensors of the HostTensors of a batch, and leaves the rest", async () => {
    const collate = (samples: readonly number[], indices: Uint32Array) => ({
      x: one,
      sum: samples.reduce((a, b) => a + b),
      indices: [...indices],
    });
    const dataset: Dataset<number> = { length: 4, get: (i) => 10 * i };
    const loader = new BatchLoader(dataset, { batchSize: 2, collate }, make);
    for await (const batch of loader) {
      expectTypeOf(batch).toEqualTypeOf<{ x: Made; sum: number; indices: number[] }>();
      expect(batch).toEqual({ x: new Made(one), sum: batch.indices[0] === 0 ? 10 : 50, indices: batch.indices });
    }
  });

  it("takes a collate that gives a tuple, one array, or a promise", async () => {
    const dataset: Dataset<number> = { length: 1, get: (i) => i };
    const firstOf = async <B>(collate: () => B | Promise<B>) => {
      for await (const batch of new BatchLoader(dataset, { collate }, make)) return batch;
      return undefined;
    };
    expect(await firstOf((): [HostTensor, string] => [one, "a"])).toEqual([new Made(one), "a"]);
    expect(await firstOf(() => one)).toEqual(new Made(one));
    expect(await firstOf(() => Promise.resolve({ x: one }))).toEqual({ x: new Made(one) });
  });

  it("passes an object of a class as it is", async () => {
    const own = new Map([["x", one]]);
    for await (const batch of new BatchLoader(counting(1), { collate: () => own }, make)) expect(batch).toBe(own);
  });

  it("makes tensors at delivery only", async () => {
    let made = 0;
    const loader = new BatchLoader(counting(6), { prefetch: 3, collate: () => ({ x: one }) }, () => ++made);
    for await (const { x } of loader) {
      await sleep(5);
      expect(made).toBe(x);
      if (x === 2) break;
    }
    expect(made).toBe(2);
  });
});

describe("prefetch", () => {
  /** Notes the samples asked for. */
  const watched = (length: number, get: (i: number) => number | Promise<number> = (i) => i) => {
    const asked: number[] = [];
    const dataset: Dataset<number> = {
      length,
      get(i) {
        asked.push(i);
        return get(i);
      },
    };
    return { dataset, asked };
  };

  const rejections: unknown[] = [];
  const note = (reason: unknown) => void rejections.push(reason);
  process.on("unhandledRejection", note);
  afterEach(() => expect(rejections).toEqual([]));

  it("builds the next batch while the loop waits, and no further", async () => {
    const { dataset, asked } = watched(5);
    for await (const { x } of new DataLoader(dataset, { prefetch: 2 })) {
      const at = x.data[0] as number;
      expect(asked.length).toBeGreaterThan(at);
      await sleep(10);
      expect(asked).toEqual(upTo(Math.min(5, at + 3)));
    }
  });

  it("builds each batch when asked for with prefetch 0, and before the loop waits", async () => {
    const { dataset, asked } = watched(3);
    for await (const { x } of new DataLoader(dataset, { prefetch: 0 })) {
      await sleep(5);
      expect(asked).toEqual(upTo((x.data[0] as number) + 1));
    }
  });

  it("builds nothing after the loop is left", async () => {
    const { dataset, asked } = watched(9);
    for await (const _ of new DataLoader(dataset, { prefetch: 4 })) break;
    await sleep(10);
    expect(asked).toEqual([0]);
  });

  it("begins asynchronous samples at once, and keeps their order", async () => {
    const { dataset, asked } = watched(6, (i) => sleep(i % 2 === 0 ? 15 : 1, i));
    const order: number[] = [];
    for await (const { x } of new DataLoader(dataset, { prefetch: 2 })) {
      const at = x.data[0] as number;
      order.push(at);
      expect(asked).toEqual(upTo(Math.min(6, at + 3)));
    }
    expect(order).toEqual(upTo(6));
  });

  it.each([
    [
      "thrown",
      () => {
        throw new Error("sample 2 is bad");
      },
    ],
    ["rejected", () => Promise.reject(new Error("sample 2 is bad"))],
  ])("gives an error that was %s ahead of time at its own batch", async (_, fail) => {
    const { dataset } = watched(4, (i) => (i === 2 ? fail() : i));
    const seen: number[] = [];
    const run = async () => {
      for await (const { x } of new DataLoader(dataset, { prefetch: 3 })) {
        seen.push(x.data[0] as number);
        await sleep(5);
      }
    };
    await expect(run()).rejects.toThrow("sample 2 is bad");
    expect(seen).toEqual([0, 1]);
  });

  it("drops an error nobody came for", async () => {
    const { dataset } = watched(4, (i) => (i === 0 ? Promise.resolve(i) : Promise.reject(new Error("unseen"))));
    for await (const _ of new DataLoader(dataset, { prefetch: 3 })) {
      await sleep(5);
      break;
    }
  });
});

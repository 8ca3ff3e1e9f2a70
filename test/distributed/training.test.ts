/**
 * Real training: workers in one process, each with a group of its own, on the cpu device through a real server. The
 * weights are those, bit for bit, of a loop that sums the same shards in the same tree.
 */
import { afterEach, describe, expect, test } from "vitest";
import {
  ArrayDataset,
  DataLoader,
  F,
  manualSeed,
  nn,
  optim,
  selectDevice,
  setDevice,
  tensor,
  type Tensor,
} from "texgrad";
import { DistributedDataParallel, DistributedSampler, type Outcome } from "texgrad/distributed";
import { createServer, type ServerOptions, type TrainingServer } from "texgrad/distributed/server";
import { connectGroup, type ProcessGroup } from "../../src/distributed/group.ts";
import type { ParallelOptions } from "../../src/distributed/parallel.ts";
import { epochOrder } from "../../src/distributed/sampler.ts";
import { treeSum } from "../../src/distributed/tree-sum.ts";

setDevice(selectDevice({ device: "cpu" }));

class Net extends nn.Module {
  readonly fc1 = new nn.Linear(6, 9);
  readonly norm = new nn.BatchNorm1d(9);
  readonly fc2 = new nn.Linear(9, 3);
  readonly hasNorm: boolean;
  constructor(hasNorm: boolean) {
    super();
    this.hasNorm = hasNorm;
    if (!hasNorm) this.norm.requiresGrad_(false);
  }
  forward(x: Tensor): Tensor {
    const h = this.fc1.forward(x);
    return this.fc2.forward((this.hasNorm ? this.norm.forward(h) : h).relu());
  }
}

const SAMPLES = 48;
const data = new ArrayDataset({
  x: {
    dtype: "f32" as const,
    shape: [SAMPLES, 6],
    data: Float32Array.from({ length: SAMPLES * 6 }, (_, i) => Math.sin(i * i)),
  },
  y: { dtype: "i32" as const, shape: [SAMPLES], data: Int32Array.from({ length: SAMPLES }, (_, i) => (i * 7) % 3) },
});

type MakeOptimizer = (net: nn.Module) => optim.Optimizer;
const sgd: MakeOptimizer = (net) => new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 });
const adam: MakeOptimizer = (net) => new optim.Adam(net.parameters(), { lr: 0.01 });

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const x of open.splice(0).reverse()) await x.close();
});

async function serve(options: ServerOptions = {}): Promise<TrainingServer> {
  const server = await createServer(options);
  open.push(server);
  return server;
}

async function join(server: TrainingServer, name = ""): Promise<ProcessGroup> {
  const group = await connectGroup({ url: server.url(), name, patienceMs: 5000 });
  open.push({ close: () => group.destroy() });
  return group;
}

interface Trained {
  readonly net: Net;
  readonly outcomes: readonly Outcome[];
  readonly group: ProcessGroup;
}

interface Job {
  readonly seed: number;
  readonly batchSize?: number;
  readonly epochs?: number;
  readonly optimizer?: MakeOptimizer;
  readonly parallel?: ParallelOptions;
  readonly hasNorm?: boolean;
  readonly afterStep?: (step: number, group: ProcessGroup) => void;
}

/** What a user writes. */
async function train(group: ProcessGroup, job: Job): Promise<Trained> {
  const { seed, batchSize = 4, epochs = 2, optimizer = sgd, parallel = {}, hasNorm = false } = job;
  manualSeed(seed);
  const net = new Net(hasNorm);
  const model = new DistributedDataParallel(net, { group, ...parallel });
  const opt = optimizer(net);
  const sampler = new DistributedSampler(data, { group, batchSize, epochs, shuffle: true, seed: 5 });
  const outcomes: Outcome[] = [];
  for await (const { x, y } of new DataLoader(data, { batchSampler: sampler })) {
    const loss = F.crossEntropy(model.forward(x), y);
    opt.zeroGrad();
    loss.backward();
    outcomes.push(await model.step(opt, loss));
    job.afterStep?.(outcomes.length, group);
  }
  return { net, outcomes, group };
}

async function weights(net: nn.Module): Promise<number[]> {
  const all = await Promise.all([...net.parameters()].map((p) => p.data()));
  return all.flatMap((a) => [...a]);
}

/** The same training in one loop: gradients of each shard, summed in the tree, one step of the optimizer. */
async function alone(workers: number, job: Job): Promise<number[]> {
  const { seed, batchSize = 4, epochs = 2, optimizer = sgd } = job;
  manualSeed(seed);
  const net = new Net(false);
  const opt = optimizer(net);
  const plan = { length: SAMPLES, epochs, shuffle: true, seed: 5 };
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = epochOrder(plan, epoch);
    for (let at = 0; at < SAMPLES; at += workers * batchSize) {
      const shards = new Map<number, Float32Array>();
      let names: readonly nn.Parameter[] = [];
      let total = 0;
      for (let slot = 0; slot < workers; slot++) {
        const indices = order.slice(at + slot * batchSize, Math.min(SAMPLES, at + (slot + 1) * batchSize));
        if (indices.length === 0) continue;
        const { x, y } = data.getBatch(indices);
        opt.zeroGrad();
        const input = tensor(x.data, { shape: x.shape });
        F.crossEntropy(net.forward(input), tensor(y.data, { shape: y.shape, dtype: "i32" })).backward();
        names = [...net.parameters()].filter((p) => p.grad !== null);
        const parts = await Promise.all(names.map((p) => p.grad!.data()));
        shards.set(slot, Float32Array.from(parts.flatMap((g) => [...g].map((v) => Math.fround(v * indices.length)))));
        total += indices.length;
      }
      const mean = treeSum(shards).map((v) => v / total);
      let from = 0;
      for (const p of names) {
        const size = p.numel;
        p.grad = tensor(mean.slice(from, from + size), { shape: p.shape });
        from += size;
      }
      opt.step();
    }
  }
  return weights(net);
}

describe("training", () => {
  test.each([
    [1, "SGD", sgd],
    [2, "SGD", sgd],
    [3, "SGD", sgd],
    [4, "Adam", adam],
  ])("by %i workers with %s gives the weights of one process, bit for bit", async (workers, _, optimizer) => {
    const server = await serve({ room: { minWorkers: workers, firstDeadlineMs: 60_000, minDeadlineMs: 60_000 } });
    const groups: ProcessGroup[] = [];
    for (let i = 0; i < workers; i++) groups.push(await join(server, `worker ${i}`));
    // Only the first one's values count: the others begin with others.
    const first = train(groups[0]!, { seed: 7, optimizer });
    await Promise.resolve();
    const all = await Promise.all([first, ...groups.slice(1).map((g, i) => train(g, { seed: 100 + i, optimizer }))]);
    const wanted = await alone(workers, { seed: 7, optimizer });
    for (const { net, outcomes } of all) {
      expect(await weights(net)).toEqual(wanted);
      expect(outcomes.every(({ counted }) => counted)).toBe(true);
    }
    const samples = all[0].outcomes.reduce((n, o) => n + o.samples, 0);
    expect(samples).toBe(2 * SAMPLES);
    expect(wanted.every(Number.isFinite)).toBe(true);
  });

  test("learns, averages running statistics, and goes on when connections are cut", async () => {
    const server = await serve({ room: { minWorkers: 2 } });
    const groups = [await join(server), await join(server)];
    const cut = (step: number, group: ProcessGroup): void => {
      if (step % 3 === 0) group.drop();
    };
    const job = { seed: 3, epochs: 12, optimizer: adam, hasNorm: true, batchSize: 8 };
    const all = await Promise.all(groups.map((g) => train(g, { ...job, afterStep: cut })));
    expect(await weights(all[0]!.net)).toEqual(await weights(all[1]!.net));
    const means = await Promise.all(all.map(({ net }) => net.norm.runningMean!.data()));
    expect(means[0]).toEqual(means[1]);
    expect(Math.max(...means[0]!.map(Math.abs))).toBeGreaterThan(0.01);
    const losses = all[0]!.outcomes.flatMap(({ loss }) => (loss === null ? [] : [loss]));
    expect(losses.at(-1)!).toBeLessThan(losses[0]! * 0.8);
    const room = server.rooms.get("default")!;
    expect(room.metrics.samples).toBe(12 * SAMPLES);
    expect(room.metrics.resumes).toBeGreaterThan(0);
    expect(room.metrics.hashMismatches).toBe(0);
  });

  test("takes in a worker that comes late, and lets one go", async () => {
    const server = await serve();
    const early = await join(server, "early");
    let late: Promise<Trained> | null = null;
    const a = train(early, {
      seed: 1,
      epochs: 20,
      afterStep: (step) => {
        if (step === 5) late = join(server, "late").then((group) => train(group, { seed: 2, epochs: 20 }));
      },
    });
    const first = await a;
    const second = await late!;
    expect(await weights(second.net)).toEqual(await weights(first.net));
    expect(second.outcomes.some(({ workers }) => workers === 2)).toBe(true);
    expect(server.rooms.get("default")!.metrics.samples).toBe(20 * SAMPLES);
  });

  test.each(["bf16", "int8", "topk"] as const)("with codec %s: equal weights, and it learns", async (codec) => {
    const server = await serve({ room: { minWorkers: 2 } });
    const groups = [await join(server), await join(server)];
    const job = { seed: 3, epochs: 8, optimizer: adam, parallel: { codec }, batchSize: 8 };
    const all = await Promise.all(groups.map((g) => train(g, job)));
    expect(await weights(all[0]!.net)).toEqual(await weights(all[1]!.net));
    const losses = all[0]!.outcomes.map(({ loss }) => loss!);
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
  });

  test("accumulates: two batches a step give the weights of one batch of both", async () => {
    const train1 = async (job: Job): Promise<number[]> => {
      const server = await serve();
      return weights((await train(await join(server), job)).net);
    };
    const split = await train1({ seed: 7, batchSize: 4, parallel: { accumulate: 2 } });
    const whole = await train1({ seed: 7, batchSize: 8 });
    // Sums of gradients are rounded in another order.
    split.forEach((w, i) => expect(Math.abs(w - whole[i]!)).toBeLessThan(1e-5));
  });

  test("with local steps (DiLoCo): equal weights, fewer bytes", async () => {
    const bytes: number[] = [];
    for (const localSteps of [0, 6]) {
      const server = await serve({ room: { minWorkers: 2 } });
      const groups = [await join(server), await join(server)];
      const job = { seed: 3, epochs: 6, optimizer: adam, parallel: { localSteps } };
      const all = await Promise.all(groups.map((g) => train(g, job)));
      expect(await weights(all[0]!.net)).toEqual(await weights(all[1]!.net));
      bytes.push(server.rooms.get("default")!.metrics.bytesIn);
    }
    expect(bytes[1]!).toBeLessThan(bytes[0]! / 2);
  });

  test("goes on when the server is restarted, from the workers' state alone", async () => {
    let server = await createServer({ room: { gatherMs: 300 } });
    const { port } = server;
    const group = await connectGroup({ url: server.url(), patienceMs: 20_000 });
    const restarted: Promise<void>[] = [];
    const trained = await train(group, {
      seed: 7,
      epochs: 3,
      afterStep: (step) => {
        if (step !== 6) return;
        const again = async (): Promise<void> => {
          await server.close();
          server = await createServer({ port, room: { gatherMs: 300 } });
        };
        restarted.push(again());
      },
    });
    await Promise.all(restarted);
    group.destroy();
    expect(server.rooms.get("default")!.step).toBe((3 * SAMPLES) / 4);
    await server.close();
    expect(await weights(trained.net)).toEqual(await alone(1, { seed: 7, epochs: 3 }));
  });
});

/**
 * Every training of test/fixtures/training.json, step by step as its README tells, against PyTorch's numbers: losses,
 * gradients, weights, values read before and after a step, carried values, several optimizers.
 *
 * It runs on the device TEXGRAD_TEST_DEVICE names (reference, cpu, webgl), the reference unless told.
 */
import { beforeAll, describe, expect, test } from "vitest";
import {
  fixture,
  lcg,
  toArray,
  type FixtureOptimizer,
  type FixtureParams,
  type FixtureTensor,
  type CheckpointScenario,
  type MlpScenario,
  type ReloadScenario,
  type RnnScenario,
  type SubsetScenario,
  type UnusedScenario,
} from "../fixtures/load.ts";
import { F, nn, noGrad, optim, tensor, zeros, type Tensor } from "texgrad";
import { useTestDevice } from "../support/device.ts";

const { mlp, odd, scenarios } = fixture("training");

beforeAll(useTestDevice);

/**
 * Largest distance over the largest value (at least 1e-3). PyTorch's own float32 and float64 are up to 2e-6 apart;
 * ours sums in another order, and a step divides by sqrt(v), which magnifies a gradient's rounding.
 */
const TOLERANCE = 2e-5;

function distance(got: ArrayLike<number>, want: readonly number[]): number {
  expect(got.length).toBe(want.length);
  const scale = Math.max(1e-3, ...want.map(Math.abs));
  let worst = 0;
  for (const [i, w] of want.entries()) {
    const d = Math.abs(got[i]! - w) / scale;
    if (!(d <= worst)) worst = d;
  }
  return worst;
}

async function check(what: string, got: Tensor, want: FixtureTensor | number): Promise<void> {
  const values = typeof want === "number" ? [want] : toArray(want);
  if (typeof want !== "number") expect(got.shape, what).toEqual(want.shape);
  const d = distance(await got.data(), values);
  expect(d, `${what}: ${d} off PyTorch's`).toBeLessThan(TOLERANCE);
}

async function checkAll(
  what: string,
  got: Params | Grads,
  want: Readonly<Record<string, FixtureTensor | null>>,
): Promise<void> {
  for (const [name, value] of Object.entries(want)) {
    const mine = got[name];
    if (value === null) expect(mine, `${what} ${name}`).toBeNull();
    else await check(`${what} ${name}`, mine!, value);
  }
}

type Params = Record<string, nn.Parameter>;
type Grads = Record<string, Tensor | null>;

const of = (t: FixtureTensor): Tensor => tensor(toArray(t), { shape: t.shape, dtype: t.dtype });

const parameters = (initial: FixtureParams): Params =>
  Object.fromEntries(Object.entries(initial).map(([name, t]) => [name, new nn.Parameter(of(t))]));

const grads = (p: Params): Grads => Object.fromEntries(Object.entries(p).map(([name, t]) => [name, t.grad]));

function optimizer({ type, ...options }: FixtureOptimizer, params: Params): optim.Optimizer {
  const list = Object.values(params);
  switch (type) {
    case "SGD":
      return new optim.SGD(list, options);
    case "Adam":
      return new optim.Adam(list, options);
    case "AdamW":
      return new optim.AdamW(list, options);
  }
}

const logits = (p: Record<string, Tensor>, x: Tensor): Tensor =>
  F.linear(F.linear(x, p["w1"]!, p["b1"]).relu(), p["w2"]!, p["b2"]);

/** Batch i of the shared net, from the start again after the last. */
const batch = (i: number): [Tensor, Tensor] => [of(mlp.x[i % 5]!), of(mlp.y[i % 5]!)];

const named = <T>(prefix: string): [string, T][] =>
  Object.entries(scenarios).filter(([name]) => name.startsWith(prefix)) as unknown as [string, T][];

describe("the shared net", () => {
  for (const [name, s] of named<MlpScenario>("mlp/")) {
    for (const when of ["before", "after"] as const) {
      test(`${name}, read ${when} the step`, async () => {
        const p = parameters(mlp.initial);
        const opt = optimizer(s.optimizer, p);
        const target = of(mlp.target);
        for (const [i, want] of s.steps.entries()) {
          if (s.zeroGrad) opt.zeroGrad();
          const [x, y] = batch(i);
          const l = logits(p, x);
          const loss = F.crossEntropy(l, y);
          loss.backward();
          const g = grads(p);
          const read = async (): Promise<void> => {
            await check(`step ${i} logits`, l, want.logits);
            await check(`step ${i} loss`, loss, want.loss);
            await checkAll(`step ${i} gradient of`, g, want.grads);
          };
          if (when === "before") await read();
          opt.step();
          await check(`step ${i} second loss of the old logits`, F.mseLoss(l, target), want.secondOld);
          await check(`step ${i} second loss`, F.mseLoss(logits(p, x), target), want.secondNew);
          if (when === "after") await read();
          await checkAll(`after step ${i}`, p, want.params);
        }
      });
    }
  }
});

describe("values carried over steps", () => {
  for (const [name, s] of named<RnnScenario>("rnn/")) {
    test(name, async () => {
      const p = parameters(s.initial);
      const { wx, wh, b, wo } = p as { wx: Tensor; wh: Tensor; b: Tensor; wo: Tensor };
      const opt = optimizer(s.optimizer, p);
      const next = lcg(s.lcgSeed);
      const draw = (shape: [number, number]): Tensor =>
        tensor(Float32Array.from({ length: shape[0] * shape[1] }, next), { shape });
      let h = zeros([2, 4]);
      for (let step = 1; step <= 50; step++) {
        h = h.detach();
        let loss: Tensor | null = null;
        for (let k = 0; k < s.unroll; k++) {
          const x = draw([2, 3]);
          const y = draw([2, 2]);
          h = F.linear(x, wx, b).add(F.linear(h, wh)).tanh();
          const part = F.mseLoss(F.linear(h, wo), y);
          loss = loss === null ? part : loss.add(part);
        }
        opt.zeroGrad();
        loss!.backward();
        opt.step();
        // Read at some steps only: the others must be right without anybody looking.
        if (step % 7 === 1) await check(`loss ${step}`, loss!, s.losses[step - 1]!);
        const want = s.hidden[step];
        if (want !== undefined) await check(`hidden ${step}`, h, want);
      }
      await checkAll("at the end", p, s.params);
    });
  }

  test("total", async () => {
    const s = scenarios.total;
    const p = parameters(s.initial);
    const opt = optimizer(s.optimizer, p);
    const next = lcg(s.lcgSeed);
    let total = zeros([]);
    for (let step = 1; step <= 2000; step++) {
      const x = Float32Array.from({ length: 12 }, next);
      const e = Float32Array.from({ length: 4 }, next);
      const y = e.map((noise, i) => 0.5 * x[3 * i]! - x[3 * i + 1]! + 2 * x[3 * i + 2]! + 0.25 + 0.125 * noise);
      const loss = F.mseLoss(F.linear(tensor(x, { shape: [4, 3] }), p["w"]!, p["b"]), tensor(y, { shape: [4, 1] }));
      opt.zeroGrad();
      loss.backward();
      opt.step();
      total = total.add(loss);
      if (step === 1 || step === 10) await check(`loss ${step}`, loss, s.losses[step]!);
    }
    await check("total", total, s.total);
    await checkAll("at the end", p, s.params);
  }, 120_000);
});

describe("several optimizers, some of the parameters", () => {
  test("gan", async () => {
    const s = scenarios.gan;
    const [g, d] = [parameters(s.initialG), parameters(s.initialD)];
    const [optG, optD] = [optimizer(s.optimizer, g), optimizer(s.optimizer, d)];
    const make = (z: Tensor): Tensor => F.linear(F.linear(z, g["w1"]!, g["b1"]).tanh(), g["w2"]!, g["b2"]);
    const judge = (v: Tensor): Tensor => logits(d, v);
    for (const [i, want] of s.steps.entries()) {
      const fake = make(of(s.z[i]!));
      const dLoss = F.softplus(judge(of(s.real[i]!)).neg())
        .mean()
        .add(F.softplus(judge(fake.detach())).mean());
      optD.zeroGrad();
      dLoss.backward();
      optD.step();
      const gLoss = F.softplus(judge(fake).neg()).mean();
      optG.zeroGrad();
      gLoss.backward();
      const [gGrads, dGrads] = [grads(g), grads(d)];
      await checkAll(`step ${i} gradient of G's`, gGrads, want.gGrads);
      await checkAll(`step ${i} gradient of D's`, dGrads, want.dGradsAfterG);
      optG.step();
      await check(`step ${i} loss of D`, dLoss, want.dLoss);
      await check(`step ${i} loss of G`, gLoss, want.gLoss);
      await checkAll(`after step ${i} G's`, g, want.g);
      await checkAll(`after step ${i} D's`, d, want.d);
    }
  });

  for (const name of ["subset/sgdMomentum", "subset/adam"] as const) {
    test(name, async () => {
      const s: SubsetScenario = scenarios[name];
      const p = parameters(mlp.initial);
      const opt = optimizer(s.optimizer, Object.fromEntries(s.trained.map((key) => [key, p[key]!])));
      for (const [i, want] of s.steps.entries()) {
        opt.zeroGrad();
        const [x, y] = batch(i);
        const loss = F.crossEntropy(logits(p, x), y);
        loss.backward();
        await checkAll(`step ${i} gradient of`, grads(p), want.grads);
        opt.step();
        await check(`step ${i} loss`, loss, want.loss);
        await checkAll(`after step ${i}`, p, want.params);
      }
    });
  }

  test("subset/alternate", async () => {
    const s = scenarios["subset/alternate"];
    const p = parameters(mlp.initial);
    const opts = s.optimizers.map((spec, k) =>
      optimizer(spec, Object.fromEntries(s.of[k]!.map((key) => [key, p[key]!]))),
    );
    for (const [i, want] of s.steps.entries()) {
      for (const opt of opts) opt.zeroGrad();
      const [x, y] = batch(i);
      const loss = F.crossEntropy(logits(p, x), y);
      loss.backward();
      opts[i % 2]!.step();
      await check(`step ${i} loss`, loss, want.loss);
      await checkAll(`after step ${i}`, p, want.params);
    }
  });

  for (const [name, s] of named<UnusedScenario>("unused/")) {
    test(name, async () => {
      const p = parameters(s.initial);
      const opt = optimizer(s.optimizer, p);
      const target = of(s.target);
      for (const [i, want] of s.steps.entries()) {
        opt.zeroGrad({ setToNone: s.setToNone });
        const y = s.uses[i] === "a" ? p["a"]! : p["a"]!.mul(p["b"]!);
        const loss = F.mseLoss(y, target);
        loss.backward();
        const g = grads(p);
        opt.step();
        await check(`step ${i} loss`, loss, want.loss);
        await checkAll(`step ${i} gradient of`, g, want.grads);
        await checkAll(`after step ${i}`, p, want.params);
      }
    });
  }
});

describe("weights used or changed in other ways", () => {
  test("tied", async () => {
    const s = scenarios.tied;
    const p = parameters(s.initial);
    const { e, w } = p as { e: Tensor; w: Tensor };
    const opt = optimizer(s.optimizer, p);
    for (const [i, want] of s.steps.entries()) {
      opt.zeroGrad();
      const h = F.linear(F.oneHot(of(s.ids[i]!), 7).cast("f32").matmul(e), w).tanh();
      const l = h.matmul(e.transpose(0, 1));
      const loss = F.crossEntropy(l, of(s.next[i]!));
      loss.backward();
      const g = grads(p);
      opt.step();
      await check(`step ${i} logits`, l, want.logits);
      await check(`step ${i} loss`, loss, want.loss);
      await checkAll(`step ${i} gradient of`, g, want.grads);
      await checkAll(`after step ${i}`, p, want.params);
    }
  });

  test("ema", async () => {
    const s = scenarios.ema;
    const p = parameters(mlp.initial);
    const opt = optimizer(s.optimizer, p);
    let ema: Record<string, Tensor> = Object.fromEntries(
      Object.entries(p).map(([key, t]) => [key, t.detach().clone()]),
    );
    for (const [i, want] of s.steps.entries()) {
      opt.zeroGrad();
      const [x, y] = batch(i);
      const loss = F.crossEntropy(logits(p, x), y);
      loss.backward();
      opt.step();
      const emaLoss = noGrad(() => {
        ema = Object.fromEntries(
          Object.entries(ema).map(([key, t]) => [key, t.mul(s.decay).add(p[key]!.mul(1 - s.decay))]),
        );
        return F.crossEntropy(logits(ema, x), y);
      });
      // Every second step nobody looks until the next one has begun.
      if (i % 2 === 1) continue;
      await check(`step ${i} loss`, loss, want.loss);
      await check(`step ${i} loss of the average`, emaLoss, want.emaLoss);
      for (const [key, t] of Object.entries(ema)) await check(`after step ${i} average of ${key}`, t, want.ema[key]!);
      await checkAll(`after step ${i}`, p, want.params);
    }
  });

  for (const [name, s] of named<ReloadScenario>("reload/")) {
    test(name, async () => {
      const p = parameters(mlp.initial);
      const net = new (class extends nn.Module {
        readonly w1 = p["w1"]!;
        readonly b1 = p["b1"];
        readonly w2 = p["w2"]!;
        readonly b2 = p["b2"];
      })();
      const initial = net.stateDict();
      const opt = optimizer(s.optimizer, p);
      for (const [i, want] of s.steps.entries()) {
        if (i === s.loadBeforeStep) net.loadStateDict(initial);
        opt.zeroGrad();
        const [x, y] = batch(i);
        const loss = F.crossEntropy(logits(p, x), y);
        loss.backward();
        opt.step();
        await check(`step ${i} loss`, loss, want.loss);
        await checkAll(`after step ${i}`, p, want.params);
      }
    });
  }

  test("batchStatistics", async () => {
    const s = scenarios.batchStatistics;
    const p = parameters(s.initial);
    const { w, gamma, beta, wo } = p as { w: Tensor; gamma: Tensor; beta: Tensor; wo: Tensor };
    const opt = optimizer(s.optimizer, p);
    const mean = new nn.Buffer(zeros([4]));
    const variance = new nn.Buffer(zeros([4]).add(1));
    const keep = 1 - s.momentum;
    const forward = (x: Tensor, y: Tensor): Tensor => {
      const h = F.linear(x, w);
      const m = h.mean(0);
      const c = h.sub(m);
      const v = c.mul(c).mean(0);
      mean.copy_(mean.mul(keep).add(m.detach().mul(s.momentum)));
      variance.copy_(variance.mul(keep).add(v.detach().mul((s.momentum * 6) / 5)));
      return F.mseLoss(F.linear(c.div(v.add(s.eps).sqrt()).mul(gamma).add(beta), wo), y);
    };
    for (const [i, want] of s.steps.entries()) {
      const [xa, xb] = s.x[i]!.map(of) as [Tensor, Tensor];
      const [ya, yb] = s.y[i]!.map(of) as [Tensor, Tensor];
      opt.zeroGrad();
      const loss = forward(xa, ya).add(forward(xb, yb));
      loss.backward();
      const g = grads(p);
      opt.step();
      const evalLoss = noGrad(() => {
        const h = F.linear(xa, w);
        const normal = h.sub(mean).div(variance.add(s.eps).sqrt());
        return F.mseLoss(F.linear(normal.mul(gamma).add(beta), wo), ya);
      });
      await check(`step ${i} loss`, loss, want.loss);
      await checkAll(`step ${i} gradient of`, g, want.grads);
      await check(`after step ${i} running mean`, mean, want.runningMean);
      await check(`after step ${i} running variance`, variance, want.runningVar);
      await check(`after step ${i} loss in evaluation`, evalLoss, want.evalLoss);
      await checkAll(`after step ${i}`, p, want.params);
    }
  });
});

describe("odd shapes, each option", () => {
  for (const [name, s] of named<CheckpointScenario>("odd/")) {
    test(name, async () => {
      const p = parameters(Object.fromEntries(Object.entries(odd).map(([key, { initial }]) => [key, initial])));
      const [target, scale] = (["target", "scale"] as const).map((field) =>
        Object.fromEntries(Object.entries(odd).map(([key, data]) => [key, of(data[field])])),
      ) as [Record<string, Tensor>, Record<string, Tensor>];
      const opt = optimizer(s.optimizer, p);
      for (const [i, want] of s.losses.entries()) {
        opt.zeroGrad();
        const parts = Object.entries(p).map(([key, t]) => {
          const q = t.sub(target[key]!).mul(scale[key]!);
          return q.mul(q).sum();
        });
        const loss = parts.reduce((sum, part) => sum.add(part));
        loss.backward();
        opt.step();
        await check(`loss ${i}`, loss, want);
        const after = s.paramsAfter[i + 1];
        if (after !== undefined) await checkAll(`after ${i + 1} steps`, p, after);
      }
    });
  }
});

describe("a learning rate that changes every step", () => {
  for (const [name, s] of named<CheckpointScenario>("decay/")) {
    test(name, async () => {
      const p = parameters(mlp.initial);
      const opt = optimizer(s.optimizer, p);
      for (const [t, want] of s.losses.entries()) {
        opt.paramGroups[0].lr = s.optimizer.lr * s.gamma! ** t;
        opt.zeroGrad();
        const [x, y] = batch(t);
        const loss = F.crossEntropy(logits(p, x), y);
        loss.backward();
        opt.step();
        await check(`loss ${t}`, loss, want);
        const after = s.paramsAfter[t + 1];
        if (after !== undefined) await checkAll(`after ${t + 1} steps`, p, after);
      }
    });
  }
});

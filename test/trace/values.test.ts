/**
 * Which values can be read when: stale reads, learned results, carried values, snapshots, interleaved loops.
 */
import { beforeEach, describe, expect, test } from "vitest";
import {
  grad,
  noGrad,
  Parameter,
  realize,
  setDevice,
  StateTensor,
  tensor,
  zeros,
  type Tensor,
} from "../../src/trace/index.ts";
import { loadValues } from "../../src/trace/index.ts";
import { DisposedError, GradError, StaleTensorError } from "../../src/ir/errors.ts";
import { referenceDevice, type ReferenceDevice } from "../../src/reference.ts";
import { adam, batch, counters, differentiate, fresh, mse, Net, sgd } from "./training.ts";

let device: ReferenceDevice;
beforeEach(() => {
  device = fresh();
});

/** A net and its optimizer, with `step` for an ordinary one. */
function training(): { net: Net; opt: ReturnType<typeof sgd>; step: (i: number) => ReturnType<typeof differentiate> } {
  const net = new Net();
  const opt = sgd(net.params);
  return {
    net,
    opt,
    step(i) {
      opt.zeroGrad();
      const all = differentiate(net, i);
      opt.step();
      return all;
    },
  };
}

describe("a value of a step", () => {
  test("reads the same before and after it", async () => {
    const early = [];
    const { net, opt } = training();
    for (let i = 0; i < 5; i++) {
      opt.zeroGrad();
      const { loss, logits } = differentiate(net, i);
      early.push([await loss.item(), ...(await logits.data()), ...(await net.w1.grad!.data())]);
      opt.step();
    }
    fresh();
    const late = [];
    const other = training();
    for (let i = 0; i < 5; i++) {
      const { loss, logits } = other.step(i);
      late.push([await loss.item(), ...(await logits.data()), ...(await other.net.w1.grad!.data())]);
    }
    expect(late).toEqual(early);
  });

  test("that was no result is computed again once, and is a result from then on", async () => {
    device = fresh({ keeps: () => false });
    const { step } = training();
    await step(0).logits.data();
    expect(counters().recomputed).toBe(1);
    const compiled = device.counters.compiled;
    await step(1).logits.data();
    expect(device.counters.compiled).toBe(compiled + 1);
    for (let i = 2; i < 10; i++) await step(i).logits.data();
    expect(device.counters.compiled).toBe(compiled + 1);
    expect(counters().recomputed).toBe(1);
  });

  test("that is not asked for in a hundred runs is forgotten", async () => {
    device = fresh({ keeps: () => false });
    const { step } = training();
    await step(0).logits.data();
    await step(1).logits.data();
    const nodes = (): number => {
      const before = device.counters.evaluated;
      step(2);
      return device.counters.evaluated - before;
    };
    nodes();
    const compiled = device.counters.compiled;
    for (let i = 0; i < 150; i++) step(i);
    // Back to the plan without it, which was kept.
    expect(device.counters.compiled).toBe(compiled);
    await step(3).logits.data();
    expect(counters().recomputed).toBe(2);
  });

  test("is readable for one more step if it is a result, then stale", async () => {
    const { step } = training();
    const losses = [step(0).loss, step(1).loss, step(2).loss];
    expect(Number.isFinite(await losses[2]!.item())).toBe(true);
    expect(Number.isFinite(await losses[1]!.item())).toBe(true);
    await expect(losses[0]!.item()).rejects.toThrow(StaleTensorError);
    await expect(losses[0]!.item()).rejects.toThrow(/w1|b1|w2/);
    await expect(losses[0]!.item()).rejects.toThrow(/clone\(\)/);
    expect(() => losses[0]!.itemSync()).toThrow(StaleTensorError);
  });

  test("is stale two steps on if it was no result", async () => {
    const { step } = training();
    const { logits } = step(0);
    const { logits: second } = step(1);
    await expect(logits.data()).rejects.toThrow(StaleTensorError);
    expect((await second.data()).length).toBe(8);
  });

  test("never is a value under newer parameters", async () => {
    const w = new Parameter(tensor([1]), { label: "w" });
    const opt = sgd([w], 1);
    const doubled = w.mul(2);
    w.sum().backward();
    opt.step();
    expect(await w.item()).toBe(0);
    expect(await doubled.item()).toBe(2);
  });

  test("read once stays", async () => {
    const { step } = training();
    const { loss } = step(0);
    const value = await loss.item();
    for (let i = 0; i < 5; i++) step(i);
    expect(await loss.item()).toBe(value);
  });

  test("asked for without awaiting is read with the step that computes it", async () => {
    const { net, opt, step } = training();
    step(0);
    const runs = counters().runs;
    opt.zeroGrad();
    const { loss } = differentiate(net, 1);
    const reading = loss.item();
    opt.step();
    for (let i = 2; i < 6; i++) step(i);
    expect(counters().runs).toBe(runs + 5);
    expect(Number.isFinite(await reading)).toBe(true);
  });
});

describe("carried values", () => {
  test("a total over 300 steps is exact, in constant memory", async () => {
    const { step } = training();
    let total: Tensor = zeros([]);
    let expected = 0;
    const compiled: number[] = [];
    const bytes: number[] = [];
    for (let i = 0; i < 300; i++) {
      const { loss } = step(i);
      total = total.add(loss);
      if (i < 20) expected = Math.fround(expected + (await loss.item()));
      if (i === 19) expect(await total.item()).toBe(expected);
      compiled.push(device.counters.compiled);
      bytes.push(device.memory().bytes);
    }
    expect(new Set(compiled.slice(25)).size).toBe(1);
    expect(new Set(bytes.slice(25)).size).toBe(1);
    expect(Number.isFinite(await total.item())).toBe(true);
  });

  test("a total made before the step is, too", async () => {
    const { net, opt } = training();
    let total: Tensor = zeros([]);
    const losses = [];
    const bytes = [];
    for (let i = 0; i < 60; i++) {
      opt.zeroGrad();
      const { loss } = differentiate(net, i);
      total = total.add(loss);
      opt.step();
      losses.push(loss.itemSync());
      bytes.push(device.memory().bytes);
    }
    expect(await total.item()).toBe(losses.reduce((a, b) => Math.fround(a + b), 0));
    expect(new Set(bytes.slice(4)).size).toBe(1);
  });

  test.each(["after the step", "before the step"])("a hidden state detached %s", async (when) => {
    const wh = new Parameter(
      tensor([
        [0.5, -0.2],
        [0.1, 0.4],
      ]),
      { label: "wh" },
    );
    const opt = sgd([wh], 0.01);
    let h: Tensor = zeros([1, 2]);
    const mirror = [0, 0];
    const bytes = [];
    for (let i = 0; i < 50; i++) {
      const w = await wh.data();
      const x = [Math.sin(i), Math.cos(i)];
      opt.zeroGrad();
      h = h
        .matmul(wh)
        .add(tensor([x]))
        .tanh();
      h.square().sum().backward();
      if (when === "before the step") h = h.detach();
      opt.step();
      if (when === "after the step") h = h.detach();
      const [a, b] = mirror as [number, number];
      mirror[0] = Math.tanh(a * w[0]! + b * w[2]! + x[0]!);
      mirror[1] = Math.tanh(a * w[1]! + b * w[3]! + x[1]!);
      bytes.push(device.memory().bytes);
    }
    const got = await h.data();
    expect(got[0]).toBeCloseTo(mirror[0]!, 4);
    expect(got[1]).toBeCloseTo(mirror[1]!, 4);
    expect(new Set(bytes.slice(6)).size).toBe(1);
    expect(device.counters.compiled).toBeLessThan(9);
  });

  test("gradients go back into earlier submits, as far as their parameters are kept", async () => {
    const w = new Parameter(tensor([2]), { label: "w" });
    const y = w.mul(w);
    expect(await y.item()).toBe(4);
    const z = y.mul(w);
    z.backward();
    expect(await w.grad!.item()).toBe(12);
    w.zeroGrad();
    z.mul(w).backward();
    expect(await w.grad!.item()).toBe(32);
  });

  test("a graph whose parameters moved twice has no gradient any more", async () => {
    const { net, opt, step } = training();
    let h: Tensor = zeros([4, 2]);
    for (let i = 0; i < 4; i++) {
      const { logits } = step(i);
      h = h.add(logits);
      await h.data();
    }
    opt.zeroGrad();
    expect(() => h.sum().backward()).toThrow(GradError);
    expect(() => h.sum().backward()).toThrow(/detach\(\)/);
    expect(net.w1.grad).toBeNull();
  });

  test("a chain of 100,000 operations nobody reads is bounded", async () => {
    let x: Tensor = tensor([1]);
    const one = tensor([1]);
    for (let i = 0; i < 100_000; i++) x = x.add(one);
    expect(await x.item()).toBe(100_001);
    expect(counters().runs).toBeGreaterThan(4);
    expect(device.counters.compiled).toBeLessThan(6);
  });

  test("large inputs that wait are submitted before they fill the budget", () => {
    fresh({ budget: 4e6 });
    const results = [];
    for (let i = 0; i < 40; i++) results.push(tensor(new Float32Array(25_000)).add(1).sum());
    expect(counters().runs).toBeGreaterThan(2);
  });

  test("a value used long after its buffer was taken is computed again", async () => {
    const w = new Parameter(tensor([3]), { label: "w" });
    const f = (x: number): Tensor => w.mul(tensor([x]));
    const feature = f(1);
    realize(feature);
    for (let i = 2; i < 6; i++) await f(i).item();
    expect(await feature.add(1).item()).toBe(4);
    for (let i = 2; i < 6; i++) await f(i).item();
    expect(await feature.add(2).item()).toBe(5);
  });

  test("results of a loop without parameters stay readable for a while", async () => {
    let h: Tensor = tensor([1]);
    const all = [];
    for (let i = 0; i < 30; i++) {
      h = h.mul(tensor([1.5])).sub(tensor([0.25]));
      realize(h);
      all.push(h);
    }
    let x = 1;
    for (const t of all) {
      x = Math.fround(Math.fround(x * 1.5) - 0.25);
      expect(await t.item()).toBe(x);
    }
  });
});

describe("snapshots", () => {
  test("clone() is never stale and costs storage once", async () => {
    const { net, step } = training();
    step(0);
    const copy = net.w1.clone();
    const before = await net.w1.data();
    for (let i = 1; i < 6; i++) step(i);
    expect(await copy.data()).toEqual(before);
    expect(await net.w1.data()).not.toEqual(before);
    const used = await copy.mul(2).data();
    expect(Array.from(used)).toEqual(Array.from(before, (e) => 2 * e));
  });

  test("clone() of a loss outlives the steps", async () => {
    const { net, opt, step } = training();
    opt.zeroGrad();
    const { loss } = differentiate(net, 0);
    const copy = loss.clone();
    opt.step();
    for (let i = 1; i < 6; i++) step(i);
    fresh();
    const again = training();
    expect(await copy.item()).toBe(await differentiate(again.net, 0).loss.item());
  });

  test("gradients go through a clone", async () => {
    const w = new Parameter(tensor([3]));
    w.clone().square().backward();
    expect(await w.grad!.item()).toBe(6);
  });

  test("dispose() frees storage and says so afterwards", async () => {
    const { net, step } = training();
    step(0);
    const copy = net.w1.clone();
    realize(copy);
    const bytes = device.memory().bytes;
    copy.dispose();
    expect(device.memory().bytes).toBe(bytes - 48);
    await expect(copy.data()).rejects.toThrow(DisposedError);
    expect(() => copy.add(1)).toThrow(DisposedError);
    net.w1.dispose();
    expect(() => net.w1.mul(1)).toThrow(DisposedError);
  });
});

describe("assignments", () => {
  test("are seen by what is traced after them and not by what was traced before", async () => {
    const s = new StateTensor(tensor([1, 2]), { label: "s" });
    const before = s.mul(10);
    s.copy_(tensor([5, 6]));
    const after = s.mul(10);
    expect(Array.from(await before.data())).toEqual([10, 20]);
    expect(Array.from(await after.data())).toEqual([50, 60]);
    expect(Array.from(await s.data())).toEqual([5, 6]);
  });

  test("several in one submit publish the last", async () => {
    const mean = new StateTensor(zeros([1]), { label: "mean" });
    const update = (x: number): void => void mean.copy_(mean.mul(0.5).add(tensor([x])));
    update(1);
    const between = mean.add(0);
    update(3);
    expect(mean.cell.version).toBe(0);
    expect(await mean.item()).toBe(3.5);
    expect(mean.cell.version).toBe(1);
    expect(await between.item()).toBe(1);
  });

  test("from a host array need no plan and change no plan", async () => {
    const { net, step } = training();
    for (let i = 0; i < 3; i++) step(i);
    const { compiled } = device.counters;
    const { runs } = counters();
    const start = tensor(new Float32Array(12).fill(0.25), { shape: [3, 4] });
    loadValues([[net.w1, start]]);
    expect(await net.w1.data()).toEqual(await start.data());
    step(3);
    expect(device.counters.compiled).toBe(compiled);
    expect(counters().runs).toBe(runs + 1);
  });

  test("loadValues assigns all or nothing", async () => {
    const { net } = training();
    const before = await net.w2.data();
    expect(() =>
      loadValues([
        [net.w2, zeros([4, 2])],
        [net.w1, zeros([4, 3])],
      ]),
    ).toThrow(/w1.*\[3,4\].*\[4,3\]/);
    expect(await net.w2.data()).toEqual(before);
  });

  test("an EMA of the weights, as state or as carried values", async () => {
    const { net, step } = training();
    const state = new StateTensor(net.w1.detach(), { label: "ema" });
    let carried: Tensor = net.w1.detach().clone();
    let expected = await net.w1.data();
    for (let i = 0; i < 12; i++) {
      step(i);
      noGrad(() => {
        state.copy_(state.mul(0.5).add(net.w1.mul(0.5)));
        carried = carried.mul(0.5).add(net.w1.mul(0.5));
      });
      const w = await net.w1.data();
      expected = expected.map((e, k) => Math.fround(Math.fround(e * 0.5) + Math.fround(w[k]! * 0.5)));
    }
    expect(await state.data()).toEqual(expected);
    expect(await carried.data()).toEqual(expected);
  });

  test("under gradients are refused", () => {
    const w = new Parameter(tensor([1]));
    expect(() => w.copy_(tensor([2]))).toThrow(/noGrad/);
  });

  test("of computed values to parameters leave gradients where they belong", async () => {
    const a = new Parameter(tensor([2]), { label: "a" });
    const b = new Parameter(tensor([3]), { label: "b" });
    noGrad(() => {
      a.copy_(b.mul(2));
      b.copy_(b.mul(2));
    });
    a.mul(b).mul(b).backward();
    expect(await a.grad!.item()).toBe(36);
    expect(await b.grad!.item()).toBe(72);
  });
});

describe("two trainings at once", () => {
  async function run(net: Net, opt: ReturnType<typeof sgd>, offset: number): Promise<number[]> {
    const losses = [];
    for (let i = 0; i < 6; i++) {
      opt.zeroGrad();
      const { loss } = differentiate(net, i + offset);
      if (i % 2 === 0) await Promise.resolve();
      opt.step();
      losses.push(await loss.item());
    }
    return losses;
  }

  test("interleaved give the numbers of one after the other", async () => {
    const [a, b] = [new Net(), new Net()];
    const apart = [await run(a, sgd(a.params), 0), await run(b, adam(b.params), 9)];
    fresh();
    const [c, d] = [new Net(), new Net()];
    const together = await Promise.all([run(c, sgd(c.params), 0), run(d, adam(d.params), 9)]);
    expect(together).toEqual(apart);
    expect(await d.w1.data()).toEqual(await b.w1.data());
  });

  test("two optimizers on two nets in turn settle on two plans", async () => {
    const [g, d] = [new Net(), new Net()];
    const [optG, optD] = [adam(g.params), adam(d.params)];
    const compiled = [];
    for (let i = 0; i < 8; i++) {
      const { x } = batch(i);
      const fake = g.forward(x);
      const dLoss = d
        .forward(fake.detach().pad([0, 1]))
        .square()
        .mean();
      optD.zeroGrad();
      dLoss.backward();
      optD.step();
      const gLoss = mse(d.forward(fake.pad([0, 1])), tensor(1));
      optG.zeroGrad();
      gLoss.backward();
      optG.step();
      compiled.push(device.counters.compiled);
    }
    expect(compiled[7]).toBe(compiled[2]);
  });

  test("ten reads at once are one run", async () => {
    const w = new Parameter(tensor([1, 2, 3]));
    const all = Array.from({ length: 10 }, (_, i) => w.mul(i + 0.5).sum());
    const { runs } = counters();
    const values = await Promise.all(all.map((t) => t.item()));
    expect(values).toEqual(Array.from({ length: 10 }, (_, i) => 6 * (i + 0.5)));
    expect(counters().runs).toBe(runs + 1);
  });
});

describe("errors of the device", () => {
  test("leave everything as it was, and the step may be repeated", async () => {
    let failing = false;
    device = fresh({
      beforeRun: () => {
        if (failing) throw new Error("the device failed");
      },
    });
    const expected = [];
    {
      const { net, step } = training();
      for (let i = 0; i < 6; i++) step(i);
      expected.push(...(await net.w1.data()));
    }
    device = fresh({
      beforeRun: () => {
        if (failing) throw new Error("the device failed");
      },
    });
    const { net, opt, step } = training();
    for (let i = 0; i < 3; i++) step(i);
    opt.zeroGrad();
    differentiate(net, 3);
    failing = true;
    const versions = net.params.map((p) => p.cell.version);
    for (let i = 0; i < 3; i++) expect(() => opt.step()).toThrow("the device failed");
    expect(net.params.map((p) => p.cell.version)).toEqual(versions);
    expect(opt.steps).toBe(3);
    failing = false;
    opt.step();
    expect(opt.steps).toBe(4);
    for (let i = 4; i < 6; i++) step(i);
    expect(Array.from(await net.w1.data())).toEqual(expected);
  });

  test("reject the reads that wait", async () => {
    let failing = true;
    fresh({
      beforeRun: () => {
        if (failing) throw new Error("the device failed");
      },
    });
    const y = tensor([1]).add(1);
    await expect(Promise.all([y.item(), y.data()])).rejects.toThrow("the device failed");
    failing = false;
    expect(await y.item()).toBe(2);
  });

  test("name a tensor that is too large before anything runs", () => {
    fresh({ largest: 100_000 });
    expect(() => zeros([1000, 1000])).toThrow(/1000000 elements/);
    const row = tensor(new Float32Array(1000));
    const column = row.reshape(1000, 1);
    expect(() => row.mul(column).reshape(10, 1000, 100, 1).sum(3)).toThrow(/sum.*1000000 elements/);
    // The product of a contraction need not be stored.
    expect(row.mul(column).sum(1).shape).toEqual([1000]);
  });
});

test("grad() differentiates without touching .grad", async () => {
  const w = new Parameter(tensor([1, 2]));
  const [g] = grad(w.square().sum(), [w]);
  expect(Array.from(await g!.data())).toEqual([2, 4]);
  expect(w.grad).toBeNull();
});

describe("memory", () => {
  test("snapshots go to the host before the device is full", async () => {
    const small = fresh({ budget: 4000 });
    const w = new Parameter(tensor(new Float32Array(100)), { label: "w" });
    const opt = sgd([w]);
    const copies = [];
    for (let i = 0; i < 30; i++) {
      opt.zeroGrad();
      w.sub(1).square().sum().backward();
      opt.step();
      copies.push(w.clone());
    }
    expect(small.memory().bytes).toBeLessThanOrEqual(4000);
    for (const [i, c] of copies.entries()) expect((await c.data())[7]).toBeCloseTo(1 - 0.8 ** (i + 1), 4);
  });

  test("what cannot fit fails and leaves the rest alone", async () => {
    fresh({ budget: 2000 });
    const w = new Parameter(tensor([1]), { label: "w" });
    await expect(w.mul(tensor(new Float32Array(1000))).data()).rejects.toThrow(/budget/);
    expect(await w.mul(2).item()).toBe(2);
  });

  test("another device takes over in the middle of a training", async () => {
    const { net, step } = training();
    const expected = [];
    for (let i = 0; i < 6; i++) expected.push(step(i).loss.itemSync());
    fresh();
    const again = training();
    const copy = again.net.w1.clone();
    let total: Tensor = zeros([]);
    const losses = [];
    for (let i = 0; i < 6; i++) {
      if (i === 3) setDevice(referenceDevice());
      const { loss } = again.step(i);
      total = total.add(loss);
      losses.push(loss.itemSync());
    }
    expect(losses).toEqual(expected);
    expect(await total.item()).toBe(expected.reduce((a, b) => Math.fround(a + b), 0));
    expect(await copy.data()).not.toEqual(await again.net.w1.data());
    expect(await net.w1.data()).toEqual(await again.net.w1.data());
  });
});

/**
 * Training loops: what runs when, how often it is compiled, and that memory stays where it is.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { noGrad, type Tensor } from "../../src/trace/index.ts";
import type { ReferenceDevice } from "../../src/reference.ts";
import { adam, batch, counters, differentiate, fresh, mse, Net, sgd } from "./training.ts";

let device: ReferenceDevice;
beforeEach(() => {
  device = fresh();
});

/** Losses of n ordinary steps, for comparison. */
async function plain(n: number, make = sgd): Promise<number[]> {
  fresh();
  const net = new Net();
  const opt = make(net.params);
  const losses = [];
  for (let i = 0; i < n; i++) {
    opt.zeroGrad();
    const { loss } = differentiate(net, i);
    opt.step();
    losses.push(await loss.item());
  }
  return losses;
}

describe("a step", () => {
  test("is one run, compiled once, and the loss is read for nothing", async () => {
    const net = new Net();
    const opt = sgd(net.params);
    for (let i = 0; i < 20; i++) {
      opt.zeroGrad();
      const { loss } = differentiate(net, i);
      opt.step();
      await loss.item();
    }
    // One plan initialises, one steps.
    expect(device.counters.compiled).toBe(2);
    expect(counters()).toEqual({ runs: 21, hits: 19, recomputed: 0 });
  });

  test("compiles nothing for another learning rate", async () => {
    const net = new Net();
    const opt = adam(net.params);
    for (let i = 0; i < 10; i++) {
      opt.lr = 0.01 / (i + 1);
      opt.zeroGrad();
      differentiate(net, i);
      opt.step();
    }
    expect(device.counters.compiled).toBe(2);
  });

  test("learns, whatever the optimizer", async () => {
    for (const make of [sgd, adam]) {
      fresh();
      const net = new Net();
      const opt = make(net.params, 0.05);
      const losses = [];
      for (let i = 0; i < 60; i++) {
        opt.zeroGrad();
        const { loss } = differentiate(net, 0);
        opt.step();
        losses.push(await loss.item());
      }
      expect(losses[59]!).toBeLessThan(losses[0]! / 3);
    }
  });

  test("with a read before backward runs the forward once", async () => {
    const expected = await plain(6);
    device = fresh();
    const net = new Net();
    const opt = sgd(net.params);
    const losses = [];
    for (let i = 0; i < 6; i++) {
      const { x, y } = batch(i);
      const loss = mse(net.forward(x), y);
      losses.push(await loss.item());
      opt.zeroGrad();
      loss.backward();
      const { reductions } = device.counters;
      opt.step();
      // Four sums back: w2, through to the hidden units, w1 and b1. None of the three forward.
      if (i > 0) expect(device.counters.reductions - reductions).toBe(4);
    }
    expect(losses).toEqual(expected);
    // Initial values, forward, backward and step; the last two again when parameters have the layout steps write.
    expect(device.counters.compiled).toBe(5);
  });

  test("with a read between backward and step stores the gradients and only updates after it", async () => {
    const expected = await plain(5);
    device = fresh();
    const net = new Net();
    const opt = sgd(net.params);
    const losses = [];
    for (let i = 0; i < 5; i++) {
      opt.zeroGrad();
      const { loss } = differentiate(net, i);
      losses.push(await loss.item());
      const reductions = device.counters.reductions;
      opt.step();
      expect(device.counters.reductions).toBe(reductions);
    }
    expect(losses).toEqual(expected);
    // As above.
    expect(device.counters.compiled).toBe(5);
  });

  test("accumulates gradients over batches", async () => {
    const net = new Net();
    const opt = sgd(net.params);
    differentiate(net, 0);
    const first = await net.w1.grad!.data();
    differentiate(net, 1);
    const sum = await net.w1.grad!.data();
    opt.zeroGrad();
    differentiate(net, 1);
    const second = await net.w1.grad!.data();
    expect(Array.from(sum)).toEqual(Array.from(first, (e, i) => Math.fround(e + second[i]!)));
    for (let i = 0; i < 12; i++) {
      opt.zeroGrad();
      for (let k = 0; k < 3; k++) await differentiate(net, 3 * i + k).loss.item();
      opt.step();
    }
    const compiled = device.counters.compiled;
    opt.zeroGrad();
    for (let k = 0; k < 3; k++) await differentiate(net, k).loss.item();
    opt.step();
    expect(device.counters.compiled).toBe(compiled);
  });

  test("leaves parameters without a gradient alone", async () => {
    const net = new Net();
    const opt = sgd(net.params);
    const before = await net.w1.data();
    net.w2.square().sum().backward();
    opt.step();
    expect(await net.w1.data()).toEqual(before);
    expect(net.w1.cell.version).toBe(0);
    expect(net.w2.cell.version).toBe(1);
  });
});

describe("600 steps", () => {
  /** Device memory after each step of a loop, and how much was compiled. */
  async function watch(step: (i: number) => Promise<void> | void): Promise<{ bytes: number[]; compiled: number[] }> {
    const bytes = [];
    const compiled = [];
    for (let i = 0; i < 600; i++) {
      await step(i);
      bytes.push(device.memory().bytes);
      compiled.push(device.counters.compiled);
    }
    return { bytes, compiled };
  }
  const constantFrom = (from: number, values: readonly number[]): void => {
    expect(new Set(values.slice(from)).size).toBe(1);
  };

  test.each([
    ["never reading", () => {}],
    ["reading every loss", async (loss: Tensor) => void (await loss.item())],
    ["reading every loss at once", (loss: Tensor) => void loss.itemSync()],
    ["reading every hundredth loss", async (loss: Tensor, i: number) => void (i % 100 === 0 && (await loss.item()))],
  ])("%s need constant memory", async (_, read) => {
    const net = new Net();
    const opt = adam(net.params);
    const { bytes, compiled } = await watch(async (i) => {
      opt.zeroGrad();
      const { loss } = differentiate(net, i);
      opt.step();
      await read(loss, i);
    });
    constantFrom(3, bytes);
    constantFrom(2, compiled);
  });

  test("with an accuracy that nobody reads need constant memory", async () => {
    const net = new Net();
    const opt = sgd(net.params);
    const { bytes, compiled } = await watch((i) => {
      opt.zeroGrad();
      const { logits } = differentiate(net, i);
      opt.step();
      logits.argmax(1).cast("f32").mean();
      noGrad(() => net.forward(batch(i).x).mean());
    });
    constantFrom(3, bytes);
    constantFrom(2, compiled);
  });
});

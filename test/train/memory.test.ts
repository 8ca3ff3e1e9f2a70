/**
 * 2,000 steps in each of the ways a user writes a loop: bytes on the device are constant from step 3, and the heap is
 * flat after collection. A small net, since only counts matter.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeEach, describe, expect, it } from "vitest";
import {
  ArrayDataset,
  DataLoader,
  F,
  hostTensor,
  manualSeed,
  nn,
  optim,
  setDevice,
  StaleTensorError,
  tensor,
  type Device,
  type Tensor,
} from "texgrad";
import { selectDevice } from "../../src/runtime/select.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const STEPS = 2000;
const BATCH = 8;

class Small extends nn.Module {
  fc1 = new nn.Linear(16, 12);
  fc2 = new nn.Linear(12, 3);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).relu());
  }
}

const pixels = Float32Array.from({ length: 64 * 16 }, (_, i) => Math.sin(i));
const labels = Int32Array.from({ length: 64 }, (_, i) => i % 3);

let device: Device;
let step: (x: Tensor, y: Tensor) => Tensor;

beforeEach(() => {
  device = selectDevice({ device: "webgl" });
  setDevice(device);
  manualSeed(0);
  const net = new Small();
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.05 });
  step = (x, y) => {
    const loss = F.crossEntropy(net.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  };
});

/** A batch made by hand. */
const batch = (i: number): [Tensor, Tensor] => {
  const at = (i * BATCH) % 64;
  return [
    tensor(pixels.slice(at * 16, (at + BATCH) * 16), { shape: [BATCH, 16] }),
    tensor(labels.slice(at, at + BATCH), { dtype: "i32" }),
  ];
};

/** Device bytes after each step, and the heap early and late. */
class Watch {
  readonly bytes = new Set<number>();
  private early = 0;
  private steps = 0;

  after(): void {
    this.steps++;
    if (this.steps >= 3) this.bytes.add(device.memory().bytes);
    if (this.steps === STEPS / 2) this.early = this.heap();
  }

  private heap(): number {
    collect();
    return process.memoryUsage().heapUsed;
  }

  /** Bytes the heap grew by in the second half. */
  growth(): number {
    return this.heap() - this.early;
  }
}

/** Keeping the graph of each of 1,000 steps would cost some 10 MB; what V8 itself moves stays well under this. */
const FLAT = 400_000;

describe(`${STEPS} steps`, () => {
  it("(a) of the loader", async () => {
    const data = new ArrayDataset({ x: hostTensor("f32", [64, 16], pixels), y: hostTensor("i32", [64], labels) });
    const loader = new DataLoader(data, { batchSize: BATCH, shuffle: true, seed: 1 });
    const watch = new Watch();
    for (let done = 0; done < STEPS;) {
      for await (const { x, y } of loader) {
        const loss = step(x, y);
        if (done % 100 === 0) await loss.item();
        watch.after();
        done++;
      }
    }
    expect([...watch.bytes]).toHaveLength(1);
    expect(watch.growth()).toBeLessThan(FLAT);
  });

  it("(b) of tensors made by hand", async () => {
    const watch = new Watch();
    for (let i = 0; i < STEPS; i++) {
      const loss = step(...batch(i));
      if (i % 100 === 0) await loss.item();
      watch.after();
    }
    expect([...watch.bytes]).toHaveLength(1);
    expect(watch.growth()).toBeLessThan(FLAT);
  });

  it("(c) whose losses are kept: one read late is stale, not wrong", async () => {
    const watch = new Watch();
    const losses: Tensor[] = [];
    for (let i = 0; i < STEPS; i++) {
      losses.push(step(...batch(i)));
      watch.after();
    }
    expect([...watch.bytes]).toHaveLength(1);
    expect(await losses[STEPS - 1]!.item()).toBeGreaterThan(0);
    await expect(losses[0]!.item()).rejects.toThrow(StaleTensorError);
    await expect(losses[STEPS - 3]!.item()).rejects.toThrow(StaleTensorError);
  });

  it("(d) with only dataSync()", () => {
    const watch = new Watch();
    for (let i = 0; i < STEPS; i++) {
      expect(step(...batch(i)).dataSync()).toHaveLength(1);
      watch.after();
    }
    expect([...watch.bytes]).toHaveLength(1);
    expect(watch.growth()).toBeLessThan(FLAT);
  });
});

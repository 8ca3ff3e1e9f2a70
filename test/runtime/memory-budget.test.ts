/**
 * A plan that does not fit the device's budget: what can be computed again is freed first, then the error names the
 * largest tensors and the lines that made them, and nothing is lost.
 */
import { afterEach, describe, expect, test } from "vitest";
import { DeviceError, F, manualSeed, nn, ones, optim, OutOfMemoryError, randn, setDevice, StateTensor, tensor, zeros, type Device, type Tensor } from "texgrad"; // prettier-ignore
import { referenceDevice } from "texgrad/reference";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { captureLines } from "../../src/trace/lines.ts";
import { headlessGl } from "../support/gl.ts";

afterEach(() => {
  captureLines(false);
  setDevice(referenceDevice());
});

const MIB = 2 ** 20;

const devices: Readonly<Record<string, (budget: number) => Device>> = {
  webgl: (budget) => createWebglDevice(headlessGl(), { readsSynchronously: true, budget }),
  cpu: (budget) => createCpuDevice({ budget }),
};

const failure = async (f: () => unknown): Promise<unknown> => {
  try {
    await f();
  } catch (error) {
    return error;
  }
  return null;
};

class Net extends nn.Module {
  fc1 = new nn.Linear(64, 512);
  fc2 = new nn.Linear(512, 10);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).relu()); // the large one
  }
}

/** 512 rows: hidden layers of 1 MiB, weights and moments of 128 KiB. */
function training() {
  manualSeed(1);
  const net = new Net();
  const opt = new optim.Adam(net.parameters(), { lr: 0.01 });
  const x = tensor(
    Float32Array.from({ length: 512 * 64 }, (_, i) => Math.sin(i)),
    { shape: [512, 64] },
  );
  const y = tensor(
    Int32Array.from({ length: 512 }, (_, i) => i % 10),
    { shape: [512] },
  );
  const step = (): Tensor => {
    const loss = F.crossEntropy(net.forward(x), y);
    opt.zeroGrad();
    loss.backward();
    opt.step();
    return loss;
  };
  return { net, opt, step };
}

/** The line of this file that holds `text`, with its column left open. */
const thisFile = new URL(import.meta.url).pathname.split("/").at(-1)!;

describe.each(Object.keys(devices))("on %s", (name) => {
  const device = devices[name]!;

  test("the error names the ten largest tensors, with shape, dtype, bytes and line", async () => {
    captureLines(true);
    setDevice(device(6 * MIB));
    const { step } = training();
    const hog = new StateTensor(zeros([512, 1024]), { label: "hog" });
    hog.copy_(hog.add(1));
    expect(await hog.sum().item()).toBe(2 ** 19);
    const error = (await failure(step)) as OutOfMemoryError;
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error).toBeInstanceOf(DeviceError);
    const { largest } = error;
    expect(largest.length).toBe(10);
    expect(largest.map((t) => t.bytes)).toEqual(largest.map((t) => t.bytes).sort((a, b) => b - a));
    expect(largest[0]).toMatchObject({
      dtype: "f32",
      shape: [512, 1024],
      what: expect.stringMatching(/^hog/) as string,
    });
    expect(largest[0]!.line).toMatch(new RegExp(`${thisFile}:\\d+:\\d+$`));
    const hidden = largest.filter((t) => t.shape.join() === "512,512");
    expect(hidden.length).toBeGreaterThan(0);
    for (const t of hidden) {
      expect(t.bytes).toBe(1 * MIB);
      expect(t.line).toMatch(new RegExp(`${thisFile}:38:`));
    }
    const [head, ...rows] = error.message.split("\n");
    expect(head).toMatch(/budget is 6291456.*dispose of tensors no longer needed.*The largest tensors:$/);
    expect(rows).toHaveLength(10);
    expect(rows[1]).toMatch(/^ +1,048,576 bytes {2}f32\[512,512\] {2}.*memory-budget\.test\.ts:38:\d+$/);
  });

  test("the call can be repeated, and nothing is lost", async () => {
    setDevice(device(64 * MIB));
    const calm = training();
    const wanted: number[] = [];
    for (let i = 0; i < 4; i++) wanted.push(await calm.step().item());
    setDevice(device(6 * MIB));
    const { step, opt } = training();
    const losses = [await step().item(), await step().item()];
    const hog = new StateTensor(zeros([512, 1024]), { label: "hog" });
    hog.copy_(hog.add(1));
    expect(await hog.sum().item()).toBe(2 ** 19);
    const error = await failure(step);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect((error as Error).message).toMatch(/\nTEXGRAD_DEBUG=1 adds the lines that made them\.$/);
    expect(opt.stateDict().state[0]).toMatchObject({ step: 2 });
    hog.dispose();
    losses.push(await step().item(), await step().item());
    expect(losses).toEqual(wanted);
  });
});

test("plans that wait are freed before anything fails", async () => {
  const own = createWebglDevice(headlessGl(), { readsSynchronously: true, budget: 11 * MIB });
  setDevice(own);
  // Each plan keeps 4 MiB and more; four of them would not fit.
  for (const n of [1000, 1010, 1020, 1030, 1040]) {
    const x = randn([n, 1024]);
    const y = x.matmul(ones([1024, 8]));
    expect(await y.sub(y.mean()).mean().item()).toBeCloseTo(0, 3);
  }
  expect(own.memory().bytes).toBeLessThanOrEqual(11 * MIB);
});

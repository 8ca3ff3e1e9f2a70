/** The counting device as a user meets it; that its counts are right is test/passes/count.test.ts. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { nn, optim, realize, setDevice, tensor, type Device } from "texgrad";
import { countingDevice, type DeviceKind } from "texgrad/debug";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";

let before: Device;
beforeEach(() => setDevice((before = createCpuDevice())));
afterEach(() => setDevice(before));

test("counts what was done since it was last asked", () => {
  const device = countingDevice("gpu");
  setDevice(device);
  const a = tensor([1, 2, 3, 4, 5], { requiresGrad: true });
  const square = (): void => realize(a.detach().mul(a.detach()));
  square();
  const first = device.take();
  expect(first).toMatchObject({
    draws: 1,
    programs: { made: 1, total: 1 },
    uploads: 1,
    readbacks: 0,
    gathers: 0,
    macs: 0,
  });
  // A vector is stored in rows of 256: 64 fragments, each reads and writes a texel.
  expect(first).toMatchObject({ fragments: 64, fetches: 64, texelsRead: 64, texelsWritten: 64 });
  expect(first.allocations).toBe(2);
  expect(first.bytes).toBe(2 * 64 * 16);
  expect(first.plans[0]!.plan.draws[0]).toMatchObject({
    stores: ["mul"],
    reason: "output",
    why: "asked for",
    shape: [5],
  });
  expect(device.take()).toMatchObject({ draws: 0, plans: [], programs: { made: 0, total: 1 } });
  square();
  expect(device.take()).toMatchObject({ draws: 1, programs: { made: 0, total: 1 }, uploads: 0 });
});

test("what a kernel would have computed is NaN; what was given is itself", () => {
  setDevice(countingDevice("software"));
  const x = tensor([1, 2, 3]);
  expect([...x.exp().dataSync()]).toEqual([NaN, NaN, NaN]);
  expect([...x.dataSync()]).toEqual([1, 2, 3]);
});

test("parameters that are only read come back as they were, those that are updated as NaN", () => {
  const [read, updated] = [new nn.Linear(3, 2), new nn.Linear(3, 2)];
  const weights = read.weight.dataSync();
  setDevice(countingDevice("gpu"));
  const x = tensor([[1, 2, 3]]);
  const loss = updated.forward(x).add(read.forward(x).detach()).sum();
  loss.backward();
  new optim.SGD(updated.parameters(), { lr: 0.1 }).step();
  setDevice(before);
  expect(read.weight.dataSync()).toEqual(weights);
  expect([...updated.weight.dataSync()].every(Number.isNaN)).toBe(true);
});

test("limits can be forced low, optimisations switched off", () => {
  const targets = (options: Parameters<typeof countingDevice>[1]): number => {
    const device = countingDevice("gpu", options);
    setDevice(device);
    const x = tensor(new Float32Array(4096), { shape: [64, 64] });
    realize(x.matmul(x));
    const { plans } = device.take();
    return plans[0]!.plan.draws[0]!.targets;
  };
  expect([targets({}), targets({ maxDrawBuffers: 4 }), targets({ off: ["tiles"] })]).toEqual([8, 4, 1]);
});

test("a kind there is not", () => {
  expect(() => countingDevice("tpu" as DeviceKind)).toThrow(/^countingDevice: "tpu": takes software or gpu$/);
});

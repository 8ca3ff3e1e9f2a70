/**
 * What a step makes anew: nothing, whatever batch of a class it has, whatever its learning rate and its seed; a new class
 * of batch at most one set of programs. Counted without a context, of a network with most of what there is: convolution,
 * batch norm, max pool, dropout, cross entropy, Adam.
 */
import { describe, expect, test } from "vitest";
import { F, manualSeed, nn, optim, setDevice, tensor } from "texgrad";
import { countingDevice, type Counts, type DeviceKind } from "texgrad/debug";

interface Training {
  readonly optimizer: optim.Adam;
  /** One step on a batch of this size; what it did. */
  readonly step: (batch: number) => Counts;
}

function training(kind: DeviceKind): Training {
  const device = countingDevice(kind);
  setDevice(device);
  const net = new nn.Sequential(
    new nn.Conv2d(3, 6, 3, { padding: 1 }),
    new nn.BatchNorm2d(6),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Dropout(0.5),
    new nn.Linear(6 * 16, 10),
  );
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.1 });
  const step = (batch: number): Counts => {
    const x = tensor(new Float32Array(batch * 3 * 64).fill(0.5), { shape: [batch, 3, 8, 8] });
    const y = tensor(new Int32Array(batch), { dtype: "i32" });
    const loss = F.crossEntropy(net.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return device.take();
  };
  return { optimizer, step };
}

describe.each(["software", "gpu"] as const)("on %s", (kind) => {
  test("a step that is repeated makes no program and no texture, and reads nothing", () => {
    const { step } = training(kind);
    for (let i = 0; i < 3; i++) step(64);
    for (let i = 0; i < 5; i++) {
      const { programs, allocations, readbacks, plans } = step(64);
      expect({ made: programs.made, allocations, readbacks, plans: plans.length }).toEqual({
        made: 0,
        allocations: 0,
        readbacks: 0,
        plans: 1,
      });
    }
  });

  test("other batches of the class, and the first again", () => {
    const { step } = training(kind);
    for (let i = 0; i < 2; i++) step(64);
    expect([50, 37, 8, 64, 100].map((batch) => step(batch).programs.made)).toEqual([0, 0, 0, 0, 0]);
    // Each size has its textures by now.
    for (const batch of [50, 37, 8, 64, 100]) step(batch);
    expect([50, 37, 8, 64, 100].map((batch) => step(batch).allocations)).toEqual([0, 0, 0, 0, 0]);
  });

  test("each class of batch makes at most one set", () => {
    const { step } = training(kind);
    for (const batch of [1, 2, 4, 8]) step(batch);
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 1000].map((batch) => step(batch).programs.made)).toEqual(Array(10).fill(0));
  });

  test("another learning rate, another seed", () => {
    const { step, optimizer } = training(kind);
    for (let i = 0; i < 2; i++) step(64);
    for (const i of [1, 2, 3]) {
      optimizer.paramGroups[0].lr = 0.1 / (i + 1);
      manualSeed(i);
      const { programs, plans } = step(64);
      expect({ made: programs.made, plans: plans.length }).toEqual({ made: 0, plans: 1 });
    }
  });
});

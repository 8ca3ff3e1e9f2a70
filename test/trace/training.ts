/**
 * What the tests of this folder train: a small net, its data, and optimizers made by hand of update rules, so that
 * these tests need neither nn nor optim.
 */
import { add, div, mul, sqrt, sub } from "../../src/ir/ops/index.ts";
import { referenceDevice, type ReferenceDevice, type ReferenceOptions } from "../../src/reference.ts";
import type { Device } from "../../src/ir/device.ts";
import { selectDevice } from "../../src/runtime/select.ts";
import { engine } from "../../src/trace/engine.ts";
import {
  applyUpdates,
  manualSeed,
  Parameter,
  randn,
  setDevice,
  setting,
  StateTensor,
  tensor,
  updateRule,
  zeros,
  zerosLike,
  type Tensor,
} from "../../src/trace/index.ts";

/** A fresh device, and generators as at the start. */
export function fresh(options: ReferenceOptions = {}): ReferenceDevice {
  const device = referenceDevice(options);
  setDevice(device);
  manualSeed(7);
  return device;
}

/** What TEXGRAD_TEST_DEVICE names, for tests that count nothing. */
export const deviceName = (process.env["TEXGRAD_TEST_DEVICE"] ?? "reference") as "reference" | "cpu" | "webgl";

let selected: Device | undefined;

/** A reference device of its own, or the process's one device of another kind. */
export function testDevice(options: ReferenceOptions = {}): Device {
  if (deviceName === "reference") return referenceDevice(options);
  return (selected ??= selectDevice({ device: deviceName }));
}

/** The same device, whose runs fail while `isFailing`. */
export function failing(device: Device, isFailing: () => boolean): Device {
  return {
    name: device.name,
    readsSynchronously: device.readsSynchronously,
    upload: (...x) => device.upload(...x),
    checkFits: (...x) => device.checkFits(...x),
    memory: () => device.memory(),
    compile(request) {
      const made = device.compile(request);
      return {
        leafLayouts: made.leafLayouts,
        stats: made.stats,
        run(args) {
          if (isFailing()) throw new Error("the device failed");
          return made.run(args);
        },
        kept: () => made.kept(),
        tensors: () => made.tensors(),
        dispose: () => made.dispose(),
      };
    },
  };
}

export const counters = (): { runs: number; hits: number; recomputed: number } => ({ ...engine.runner.counters });

const sgdRule = updateRule({
  name: "testSgd",
  doc: "p - lr g.",
  states: 0,
  settings: 1,
  update: ({ param, grad, settings: [lr] }) => ({ param: sub(param, mul(grad, lr!)), states: [] }),
});

const adamRule = updateRule({
  name: "testAdam",
  doc: "Adam without bias correction of the second moment's root.",
  states: 2,
  settings: 3,
  update({ param, grad, states: [m, v], settings: [rate, c1, c2] }) {
    const nextM = add(mul(m!, 0.9), mul(grad, 0.1));
    const nextV = add(mul(v!, 0.999), mul(mul(grad, grad), 0.001));
    const step = div(div(nextM, c1!), add(sqrt(div(nextV, c2!)), 1e-8));
    return { param: sub(param, mul(step, rate!)), states: [nextM, nextV] };
  },
});

export interface Optimizer {
  lr: number;
  /** Steps that have happened. */
  steps: number;
  zeroGrad(): void;
  step(): void;
}

export function sgd(params: readonly Tensor[], lr = 0.1): Optimizer {
  const rate = setting(() => self.lr);
  const self: Optimizer = {
    lr,
    steps: 0,
    zeroGrad: () => params.forEach((p) => p.zeroGrad()),
    step: () =>
      applyUpdates(
        params.map((param) => ({ rule: sgdRule, param, states: [], settings: [rate], flags: {} })),
        () => (self.steps += 1),
      ),
  };
  return self;
}

export function adam(params: readonly Tensor[], lr = 0.01): Optimizer {
  const states = params.map((p) => [new StateTensor(zerosLike(p)), new StateTensor(zerosLike(p))]);
  const settings = [
    setting(() => self.lr),
    setting(() => 1 - 0.9 ** (self.steps + 1)),
    setting(() => 1 - 0.999 ** (self.steps + 1)),
  ];
  const self: Optimizer = {
    lr,
    steps: 0,
    zeroGrad: () => params.forEach((p) => p.zeroGrad()),
    step: () =>
      applyUpdates(
        params.map((param, i) => ({ rule: adamRule, param, states: states[i]!, settings, flags: {} })),
        () => (self.steps += 1),
      ),
  };
  return self;
}

/** x: [n, 3] -> [n, 2] through 4 hidden units. */
export class Net {
  readonly w1 = new Parameter(randn([3, 4]), { label: "w1" });
  readonly b1 = new Parameter(zeros([4]), { label: "b1" });
  readonly w2 = new Parameter(randn([4, 2]), { label: "w2" });
  get params(): Parameter[] {
    return [this.w1, this.b1, this.w2];
  }
  forward(x: Tensor): Tensor {
    return x.matmul(this.w1).add(this.b1).tanh().matmul(this.w2);
  }
}

/** The i-th batch of a fixed stream: [4, 3] and [4, 2]. */
export function batch(i: number): { x: Tensor; y: Tensor } {
  const at = (k: number): number => Math.sin(12.9898 * (k + 31 * i)) * 1.5;
  return {
    x: tensor(
      Float32Array.from({ length: 12 }, (_, k) => at(k)),
      { shape: [4, 3] },
    ),
    y: tensor(
      Float32Array.from({ length: 8 }, (_, k) => at(k + 12)),
      { shape: [4, 2] },
    ),
  };
}

export const mse = (a: Tensor, b: Tensor): Tensor => a.sub(b).square().mean();

/** Forward and backward of step i. */
export function differentiate(net: Net, i: number): { loss: Tensor; logits: Tensor } {
  const { x, y } = batch(i);
  const logits = net.forward(x);
  const loss = mse(logits, y);
  loss.backward();
  return { loss, logits };
}

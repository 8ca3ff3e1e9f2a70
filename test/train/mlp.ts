/**
 * The network and the step that the training tests share: an MLP 784-128-10 on digits, as the main job trains it.
 */
import { F, manualSeed, nn, optim, tensor, type Tensor } from "texgrad";

export class Mlp extends nn.Module {
  fc1 = new nn.Linear(784, 128);
  fc2 = new nn.Linear(128, 10);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).relu());
  }
}

export type Rule = "sgd" | "adam";

export interface Trainer {
  readonly net: Mlp;
  readonly optimizer: optim.SGD | optim.Adam;
  /** One step; its loss is not read. */
  readonly step: (batch: { readonly x: Tensor; readonly y: Tensor }) => Tensor;
}

export function trainer(rule: Rule, seed = 0): Trainer {
  manualSeed(seed);
  const net = new Mlp();
  const optimizer =
    rule === "adam" ? new optim.Adam(net.parameters(), { lr: 1e-3 }) : new optim.SGD(net.parameters(), { lr: 0.1 });
  return {
    net,
    optimizer,
    step: ({ x, y }) => {
      const loss = F.crossEntropy(net.forward(x), y);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return loss;
    },
  };
}

/** A batch of numbers that look like nothing, the same for the same seed. */
export function noise(batch: number, seed = 1): { x: Tensor; y: Tensor } {
  let state = seed;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return {
    x: tensor(Float32Array.from({ length: batch * 784 }, next), { shape: [batch, 784] }),
    y: tensor(
      Int32Array.from({ length: batch }, () => Math.floor(next() * 10)),
      { shape: [batch], dtype: "i32" },
    ),
  };
}

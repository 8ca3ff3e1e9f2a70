/** LeNet-5 (LeCun et al., 1998, with ReLU and max pools) on 28x28 digits: 98 % in a few epochs. */
import { DataLoader, F, manualSeed, nn, noGrad, optim, track, type Tensor } from "texgrad";
import { digits, type Run } from "./shared.ts";

export class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5, { padding: 2 });
  conv2 = new nn.Conv2d(6, 16, 5);
  pool = new nn.MaxPool2d(2);
  fc1 = new nn.Linear(400, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);

  /** x: [n, 1, 28, 28] -> logits [n, 10]. */
  forward(x: Tensor): Tensor {
    const a = this.pool.forward(this.conv1.forward(x).relu());
    const b = this.pool.forward(this.conv2.forward(a).relu()).flatten(1);
    return this.fc3.forward(this.fc2.forward(this.fc1.forward(b).relu()).relu());
  }
}

/** Gives the accuracy on the digits held back, after each epoch. */
export async function main({ steps = Infinity, seed = 0, report, epochs = 10 }: Run & { epochs?: number } = {}) {
  manualSeed(seed);
  const { train, test } = await digits({ mean: 0.1307, std: 0.3081 });
  const net = new LeNet();
  const opt = new optim.Adam(net.parameters(), { lr: 2e-3 });
  const loader = new DataLoader(train, { batchSize: 64, shuffle: true, seed });
  const schedule = new optim.CosineAnnealingLR(opt, epochs * loader.length);
  const accuracies: number[] = [];
  for (let epoch = 1, step = 0; epoch <= epochs && step < steps; epoch++) {
    const bar = report === undefined ? track(loader, { label: `epoch ${epoch}` }) : loader;
    for await (const { x, y } of bar) {
      const loss = F.crossEntropy(net.forward(x), y);
      opt.zeroGrad();
      loss.backward();
      opt.step();
      schedule.step();
      step += 1;
      await report?.(step, loss);
      if (step >= steps) return accuracies;
    }
    let right = 0;
    for await (const { x, y } of new DataLoader(test, { batchSize: 500 })) {
      right += await noGrad(() => net.forward(x).argmax(1).eq(y).sum()).item();
    }
    accuracies.push(right / test.length);
    console.log(`epoch ${epoch}: ${((100 * right) / test.length).toFixed(2)} % of ${test.length}`);
  }
  return accuracies;
}

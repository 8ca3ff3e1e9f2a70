/** A small residual network (He et al., 2016) on digits: three stages of 16, 32 and 64 channels, batch norms, SGD. */
import { DataLoader, F, manualSeed, nn, noGrad, optim, type Tensor } from "texgrad";
import { digits, printing, type Run } from "./shared.ts";

class Block extends nn.Module {
  conv1: nn.Conv2d;
  bn1: nn.BatchNorm2d;
  conv2: nn.Conv2d;
  bn2: nn.BatchNorm2d;
  skip: nn.TensorModule;

  constructor(from: number, to: number, stride: number) {
    super();
    this.conv1 = new nn.Conv2d(from, to, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(to);
    this.conv2 = new nn.Conv2d(to, to, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(to);
    const isSame = from === to && stride === 1;
    this.skip = isSame ? new nn.Identity() : new nn.Conv2d(from, to, 1, { stride, bias: false });
  }

  forward(x: Tensor): Tensor {
    const a = this.bn1.forward(this.conv1.forward(x)).relu();
    return this.bn2.forward(this.conv2.forward(a)).add(this.skip.forward(x)).relu();
  }
}

/** x: [n, 1, 28, 28] -> logits [n, 10]. */
export const smallResNet = () =>
  new nn.Sequential(
    new nn.Conv2d(1, 16, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new Block(16, 16, 1),
    new Block(16, 32, 2),
    new Block(32, 64, 2),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.Linear(64, 10),
  );

/** Gives the accuracy on the digits held back. */
export async function main({
  steps = Infinity,
  seed = 0,
  report = printing(25),
  epochs = 3,
}: Run & { epochs?: number } = {}) {
  manualSeed(seed);
  const { train, test } = await digits({ mean: 0.1307, std: 0.3081 });
  const net = smallResNet();
  const opt = new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 5e-4, nesterov: true });
  const loader = new DataLoader(train, { batchSize: 64, shuffle: true, seed });
  const schedule = new optim.OneCycleLR(opt, 0.1, { totalSteps: epochs * loader.length, cycleMomentum: false });
  let step = 0;
  for (let epoch = 1; epoch <= epochs && step < steps; epoch++) {
    for await (const { x, y } of loader) {
      const loss = F.crossEntropy(net.forward(x), y, { labelSmoothing: 0.1 });
      opt.zeroGrad();
      loss.backward();
      opt.step();
      schedule.step();
      step += 1;
      await report(step, loss);
      if (step >= steps) return null;
    }
  }
  net.eval();
  let right = 0;
  for await (const { x, y } of new DataLoader(test, { batchSize: 500 })) {
    right += await noGrad(() => net.forward(x).argmax(1).eq(y).sum()).item();
  }
  console.log(`${((100 * right) / test.length).toFixed(2)} % of ${test.length}`);
  return right / test.length;
}

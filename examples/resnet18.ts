/**
 * ResNet-18 (He et al., 2016) as torchvision has it, with its names: weights saved by PyTorch load by
 * `net.loadStateDict(await load("resnet18.safetensors"))`. Trained here on digits, enlarged and in three channels.
 */
import { DataLoader, F, manualSeed, nn, optim, type Tensor } from "texgrad";
import { digits, printing, type Run } from "./shared.ts";

class BasicBlock extends nn.Module {
  conv1: nn.Conv2d;
  bn1: nn.BatchNorm2d;
  conv2: nn.Conv2d;
  bn2: nn.BatchNorm2d;
  downsample: nn.Sequential | null = null;

  constructor(from: number, to: number, stride: number) {
    super();
    this.conv1 = new nn.Conv2d(from, to, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(to);
    this.conv2 = new nn.Conv2d(to, to, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(to);
    if (stride !== 1 || from !== to) {
      const conv = new nn.Conv2d(from, to, 1, { stride, bias: false });
      this.downsample = new nn.Sequential(conv, new nn.BatchNorm2d(to));
    }
  }

  forward(x: Tensor): Tensor {
    const a = this.bn1.forward(this.conv1.forward(x)).relu();
    const b = this.bn2.forward(this.conv2.forward(a));
    return b.add(this.downsample?.forward(x) ?? x).relu();
  }
}

const layer = (from: number, to: number, stride: number) =>
  new nn.Sequential(new BasicBlock(from, to, stride), new BasicBlock(to, to, 1));

export class ResNet18 extends nn.Module {
  conv1 = new nn.Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false });
  bn1 = new nn.BatchNorm2d(64);
  maxpool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  layer1 = layer(64, 64, 1);
  layer2 = layer(64, 128, 2);
  layer3 = layer(128, 256, 2);
  layer4 = layer(256, 512, 2);
  avgpool = new nn.AdaptiveAvgPool2d(1);
  fc: nn.Linear;

  constructor(classes = 1000) {
    super();
    this.fc = new nn.Linear(512, classes);
    this.apply((m) => {
      if (m instanceof nn.Conv2d) nn.init.kaimingNormal(m.weight, { mode: "fanOut", nonlinearity: "relu" });
    });
  }

  /** x: [n, 3, h, w] -> logits [n, classes]. */
  forward(x: Tensor): Tensor {
    const stem = this.maxpool.forward(this.bn1.forward(this.conv1.forward(x)).relu());
    const body = [this.layer1, this.layer2, this.layer3, this.layer4].reduce((y, part) => part.forward(y), stem);
    return this.fc.forward(this.avgpool.forward(body).flatten(1));
  }
}

/** Gives the network. */
export async function main({
  steps = 50,
  seed = 0,
  report = printing(5),
  batch = 8,
  size = 32,
}: Run & { batch?: number; size?: number } = {}) {
  manualSeed(seed);
  const { train } = await digits({ mean: 0.1307, std: 0.3081 });
  const net = new ResNet18(10);
  const opt = new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 1e-4 });
  let step = 0;
  for await (const { x, y } of new DataLoader(train, { batchSize: batch, shuffle: true, seed })) {
    const pictures = F.interpolate(x, { size, mode: "bilinear" }).expand(batch, 3, size, size);
    const loss = F.crossEntropy(net.forward(pictures), y);
    opt.zeroGrad();
    loss.backward();
    opt.step();
    step += 1;
    await report(step, loss);
    if (step >= steps) break;
  }
  return net;
}

/**
 * ResNet-18 in torchvision's layout (7x7/2 stem and pool) and its training step, as W8 of the bench has it: 3x32x32,
 * batch 4, norms by the batch's statistics, plain SGD.
 */
import { F, manualSeed, nn, optim, tensor, type Tensor } from "texgrad";

/** A convolution without bias and its norm. */
class Unit extends nn.Module {
  readonly conv: nn.Conv2d;
  readonly norm: nn.BatchNorm2d;
  constructor(from: number, to: number, size: number, stride: number) {
    super();
    this.conv = new nn.Conv2d(from, to, size, { stride, padding: (size - 1) / 2, bias: false });
    this.norm = new nn.BatchNorm2d(to, { trackRunningStats: false });
  }
  forward(x: Tensor): Tensor {
    return this.norm.forward(this.conv.forward(x));
  }
}

class Block extends nn.Module {
  readonly a: Unit;
  readonly b: Unit;
  readonly down: Unit | null;
  constructor(from: number, to: number, stride: number) {
    super();
    this.a = new Unit(from, to, 3, stride);
    this.b = new Unit(to, to, 3, 1);
    this.down = stride === 1 && from === to ? null : new Unit(from, to, 1, stride);
  }
  forward(x: Tensor): Tensor {
    const skip = this.down === null ? x : this.down.forward(x);
    return this.b.forward(this.a.forward(x).relu()).add(skip).relu();
  }
}

class ResNet18 extends nn.Module {
  readonly stem = new Unit(3, 64, 7, 2);
  readonly pool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  readonly blocks = new nn.Sequential(
    ...[64, 128, 256, 512].flatMap((width, stage) => [
      new Block(stage === 0 ? 64 : width / 2, width, stage === 0 ? 1 : 2),
      new Block(width, width, 1),
    ]),
  );
  readonly fc = new nn.Linear(512, 10);
  forward(x: Tensor): Tensor {
    const h = this.pool.forward(this.stem.forward(x).relu());
    return this.fc.forward(this.blocks.forward(h).mean([2, 3]));
  }
}

export interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** The step, and a batch to give it. */
export function resnetTrainer(): { readonly step: (batch: Batch) => Tensor; readonly batch: Batch } {
  manualSeed(0);
  const net = new ResNet18();
  const optimizer = new optim.SGD(net.parameters(), { lr: 1e-4 });
  return {
    batch: {
      x: tensor(
        Float32Array.from({ length: 4 * 3 * 32 * 32 }, (_, i) => Math.sin(i)),
        { shape: [4, 3, 32, 32] },
      ),
      y: tensor(Int32Array.from([1, 7, 0, 3])),
    },
    step: ({ x, y }) => {
      const loss = F.crossEntropy(net.forward(x), y);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return loss;
    },
  };
}

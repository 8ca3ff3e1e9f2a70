/** W8: ResNet-18 in torchvision's layout, its norms by the batch's statistics, none kept. */
import { nn, type Tensor } from "texgrad";
import { classifier, linear, type Dense, type TrainingInputs } from "./layers.ts";
import { toTensor, type Input, type Workload } from "./run.ts";

interface UnitInputs {
  readonly w: Input;
  readonly gamma: Input;
  readonly beta: Input;
  readonly stride: number;
  readonly pad: number;
}
interface BlockInputs {
  readonly a: UnitInputs;
  readonly b: UnitInputs;
  readonly down: UnitInputs | null;
}
interface NetInputs {
  readonly stem: UnitInputs;
  readonly pool: boolean;
  readonly blocks: readonly BlockInputs[];
  readonly fc: Dense;
}

/** A convolution without bias and its norm. */
class Unit extends nn.Module {
  readonly conv: nn.Conv2d;
  readonly norm: nn.BatchNorm2d;
  constructor({ w, gamma, beta, stride, pad }: UnitInputs) {
    super();
    const [outChannels, inChannels, size] = w.shape;
    this.conv = new nn.Conv2d(inChannels!, outChannels!, size!, { stride, padding: pad, bias: false });
    this.norm = new nn.BatchNorm2d(outChannels!, { trackRunningStats: false });
    this.conv.loadStateDict({ weight: toTensor(w) });
    this.norm.loadStateDict({ weight: toTensor(gamma), bias: toTensor(beta) });
  }
  forward(x: Tensor): Tensor {
    return this.norm.forward(this.conv.forward(x));
  }
}

class Block extends nn.Module {
  readonly a: Unit;
  readonly b: Unit;
  readonly down: Unit | null;
  constructor({ a, b, down }: BlockInputs) {
    super();
    this.a = new Unit(a);
    this.b = new Unit(b);
    this.down = down === null ? null : new Unit(down);
  }
  forward(x: Tensor): Tensor {
    const skip = this.down === null ? x : this.down.forward(x);
    return this.b.forward(this.a.forward(x).relu()).add(skip).relu();
  }
}

class ResNet extends nn.Module {
  readonly stem: Unit;
  readonly pool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  readonly blocks: nn.Sequential;
  readonly fc: nn.Linear;
  constructor({ stem, blocks, fc }: NetInputs) {
    super();
    this.stem = new Unit(stem);
    this.blocks = new nn.Sequential(...blocks.map((block) => new Block(block)));
    this.fc = linear(fc);
  }
  forward(x: Tensor): Tensor {
    const h = this.pool.forward(this.stem.forward(x).relu());
    return this.fc.forward(this.blocks.forward(h).mean([2, 3]));
  }
}

export function w8({ net: inputs, ...training }: { net: NetInputs } & TrainingInputs): Workload {
  const net = new ResNet(inputs);
  return classifier(net, net.stem.conv.weight, training);
}

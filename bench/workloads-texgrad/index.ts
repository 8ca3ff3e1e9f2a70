/**
 * W1 to W8 in texgrad, as its users would write them; the same numbers as workloads/tfjs.js and workloads/jaxjs.js. The
 * GPT block and the LSTM are in sequences.ts.
 */
import { currentDevice, F, nn, type Tensor } from "texgrad";
import { classifier, linear, type Dense, type TrainingInputs } from "./layers.ts";
import { forward, toTensor, type Input, type Workload } from "./run.ts";

export { w8 } from "./resnet.ts";
export { gpt, lstm } from "./sequences.ts";

export function init(): string {
  return `texgrad ${currentDevice().name}`;
}

export function w1({ x: input, a, b, c }: { x: Input; a: number; b: number; c: number }): Workload {
  const x = toTensor(input);
  return forward(() => x.mul(a).add(b).sigmoid().mul(x.tanh()).add(x.sub(c).relu()).sub(x.mul(x)));
}

export function w2({ x: input }: { x: Input }): Workload {
  const x = toTensor(input);
  return forward(() => x.softmax(1));
}

export function w3({ x: input, ...inputs }: { x: Input; scale: Input; shift: Input; eps: number }): Workload {
  const x = toTensor(input);
  const scale = toTensor(inputs.scale);
  const shift = toTensor(inputs.shift);
  return forward(() => {
    const d = x.sub(x.mean(1, true));
    const variance = d.mul(d).mean(1, true);
    return d.div(variance.add(inputs.eps).sqrt()).mul(scale).add(shift);
  });
}

export function w4(inputs: { a: Input; b: Input }): Workload {
  const a = toTensor(inputs.a);
  const b = toTensor(inputs.b);
  return forward(() => a.matmul(b));
}

export function w5(inputs: { x: Input; w: Input }): Workload {
  const x = toTensor(inputs.x);
  const w = toTensor(inputs.w);
  return forward(() => F.conv2d(x, w, null, { padding: 1 }));
}

class Mlp extends nn.Module {
  readonly fc1: nn.Linear;
  readonly fc2: nn.Linear;
  readonly fc3: nn.Linear;
  constructor([one, two, three]: readonly Dense[]) {
    super();
    this.fc1 = linear(one!);
    this.fc2 = linear(two!);
    this.fc3 = linear(three!);
  }
  forward(x: Tensor): Tensor {
    return this.fc3.forward(this.fc2.forward(this.fc1.forward(x).relu()).relu());
  }
}

export function w6({ layers, ...inputs }: { layers: readonly Dense[] } & TrainingInputs): Workload {
  const net = new Mlp(layers);
  return classifier(net, net.fc1.weight, inputs);
}

interface CnnInputs extends TrainingInputs {
  readonly conv1: Dense;
  readonly conv2: Dense;
  readonly fc: Dense;
}

class Cnn extends nn.Module {
  readonly conv1 = new nn.Conv2d(1, 16, 3, { padding: 1 });
  readonly conv2 = new nn.Conv2d(16, 32, 3, { padding: 1 });
  readonly pool = new nn.MaxPool2d(2);
  readonly fc: nn.Linear;
  constructor({ conv1, conv2, fc }: CnnInputs) {
    super();
    this.conv1.loadStateDict({ weight: toTensor(conv1.w), bias: toTensor(conv1.b) });
    this.conv2.loadStateDict({ weight: toTensor(conv2.w), bias: toTensor(conv2.b) });
    this.fc = linear(fc);
  }
  forward(x: Tensor): Tensor {
    const h = this.pool.forward(this.conv1.forward(x).relu());
    return this.fc.forward(this.pool.forward(this.conv2.forward(h).relu()).flatten(1));
  }
}

export function w7(inputs: CnnInputs): Workload {
  const net = new Cnn(inputs);
  return classifier(net, net.conv1.weight, inputs);
}

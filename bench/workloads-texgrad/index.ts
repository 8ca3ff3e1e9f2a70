/**
 * W1 to W8 in texgrad, as its users would write them; the same numbers as workloads/tfjs.js and workloads/jaxjs.js.
 */
import { currentDevice, F, nn, optim, type Tensor } from "texgrad";
import { forward, toTensor, training, type Input, type Workload } from "./run.ts";

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

interface Dense {
  readonly w: Input;
  readonly b: Input;
}

/** A layer with the given parameters; the inputs' matrices are [in, out], torch's the other way round. */
function linear({ w, b }: Dense): nn.Linear {
  const [inFeatures, outFeatures] = w.shape;
  const layer = new nn.Linear(inFeatures!, outFeatures!);
  layer.loadStateDict({ weight: toTensor(w).t(), bias: toTensor(b) });
  return layer;
}

/** Cross entropy of the labels, plain SGD. */
function trained(net: nn.Module & { forward(x: Tensor): Tensor }, x: Input, labels: Input, lr: number): () => Tensor {
  const images = toTensor(x);
  const classes = toTensor(labels);
  const opt = new optim.SGD(net.parameters(), { lr });
  return () => {
    const loss = F.crossEntropy(net.forward(images), classes);
    opt.zeroGrad();
    loss.backward();
    opt.step();
    return loss;
  };
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

export function w6(inputs: { layers: readonly Dense[]; x: Input; y: { index: Input }; lr: number }): Workload {
  const net = new Mlp(inputs.layers);
  return training(trained(net, inputs.x, inputs.y.index, inputs.lr), net.fc1.weight);
}

/** Layers with the given parameters, and a training of a network of them. */
import { F, nn, optim, type Tensor } from "texgrad";
import { toTensor, training, type Input, type Workload } from "./run.ts";

export interface Dense {
  readonly w: Input;
  readonly b: Input;
}

/**
 * The inputs' matrices are [in, out], torch's the other way round: turned on the host, as a file of weights would have
 * them. A pending transpose would be part of the first step, which then has other programs than all later ones.
 */
export function linear({ w, b }: Dense): nn.Linear {
  const [inFeatures, outFeatures] = w.shape as readonly [number, number];
  const layer = new nn.Linear(inFeatures, outFeatures);
  const weight = Float32Array.from({ length: w.data.length }, (_, i) => {
    const [out, from] = [Math.floor(i / inFeatures), i % inFeatures];
    return w.data[from * outFeatures + out]!;
  });
  layer.loadStateDict({ weight: toTensor({ shape: [outFeatures, inFeatures], data: weight }), bias: toTensor(b) });
  return layer;
}

export interface TrainingInputs {
  readonly x: Input;
  readonly y: { readonly index: Input };
  readonly lr: number;
  /** Default plain SGD. */
  readonly optimizer?: "sgd" | "adam";
}

/** Cross entropy of the labels; `first` is the parameter that is read from. */
export function classifier(
  net: nn.Module & { forward(x: Tensor): Tensor },
  first: nn.Parameter,
  { x, y, lr, optimizer = "sgd" }: TrainingInputs,
): Workload {
  const images = toTensor(x);
  const classes = toTensor(y.index);
  const opt = optimizer === "adam" ? new optim.Adam(net.parameters(), { lr }) : new optim.SGD(net.parameters(), { lr });
  return training(() => {
    const loss = F.crossEntropy(net.forward(images), classes);
    opt.zeroGrad();
    loss.backward();
    opt.step();
    return loss;
  }, first);
}

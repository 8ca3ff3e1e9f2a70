/** Layers with the given parameters, and a training of a network of them. */
import { F, nn, optim, type Tensor } from "texgrad";
import { toTensor, training, type Input, type Workload } from "./run.ts";

export interface Dense {
  readonly w: Input;
  readonly b: Input;
}

/** The inputs' matrices are [in, out], torch's the other way round. */
export function linear({ w, b }: Dense): nn.Linear {
  const [inFeatures, outFeatures] = w.shape;
  const layer = new nn.Linear(inFeatures!, outFeatures!);
  layer.loadStateDict({ weight: toTensor(w).t(), bias: toTensor(b) });
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

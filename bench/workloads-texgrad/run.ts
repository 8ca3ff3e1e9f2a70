/**
 * What a workload of texgrad gives the bench, as the peers' do: a step, a read that waits for it, and its result.
 */
import { realize, tensor, type Tensor } from "texgrad";

export interface Workload {
  /** One forward pass or one training step. */
  step(): void;
  /** Waits for the step by reading one element of what it wrote; of a training, gives the loss. */
  sync(): number;
  /** The whole result of a forward pass. */
  output?(): ArrayLike<number>;
}

/** An array of ../workloads/inputs.js. */
export interface Input {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export const toTensor = ({ shape, data }: Input, requiresGrad = false): Tensor => tensor(data, { shape, requiresGrad });

/** The middle element. Times one, so that no read finds the number of the read before it. */
function one(t: Tensor): number {
  let i = Math.floor(t.numel / 2);
  const at = t.shape.map(() => 0);
  for (let axis = t.ndim - 1; axis >= 0; axis--) {
    at[axis] = i % t.shape[axis]!;
    i = Math.floor(i / t.shape[axis]!);
  }
  return t
    .detach()
    .slice(...at)
    .mul(reading++)
    .itemSync();
}
let reading = 2;

export function forward(f: () => Tensor): Workload {
  let y: Tensor;
  return {
    step() {
      y = f();
      realize(y);
    },
    sync: () => one(y),
    output: () => y.dataSync(),
  };
}

/** `train` traces and submits one step and gives its loss; `first` is the parameter that is read from. */
export function training(train: () => Tensor, first: Tensor): Workload {
  let loss: Tensor;
  return {
    step() {
      loss = train();
    },
    sync() {
      one(first);
      return loss.itemSync();
    },
  };
}

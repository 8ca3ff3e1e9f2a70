/**
 * One step of RNN, LSTM and GRU, as modules with PyTorch's names, and the formulas that the sequences of recurrent.ts
 * share.
 *
 * Letters of shapes: n batch, i inputs, h hidden; gates of an LSTM in torch's order i, f, g, o, of a GRU r, z, n.
 */
import { TexgradError } from "../ir/errors.ts";
import { zeros, type Parameter, type Tensor } from "../trace/index.ts";
import { checkCount } from "./check.ts";
import * as F from "./functional.ts";
import { initialParameter, type LayerOptions } from "./layer.ts";
import { Module } from "./module.ts";

export type Nonlinearity = "tanh" | "relu";

/** Throws TexgradError for any other. */
export function checkNonlinearity(layer: string, nonlinearity: Nonlinearity): Nonlinearity {
  if (nonlinearity === "tanh" || nonlinearity === "relu") return nonlinearity;
  throw new TexgradError(`${layer}: nonlinearity is ${String(nonlinearity)}; there are tanh and relu`);
}

/** x and h each through their weights, [n, gates h]: what every step begins with. */
interface Gates {
  readonly ofInput: Tensor;
  readonly ofHidden: Tensor;
}

export const rnnStep = ({ ofInput, ofHidden }: Gates, nonlinearity: Nonlinearity): Tensor =>
  nonlinearity === "tanh" ? ofInput.add(ofHidden).tanh() : ofInput.add(ofHidden).relu();

/** r = s(x_r + h_r), z = s(x_z + h_z), n = tanh(x_n + r h_n), h' = n + z (h - n); s the sigmoid. */
export function gruStep({ ofInput, ofHidden }: Gates, h: Tensor): Tensor {
  const [xr, xz, xn] = ofInput.chunk(3, -1) as [Tensor, Tensor, Tensor];
  const [hr, hz, hn] = ofHidden.chunk(3, -1) as [Tensor, Tensor, Tensor];
  const r = xr.add(hr).sigmoid();
  const z = xz.add(hz).sigmoid();
  const n = xn.add(r.mul(hn)).tanh();
  return n.add(z.mul(h.sub(n)));
}

/** c' = s(f) c + s(i) tanh(g), h' = s(o) tanh(c'); s the sigmoid. */
export function lstmStep({ ofInput, ofHidden }: Gates, c: Tensor): readonly [h: Tensor, c: Tensor] {
  const [i, f, g, o] = ofInput.add(ofHidden).chunk(4, -1) as [Tensor, Tensor, Tensor, Tensor];
  const next = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
  return [o.sigmoid().mul(next.tanh()), next];
}

/** Weights of x and h and their biases, from U(-b, b) with b = 1 / sqrt(hiddenSize). */
abstract class Cell extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  /** [gates hiddenSize, inputSize]. */
  readonly weightIh: Parameter;
  /** [gates hiddenSize, hiddenSize]. */
  readonly weightHh: Parameter;
  /** [gates hiddenSize], as the next. */
  readonly biasIh: Parameter | null;
  readonly biasHh: Parameter | null;

  protected constructor(
    name: string,
    gates: number,
    inputSize: number,
    hiddenSize: number,
    { bias = true, generator }: LayerOptions,
  ) {
    super();
    this.inputSize = checkCount(name, "inputSize", inputSize, 1);
    this.hiddenSize = checkCount(name, "hiddenSize", hiddenSize, 1);
    const rows = gates * hiddenSize;
    this.weightIh = initialParameter([rows, inputSize], hiddenSize, generator);
    this.weightHh = initialParameter([rows, hiddenSize], hiddenSize, generator);
    this.biasIh = bias ? initialParameter([rows], hiddenSize, generator) : null;
    this.biasHh = bias ? initialParameter([rows], hiddenSize, generator) : null;
  }

  protected gates(x: Tensor, h: Tensor): Gates {
    return { ofInput: F.linear(x, this.weightIh, this.biasIh), ofHidden: F.linear(h, this.weightHh, this.biasHh) };
  }

  /** Zeros for a batch as x's. */
  protected initial(x: Tensor): Tensor {
    return zeros([...x.shape.slice(0, -1), this.hiddenSize]);
  }

  protected override describe(): string {
    return `${this.inputSize}, ${this.hiddenSize}, bias=${this.biasIh !== null}`;
  }
}

export interface RNNCellOptions extends LayerOptions {
  /** Default "tanh". */
  readonly nonlinearity?: Nonlinearity;
}

/** x: [n, i] or [i], h as it: [n, h], zeros unless given -> the next h. */
export class RNNCell extends Cell {
  readonly nonlinearity: Nonlinearity;
  constructor(inputSize: number, hiddenSize: number, options: RNNCellOptions = {}) {
    super("RNNCell", 1, inputSize, hiddenSize, options);
    this.nonlinearity = checkNonlinearity("RNNCell", options.nonlinearity ?? "tanh");
  }
  forward(x: Tensor, h: Tensor = this.initial(x)): Tensor {
    return rnnStep(this.gates(x, h), this.nonlinearity);
  }
}

/** x: [n, i] or [i], h as it: [n, h], zeros unless given -> the next h. */
export class GRUCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: LayerOptions = {}) {
    super("GRUCell", 3, inputSize, hiddenSize, options);
  }
  forward(x: Tensor, h: Tensor = this.initial(x)): Tensor {
    return gruStep(this.gates(x, h), h);
  }
}

/** x: [n, i] or [i], h and c as it: [n, h], zeros unless given -> the next h and c. */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: LayerOptions = {}) {
    super("LSTMCell", 4, inputSize, hiddenSize, options);
  }
  forward(
    x: Tensor,
    [h, c]: readonly [h: Tensor, c: Tensor] = [this.initial(x), this.initial(x)],
  ): readonly [h: Tensor, c: Tensor] {
    return lstmStep(this.gates(x, h), c);
  }
}

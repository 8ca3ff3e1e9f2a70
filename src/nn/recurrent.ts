/**
 * RNN, LSTM and GRU over sequences, with PyTorch's options, names and shapes. Steps are traced one after the other, so
 * a sequence of another length is another plan; the input's product is one for all steps.
 *
 * Letters of shapes: t steps, n batch, i inputs, h hidden, d directions, k layers.
 */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { sameShape, show } from "../ir/shape.ts";
import { cat, noteChange, stack, tensor, zeros, type Parameter, type Tensor } from "../trace/index.ts";
import { checkCount, checkProbability } from "./check.ts";
import * as F from "./functional.ts";
import { initialParameter, type LayerOptions } from "./layer.ts";
import { Module, nameOf, type Named, type Part } from "./module.ts";
import { checkNonlinearity, gruStep, lstmStep, rnnStep, type Nonlinearity } from "./recurrent-cell.ts";

export interface RecurrentOptions extends LayerOptions {
  /** One on top of the other. Default 1. */
  readonly numLayers?: number;
  /** Whether x is [n, t, i] and not [t, n, i], and the output likewise. Default false. */
  readonly batchFirst?: boolean;
  /** The part of each layer's output but the last that becomes 0 in training. Default 0. */
  readonly dropout?: number;
  /** Whether a second direction runs from the end. Default false. */
  readonly bidirectional?: boolean;
}

export interface SequenceOptions {
  /**
   * [n] of whole numbers, of i32 if a tensor: how many steps each sequence has, as torch's packed sequences. What lies
   * past them is not looked at and 0 in the output; last states are those of each sequence's own end.
   */
  readonly lengths?: Tensor | readonly number[] | null;
}

/** One direction of one layer. */
interface Direction {
  readonly weightIh: Parameter;
  readonly weightHh: Parameter;
  readonly biasIh: Parameter | null;
  readonly biasHh: Parameter | null;
  /** An LSTM's projection. */
  readonly weightHr: Parameter | null;
}

/** h and whatever else a step hands on. */
type State = readonly Tensor[];

abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly batchFirst: boolean;
  #dropout: number;
  readonly bidirectional: boolean;
  /** Layer by layer, forward before reverse. */
  readonly #directions: readonly Direction[];
  /** What a state consists of: the extents of h, and of c. */
  readonly #widths: readonly number[];

  /** `widths`: of the states; the first is the output's. */
  protected constructor(
    name: string,
    gates: number,
    inputSize: number,
    hiddenSize: number,
    widths: readonly number[],
    options: RecurrentOptions,
  ) {
    super();
    const { numLayers = 1, batchFirst = false, dropout = 0, bidirectional = false, bias = true, generator } = options;
    this.inputSize = checkCount(name, "inputSize", inputSize, 1);
    this.hiddenSize = checkCount(name, "hiddenSize", hiddenSize, 1);
    this.numLayers = checkCount(name, "numLayers", numLayers, 1);
    checkProbability(name, dropout);
    this.batchFirst = batchFirst;
    this.#dropout = dropout;
    this.bidirectional = bidirectional;
    this.#widths = widths;
    const [rows, width] = [gates * hiddenSize, widths[0]!];
    const fresh = (...shape: number[]): Parameter => initialParameter(shape, hiddenSize, generator);
    const d = bidirectional ? 2 : 1;
    this.#directions = Array.from({ length: numLayers * d }, (_, k) => ({
      weightIh: fresh(rows, k < d ? inputSize : d * width),
      weightHh: fresh(rows, width),
      biasIh: bias ? fresh(rows) : null,
      biasHh: bias ? fresh(rows) : null,
      weightHr: width === hiddenSize ? null : fresh(width, hiddenSize),
    }));
  }

  get dropout(): number {
    return this.#dropout;
  }
  set dropout(p: number) {
    if (p !== this.#dropout) noteChange();
    this.#dropout = p;
  }

  /** The next state, before any projection; the gates are x's and h's products with their weights. */
  protected abstract step(ofInput: Tensor, ofHidden: Tensor, state: State): State;

  /** weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0, the same with _reverse, then layer 1. */
  protected override *ownParts(): Iterable<Named<Part>> {
    for (const [k, p] of this.#directions.entries()) {
      const suffix = this.bidirectional ? `l${k >> 1}${k % 2 === 1 ? "_reverse" : ""}` : `l${k}`;
      const parts = {
        weight_ih: p.weightIh,
        weight_hh: p.weightHh,
        bias_ih: p.biasIh,
        bias_hh: p.biasHh,
        weight_hr: p.weightHr,
      };
      for (const [name, part] of Object.entries(parts)) if (part !== null) yield [`${name}_${suffix}`, part];
    }
  }

  /** The output and the last states, each [k d, n, ..], for x with or without a batch. */
  protected run(
    x: Tensor,
    given: State | null,
    { lengths = null }: SequenceOptions = {},
  ): { readonly output: Tensor; readonly last: State } {
    if ((x.ndim !== 3 && x.ndim !== 2) || x.shape.at(-1) !== this.inputSize) {
      throw new ShapeError(
        `${nameOf(this)}: x is ${show(x.shape)}, must be [${this.batchFirst ? "n, t" : "t, n"}, ${this.inputSize}], or without n`,
      );
    }
    const isBatch = x.ndim === 3;
    const steps = isBatch ? (this.batchFirst ? x.transpose(0, 1) : x) : x.unsqueeze(1);
    const [t, n] = steps.shape as readonly [number, number];
    if (t === 0) throw new TexgradError(`${nameOf(this)}: x ${show(x.shape)} has no steps`);
    const ends = lengths === null ? null : this.#lengths(lengths, n);
    const initial = this.#widths.map((width, i) =>
      this.#initial(given?.[i], [this.#directions.length, n, width], isBatch),
    );
    const d = this.bidirectional ? 2 : 1;
    const states: State[] = [];
    let below = steps;
    for (let layer = 0; layer < this.numLayers; layer++) {
      const outputs: Tensor[] = [];
      for (let k = layer * d; k < (layer + 1) * d; k++) {
        const { output, last } = this.#along(
          this.#directions[k]!,
          below,
          initial.map((s) => s.select(0, k)),
          k % d === 1,
          ends,
        );
        outputs.push(output);
        states.push(last);
      }
      below = d === 1 ? outputs[0]! : cat(outputs, 2);
      if (layer < this.numLayers - 1) below = F.dropout(below, { p: this.dropout, training: this.training });
    }
    const last = this.#widths.map((_, i) => {
      const s = stack(states.map((e) => e[i]!));
      return isBatch ? s : s.squeeze(1);
    });
    const output = isBatch ? (this.batchFirst ? below.transpose(0, 1) : below) : below.squeeze(1);
    return { output, last };
  }

  #initial(given: Tensor | undefined, shape: readonly number[], isBatch: boolean): Tensor {
    if (given === undefined) return zeros(shape);
    const want = isBatch ? shape : [shape[0]!, shape[2]!];
    if (!sameShape(given.shape, want)) {
      throw new ShapeError(`${nameOf(this)}: a state is ${show(given.shape)}, must be ${show(want)}`);
    }
    return isBatch ? given : given.unsqueeze(1);
  }

  /** [n, 1] of i32. */
  #lengths(lengths: Tensor | readonly number[], n: number): Tensor {
    const given = Array.isArray(lengths)
      ? tensor(lengths as readonly number[], { dtype: "i32", shape: [lengths.length] })
      : (lengths as Tensor);
    if (given.ndim !== 1 || given.shape[0] !== n) {
      throw new ShapeError(`${nameOf(this)}: lengths are ${show(given.shape)}, must be [${n}]`);
    }
    return given.unsqueeze(1);
  }

  /** x: [t, n, ..] through one direction: [t, n, h] and the last state. `ends`: [n, 1], steps there are; null: all. */
  #along(
    p: Direction,
    x: Tensor,
    initial: State,
    isReverse: boolean,
    ends: Tensor | null,
  ): { readonly output: Tensor; readonly last: State } {
    const inputs = F.linear(x, p.weightIh, p.biasIh).unbind(0);
    if (isReverse) inputs.reverse();
    let state = initial;
    const outputs = inputs.map((ofInput, i) => {
      const [h, ...rest] = this.step(ofInput, F.linear(state[0]!, p.weightHh, p.biasHh), state) as [
        Tensor,
        ...Tensor[],
      ];
      const projected = p.weightHr === null ? h : F.linear(h, p.weightHr);
      const next = [projected, ...rest];
      if (ends === null) {
        state = next;
        return projected;
      }
      const isThere = ends.gt(isReverse ? inputs.length - 1 - i : i);
      const before = state;
      state = next.map((e, j) => e.where(isThere, before[j]!));
      return projected.where(isThere, 0);
    });
    if (isReverse) outputs.reverse();
    return { output: stack(outputs), last: state };
  }

  protected override describe(): string {
    const { inputSize, hiddenSize, numLayers, batchFirst, dropout, bidirectional } = this;
    return (
      `${inputSize}, ${hiddenSize}, numLayers=${numLayers}, batchFirst=${batchFirst}, dropout=${dropout}, ` +
      `bidirectional=${bidirectional}`
    );
  }
}

export interface RNNOptions extends RecurrentOptions {
  /** Default "tanh". */
  readonly nonlinearity?: Nonlinearity;
}

/** x: [t, n, i] or [t, i], h0: [k d, n, h], zeros unless given -> the output [t, n, d h] and the last h, as h0. */
export class RNN extends Recurrent {
  readonly nonlinearity: Nonlinearity;
  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    super("RNN", 1, inputSize, hiddenSize, [hiddenSize], options);
    this.nonlinearity = checkNonlinearity("RNN", options.nonlinearity ?? "tanh");
  }
  forward(x: Tensor, h0: Tensor | null = null, options: SequenceOptions = {}): readonly [output: Tensor, hN: Tensor] {
    const { output, last } = this.run(x, h0 === null ? null : [h0], options);
    return [output, last[0]!];
  }
  protected step(ofInput: Tensor, ofHidden: Tensor): State {
    return [rnnStep({ ofInput, ofHidden }, this.nonlinearity)];
  }
}

/** x: [t, n, i] or [t, i], h0: [k d, n, h], zeros unless given -> the output [t, n, d h] and the last h, as h0. */
export class GRU extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super("GRU", 3, inputSize, hiddenSize, [hiddenSize], options);
  }
  forward(x: Tensor, h0: Tensor | null = null, options: SequenceOptions = {}): readonly [output: Tensor, hN: Tensor] {
    const { output, last } = this.run(x, h0 === null ? null : [h0], options);
    return [output, last[0]!];
  }
  protected step(ofInput: Tensor, ofHidden: Tensor, state: State): State {
    return [gruStep({ ofInput, ofHidden }, state[0]!)];
  }
}

export interface LSTMOptions extends RecurrentOptions {
  /** Extent of h where it is a projection to fewer than hiddenSize; 0: none. Default 0. */
  readonly projSize?: number;
}

/**
 * x: [t, n, i] or [t, i], h0 and c0: [k d, n, h], zeros unless given -> the output [t, n, d h] and the last h and c, as
 * h0 and c0. With projSize, that is the extent of h.
 */
export class LSTM extends Recurrent {
  readonly projSize: number;
  constructor(inputSize: number, hiddenSize: number, options: LSTMOptions = {}) {
    const projSize = checkCount("LSTM", "projSize", options.projSize ?? 0, 0);
    if (projSize >= hiddenSize) {
      throw new TexgradError(`LSTM: projSize is ${projSize}; it must be below hiddenSize ${hiddenSize}`);
    }
    super("LSTM", 4, inputSize, hiddenSize, [projSize === 0 ? hiddenSize : projSize, hiddenSize], options);
    this.projSize = projSize;
  }
  forward(
    x: Tensor,
    state: readonly [h0: Tensor, c0: Tensor] | null = null,
    options: SequenceOptions = {},
  ): readonly [output: Tensor, last: readonly [hN: Tensor, cN: Tensor]] {
    const { output, last } = this.run(x, state, options);
    return [output, [last[0]!, last[1]!]];
  }
  protected step(ofInput: Tensor, ofHidden: Tensor, state: State): State {
    return lstmStep({ ofInput, ofHidden }, state[1]!);
  }
}

/**
 * The state of a training run on the host: parameters, optimizer state, buffers. Every worker has one, the server has
 * one for those who join; after the same commits all hold the same bits.
 *
 * Not here: how sums come about (round.ts), how states travel (transfer.ts).
 */
import { InvariantError } from "../ir/errors.ts";
import { numel } from "../ir/shape.ts";
import { restSize, type Layout } from "./layout.ts";
import type { ModelInfo, UpdateSpec } from "./messages.ts";
import { compiledUpdate, settingsFault } from "./update.ts";

/** A state that nobody changes any more. */
export interface State {
  /** Steps committed. */
  readonly step: number;
  /** Trained values in the arena's order; each optimizer state in the same; buffers and frozen parameters. */
  readonly arrays: readonly Float32Array[];
}

export class Replica {
  readonly #model: ModelInfo;
  readonly #layout: Layout;
  step = 0;
  #params: Float32Array;
  #states: Float32Array[] = [];
  /** Buffers, then frozen parameters. */
  #rest: Float32Array;
  /** Whether somebody holds the arrays as they are: they are copied before they change. */
  #isShared = false;

  constructor(model: ModelInfo, layout: Layout) {
    this.#model = model;
    this.#layout = layout;
    this.#params = new Float32Array(layout.trained);
    this.#rest = new Float32Array(restSize(model));
  }

  /** For reading until the next step. */
  get params(): Float32Array {
    return this.#params;
  }
  get rest(): Float32Array {
    return this.#rest;
  }
  get states(): readonly Float32Array[] {
    return this.#states;
  }

  /** The state as it is now, for keeps. */
  freeze(): State {
    this.#isShared = true;
    return { step: this.step, arrays: [this.#params, ...this.#states, this.#rest] };
  }

  /** Takes over a state. Its arrays are copied when they are about to change. */
  load({ step, arrays }: State): void {
    const [params, ...states] = arrays;
    const rest = states.pop();
    if (params?.length !== this.#params.length || rest?.length !== this.#rest.length) {
      throw new InvariantError("replica: the state is of another model");
    }
    this.step = step;
    this.#params = params;
    this.#states = states;
    this.#rest = rest;
    this.#isShared = true;
  }

  /** Frozen parameters and buffers are not trained: whoever holds the model says what they are. */
  setRest(values: Float32Array): void {
    this.#own();
    this.#rest.set(values);
  }

  /** The next step: from the sums of all contributions, [layout.size], over `samples` samples. */
  apply(sums: Float32Array, samples: number, update: UpdateSpec): void {
    this.#own();
    const mean = sums;
    for (let i = 0; i < mean.length; i++) mean[i] = mean[i]! / samples;
    const starts = [0];
    for (const { shape } of this.#model.params) starts.push(starts.at(-1)! + numel(shape));
    this.#makeStates(update, starts);
    for (const { rule, flags, settings, params } of update) {
      const { states, isElementwise, of } = compiledUpdate(rule, flags, settings.length);
      const arrays = [this.#params, mean, ...this.#states.slice(0, states)];
      for (const [from, to] of params) {
        if (isElementwise) of([]).run(arrays, settings, starts[from]!, starts[to]!);
        else {
          for (let i = from; i < to; i++) {
            of(this.#model.params[i]!.shape).run(arrays, settings, starts[i]!, starts[i + 1]!);
          }
        }
      }
    }
    this.#rest.set(mean.subarray(this.#layout.trained));
    this.step += 1;
  }

  /** States that are not there yet, as the optimizer begins them. */
  #makeStates(update: UpdateSpec, starts: readonly number[]): void {
    const first = this.#states.length;
    for (const { rule, flags, settings, initial, params } of update) {
      const { states } = compiledUpdate(rule, flags, settings.length);
      while (this.#states.length < states) this.#states.push(new Float32Array(this.#params.length));
      for (let k = first; k < states; k++) {
        for (const [from, to] of params) this.#states[k]!.fill(initial[k] ?? 0, starts[from], starts[to]);
      }
    }
  }

  /** 128 bits of all values. It finds what drifted, not who cheats. */
  hash(): string {
    return hashOf([this.#params, ...this.#states, this.#rest]);
  }

  #own(): void {
    if (!this.#isShared) return;
    this.#params = this.#params.slice();
    this.#states = this.#states.map((state) => state.slice());
    this.#rest = this.#rest.slice();
    this.#isShared = false;
  }
}

/** Four lanes of multiply and rotate over the bits (after MurmurHash3's body and finaliser), as 32 hex digits. */
export function hashOf(arrays: readonly Float32Array[]): string {
  let [a, b, c, d] = [0x9e3779b9, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];
  const mix = (h: number, w: number): number => {
    const x = Math.imul(h ^ w, 0xcc9e2d51);
    return ((x << 15) | (x >>> 17)) + 0x1b873593;
  };
  for (const array of arrays) {
    const words = new Uint32Array(array.buffer, array.byteOffset, array.length);
    const whole = words.length & ~3;
    for (let i = 0; i < whole; i += 4) {
      a = mix(a, words[i]!);
      b = mix(b, words[i + 1]!);
      c = mix(c, words[i + 2]!);
      d = mix(d, words[i + 3]!);
    }
    for (let i = whole; i < words.length; i++) a = mix(a, words[i]!);
    b = mix(b, words.length);
  }
  const finish = (h: number): string => {
    let x = h;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0).toString(16).padStart(8, "0");
  };
  return [a ^ d, b ^ a, c ^ b, d ^ c].map(finish).join("");
}

/** Why a step cannot be one of this model; null if it can. Of a rule not known here it is believed. */
export function updateFault(update: UpdateSpec, model: ModelInfo): string | null {
  const seen = new Set<number>();
  for (const { rule, flags, settings, params } of update) {
    for (const [from, to] of params) {
      if (to > model.params.length) return `update: parameter ${to - 1} of ${model.params.length}`;
      for (let i = from; i < to; i++) if (seen.size === seen.add(i).size) return `update: parameter ${i} twice`;
    }
    const fault = settingsFault(rule, flags, settings.length);
    if (fault !== null) return fault;
  }
  return null;
}

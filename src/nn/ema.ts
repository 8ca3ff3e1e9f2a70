/** Exponential moving averages of a network's weights. */
import { TexgradError } from "../ir/errors.ts";
import { loadValues, noGrad, StateTensor, type Tensor } from "../trace/index.ts";
import type { Module, Named } from "./module.ts";
import { loadInto, type LoadReport, type StateDict } from "./state-dict.ts";

export interface EMAOptions {
  /** How much of the average stays at each update. Default 0.999. */
  readonly decay?: number;
  /** Whether the decay of update n, from 0, is at most (1 + n) / (10 + n), so that the first weights fade. Default false. */
  readonly warmup?: boolean;
}

/**
 * Averages of a module's parameters: call `update()` after each step (it is computed with the next submit), `swap()` to
 * evaluate with the averages and again to go on training. Buffers are taken as they are.
 */
export class EMA {
  /** May be assigned at any time. */
  decay: number;
  readonly #warmup: boolean;
  readonly #pairs: readonly (readonly [name: string, part: Tensor, average: StateTensor])[];
  #updates = 0;

  constructor(module: Module, { decay = 0.999, warmup = false }: EMAOptions = {}) {
    if (!(decay >= 0 && decay <= 1)) throw new TexgradError(`EMA: decay is ${decay}; it must be in [0, 1]`);
    this.decay = decay;
    this.#warmup = warmup;
    const parts: Named<Tensor>[] = [...module.namedParameters(), ...module.namedBuffers()];
    this.#pairs = parts.map(([name, part]) => [name, part, new StateTensor(part.detach(), { label: `ema ${name}` })]);
  }

  /** average = decay average + (1 - decay) weight, for each parameter. */
  update(): void {
    const n = this.#updates++;
    const decay = this.#warmup ? Math.min(this.decay, (1 + n) / (10 + n)) : this.decay;
    noGrad(() => {
      for (const [, part, average] of this.#pairs) {
        const isWeight = !(part instanceof StateTensor);
        average.copy_(isWeight ? average.mul(decay).add(part.mul(1 - decay)) : part);
      }
    });
  }

  /** Exchanges the module's weights and their averages. */
  swap(): void {
    const values = noGrad(() => this.#pairs.map(([, part, average]) => [part.clone(), average.clone()] as const));
    loadValues(
      this.#pairs.flatMap(([, part, average], i) => {
        const [weight, mean] = values[i]!;
        return [[part, mean] as const, [average, weight] as const];
      }),
    );
  }

  /** The averages by the module's names. */
  stateDict(): StateDict {
    return Object.fromEntries(this.#pairs.map(([name, , average]) => [name, average.clone()]));
  }

  /** Takes averages as stateDict() gives them: all or, on an error, none. */
  loadStateDict(dict: StateDict, { strict = true }: { readonly strict?: boolean } = {}): LoadReport {
    return loadInto(
      "EMA",
      this.#pairs.map(([name, , average]) => [name, average]),
      dict,
      strict,
    );
  }
}

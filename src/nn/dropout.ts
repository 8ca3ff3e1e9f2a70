/** Dropout. */
import { noteChange, type Generator, type Tensor } from "../trace/index.ts";
import { checkProbability } from "./check.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

/**
 * In training, sets a random part `p` of x to 0 and scales the others by 1 / (1 - p); otherwise x itself. `p` may be
 * assigned at any time and compiles nothing, unless it becomes 0 or was.
 */
export class Dropout extends Module {
  #p: number;
  readonly #generator: Generator | undefined;

  constructor(p = 0.5, { generator }: { readonly generator?: Generator } = {}) {
    super();
    checkProbability("Dropout", p);
    this.#p = p;
    this.#generator = generator;
  }

  get p(): number {
    return this.#p;
  }
  set p(p: number) {
    if (p !== this.#p) noteChange();
    this.#p = p;
  }

  forward(x: Tensor): Tensor {
    const generator = this.#generator === undefined ? {} : { generator: this.#generator };
    return F.dropout(x, { p: this.p, training: this.training, ...generator });
  }

  protected override describe(): string {
    return `p=${this.p}`;
  }
}

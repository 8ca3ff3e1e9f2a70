/** Dropout and its relatives, which differ in what is dropped. */
import { noteChange, type Generator, type Tensor } from "../trace/index.ts";
import { checkProbability } from "./check.ts";
import * as F from "./functional.ts";
import { Module } from "./module.ts";

abstract class Dropping extends Module {
  #p: number;
  readonly #generator: Generator | undefined;

  constructor(p = 0.5, { generator }: { readonly generator?: Generator } = {}) {
    super();
    checkProbability(new.target.name, p);
    this.#p = p;
    this.#generator = generator;
  }

  /** May be assigned at any time and compiles nothing, unless it becomes 0 or was. */
  get p(): number {
    return this.#p;
  }
  set p(p: number) {
    if (p !== this.#p) noteChange();
    this.#p = p;
  }

  abstract forward(x: Tensor): Tensor;

  protected get options(): F.DropoutOptions {
    const generator = this.#generator === undefined ? {} : { generator: this.#generator };
    return { p: this.p, training: this.training, ...generator };
  }

  protected override describe(): string {
    return `p=${this.p}`;
  }
}

/** In training, sets a random part `p` of x to 0 and scales the others by 1 / (1 - p); otherwise x itself. */
export class Dropout extends Dropping {
  forward(x: Tensor): Tensor {
    return F.dropout(x, this.options);
  }
}

/** In training, sets a random part `p` of the channels of x: [n, c, l] to 0; otherwise x itself. */
export class Dropout1d extends Dropping {
  forward(x: Tensor): Tensor {
    return F.channelDropout(x, this.options);
  }
}

/** In training, sets a random part `p` of the channels of x: [n, c, h, w] to 0; otherwise x itself. */
export class Dropout2d extends Dropping {
  forward(x: Tensor): Tensor {
    return F.channelDropout(x, this.options);
  }
}

/** In training, sets a random part `p` of the channels of x: [n, c, d, h, w] to 0; otherwise x itself. */
export class Dropout3d extends Dropping {
  forward(x: Tensor): Tensor {
    return F.channelDropout(x, this.options);
  }
}

/** Dropout for selu: a mean of 0 and a variance of 1 stay. */
export class AlphaDropout extends Dropping {
  forward(x: Tensor): Tensor {
    return F.alphaDropout(x, this.options);
  }
}

/** Layers without weights that hold others or change nothing but shapes. */
import type { Tensor } from "../trace/index.ts";
import { Module, type Named, type Part, type TensorModule } from "./module.ts";

/** Modules one after the other, named "0", "1", ... */
export class Sequential extends Module {
  readonly #layers: readonly TensorModule[];

  constructor(...layers: readonly TensorModule[]) {
    super();
    this.#layers = layers;
  }

  get length(): number {
    return this.#layers.length;
  }

  /** The i-th module; negative i counts from the end. */
  at(i: number): TensorModule | undefined {
    return this.#layers.at(i);
  }

  [Symbol.iterator](): IterableIterator<TensorModule> {
    return this.#layers[Symbol.iterator]();
  }

  protected override *ownParts(): Iterable<Named<Part>> {
    for (const [i, layer] of this.#layers.entries()) yield [String(i), layer];
  }

  forward(x: Tensor): Tensor {
    return this.#layers.reduce((value, layer) => layer.forward(value), x);
  }
}

/** x itself. */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Makes axes startDim to endDim one; by default all but the first. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(startDim = 1, endDim = -1) {
    super();
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(x: Tensor): Tensor {
    return x.flatten(this.startDim, this.endDim);
  }

  protected override describe(): string {
    return `startDim=${this.startDim}, endDim=${this.endDim}`;
  }
}

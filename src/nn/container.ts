/** Layers without weights that hold others or change nothing but shapes. */
import { TexgradError } from "../ir/errors.ts";
import { normalizeAxis } from "../ir/shape.ts";
import type { Parameter, Tensor } from "../trace/index.ts";
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

/** Modules by position, named "0", "1", ...; a plain array in a field does the same. */
export class ModuleList<M extends Module = TensorModule> extends Module {
  readonly #modules: M[];

  constructor(modules: Iterable<M> = []) {
    super();
    this.#modules = [...modules];
  }

  get length(): number {
    return this.#modules.length;
  }

  /** The i-th module; negative i counts from the end. */
  at(i: number): M | undefined {
    return this.#modules.at(i);
  }

  append(...modules: readonly M[]): this {
    this.#modules.push(...modules);
    return this;
  }

  [Symbol.iterator](): IterableIterator<M> {
    return this.#modules[Symbol.iterator]();
  }

  protected override *ownParts(): Iterable<Named<Part>> {
    for (const [i, module] of this.#modules.entries()) yield [String(i), module];
  }
}

/** Modules by name. */
export class ModuleDict<M extends Module = TensorModule> extends Module {
  readonly #modules: Map<string, M>;

  constructor(modules: Readonly<Record<string, M>> = {}) {
    super();
    this.#modules = new Map(Object.entries(modules));
  }

  get(name: string): M | undefined {
    return this.#modules.get(name);
  }
  /** Throws TexgradError for a name with a dot, which no path could tell from two. */
  set(name: string, module: M): this {
    if (name === "" || name.includes(".")) throw new TexgradError(`ModuleDict: "${name}" cannot be part of a path`);
    this.#modules.set(name, module);
    return this;
  }
  has(name: string): boolean {
    return this.#modules.has(name);
  }
  delete(name: string): boolean {
    return this.#modules.delete(name);
  }
  get size(): number {
    return this.#modules.size;
  }
  keys(): IterableIterator<string> {
    return this.#modules.keys();
  }
  values(): IterableIterator<M> {
    return this.#modules.values();
  }
  [Symbol.iterator](): IterableIterator<[string, M]> {
    return this.#modules.entries();
  }

  protected override *ownParts(): Iterable<Named<Part>> {
    yield* this.#modules;
  }
}

/** Parameters by position, named "0", "1", ...; a plain array in a field does the same. */
export class ParameterList extends Module {
  readonly #parameters: Parameter[];

  constructor(parameters: Iterable<Parameter> = []) {
    super();
    this.#parameters = [...parameters];
  }

  get length(): number {
    return this.#parameters.length;
  }
  at(i: number): Parameter | undefined {
    return this.#parameters.at(i);
  }
  append(...parameters: readonly Parameter[]): this {
    this.#parameters.push(...parameters);
    return this;
  }
  [Symbol.iterator](): IterableIterator<Parameter> {
    return this.#parameters[Symbol.iterator]();
  }

  protected override *ownParts(): Iterable<Named<Part>> {
    for (const [i, p] of this.#parameters.entries()) yield [String(i), p];
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

/** Makes axis `dim` several, of the extents given; one may be -1, what is left. */
export class Unflatten extends Module {
  readonly dim: number;
  readonly unflattenedSize: readonly number[];

  constructor(dim: number, unflattenedSize: readonly number[]) {
    super();
    this.dim = dim;
    this.unflattenedSize = unflattenedSize;
  }

  forward(x: Tensor): Tensor {
    const axis = normalizeAxis("Unflatten", this.dim, x.ndim);
    const known = this.unflattenedSize.filter((e) => e !== -1).reduce((a, b) => a * b, 1);
    const sizes = this.unflattenedSize.map((e) => (e === -1 ? x.shape[axis]! / known : e));
    return x.reshape([...x.shape.slice(0, axis), ...sizes, ...x.shape.slice(axis + 1)]);
  }

  protected override describe(): string {
    return `dim=${this.dim}, unflattenedSize=[${this.unflattenedSize.join(",")}]`;
  }
}

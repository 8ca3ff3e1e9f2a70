/**
 * Module: a piece of a network that finds its own parts. Parameters, buffers and modules are whatever the fields of an
 * instance hold, directly or in arrays; nothing is registered.
 *
 * Names are PyTorch's: dotted, in snake_case (see names.ts), array members by position. A part that can be reached in
 * two ways (a tied weight) is listed once, under its first name, except in state dicts, which have it under both.
 * Not here: how a module is called; it is a class with a `forward` of its own, and users call that.
 */
import { TexgradError } from "../ir/errors.ts";
import { noteChange, Parameter, StateTensor, type Tensor } from "../trace/index.ts";
import { join, torchName } from "./names.ts";
import { loadInto, type LoadReport, type StateDict } from "./state-dict.ts";

export type Part = Parameter | StateTensor | Module;
export type Named<T> = readonly [name: string, part: T];

/** Sees what a module is called with, before; what it gives, if anything, takes the arguments' place. */
export type ForwardPreHook = (module: Module, args: readonly unknown[]) => readonly unknown[] | void;
/** Sees a module's arguments and result; what it gives, if not undefined, takes the result's place. */
export type ForwardHook = (module: Module, args: readonly unknown[], output: unknown) => unknown;

interface Hooks {
  readonly before: Set<ForwardPreHook>;
  readonly after: Set<ForwardHook>;
}
type Forward = (...args: unknown[]) => unknown;

const hooksOf = new WeakMap<Module, Hooks>();

/** The hooks of a module; the first time, its forward is put behind them. */
function hooked(module: Module): Hooks {
  const known = hooksOf.get(module);
  if (known !== undefined) return known;
  const hooks: Hooks = { before: new Set(), after: new Set() };
  const forward = (module as unknown as { forward: Forward }).forward.bind(module);
  const value: Forward = (...given) => {
    let args: readonly unknown[] = given;
    for (const hook of hooks.before) args = hook(module, args) ?? args;
    let output = forward(...args);
    for (const hook of hooks.after) {
      const next = hook(module, args, output);
      if (next !== undefined) output = next;
    }
    return output;
  };
  Object.defineProperty(module, "forward", { value, configurable: true, writable: true });
  hooksOf.set(module, hooks);
  return hooks;
}

/** Paths by which modules were met, the longest for each: those from the root of a network. */
const paths = new WeakMap<Module, string>();

/** What errors call a module: its path in the network, once an optimizer or anything else has listed it, or its class. */
export function nameOf(module: Module): string {
  const path = paths.get(module) ?? "";
  return path === "" ? module.constructor.name : path;
}

export abstract class Module {
  #training = true;

  /** Whether layers that differ in training (Dropout) behave so; see train() and eval(). */
  get training(): boolean {
    return this.#training;
  }
  set training(on: boolean) {
    if (on !== this.#training) noteChange();
    this.#training = on;
  }

  /** The parts this module holds itself. A container whose parts have other names than its fields overrides this. */
  protected *ownParts(): Iterable<Named<Part>> {
    const seen = new Map<string, string>();
    for (const [field, value] of Object.entries(this) as [string, unknown][]) {
      for (const [name, part] of partsIn(torchName(field), value)) {
        const other = seen.get(name);
        if (other !== undefined) {
          throw new TexgradError(`${this.constructor.name}: fields ${other} and ${field} are both named ${name}`);
        }
        seen.set(name, field);
        yield [name, part];
      }
    }
  }

  /** The modules directly inside, with their names. */
  *namedChildren(): IterableIterator<Named<Module>> {
    const seen = new Set<Module>();
    for (const [name, part] of this.ownParts()) {
      if (!(part instanceof Module) || seen.has(part)) continue;
      seen.add(part);
      yield [name, part];
    }
  }

  *children(): IterableIterator<Module> {
    for (const [, child] of this.namedChildren()) yield child;
  }

  /** This module (named "" or `prefix`) and all below it, each once, parents first. */
  *namedModules(prefix = ""): IterableIterator<Named<Module>> {
    yield* descend(this, prefix, new Set());
  }

  *modules(): IterableIterator<Module> {
    for (const [, module] of this.namedModules()) yield module;
  }

  /** All parameters here and below, each once. */
  *namedParameters(prefix = ""): IterableIterator<Named<Parameter>> {
    yield* this.#each(Parameter, prefix);
  }

  *parameters(): IterableIterator<Parameter> {
    for (const [, parameter] of this.namedParameters()) yield parameter;
  }

  /** All state without a gradient (running statistics) here and below, each once. */
  *namedBuffers(prefix = ""): IterableIterator<Named<StateTensor>> {
    yield* this.#each(StateTensor, prefix);
  }

  *buffers(): IterableIterator<StateTensor> {
    for (const [, buffer] of this.namedBuffers()) yield buffer;
  }

  *#each<T extends Tensor>(kind: abstract new (...args: never[]) => T, prefix: string): IterableIterator<Named<T>> {
    const seen = new Set<Tensor>();
    for (const [path, module] of this.namedModules(prefix)) {
      for (const [name, part] of module.ownParts()) {
        if (!(part instanceof kind) || seen.has(part)) continue;
        seen.add(part);
        yield [join(path, name), part];
      }
    }
  }

  /** Calls `hook` before each forward of this module. Gives a function that removes it. */
  registerForwardPreHook(hook: ForwardPreHook): () => void {
    const { before } = hooked(this);
    before.add(hook);
    return () => void before.delete(hook);
  }

  /** Calls `hook` after each forward of this module. Gives a function that removes it. */
  registerForwardHook(hook: ForwardHook): () => void {
    const { after } = hooked(this);
    after.add(hook);
    return () => void after.delete(hook);
  }

  /** Calls `f` on every module below and then on this one; gives this. */
  apply(f: (module: Module) => void): this {
    for (const child of this.children()) child.apply(f);
    f(this);
    return this;
  }

  /** Switches this module and all below to training (or, with false, to evaluation); gives this. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** The same as train(false). Gradients are still recorded; noGrad switches those off. */
  eval(): this {
    return this.train(false);
  }

  /** Sets whether gradients flow to each parameter; gives this. */
  requiresGrad_(requiresGrad = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad_(requiresGrad);
    return this;
  }

  /** Forgets the gradients, or with `setToNone: false` sets those there are to zeros. */
  zeroGrad(options: { readonly setToNone?: boolean } = {}): void {
    for (const parameter of this.parameters()) parameter.zeroGrad(options);
  }

  /** Snapshots of all parameters and buffers by name: what they are now, never stale. */
  stateDict(): StateDict {
    return Object.fromEntries(this.#state("", []).map(([name, part]) => [name, part.detach().clone()]));
  }

  /**
   * Assigns parameters and buffers by name, all of them or, on an error, none. Without `strict`, names on one side
   * only are skipped and reported; shapes must fit always. Dtypes are cast.
   * Throws TexgradError that lists every missing, unexpected and misshapen name at once.
   */
  loadStateDict(dict: StateDict, { strict = true }: { readonly strict?: boolean } = {}): LoadReport {
    return loadInto(this.constructor.name, this.#state("", []), dict, strict);
  }

  /** Everything a state dict holds, shared parts under each of their names. `above` breaks cycles. */
  #state(prefix: string, above: readonly Module[]): Named<Parameter | StateTensor>[] {
    const parts = [...this.ownParts()];
    const own = (kind: typeof Parameter | typeof StateTensor): Named<Parameter | StateTensor>[] =>
      parts.flatMap(([name, part]) =>
        part instanceof kind ? [[join(prefix, name), part] satisfies Named<Parameter | StateTensor>] : [],
      );
    const path = [...above, this];
    const below = parts.flatMap(([name, part]) =>
      part instanceof Module && !path.includes(part) ? part.#state(join(prefix, name), path) : [],
    );
    return [...own(Parameter), ...own(StateTensor), ...below];
  }

  /** What toString() says of this module between its parentheses. */
  protected describe(): string {
    return "";
  }

  /** The tree of modules, as PyTorch prints it. */
  toString(): string {
    const lines = [...this.namedChildren()].map(
      ([name, child]) => `  (${name}): ${child.toString().replaceAll("\n", "\n  ")}\n`,
    );
    const inner = lines.length === 0 ? this.describe() : `\n${lines.join("")}`;
    return `${this.constructor.name}(${inner})`;
  }

  /** What Node's console shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** A module from one tensor to one: what Sequential takes. */
export type TensorModule = Module & { forward(x: Tensor): Tensor };

/** The parts a field holds: itself, or the members of an array (of arrays) by position. */
function* partsIn(name: string, value: unknown): IterableIterator<Named<Part>> {
  if (value instanceof Parameter || value instanceof StateTensor || value instanceof Module) yield [name, value];
  else if (Array.isArray(value)) for (const [i, member] of value.entries()) yield* partsIn(`${name}.${i}`, member);
}

function* descend(module: Module, name: string, seen: Set<Module>): IterableIterator<Named<Module>> {
  if (seen.has(module)) return;
  seen.add(module);
  if (name.length > (paths.get(module)?.length ?? 0)) paths.set(module, name);
  yield [name, module];
  for (const [child, part] of module.namedChildren()) yield* descend(part, join(name, child), seen);
}

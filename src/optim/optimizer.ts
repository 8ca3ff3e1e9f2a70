/**
 * What all optimizers share: groups of parameters with their settings, lazily made state, counts of steps, state dicts.
 * What one of them computes is its Method (rules.ts); when it happens and that it is all or nothing is the trace's.
 *
 * Settings are read each time a step is submitted: assign `opt.paramGroups[0].lr` whenever you like.
 */
import { GradError, TexgradError } from "../ir/errors.ts";
import type { Attrs, Node } from "../ir/node.ts";
import { sameShape, show } from "../ir/shape.ts";
import {
  applyUpdates,
  fullLike,
  loadValues,
  noteChange,
  Parameter,
  setting,
  StateTensor,
  Tensor,
  type ParameterUpdate,
  type UpdateRule,
} from "../trace/index.ts";
import type { Coefficient, Method, Progress, Settings } from "./rules.ts";

/** Parameters that share settings. The settings may be assigned at any time and hold from the next step on. */
export type ParamGroup<S> = S & { readonly params: readonly Tensor[] };

/** Parameters, or groups of them with settings of their own; what a group leaves out is the optimizer's. */
export type Params<S> = Iterable<Tensor> | readonly GroupOptions<S>[];
export type GroupOptions<S> = Partial<S> & { readonly params: Iterable<Tensor> };

/** State of one parameter: how many steps it has taken, and PyTorch's tensors in camelCase. */
export type ParameterState = { readonly step: number } & { readonly [name: string]: Tensor | number };

export interface OptimizerState<S> {
  /** By the parameter's position over all groups; absent for one that never took a step. */
  readonly state: Readonly<Record<number, ParameterState>>;
  readonly paramGroups: readonly (S & { readonly params: readonly number[] })[];
}

/**
 * The steps taken by parameters that have always stepped together. Where some of them step without the others the clock
 * is split, never to be joined again, so that a training's graphs settle.
 */
class Clock<S> implements Progress {
  count = 0;
  readonly #group: ParamGroup<S>;
  readonly #method: Method<S>;
  #powers: number[];
  readonly #settings = new Map<Coefficient<S>, Node>();

  constructor(group: ParamGroup<S>, method: Method<S>, like?: Clock<S>) {
    this.#group = group;
    this.#method = method;
    this.count = like?.count ?? 0;
    this.#powers = like === undefined ? method.betas(group, 0).map(() => 1) : [...like.#powers];
  }

  power(i: number): number {
    return this.#powers[i]! * this.#method.betas(this.#group, this.count)[i]!;
  }

  advance(): void {
    this.#powers = this.#powers.map((_, i) => this.power(i));
    this.count += 1;
  }

  /** The coefficient as a uniform; one node for as long as the clock lives. */
  setting(coefficient: Coefficient<S>): Node {
    let node = this.#settings.get(coefficient);
    if (node === undefined) {
      node = setting(() => coefficient(this.#group, this));
      this.#settings.set(coefficient, node);
    }
    return node;
  }
}

/** What the next step does to a parameter, for who carries it out. */
export interface PlannedUpdate {
  readonly param: Tensor;
  readonly rule: UpdateRule;
  readonly flags: Attrs;
  /** The numbers the rule takes, and what each of its states begins with. */
  readonly settings: readonly number[];
  readonly initial: readonly number[];
}

/** A parameter with all this optimizer knows of it. */
interface Slot<S> {
  readonly param: Tensor;
  readonly group: ParamGroup<S>;
  clock: Clock<S>;
  states: ReadonlyMap<string, StateTensor>;
}

export abstract class Optimizer<S extends Settings = Settings> {
  readonly #groups: ParamGroup<S>[] = [];
  readonly #slots: Slot<S>[] = [];
  readonly #method: Method<S>;
  readonly #defaults: S;

  protected constructor(params: Params<S>, defaults: S, method: Method<S>) {
    this.#method = method;
    this.#defaults = defaults;
    // The type says so; a JavaScript caller may not.
    if (!(Symbol.iterator in Object(params))) {
      throw new GradError(
        `${this.#name}: takes parameters or groups of them, net.parameters() say; got ${describe(params)}`,
      );
    }
    const given: readonly (Tensor | GroupOptions<S>)[] = [...params];
    if (given.length === 0) {
      throw new GradError(`${this.#name}: got no parameters; pass net.parameters(), or groups [{ params, lr }]`);
    }
    if (given.every(isGroup)) for (const group of given) this.addParamGroup(group);
    else this.#add(given as readonly Tensor[], {});
  }

  get #name(): string {
    return this.constructor.name;
  }

  /** At least one. */
  get paramGroups(): readonly [ParamGroup<S>, ...ParamGroup<S>[]] {
    return this.#groups as [ParamGroup<S>, ...ParamGroup<S>[]];
  }

  /** Adds parameters later, with settings of their own where given. Throws GradError for one that is already here. */
  addParamGroup(options: GroupOptions<S>): void {
    this.#add([...options.params], options);
  }

  #add(params: readonly Tensor[], settings: Partial<S>): void {
    const group: ParamGroup<S> = { ...this.#defaults, ...settings, params };
    this.check(group);
    if (params.length === 0) throw new GradError(`${this.#name}: a group without parameters`);
    const known = new Set(this.#slots.map((slot) => slot.param));
    for (const [i, param] of params.entries()) {
      if (!isAssignable(param)) {
        throw new GradError(
          `${this.#name}: parameter ${i} is ${describe(param)}, which no step can assign; ` +
            `new nn.Parameter(t) makes a parameter of a tensor t`,
        );
      }
      if (known.has(param)) {
        throw new GradError(
          `${this.#name}: parameter ${i}, of shape ${show(param.shape)}, is given twice; a tied weight goes in once`,
        );
      }
      known.add(param);
      this.checkParam(param, i);
    }
    noteChange();
    const clock = new Clock<S>(group, this.#method);
    this.#groups.push(group);
    for (const param of params) this.#slots.push({ param, group, clock, states: new Map() });
  }

  /** Throws GradError naming a setting that is out of range. */
  protected abstract check(settings: S): void;

  /** Throws GradError for a parameter that the method has no step for; i is its position in the group. */
  protected checkParam(_param: Tensor, _i: number): void {}

  /** Forgets the gradients, or with `setToNone: false` sets those there are to zeros. */
  zeroGrad(options: { readonly setToNone?: boolean } = {}): void {
    for (const { param } of this.#slots) param.zeroGrad(options);
  }

  /**
   * One step on every parameter that has a gradient, and a submit of all that was traced. The others are left as they
   * are: no decay, no momentum, no count. With a `closure`, that is called first, and its result given.
   * On an error nothing has changed, and the call may be repeated.
   */
  step(): void;
  step<T>(closure: () => T): T;
  step<T>(closure?: () => T): T | undefined {
    const result = closure?.();
    for (const group of this.#groups) this.check(group);
    const stepping = this.#slots.filter((slot) => slot.param.hasGrad());
    const clocks = this.#clocksOf(stepping);
    applyUpdates(
      stepping.map((slot) => this.#update(slot)),
      () => {
        for (const clock of clocks) clock.advance();
      },
      this.#replayable(),
    );
    return result;
  }

  /** What compile() must know to make a step again without tracing it. */
  #replayable(): Parameters<typeof applyUpdates>[2] {
    const formulas = this.#groups.map((group) => this.#formula(group));
    return {
      owner: this,
      stays: () => {
        for (const group of this.#groups) this.check(group);
        return this.#groups.every((group, i) => this.#formula(group) === formulas[i]);
      },
      settings: () => this.#groups.flatMap((group) => Object.values(group)),
    };
  }

  /** What of the settings is in the plan's key. */
  #formula(group: ParamGroup<S>): string {
    const method = this.#method;
    const flags = JSON.stringify(method.flags(group));
    return `${method.rule(group).macro.name} ${flags} ${method.coefficients(group).length} ${group.maximize === true}`;
  }

  /**
   * What a step does to each parameter after `count` steps of all, for who carries steps out elsewhere
   * (texgrad/distributed). Looks at no gradient and changes nothing.
   */
  plan(count: number): PlannedUpdate[] {
    const method = this.#method;
    return this.#groups.flatMap((group) => {
      this.check(group);
      let clock = this.#planned.get(group);
      if (clock === undefined || clock.count > count) clock = new Clock(group, method);
      while (clock.count < count) clock.advance();
      this.#planned.set(group, clock);
      const progress = clock;
      const update = {
        rule: method.rule(group),
        flags: flagsOf(method, group),
        settings: method.coefficients(group).map((coefficient) => coefficient(group, progress)),
        initial: method.states(group).map((name) => method.initial?.(group, name) ?? 0),
      };
      return group.params.map((param) => ({ param, ...update }));
    });
  }
  readonly #planned = new Map<ParamGroup<S>, Clock<S>>();

  /** The clocks of the slots about to step, split from those of the slots that stay. */
  #clocksOf(stepping: readonly Slot<S>[]): ReadonlySet<Clock<S>> {
    const all = countClocks(this.#slots);
    const here = countClocks(stepping);
    const split = new Map<Clock<S>, Clock<S>>();
    for (const slot of stepping) {
      const { clock, group } = slot;
      if (here.get(clock) === all.get(clock)) continue;
      noteChange();
      slot.clock = split.get(clock) ?? new Clock(group, this.#method, clock);
      split.set(clock, slot.clock);
    }
    return new Set(stepping.map((slot) => slot.clock));
  }

  #update(slot: Slot<S>): ParameterUpdate {
    const { param, group, clock } = slot;
    const method = this.#method;
    return {
      rule: method.rule(group),
      param,
      states: this.#states(slot),
      settings: method.coefficients(group).map((coefficient) => clock.setting(coefficient)),
      flags: flagsOf(method, group),
    };
  }

  /** The slot's states, made where they are not there yet. */
  #states(slot: Slot<S>): StateTensor[] {
    const names = this.#method.states(slot.group);
    if (names.some((name) => !slot.states.has(name))) {
      const made = names.map((name) => [name, slot.states.get(name) ?? this.#fresh(slot, name)] as const);
      slot.states = new Map([...slot.states, ...made]);
    }
    return names.map((name) => slot.states.get(name)!);
  }

  #fresh({ param, group }: Slot<S>, name: string): StateTensor {
    // A number of its own for each: states of equal shapes that begin as one value would have to share a layout.
    return new StateTensor(fullLike(param, this.#method.initial?.(group, name) ?? 0), { label: name });
  }

  /** Settings, counts and snapshots of the state: what they are now, never stale. */
  stateDict(): OptimizerState<S> {
    const state: Record<number, ParameterState> = {};
    for (const [i, slot] of this.#slots.entries()) {
      if (slot.clock.count === 0) continue;
      const names = this.#method.states(slot.group);
      const tensors = this.#states(slot).map((value, k) => [names[k]!, value.clone()] as const);
      state[i] = { step: slot.clock.count, ...Object.fromEntries(tensors) };
    }
    let first = 0;
    const paramGroups = this.#groups.map((group) => {
      const params = group.params.map((_, i) => first + i);
      first += params.length;
      return { ...group, params };
    });
    return { state, paramGroups };
  }

  /**
   * Takes settings, counts and state from what stateDict() gave, for an optimizer of as many groups with parameters of
   * the same shapes. Throws TexgradError listing all that does not fit; then nothing has changed.
   */
  loadStateDict(dict: OptimizerState<S>): void {
    const faults = this.#faults(dict);
    if (faults.length > 0) {
      throw new TexgradError(`${this.#name}.loadStateDict: nothing was loaded\n  ${faults.join("\n  ")}`);
    }
    const loaded = this.#slots.map((slot, i) => this.#loaded(slot, dict.state[i]));
    loadValues(loaded.flatMap(({ values }) => values));
    for (const [i, group] of this.#groups.entries()) {
      const { params: _, ...settings } = dict.paramGroups[i]!;
      Object.assign(group, settings);
    }
    noteChange();
    const clocks = new Map<string, Clock<S>>();
    for (const [i, slot] of this.#slots.entries()) {
      const count = dict.state[i]?.step ?? 0;
      const key = `${this.#groups.indexOf(slot.group)} ${count}`;
      const clock = clocks.get(key) ?? new Clock<S>(slot.group, this.#method);
      while (clock.count < count) clock.advance();
      clocks.set(key, clock);
      slot.clock = clock;
      slot.states = loaded[i]!.states;
    }
  }

  #faults(dict: OptimizerState<S>): string[] {
    const faults: string[] = [];
    const sizes = (groups: readonly { readonly params: readonly unknown[] }[]): string =>
      groups.map((g) => g.params.length).join(" + ");
    if (sizes(dict.paramGroups) !== sizes(this.#groups)) {
      faults.push(`groups of ${sizes(dict.paramGroups)} parameters, this optimizer has ${sizes(this.#groups)}`);
    }
    if (faults.length > 0) return faults;
    for (const [i, { param, group }] of this.#slots.entries()) {
      const state = dict.state[i];
      if (state === undefined) continue;
      if (!Number.isSafeInteger(state.step) || state.step < 1) faults.push(`state ${i}: step is ${state.step}`);
      const settings = { ...group, ...dict.paramGroups[this.#groups.indexOf(group)]! };
      for (const name of this.#method.states(settings)) {
        const value = state[name];
        if (!(value instanceof Tensor)) faults.push(`state ${i}: no ${name}`);
        else if (!sameShape(value.shape, param.shape)) {
          faults.push(`state ${i}, ${name}: is ${show(value.shape)}, the parameter is ${show(param.shape)}`);
        }
      }
    }
    return faults;
  }

  /** A slot's states as the dict has them: cells that are there are assigned, others made. */
  #loaded(slot: Slot<S>, state: ParameterState | undefined): LoadedStates {
    const states = new Map<string, StateTensor>();
    const values: [StateTensor, Tensor][] = [];
    for (const [name, value] of Object.entries(state ?? {})) {
      if (!(value instanceof Tensor)) continue;
      const cell = slot.states.get(name);
      if (cell !== undefined) values.push([cell, value]);
      states.set(name, cell ?? new StateTensor(value, { label: name }));
    }
    return { states, values };
  }
}

interface LoadedStates {
  readonly states: ReadonlyMap<string, StateTensor>;
  readonly values: readonly (readonly [StateTensor, Tensor])[];
}

function countClocks<S>(slots: readonly Slot<S>[]): ReadonlyMap<Clock<S>, number> {
  const counts = new Map<Clock<S>, number>();
  for (const { clock } of slots) counts.set(clock, (counts.get(clock) ?? 0) + 1);
  return counts;
}

const flagsOf = <S extends Settings>(method: Method<S>, group: ParamGroup<S>): Attrs =>
  group.maximize === true ? { ...method.flags(group), maximize: true } : method.flags(group);

const isGroup = <S>(x: Tensor | GroupOptions<S>): x is GroupOptions<S> =>
  typeof x === "object" && x !== null && !(x instanceof Tensor) && "params" in x;

/** Parameters, frozen ones too, and other leaves that require a gradient. */
const isAssignable = (x: unknown): boolean =>
  x instanceof Parameter || (x instanceof Tensor && x.isLeaf && x.requiresGrad);

function describe(x: unknown): string {
  if (!(x instanceof Tensor)) return typeof x === "object" && x !== null ? `a ${x.constructor.name}` : String(x);
  return x.requiresGrad ? "computed from other tensors" : "a tensor that requires no gradient";
}

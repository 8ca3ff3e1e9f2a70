/**
 * What one traced call of a compiled function did: the submits it made, each with the plan it hit and where every leaf
 * and number of it came from; the steps it counted, the draws it took, the gradients it left and what it gave back.
 * Two calls that did the same are one call to replay (replay.ts). Not here: when a call is recorded (compile.ts).
 */
import type { HostArray } from "../ir/dtype.ts";
import type { TexgradError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { uniform } from "../ir/ops/leaf.ts";
import type { UniformSource } from "../ir/source.ts";
import type { Cell } from "./cell.ts";
import { engine } from "./engine.ts";
import type { Handle } from "./handle.ts";
import type { Plan, Root, Run } from "./plan.ts";
import { DrawSource, type Generator } from "./random.ts";
import { changeCount, type Recorder, type Step } from "./recorder.ts";
import type { Runner } from "./runner.ts";
import { putTogether, takeApart } from "./structure.ts";
import { Tensor } from "./tensor.ts";
import { SettingSource } from "./update.ts";
import { Value } from "./value.ts";
import type { Walk } from "./walk.ts";

/** Where a leaf's value comes from. */
export type LeafOrigin =
  | { readonly kind: "argument"; readonly index: number }
  /** A cell's version when the submit runs, or the one before it. */
  | { readonly kind: "cell"; readonly cell: Cell; readonly back: number }
  /** Values of the host; `made`: by the call itself. */
  | { readonly kind: "array"; readonly array: HostArray; readonly made: boolean }
  /** A tensor of the code around the function that was computed before. */
  | { readonly kind: "value"; readonly value: Value }
  /** What an earlier submit of the call computed. */
  | Result
  /** The gradient a tensor had when the call began. */
  | { readonly kind: "gradient"; readonly holder: Handle };

/** Where a number comes from. */
export type NumberOrigin =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "argument"; readonly index: number }
  | { readonly kind: "setting"; readonly source: UniformSource }
  /** A word of a random draw; `offset`: which of the call's draws from that generator. */
  | { readonly kind: "draw"; readonly source: DrawSource; readonly offset: number };

/** A node of a submit of the call, by their numbers. */
export interface Result {
  readonly kind: "result";
  readonly submit: number;
  readonly number: number;
}

/** Where a tensor that the call leaves behind comes from; `tensor`: it was there before. */
export type Place =
  Result | { readonly kind: "argument"; readonly index: number } | { readonly kind: "tensor"; readonly tensor: Tensor };

export const isPlace = (x: unknown): x is Placed => x instanceof Placed;

/** A leaf of the structure that is given back. */
export class Placed {
  readonly at: Place;
  constructor(at: Place) {
    this.at = at;
  }
}

export interface Submit {
  readonly plan: Plan;
  readonly walk: Walk;
  readonly roots: readonly Root[];
  readonly leaves: readonly LeafOrigin[];
  readonly numbers: readonly NumberOrigin[];
}

/** A tensor whose gradient the call looked at or replaced. */
export interface Touched {
  /** Whether it had one when the call began; null where that makes no difference. */
  had: boolean | null;
  /** Whether somebody had looked at that one: it is stored whenever it is computed. */
  wasSeen: boolean;
  entry: Tensor | null;
  exit: Place | "none" | "same";
  /** Whether it is looked at. */
  seen: boolean;
}

/** A number given as an argument. */
export class ArgumentSource implements UniformSource {
  readonly kind = "uniform";
  readonly index: number;
  readonly value: number;
  constructor(index: number, value: number) {
    this.index = index;
    this.value = value;
  }
  read = (): number => this.value;
}

const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

export class Recording implements Recorder {
  readonly runner: Runner = engine.runner;
  readonly submits: Submit[] = [];
  /** Steps, each with the number of submits made before it was counted. */
  readonly steps: { readonly step: Step; readonly after: number }[] = [];
  readonly draws = new Map<Generator, { readonly start: number; count: number }>();
  readonly gradients = new Map<Handle, Touched>();
  /** What was given back, with a Placed for each tensor. */
  output: unknown = null;
  /** `changeCount` when it began, and when it ended. */
  readonly changesBefore: number = changeCount();
  changesAfter = -1;
  /** Why the call fails, if it does what no replay can. */
  refusal: TexgradError | null = null;
  #arguments: readonly Tensor[];
  /** Nodes with a larger id were made by the call. */
  readonly #mark: number = uniform({ kind: "uniform", read: () => 0 }).id;
  readonly #runs: Run[] = [];
  readonly #traced = new Set<Value>();
  /** The structure of what was given back, and its tensors in order. */
  readonly outline: unknown[] = [];
  readonly places: Place[] = [];
  /** What is wrong with it, in words; it can never be replayed. */
  fault: string | null = null;

  /** `given`: what stands for each argument. */
  constructor(given: readonly Tensor[]) {
    this.#arguments = given;
  }

  // What happens in the call.

  traced(v: Value): void {
    this.#traced.add(v);
  }

  submitted(run: Run, roots: readonly Root[]): void {
    const { plan, walk } = run;
    if (walk === null) return;
    if (roots.some((r) => r.first)) this.fault ??= "it makes state that a later part of it assigns";
    const { aliases } = plan.signature;
    this.submits.push({
      plan,
      walk,
      roots,
      leaves: walk.leaves.map((number, i) => this.#leaf(walk.order[number]!, aliases[i]!)),
      numbers: walk.uniforms.map((number) => this.#number(walk.order[number]!)),
    });
    this.#runs.push(run);
  }

  stepped(step: Step): void {
    this.steps.push({ step, after: this.submits.length });
  }

  drew(generator: Generator): void {
    const known = this.draws.get(generator);
    if (known === undefined) this.draws.set(generator, { start: generator.state.draws, count: 1 });
    else known.count += 1;
  }

  refused(error: TexgradError): void {
    this.refusal ??= error;
  }

  made(label: string): void {
    this.fault ??= `it makes state in each call (${label}); make it outside, once`;
  }

  gradient(holder: Handle, isRead: boolean): void {
    if (this.gradients.has(holder)) return;
    const touched: Touched = { had: null, wasSeen: false, entry: null, exit: "none", seen: false };
    this.gradients.set(holder, touched);
    if (!isRead) return;
    touched.entry = holder.gradientTensor;
    touched.had = touched.entry !== null;
    touched.wasSeen = holder.gradientSeen;
  }

  #leaf(n: Node, alias: number): LeafOrigin {
    const argument = this.#arguments.findIndex((t) => t.state instanceof Value && t.state.node === n);
    if (argument >= 0) return { kind: "argument", index: argument };
    const { source } = n;
    switch (source?.kind) {
      case "cell":
        return { kind: "cell", cell: source.cell as Cell, back: alias & 1 };
      case "input":
        return { kind: "array", array: source.array, made: n.id > this.#mark };
      case "carried":
        return this.#carried(source.value as Value);
      default: {
        const submit = this.#runs.findIndex((run) => run.walk?.number.has(n));
        if (submit < 0) this.fault ??= "it goes on from what was computed before the call";
        return { kind: "result", submit, number: this.#runs[submit]?.walk?.number.get(n) ?? -1 };
      }
    }
  }

  #carried(value: Value): LeafOrigin {
    const argument = this.#arguments.findIndex((t) => t.state === value);
    if (argument >= 0) return { kind: "argument", index: argument };
    const submit = value.run === null ? -1 : this.#runs.indexOf(value.run);
    if (submit >= 0) return { kind: "result", submit, number: value.number };
    for (const [holder, { entry }] of this.gradients) if (entry?.state === value) return { kind: "gradient", holder };
    return { kind: "value", value };
  }

  #number(n: Node): NumberOrigin {
    const { source } = n;
    if (source instanceof ArgumentSource) return { kind: "argument", index: source.index };
    if (source instanceof SettingSource) return { kind: "setting", source };
    if (source instanceof DrawSource && n.id > this.#mark) {
      const start = this.draws.get(source.generator)?.start ?? 0;
      return { kind: "draw", source, offset: source.part === "stream" ? source.value - start : 0 };
    }
    return { kind: "constant", value: source?.kind === "uniform" ? source.read() : NaN };
  }

  // When it has ended.

  /** Submits what the call gives back and leaves behind, and notes where that is. Still part of the call. */
  finish(result: unknown): void {
    const given: Tensor[] = [];
    takeApart(result, isTensor, this.outline, given);
    const left: Tensor[] = [];
    for (const holder of this.gradients.keys()) if (holder.gradientTensor !== null) left.push(holder.gradientTensor);
    engine.submit([...given, ...left].flatMap((t) => (this.#isOpen(t) ? [t.state as Value] : [])));
    for (const t of given) this.places.push(this.#place(t));
    let next = 0;
    this.output = putTogether(result, isTensor, () => new Placed(this.places[next++]!));
    for (const [holder, touched] of this.gradients) {
      const g = holder.gradientTensor;
      touched.seen = holder.gradientSeen;
      touched.exit = g === null ? "none" : g === touched.entry ? "same" : this.#place(g);
    }
    // What is given back is stored from the next run on.
    for (const p of this.places) {
      const run = p.kind === "result" ? this.#runs[p.submit]! : null;
      if (run !== null && p.kind === "result" && run.root(p.number) === null) run.plan.learn(p.number);
    }
    this.changesAfter = changeCount();
    for (const v of this.#traced) v.isEnclosed = true;
    for (const t of [...given, ...left]) if (t.state instanceof Value) t.state.isEnclosed = false;
    this.#letGo();
  }

  /** Drops what only the call itself needed. */
  #letGo(): void {
    this.#traced.clear();
    this.#runs.length = 0;
    this.#arguments = [];
    for (const touched of this.gradients.values()) touched.entry = null;
  }

  /** Whether the call traced it and no submit has computed it yet. */
  #isOpen(t: Tensor): boolean {
    const { state } = t;
    if (!(state instanceof Value) || this.#arguments.includes(t) || this.#result(state) !== null) return false;
    return state.node !== null && state.run === null && this.#traced.has(state);
  }

  #place(t: Tensor): Place {
    const index = this.#arguments.findIndex((a) => a === t || a.state === t.state);
    if (index >= 0) return { kind: "argument", index };
    return (t.state instanceof Value ? this.#result(t.state) : null) ?? { kind: "tensor", tensor: t };
  }

  #result(v: Value): Result | null {
    const submit = v.run === null ? -1 : this.#runs.indexOf(v.run);
    if (submit >= 0) return { kind: "result", submit, number: v.number };
    const { source } = v;
    return source?.kind === "carried" && source.value !== v ? this.#result(source.value as Value) : null;
  }
}

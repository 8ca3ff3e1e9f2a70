/**
 * One call that is run without being traced: binds the new arguments, the cells as they are, the next random draws and
 * the settings of the moment to the plans the recorded call hit.
 *
 * What it computed has no graph until somebody needs one (a value whose buffer is gone, a gradient to be learned): then
 * the recorded graph is made again over what this call was given.
 */
import type { DeviceBuffer } from "../ir/device.ts";
import type { HostArray } from "../ir/dtype.ts";
import { InvariantError } from "../ir/errors.ts";
import { rebuild, type Node } from "../ir/node.ts";
import { carried, cell as cellLeaf, input, uniform } from "../ir/ops/leaf.ts";
import { isHost, type Cell } from "./cell.ts";
import { engine } from "./engine.ts";
import type { Gone } from "./gone.ts";
import { wrap, type Handle } from "./handle.ts";
import type { Replayed, Root, Run } from "./plan.ts";
import type { LeafOrigin, NumberOrigin, Place, Recording, Submit } from "./recording.ts";
import { place } from "./runner.ts";
import type { Tensor } from "./tensor.ts";
import { Value } from "./value.ts";
import type { Walk } from "./walk.ts";

/** An argument: a tensor's value, a number, or a tensor that is state, which is bound by what it is. */
export type Argument = Tensor | number;

export const valueOf = (a: Argument | undefined): Value | null =>
  typeof a === "object" && a.state instanceof Value ? a.state : null;

/** What is given back has no gradient, traced or replayed; parameters are given back as they are. */
export const withoutGradient = (t: Tensor): Tensor => (t.requiresGrad && t.state instanceof Value ? t.detach() : t);

/** What is given back for an argument. */
export const asGiven = (a: Argument): Tensor =>
  typeof a === "number"
    ? wrap(engine.trace(uniform({ kind: "uniform", read: () => a }), false, false))
    : withoutGradient(a);

/** What one replayed call was given, and what it ran. */
export class ReplayedCall {
  readonly #recording: Recording;
  #given: readonly Argument[];
  readonly #before: ReadonlyMap<Handle, Value>;
  readonly #runs: Run[] = [];
  /** Of each submit: whether it was looked up with a graph of its own, and not replayed. */
  readonly #isTraced: boolean[] = [];
  readonly #numbers: (readonly number[])[] = [];
  /** Of each submit: the version each cell leaf had. */
  readonly #versions: Int32Array[] = [];
  /** Number of the first draw of each generator. */
  readonly #draws: number[] = [];
  readonly #graphs: Walk[] = [];
  /** Nodes of the recorded graphs that were made again. */
  readonly #made = new Map<Node, Node>();
  #isForgotten = false;

  constructor(recording: Recording, given: readonly Argument[], before: ReadonlyMap<Handle, Value>) {
    this.#recording = recording;
    this.#given = given;
    this.#before = before;
    for (const [generator, { count }] of recording.draws) this.#draws.push(generator.skip(count));
  }

  #recorded(s: number): Submit {
    return this.#recording.submits[s]!;
  }

  /** Runs a submit; false if it had to be looked up as if it had been traced, because what it reads lies elsewhere. */
  submit(s: number): boolean {
    const { plan, roots, leaves, numbers } = this.#recorded(s);
    const uniforms = numbers.map((origin) => this.#number(origin));
    this.#numbers.push(uniforms);
    const versions = new Int32Array(leaves.length);
    this.#versions.push(versions);
    const bound: (DeviceBuffer | HostArray)[] = [];
    const carriedValues: Value[] = [];
    for (let i = 0; i < leaves.length; i++) {
      const leaf = leaves[i]!;
      if (leaf.kind === "cell") versions[i] = leaf.cell.version - leaf.back;
      const at = this.#binding(leaf, carriedValues);
      if (at !== null && (isHost(at) || at.layout === plan.layouts[i])) bound.push(at);
    }
    const isKnown = bound.length === leaves.length && !plan.disposed;
    const assigns = roots.some((r) => r.cell !== null);
    const { runner } = engine;
    this.#isTraced.push(!isKnown);
    if (isKnown) this.#runs.push(runner.replay(plan, roots, bound, uniforms, this.#told(s), carriedValues));
    else {
      const { order } = this.#graph(s);
      const again = roots.map((r, i): Root => ({
        ...r,
        node: order[plan.signature.roots[i]!]!,
        layout: r.cell?.layout ?? null,
      }));
      this.#runs.push(runner.execute(again));
    }
    engine.noteReplay(assigns);
    return isKnown;
  }

  #number(origin: NumberOrigin): number {
    switch (origin.kind) {
      case "constant":
        return origin.value;
      case "argument":
        return this.#given[origin.index] as number;
      case "setting":
        return origin.source.read();
      case "draw": {
        const { generator, part } = origin.source;
        if (part !== "stream") return generator.key[part === "key0" ? 0 : 1];
        return this.#firstDraw(generator) + origin.offset;
      }
    }
  }

  #firstDraw(generator: object): number {
    let i = 0;
    for (const g of this.#recording.draws.keys()) {
      if (g === generator) return this.#draws[i]!;
      i += 1;
    }
    throw new InvariantError("a draw of a generator that the recorded call did not use");
  }

  /** What a leaf is bound to, or null where that is not at hand. Notes values of earlier submits. */
  #binding(leaf: LeafOrigin, values: Value[]): DeviceBuffer | HostArray | null {
    switch (leaf.kind) {
      case "cell":
        return leaf.cell.at(leaf.cell.version - leaf.back);
      case "array":
        return leaf.array;
      case "result": {
        const run = this.#runs[leaf.submit]!;
        const number = this.#numberIn(run, leaf.submit, leaf.number);
        return run.root(number) ?? run.kept(number);
      }
      case "argument":
      case "value":
      case "gradient": {
        const v = this.#valueOf(leaf);
        const at = v.stored();
        if (at !== null && !isHost(at)) values.push(v);
        return at;
      }
    }
  }

  #valueOf(leaf: LeafOrigin): Value {
    if (leaf.kind === "value") return leaf.value;
    const v =
      leaf.kind === "gradient"
        ? this.#before.get(leaf.holder)
        : leaf.kind === "argument"
          ? valueOf(this.#given[leaf.index])
          : null;
    if (v == null) throw new InvariantError("a leaf of a replayed call stands for no value");
    return v;
  }

  /** The number of a recorded node in a run, which differs if that was looked up. */
  #numberIn(run: Run, s: number, number: number): number {
    if (!this.#isTraced[s]!) return number;
    return run.walk?.number.get(this.#graphs[s]!.order[number]!) ?? -1;
  }

  /** A tensor the call leaves behind. */
  tensor(at: Place): Tensor {
    if (at.kind === "tensor") return withoutGradient(at.tensor);
    if (at.kind === "result") return wrap(this.value(at.submit, at.number));
    return asGiven(this.#given[at.index]!);
  }

  /** The value a submit computed for a recorded node. */
  value(s: number, number: number): Value {
    const like = this.#recorded(s).walk.order[number]!;
    const run = this.#runs[s]!;
    const v = new Value(like, false);
    if (this.#isForgotten) {
      v.forget(
        "the value belongs to a call of a compiled function too long ago; read it earlier, or keep it with clone()",
      );
    } else if (this.#isTraced[s]!) {
      v.node = this.#graphs[s]!.order[number]!;
      place(v, run);
      return v;
    } else v.defer(() => this.#graph(s).order[number]!);
    v.run = run;
    v.number = number;
    v.carries = run.carried.length > 0;
    run.values.push(v);
    return v;
  }

  /** What a run can tell of itself without a graph. */
  #told(s: number): Replayed {
    return {
      gone: (number) => this.#gone(s, number),
      forget: () => {
        this.#given = [];
        this.#made.clear();
        this.#graphs.length = 0;
        this.#isForgotten = true;
      },
    };
  }

  #gone(s: number, number: number): Gone | null {
    const { leaves, walk } = this.#recorded(s);
    for (const i of cellsBelow(walk, leaves, number)) {
      const { cell } = leaves[i] as { readonly cell: Cell };
      const version = this.#versions[s]![i]!;
      if (!cell.readable(version)) return cell.gone(version);
    }
    return null;
  }

  // The graph, for those who need one.

  /** The recorded graph of a submit over what this call was given. Runs that are not history learn from it. */
  #graph(s: number): Walk {
    for (let i = this.#graphs.length; i <= s; i++) this.#graphs.push(this.#rebuilt(i));
    const run = this.#runs[s];
    if (run !== undefined && !this.#isTraced[s]! && !run.retired) run.walk = this.#graphs[s]!;
    return this.#graphs[s]!;
  }

  #rebuilt(s: number): Walk {
    const { walk, leaves, numbers } = this.#recorded(s);
    const place = new Map<Node, Node>();
    walk.leaves.forEach((number, i) => {
      const n = walk.order[number]!;
      place.set(n, this.#made.get(n) ?? this.#leafAgain(n, leaves[i]!, this.#versions[s]![i]!));
    });
    walk.uniforms.forEach((number, i) => {
      const n = walk.order[number]!;
      // Settings are read by each submit anew, so they are not those of the submit before.
      const isShared = numbers[i]!.kind !== "setting";
      const value = this.#numbers[s]![i]!;
      const known = isShared ? this.#made.get(n) : undefined;
      place.set(n, known ?? uniform({ kind: "uniform", read: () => value }, n.dtype));
    });
    const order = walk.order.map((n) => {
      const made =
        place.get(n) ??
        this.#made.get(n) ??
        rebuild(
          n,
          n.inputs.map((x) => place.get(x) ?? this.#made.get(x) ?? x),
        );
      place.set(n, made);
      return made;
    });
    for (const [n, made] of place) this.#made.set(n, made);
    return { ...walk, order, number: new Map(order.map((n, i) => [n, i])) };
  }

  #leafAgain(n: Node, leaf: LeafOrigin, version: number): Node {
    switch (leaf.kind) {
      case "array":
        return n;
      case "cell":
        return version === leaf.cell.version ? leaf.cell.leaf : cellLeaf({ kind: "cell", cell: leaf.cell, version });
      case "result": {
        if (n.source === undefined) return this.#graphs[leaf.submit]!.order[leaf.number]!;
        return carried({ kind: "carried", value: this.value(leaf.submit, leaf.number) }, n.dtype, n.shape);
      }
      default: {
        const v = this.#valueOf(leaf);
        const { source } = v;
        return source?.kind === "input"
          ? input(source, n.dtype, n.shape)
          : carried({ kind: "carried", value: v }, n.dtype, n.shape);
      }
    }
  }
}

/** Indices of the cell leaves below a node; found once for each. */
function cellsBelow(walk: Walk, leaves: readonly LeafOrigin[], number: number): readonly number[] {
  let known = below.get(walk);
  if (known === undefined) below.set(walk, (known = new Map<number, readonly number[]>()));
  const found = known.get(number);
  if (found !== undefined) return found;
  const leafAt = new Map(walk.leaves.map((n, i) => [n, i]));
  const cells: number[] = [];
  const seen = new Set<number>([number]);
  const stack = [number];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const leaf = leafAt.get(at);
    if (leaf !== undefined && leaves[leaf]!.kind === "cell") cells.push(leaf);
    for (const x of walk.order[at]!.inputs) {
      const i = walk.number.get(x);
      if (i === undefined || seen.has(i)) continue;
      seen.add(i);
      stack.push(i);
    }
  }
  known.set(number, cells);
  return cells;
}
const below = new WeakMap<Walk, Map<number, readonly number[]>>();

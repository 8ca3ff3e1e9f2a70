/**
 * Differentiation of traced tensors: `backward`, `grad`, hooks and retained gradients.
 *
 * The ordinary case traces one gradient macro and expands nothing. Hooks and `createGraph` need the cotangents
 * themselves and differentiate at once, in the trace.
 */
import { gradientItems } from "../autodiff/gradient.ts";
import { differentiable, gradients } from "../autodiff/vjp.ts";
import { isFloat } from "../ir/dtype.ts";
import { GradError, type TexgradError } from "../ir/errors.ts";
import { topologicalOrder } from "../ir/graph.ts";
import { rebuild, type Node } from "../ir/node.ts";
import { add } from "../ir/ops/arithmetic.ts";
import { numel, sameShape, show } from "../ir/shape.ts";
import { engine } from "./engine.ts";
import { cellOf, operand, wrap, type Handle } from "./handle.ts";
import type { Gone } from "./gone.ts";
import { lost } from "./lost.ts";
import type { Run } from "./plan.ts";
import { noteChange, refuseToRecord } from "./recorder.ts";
import type { Tensor } from "./tensor.ts";
import { Value } from "./value.ts";

/** Sees a gradient on its way and may give another in its place. */
export type Hook = (grad: Tensor) => Tensor | void;

/** What a graph to be differentiated looks like. */
interface Lineage {
  readonly node: Node;
  /** Nodes whose gradients accumulate, in the order of the graph: leaves and retained results. */
  readonly holders: readonly (readonly [node: Node, holder: Handle])[];
  /** Submits that computed parts of it. */
  readonly runs: readonly Run[];
}

const retained = new WeakMap<Node, Handle>();
/** Graphs are searched for retained results only once there was one. */
let anyRetained = false;
const hooks = new WeakMap<Node, Set<Hook>>();
/** Cells' nodes change with their versions, so their hooks hang on the tensor. */
const leafHooks = new WeakMap<Handle, Set<Hook>>();
/** Graphs are searched for hooks only once there was one. */
let anyHooks = false;

/** The differentiable expression of a tensor that requires a gradient, as it was traced. */
function origin(t: Handle): Node {
  const { state } = t;
  if (!(state instanceof Value)) return operand(t, true);
  state.checkAlive();
  if (state.node === null) throw dropped(state.gone, state.line);
  return state.node;
}

function dropped(why: Gone, line = ""): TexgradError {
  if (typeof why !== "string") return why;
  const at = line === "" ? "" : ` (traced at ${line})`;
  return new GradError(
    `backward: a value of an earlier step${at} is part of this graph, and the parameters it was computed from were ` +
      `updated twice since then; detach() what is carried from step to step: h = h.detach()`,
  );
}

/** The graph below `root` with the expressions of earlier submits in the place of the leaves that stand for them. */
function lineage(root: Node): Lineage {
  const runs: Run[] = [];
  const originals = new Map<Node, Node>();
  const below = (n: Node): readonly Node[] => {
    const v = n.source?.kind === "carried" ? n.source.value : null;
    if (!(v instanceof Value)) return cellOf(n) === null ? differentiable(n) : none;
    if (!v.isTracked(n)) return none;
    if (v.node === null) throw dropped(v.gone, v.line);
    if (v.run !== null) runs.push(v.run);
    originals.set(n, v.node);
    return [v.node];
  };
  const order = topologicalOrder([root], below);
  const ends = order.filter((n) => cellOf(n) !== null || (anyRetained && retained.has(n)));
  for (const n of ends) {
    const gone = cellOf(n) === null ? null : lost(n);
    if (gone !== null) throw dropped(gone);
  }
  const made = originals.size === 0 ? null : rebuilt(order, originals);
  const holders: [Node, Handle][] = [];
  for (const n of ends) {
    const holder = cellOf(n)?.owner ?? retained.get(n);
    if (holder?.requiresGrad === true && !originals.has(n)) holders.push([made?.get(n) ?? n, holder]);
  }
  return { node: made?.get(root) ?? root, holders, runs };
}
const none: readonly Node[] = [];

/** Each node with the originals, rebuilt themselves, in the place of the leaves that stand for them. */
function rebuilt(order: readonly Node[], originals: ReadonlyMap<Node, Node>): Map<Node, Node> {
  const made = new Map<Node, Node>();
  for (const n of order) {
    const original = originals.get(n);
    const inputs = original === undefined ? n.inputs.map((x) => made.get(x) ?? x) : none;
    made.set(n, original === undefined ? rebuild(n, inputs) : made.get(original)!);
  }
  return made;
}

/** What `backward` and `grad` agree on about their first argument. */
function checkOutput(op: string, y: Handle, gradient: Handle | null | undefined): Node | null {
  if (!y.requiresGrad) {
    throw new GradError(
      `${op}: the tensor does not require a gradient: nothing it was computed from does, or it was detached`,
    );
  }
  if (gradient == null) {
    if (numel(y.shape) === 1) return null;
    throw new GradError(
      `${op}: a gradient is taken of one number, this tensor is ${show(y.shape)}; use y.sum(), or give the gradient of y`,
    );
  }
  if (!sameShape(gradient.shape, y.shape)) {
    throw new GradError(`${op}: y is ${show(y.shape)} and its gradient ${show(gradient.shape)}; they must be equal`);
  }
  return operand(gradient, gradient.requiresGrad);
}

/** Cotangents by way of the hooks on the path. */
function hooked(line: Lineage): ((n: Node, g: Node) => Node) | null {
  if (!anyHooks) return null;
  const owners = new Map(line.holders);
  const all = (n: Node): Hook[] => {
    const owner = owners.get(n);
    return [...(hooks.get(n) ?? []), ...(owner === undefined ? [] : (leafHooks.get(owner) ?? []))];
  };
  if (!topologicalOrder([line.node], differentiable).some((n) => all(n).length > 0)) return null;
  return (n, g) => {
    for (const hook of all(n)) {
      refuseToRecord("a hook is called", "replays would not call it: remove it, or do not compile the function");
      const next = hook(wrap(engine.trace(g, false, true)));
      if (next === undefined) continue;
      if (!sameShape(next.shape, n.shape)) {
        throw new GradError(`hook: the gradient is ${show(n.shape)}, the hook gave ${show(next.shape)}`);
      }
      g = operand(next, next.requiresGrad);
    }
    return g;
  };
}

/** Adds d y / d leaf to the gradient of every leaf that requires one. */
export function backward(y: Handle, gradient: Handle | null, createGraph: boolean): void {
  const cotangent = checkOutput("backward", y, gradient);
  const line = lineage(origin(y));
  if (line.holders.length === 0) {
    throw new GradError("backward: no tensor that requires a gradient is left in the graph; were they all detached?");
  }
  const targets = line.holders.map(([node]) => node);
  const hook = hooked(line);
  const found =
    createGraph || hook !== null
      ? gradients(line.node, cotangent, targets, hook)
      : gradientItems(line.node, cotangent, targets);
  line.holders.forEach(([, holder], i) => {
    const g = found[i];
    if (g != null) accumulate(holder, g, createGraph);
  });
  const { state } = y;
  const runs = state instanceof Value && state.run !== null ? [state.run, ...line.runs] : line.runs;
  engine.differentiated(
    state instanceof Value && numel(y.shape) === 1 ? state : null,
    line.holders.map(([, holder]) => holder),
    runs,
  );
}

function accumulate(holder: Handle, g: Node, createGraph: boolean): void {
  const sofar = holder.gradientTensor;
  const state = sofar?.state;
  const carries = state instanceof Value && (state.carries || engine.isHistory(state));
  if (state instanceof Value) state.used = true;
  const total = sofar === null ? g : add(operand(sofar, createGraph), g);
  holder.gradientTensor = wrap(engine.trace(total, createGraph, carries));
}

export interface GradOptions {
  /** Cotangents of the outputs; needed for those with more than one element. */
  readonly gradOutputs?: readonly (Tensor | null)[];
  /** Whether the gradients can be differentiated again. */
  readonly createGraph?: boolean;
  /** Gives null for an input that an output does not depend on, instead of throwing. */
  readonly allowUnused?: boolean;
}

/** d (sum of outputs) / d input for each input, without touching any `.grad`. */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions & { readonly allowUnused: true },
): (Tensor | null)[];
export function grad(outputs: Tensor | readonly Tensor[], inputs: readonly Tensor[], options?: GradOptions): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  { gradOutputs = [], createGraph = false, allowUnused = false }: GradOptions = {},
): (Tensor | null)[] {
  const ys = Array.isArray(outputs) ? (outputs as readonly Tensor[]) : [outputs as Tensor];
  inputs.forEach((x, i) => {
    if (!x.requiresGrad) throw new GradError(`grad: input ${i} does not require a gradient`);
  });
  const totals: (Node | null)[] = inputs.map(() => null);
  ys.forEach((y, output) => {
    const cotangent = checkOutput("grad", y, gradOutputs[output]);
    const line = lineage(origin(y));
    const order = topologicalOrder([line.node], differentiable);
    const targets: Node[] = [];
    const owners: number[] = [];
    inputs.forEach((x, i) => {
      // A cell may occur in several versions; a result occurs as itself.
      const node = x.state instanceof Value ? lineage(origin(x)).node : null;
      for (const n of order) {
        if (n !== node && (node !== null || cellOf(n) !== x.state)) continue;
        targets.push(n);
        owners.push(i);
      }
    });
    const hook = hooked(line);
    const found =
      createGraph || hook !== null
        ? gradients(line.node, cotangent, targets, hook)
        : gradientItems(line.node, cotangent, targets);
    found.forEach((g, k) => {
      const i = owners[k]!;
      if (g !== null) totals[i] = totals[i] == null ? g : add(totals[i], g);
    });
    const { state } = y;
    engine.differentiated(
      state instanceof Value && numel(y.shape) === 1 ? state : null,
      [],
      state instanceof Value && state.run !== null ? [state.run, ...line.runs] : line.runs,
    );
  });
  return totals.map((g, i) => {
    if (g !== null) return wrap(engine.trace(g, createGraph && isFloat(g.dtype), false));
    if (allowUnused) return null;
    throw new GradError(`grad: the outputs do not depend on input ${i}; allowUnused: true gives null for it`);
  });
}

/** Has the tensor, a result, keep its gradient at the next `backward`. */
export function retainGradient(t: Handle): void {
  if (!t.requiresGrad) throw new GradError("retainGrad: the tensor does not require a gradient");
  refuseToRecord("retainGrad() is called", "return grad(loss, [t])[0]");
  if (t.isLeaf) return;
  anyRetained = true;
  retained.set(origin(t), t);
}

/** Calls `hook` with the tensor's gradient whenever one is computed. Gives a function that removes it. */
export function registerHook(t: Handle, hook: Hook): () => void {
  if (!t.requiresGrad) throw new GradError("registerHook: the tensor does not require a gradient");
  refuseToRecord("a hook is registered", "replays call no hooks");
  noteChange();
  anyHooks = true;
  const map: { get(k: object): Set<Hook> | undefined; set(k: object, v: Set<Hook>): unknown } = t.isLeaf
    ? leafHooks
    : hooks;
  const key = t.isLeaf ? t : origin(t);
  const set = map.get(key) ?? new Set<Hook>();
  map.set(key, set);
  set.add(hook);
  return () => {
    noteChange();
    set.delete(hook);
  };
}

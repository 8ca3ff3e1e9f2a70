/**
 * What every tensor is: a handle on a value or on a cell, and the one way operations are traced, `apply`.
 *
 * The classes of this folder are one chain, a subject each, and `Tensor` (tensor.ts) is its end; what they return is
 * always a Tensor, which `wrap` makes without this file knowing it.
 */
import { isFloat, type DType, type HostArray } from "../ir/dtype.ts";
import { GradError, TexgradError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { expand } from "../ir/ops/broadcast.ts";
import { cast, detach } from "../ir/ops/compare.ts";
import { input, uniform } from "../ir/ops/leaf.ts";
import { numel, type Shape } from "../ir/shape.ts";
import { Cell, isHost } from "./cell.ts";
import { engine, type GradientHolder } from "./engine.ts";
import { goneError } from "./gone.ts";
import { callerLine } from "./lines.ts";
import { lost } from "./lost.ts";
import { isGradEnabled } from "./mode.ts";
import { noteChange, recorder, refuseToRecord } from "./recorder.ts";
import type { Tensor } from "./tensor.ts";
import { Value } from "./value.ts";

/** A number of the user's. */
export type Scalar = number;

export abstract class Handle implements GradientHolder {
  /** @internal Not for users: what the handle stands for. */
  state: Value | Cell;
  /** @internal */
  gradientSeen = false;
  #gradient: Tensor | null = null;
  /** Makes the gradient a replay computed, should somebody look. */
  #makeGradient: (() => Tensor) | null = null;
  #requiresGrad: boolean;

  constructor(state: Value | Cell, requiresGrad: boolean) {
    if (requiresGrad && !isFloat(state.dtype)) {
      throw new GradError(`requiresGrad: only f32 tensors have gradients, this one is ${state.dtype}`);
    }
    this.state = state;
    this.#requiresGrad = requiresGrad;
    if (state instanceof Cell && requiresGrad) {
      state.differentiable = true;
      state.owner = this;
    }
  }

  get shape(): Shape {
    return this.state.shape;
  }
  get dtype(): DType {
    return this.state.dtype;
  }
  get ndim(): number {
    return this.state.shape.length;
  }
  get numel(): number {
    return numel(this.state.shape);
  }
  get requiresGrad(): boolean {
    return this.#requiresGrad;
  }
  /** Whether it was not computed from tensors that require a gradient. */
  get isLeaf(): boolean {
    return !this.#requiresGrad || this.state instanceof Cell;
  }

  /** @internal The gradient's value; null for none, and for one that was computed and that nobody has looked at. */
  get gradient(): Value | null {
    const state = this.#gradient?.state;
    return state instanceof Value ? state : null;
  }

  /** @internal The cell of a parameter or other state. */
  get cell(): Cell {
    if (this.state instanceof Cell) return this.state;
    throw new TexgradError(
      "this tensor cannot be assigned; only parameters, state and leaves that require a gradient can",
    );
  }

  /** Switches gradients on or off for a leaf, and gives the tensor. */
  requiresGrad_(on = true): this {
    if (on === this.#requiresGrad) return this;
    noteChange();
    if (!(this.state instanceof Cell)) {
      if (!on)
        throw new GradError("requiresGrad_: only leaves can be switched; detach() gives a tensor without a gradient");
      this.state = cellFrom(this, "");
    } else if (on && this.state.owner !== null && this.state.owner !== this) {
      // A detached handle on a parameter: a leaf of its own from here on.
      this.state = cellFrom(this, this.state.label);
    }
    if (on && !isFloat(this.dtype)) {
      throw new GradError(`requiresGrad_: only f32 tensors have gradients, this one is ${this.dtype}`);
    }
    this.#requiresGrad = on;
    this.cell.differentiable ||= on;
    this.cell.owner = this;
    return this;
  }

  /** Whether a gradient has been accumulated; unlike reading `grad`, this does not ask for its value. */
  hasGrad(): boolean {
    recorder()?.gradient(this, true);
    return this.#gradient !== null || this.#makeGradient !== null;
  }

  /** @internal The accumulated gradient; reading `grad` makes it a result of the next submit, this does not. */
  get gradientTensor(): Tensor | null {
    recorder()?.gradient(this, true);
    const make = this.#makeGradient;
    this.#makeGradient = null;
    return make === null ? this.#gradient : (this.#gradient = make());
  }
  set gradientTensor(g: Tensor | null) {
    recorder()?.gradient(this, false);
    this.#gradient = g;
    this.#makeGradient = null;
  }

  /** @internal Has the gradient be what `make` gives, when somebody looks. */
  deferGradient(make: () => Tensor): void {
    this.#gradient = null;
    this.#makeGradient = make;
  }

  /** @internal The gradient for a step of this submit, which then need not store it. */
  takeGradient(): Node | null {
    if (this.gradientTensor === null) return null;
    engine.take(this);
    return operand(this.gradientTensor, false);
  }
}

/** Makes a Tensor; filled by tensor.ts, which knows the class. */
let make: (state: Value | Cell, requiresGrad: boolean) => Tensor;

export function provideTensor(f: typeof make): void {
  make = f;
}

export const wrap = (
  state: Value | Cell,
  requiresGrad: boolean = state instanceof Value && state.requiresGrad,
): Tensor => make(state, requiresGrad);

/** The node an operation reads a tensor by. `records`: whether gradients go on through it. */
export function operand(t: Handle, records: boolean = isGradEnabled()): Node {
  const { state } = t;
  if (state instanceof Cell) {
    const n = engine.expression(state);
    return state.differentiable && !(records && t.requiresGrad) ? detach(n) : n;
  }
  state.checkAlive();
  if (recorder() === null) state.checkOutside();
  if (engine.isHistory(state)) return records && t.requiresGrad ? state.leaf : state.constant;
  const n = state.expression();
  return t.requiresGrad && !records ? detach(n) : n;
}

/** Traces what `f` builds from the tensors' nodes. The only way operations are made. */
export function apply(f: (...x: Node[]) => Node, operands: readonly Handle[]): Tensor {
  const records = isGradEnabled();
  const nodes = operands.map((t) => operand(t, records));
  const node = f(...nodes);
  let requiresGrad = false;
  let carries = false;
  for (const t of operands) {
    requiresGrad ||= records && t.requiresGrad;
    if (t.state instanceof Value) {
      t.state.used = true;
      carries ||= t.state.carries || engine.isHistory(t.state);
    }
  }
  return wrap(engine.trace(node, requiresGrad && isFloat(node.dtype), carries));
}

/** A user's number as a node: a uniform of its own, never merged with an equal one. */
export function scalar(value: Scalar, dtype: DType = "f32"): Node {
  return uniform({ kind: "uniform", read: () => value }, dtype);
}

/** The dtype in which a tensor of `dtype` meets a number: whole numbers leave integers as they are. */
export function numberDtype(dtype: DType, value: Scalar): DType {
  if (dtype === "f32" || !Number.isInteger(value)) return "f32";
  if (dtype === "bool") return "i32";
  return dtype === "u32" && value < 0 ? "i32" : dtype;
}

/** A cell whose first version is the tensor's value now. */
export function cellFrom(t: Handle, label: string): Cell {
  recorder()?.made(label === "" ? "a leaf that requires a gradient" : label);
  const host = hostCopy(t);
  if (host !== null) return new Cell(label, t.dtype, t.shape, host);
  const n = operand(t, false);
  if (t.state instanceof Value) t.state.used = true;
  const cell = new Cell(label, t.dtype, t.shape, n);
  // A first version made of nothing that can change waits for the first plan that reads it, and takes its layout.
  if (readsState(n)) engine.materialise(cell);
  return cell;
}

/** Whether an expression reads cells or values of earlier submits. */
function readsState(root: Node): boolean {
  const stack = [root];
  const seen = new Set(stack);
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    if (n.source?.kind === "cell" || n.source?.kind === "carried") return true;
    for (const x of n.inputs) if (seen.size !== seen.add(x).size) stack.push(x);
  }
  return false;
}

/** Assigns a tensor that is state. Pending until the next submit; the dtype is the state's, the shape broadcasts. */
export function assign(target: Handle, source: Handle | Scalar): void {
  const { cell } = target;
  if (target.requiresGrad && isGradEnabled()) {
    throw new GradError(
      `copy_: ${cell.label} requires a gradient, which an assignment would not have; wrap it: noGrad(() => p.copy_(x))`,
    );
  }
  if (typeof source !== "number" && source.state === cell) return;
  const value = typeof source === "number" ? scalar(source, cell.dtype) : cast(operand(source, false), cell.dtype);
  const n = expand(value, cell.shape);
  if (cell.means(n)) return;
  const gone = lost(n);
  if (gone !== null) throw goneError(gone);
  engine.assign(cell, cell.differentiable ? assignedLeaf(n, cell) : n);
}

/** Nodes that stand for a differentiable cell between its assignment and the submit that publishes it. */
const leaves = new WeakMap<Node, Cell>();

/** A node of its own for the assigned value, so that gradients can be taken with respect to it. */
function assignedLeaf(value: Node, cell: Cell): Node {
  let n = detach(value);
  while (leaves.has(n)) n = detach(n);
  leaves.set(n, cell);
  return n;
}

/** The cell whose value `n` is, or null. */
export function cellOf(n: Node): Cell | null {
  if (n.source?.kind === "cell") return n.source.cell as Cell;
  return n.op === detach.definition ? (leaves.get(n) ?? null) : null;
}

/** A snapshot of a tensor: its value now, in storage of its own. Gradients go on through it. */
export function cloned(t: Handle): Tensor {
  refuseToRecord("clone() keeps a value of this call only", "clone what it returns");
  const records = isGradEnabled();
  const host = hostCopy(t);
  if (host !== null && !(records && t.requiresGrad)) {
    return wrap(engine.trace(input({ kind: "input", array: host }, t.dtype, t.shape), false, false));
  }
  const v = new Value(operand(t, records), records && t.requiresGrad);
  v.line = callerLine();
  engine.snapshot(v);
  return wrap(v);
}

/** The values of a tensor, where they are on the host. */
function hostCopy({ state }: Handle): HostArray | null {
  if (state instanceof Value) return state.source?.kind === "input" ? state.source.array : state.host;
  const at = state.pending === null && state.initial === null ? state.at(state.version) : null;
  return isHost(at) ? at : null;
}

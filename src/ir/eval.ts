/**
 * The oracle: what a graph means, computed one node at a time and one element at a time.
 *
 * Obvious before fast. "f64" gives the exact meaning in double precision (integers and bool still wrap at 32 bits),
 * "f32" rounds the result of every op and every step of a reduction, as a device that stores each of them would.
 * It knows no device, no plan and no cell's contents: values of leaves without a host array are bound by the caller.
 */
import { roundTo, type DType } from "./dtype.ts";
import { InvariantError, TexgradError } from "./errors.ts";
import { topologicalOrder } from "./graph.ts";
import { numbers } from "./indexing.ts";
import type {
  GatherDefinition,
  LeafDefinition,
  MapDefinition,
  Node,
  ReduceDefinition,
  ViewDefinition,
} from "./node.ts";
import { numel, show, strides, type Shape } from "./shape.ts";

export type Mode = "f64" | "f32";

export interface EvaluateOptions {
  /** Row-major values of a leaf; undefined where it has values of its own (an input's array, a uniform's number). */
  readonly bind?: (leaf: Node) => ArrayLike<number> | undefined;
  readonly mode?: Mode;
  /** How mode "f32" rounds a number to one of f32; default to the nearest. */
  readonly toF32?: (v: number) => number;
}

type Round = (dtype: DType, v: number) => number;

/** Row-major values of each root. */
export function evaluate(
  roots: readonly Node[],
  { bind, mode = "f32", toF32 = Math.fround }: EvaluateOptions = {},
): Float64Array[] {
  const roundF32 = mode === "f64" ? (v: number): number => v : toF32;
  const round: Round = (dtype, v) => (dtype === "f32" ? roundF32(v) : roundTo(dtype, v));
  const expansions = new Map<Node, readonly Node[]>();
  /** A macro's results are computed in its place, once for all of them. */
  const below = (n: Node): readonly Node[] => {
    if (n.op.kind !== "item") return n.inputs;
    const macro = n.inputs[0]!;
    if (macro.op.kind !== "macro") throw new InvariantError(`item of ${macro.op.name}`);
    let results = expansions.get(macro);
    if (results === undefined) expansions.set(macro, (results = macro.op.expand(macro.inputs, macro.attrs)));
    return [results[n.attrs["index"] as number]!];
  };
  const order = topologicalOrder(roots, below);
  // A value is dropped after its last use, so that a long chain needs little memory.
  const uses = new Map<Node, number>();
  for (const n of [...order.flatMap((e) => below(e)), ...roots]) uses.set(n, (uses.get(n) ?? 0) + 1);
  const values = new Map<Node, Float64Array>();
  for (const n of order) {
    const needs = below(n);
    const x = needs.map((e) => values.get(e)!);
    values.set(n, value(n, x, round, bind));
    for (const e of needs) {
      const left = uses.get(e)! - 1;
      uses.set(e, left);
      if (left === 0) values.delete(e);
    }
  }
  return roots.map((r) => values.get(r)!);
}

function value(n: Node, x: readonly Float64Array[], round: Round, bind: EvaluateOptions["bind"]): Float64Array {
  switch (n.op.kind) {
    case "leaf":
      return rounded(n, leafValue(n, n.op, bind), round);
    case "map":
      return rounded(n, mapValue(n, n.op, x), round);
    case "view":
      return viewValue(n, n.op, x[0]!);
    case "reduce":
      return reduceValue(n, n.op, x[0]!, round);
    case "gather":
      return gatherValue(n, n.op, x[0]!, x[1]!);
    case "item":
      return x[0]!;
    case "macro":
      throw new InvariantError(`${n.op.name} has several results; ask for its items`);
  }
}

const rounded = (n: Node, v: ArrayLike<number>, round: Round): Float64Array =>
  Float64Array.from(v, (e) => round(n.dtype, e));

function leafValue(n: Node, op: LeafDefinition, bind: EvaluateOptions["bind"]): ArrayLike<number> {
  const bound = bind?.(n);
  if (bound !== undefined) {
    if (bound.length !== numel(n.shape)) {
      throw new TexgradError(`evaluate: ${bound.length} values bound to a leaf of shape ${show(n.shape)}`);
    }
    return bound;
  }
  switch (op.role) {
    case "literal":
    case "count":
      return [n.attrs["value"] as number];
    case "iota":
      return Array.from({ length: n.shape[0]! }, (_, i) => i);
    case "uniform":
      if (n.source?.kind === "uniform") return [n.source.read()];
      break;
    case "buffer":
      if (n.source?.kind === "input") return n.source.array;
  }
  const label = n.source?.kind === "cell" ? ` "${n.source.cell.label}"` : "";
  throw new TexgradError(`evaluate: ${op.name}${label} of shape ${show(n.shape)} has no value on the host; bind one`);
}

function mapValue(n: Node, op: MapDefinition, x: readonly Float64Array[]): Float64Array {
  const operands = n.inputs.map((e) => e.dtype);
  return Float64Array.from({ length: numel(n.shape) }, (_, i) =>
    op.evaluate(
      x.map((e) => e[i]!),
      n.attrs,
      operands,
    ),
  );
}

function viewValue(n: Node, op: ViewDefinition, x: Float64Array): Float64Array {
  const input = n.inputs[0]!.shape;
  const stride = strides(input);
  const fill = (n.attrs["fill"] as number | undefined) ?? 0;
  return coordinates(n.shape, (at) => {
    const read = op.pull(numbers, at, n.attrs, input);
    return read.valid.every(Boolean) ? x[position(read.at, stride)]! : fill;
  });
}

function reduceValue(n: Node, op: ReduceDefinition, x: Float64Array, round: Round): Float64Array {
  const operand = n.inputs[0]!;
  const axes = n.attrs["axes"] as readonly number[];
  const stride = strides(operand.shape);
  const kept = stride.filter((_, i) => !axes.includes(i));
  const inner = axes.map((a) => operand.shape[a]!);
  const innerStride = axes.map((a) => stride[a]!);
  // Where the elements of one result lie, relative to its first.
  const offsets = coordinates(inner, (at) => position(at, innerStride));
  return coordinates(n.shape, (at) => {
    const start = position(at, kept);
    let acc = op.identity(operand.dtype);
    let best = 0;
    offsets.forEach((offset, i) => {
      const next = op.combine(acc, x[start + offset]!, operand.dtype);
      if (op.form === "fold") acc = round(n.dtype, next);
      else if (next !== 0) [acc, best] = [x[start + offset]!, i];
    });
    return op.form === "fold" ? acc : best;
  });
}

function gatherValue(n: Node, _: GatherDefinition, x: Float64Array, index: Float64Array): Float64Array {
  const input = n.inputs[0]!.shape;
  const axis = n.attrs["axis"] as number;
  const stride = strides(input);
  const own = strides(n.shape);
  return coordinates(n.shape, (at) => {
    const i = index[position(at, own)]!;
    const read = at.map((e, a) => (a === axis ? i : e));
    return i >= 0 && i < input[axis]! ? x[position(read, stride)]! : 0;
  });
}

function position(at: readonly number[], stride: readonly number[]): number {
  let p = 0;
  for (let i = 0; i < at.length; i++) p += at[i]! * stride[i]!;
  return p;
}

/** f at every coordinate of `shape`, in row-major order. */
function coordinates(shape: Shape, f: (at: readonly number[]) => number): Float64Array {
  const out = new Float64Array(numel(shape));
  const at = shape.map(() => 0);
  for (let p = 0; p < out.length; p++) {
    out[p] = f(at);
    for (let i = shape.length - 1; i >= 0 && ++at[i]! === shape[i]; i--) at[i] = 0;
  }
  return out;
}

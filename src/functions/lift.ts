/** How functions on graphs become functions on tensors: promotion, numbers as uniforms. Not here: the functions. */
import { promote, type HostArray } from "../ir/dtype.ts";
import { DtypeError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { cast } from "../ir/ops/compare.ts";
import { broadcastShapes } from "../ir/shape.ts";
import { apply, numberDtype, scalar, Tensor } from "../trace/index.ts";
import { Value } from "../trace/value.ts";

/** What a binary function takes: a tensor or a number. */
export type Operand = Tensor | number;

/** x as f32: torch computes roots and logarithms of integers in floats. */
export const floated = (x: Node): Node => cast(x, "f32");

export type Unary = (x: Tensor) => Tensor;
export type Binary = (a: Operand, b: Operand) => Tensor;

/** Throws DtypeError for what is no tensor, which types forbid and JavaScript does not. */
export function checkTensors(op: string, operands: readonly unknown[]): void {
  const wrong = operands.find((x) => !(x instanceof Tensor));
  if (wrong === undefined && operands.every((x) => x !== undefined)) return;
  throw new DtypeError(`${op}: takes tensors, got ${wrong === null ? "null" : typeof wrong}; tensor(x) makes one`);
}

/** A function of floats; integers and bools become f32 first. */
export const unaryFloat =
  (op: string, f: (x: Node) => Node): Unary =>
  (x) => {
    checkTensors(op, [x]);
    return apply((e) => f(floated(e)), [x]);
  };

/** A function that keeps the dtype or asks for itself. */
export const unaryAny =
  (op: string, f: (x: Node) => Node): Unary =>
  (x) => {
    checkTensors(op, [x]);
    return apply(f, [x]);
  };

function lifted(op: string, f: (a: Node, b: Node) => Node, a: Operand, b: Operand, floats: boolean): Tensor {
  for (const x of [a, b]) {
    if (typeof x !== "number" && !(x instanceof Tensor)) {
      throw new DtypeError(`${op}: takes tensors and numbers, got ${x === null ? "null" : typeof x}`);
    }
  }
  if (typeof a === "number") {
    if (typeof b === "number") throw new DtypeError(`${op}: got two numbers; one operand must be a tensor`);
    return lifted(op, (x, y) => f(y, x), b, a, floats);
  }
  if (typeof b === "number") {
    const dtype = floats ? "f32" : numberDtype(a.dtype, b);
    return apply((x) => f(cast(x, dtype), scalar(b, dtype)), [a]);
  }
  const dtype = floats ? "f32" : promote(a.dtype, b.dtype);
  // Here, so that the error names what was called and not a part of it.
  broadcastShapes(op, a.shape, b.shape);
  return apply((x, y) => f(cast(x, dtype), cast(y, dtype)), [a, b]);
}

/** A function of two floats; integers and bools become f32 first. */
export const binaryFloat =
  (op: string, f: (a: Node, b: Node) => Node): Binary =>
  (a, b) =>
    lifted(op, f, a, b, true);

/** A function of two operands of the dtype torch promotes them to. */
export const binaryPromoted =
  (op: string, f: (a: Node, b: Node) => Node): Binary =>
  (a, b) =>
    lifted(op, f, a, b, false);

/** The values of a tensor where the host has them anyway; null where asking would run something. */
export function hostValues({ state }: Tensor): HostArray | null {
  if (!(state instanceof Value)) return null;
  return state.node?.source?.kind === "input" ? state.node.source.array : state.host;
}

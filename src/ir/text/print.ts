/**
 * Textual IR: one line a node, values numbered in walk order, so that equal graphs print alike in every run.
 *
 *     func @f(%0: f32[4], %1: uniform f32[]) {
 *       %2 = expand %1 {shape=[4]} : f32[4]
 *       %3 = mul %0, %2 : f32[4]
 *       return %3
 *     }
 *
 * Leaves with a source are arguments: what they stand for has no place in the text. Reading is parse.ts's.
 */
import { topologicalOrder } from "../graph.ts";
import type { AttrValue, Node } from "../node.ts";
import type { DType } from "../dtype.ts";
import { show, type Shape } from "../shape.ts";

export interface PrintOptions {
  readonly name?: string;
  /** Leaves to list first, in this order, whether the roots read them or not. */
  readonly arguments?: readonly Node[];
}

export function print(roots: readonly Node[], options: PrintOptions = {}): string {
  const { args, body, name } = numbered(roots, options.arguments);
  const head = args.map(
    (n) => `${name(n)}: ${n.op.name === "input" ? "" : `${n.op.name} `}${printType(n.dtype, n.shape)}`,
  );
  const lines = body.map((n) => `  ${name(n)} = ${printOperation(n, name)}\n`);
  return `func @${options.name ?? "f"}(${head.join(", ")}) {\n${lines.join("")}  return ${roots.map(name).join(", ")}\n}\n`;
}

/** The names `print` gives, for text that speaks of the same graph. */
export function numbered(
  roots: readonly Node[],
  given: readonly Node[] = [],
): { readonly args: readonly Node[]; readonly body: readonly Node[]; readonly name: (n: Node) => string } {
  const order = topologicalOrder(roots);
  const args = [...new Set([...given, ...order.filter((n) => n.source !== undefined)])];
  const body = order.filter((n) => n.source === undefined);
  const names = new Map([...args, ...body].map((n, i) => [n, `%${i}`]));
  return { args, body, name: (n) => names.get(n)! };
}

/** `mul %0, %2 : f32[4]`, operands spelled by `name`. */
export function printOperation(n: Node, name: (operand: Node) => string): string {
  const operands = n.inputs.length === 0 ? "" : ` ${n.inputs.map(name).join(", ")}`;
  const attrs = Object.entries(n.attrs).map(([key, v]) => `${key}=${printValue(v)}`);
  return `${n.op.name}${operands}${attrs.length === 0 ? "" : ` {${attrs.join(", ")}}`} : ${printType(n.dtype, n.shape)}`;
}

export const printType = (dtype: DType, shape: Shape): string => `${dtype}${show(shape)}`;

/** Numbers as JavaScript reads them back, -0 included; strings quoted. */
function printValue(v: AttrValue): string {
  if (typeof v === "number") return Object.is(v, -0) ? "-0" : String(v);
  if (typeof v === "object") return `[${v.map(printValue).join(",")}]`;
  return JSON.stringify(v);
}

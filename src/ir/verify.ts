/**
 * What must hold of every graph, in prose and then in code. Tests run it between passes.
 *
 *  1. order      an input is older than its user, so graphs have no cycles.
 *  2. interned   building a node again from its op, inputs and attributes gives the same node; with that its dtype and
 *                shape are what inference says, and operands were acceptable.
 *  3. shapes     extents are whole numbers, not negative.
 *  4. leaves     a source of the right kind on uniforms and buffers and on nothing else; literals and counts are
 *                scalars with a value their dtype holds; an iota is a vector of i32.
 *  5. axes       a reduction's are sorted, distinct and in range; a gather's is in range.
 *  6. views      the pull-back gives one coordinate per input axis, within the input wherever it is valid (checked at
 *                the corners of the result).
 *  7. stage      "traced": anything. "expanded": no macros and items. "simplified": also no op that gives back its own
 *                operand.
 *
 * A violation is our fault: InvariantError, with the node and the graph printed.
 */
import { roundTo } from "./dtype.ts";
import { InvariantError } from "./errors.ts";
import { topologicalOrder } from "./graph.ts";
import { numbers } from "./indexing.ts";
import {
  gatherNode,
  item,
  leaf,
  macro,
  map,
  reduce,
  view,
  type LeafDefinition,
  type Node,
  type ViewDefinition,
} from "./node.ts";
import { numel, show } from "./shape.ts";
import { print, printOperation } from "./text/print.ts";

export type Stage = "traced" | "expanded" | "simplified";

export function verify(roots: readonly Node[], stage: Stage = "traced"): void {
  for (const n of topologicalOrder(roots)) {
    const wrong =
      checkOrder(n) ??
      checkShape(n) ??
      checkLeaf(n) ??
      checkAxes(n) ??
      checkInterned(n) ??
      checkView(n) ??
      checkStage(n, stage);
    if (wrong !== null) {
      throw new InvariantError(`${stage} graph: ${wrong}: ${printOperation(n, (e) => `#${e.id}`)}`, print(roots));
    }
  }
}

const checkOrder = (n: Node): string | null =>
  n.inputs.every((e) => e.id < n.id) ? null : "an input is younger than its user";

const isExtent = (e: number): boolean => Number.isInteger(e) && e >= 0;
const checkShape = (n: Node): string | null => (n.shape.every(isExtent) ? null : "extents are not whole numbers");

function checkInterned(n: Node): string | null {
  if (n.source !== undefined) return null;
  let again: Node;
  try {
    again = build(n);
  } catch (error) {
    return `cannot be built again (${(error as Error).message})`;
  }
  return again === n ? null : "is not the interned node of its spelling";
}

function build(n: Node): Node {
  switch (n.op.kind) {
    case "leaf":
      return leaf(n.op, n.dtype, n.shape, n.attrs);
    case "map":
      return map(n.op, n.inputs, n.attrs);
    case "view":
      return view(n.op, n.inputs[0]!, n.attrs);
    case "reduce":
      return reduce(n.op, n.inputs[0]!, n.attrs["axes"] as readonly number[]);
    case "gather":
      return gatherNode(n.op, n.inputs[0]!, n.inputs[1]!, n.attrs["axis"] as number);
    case "macro":
      return macro(n.op, n.inputs, n.attrs);
    case "item":
      return item(n.inputs[0]!, n.attrs["index"] as number);
  }
}

/** The sources each role of leaf may have. */
const sourceKinds: Readonly<Record<LeafDefinition["role"], readonly string[]>> = {
  literal: [],
  count: [],
  iota: [],
  uniform: ["uniform"],
  buffer: ["input", "cell", "carried"],
};

function checkLeaf(n: Node): string | null {
  if (n.op.kind !== "leaf") return n.source === undefined ? null : "has a source but is no leaf";
  const allowed = sourceKinds[n.op.role];
  if (n.source === undefined ? allowed.length > 0 : !allowed.includes(n.source.kind)) {
    return `a ${n.op.role} leaf with ${n.source === undefined ? "no" : `a ${n.source.kind}`} source`;
  }
  if (n.op.role === "uniform") return n.shape.length === 0 ? null : "a uniform that is not a scalar";
  if (n.op.role === "iota") return n.dtype === "i32" && n.shape.length === 1 ? null : "an iota that is not [n] of i32";
  if (n.op.role === "buffer") return null;
  const value = n.attrs["value"];
  if (typeof value !== "number" || n.shape.length > 0) return `a ${n.op.role} that is not one number`;
  return n.dtype === "f32" || roundTo(n.dtype, value) === value ? null : `${value} is no ${n.dtype}`;
}

function checkAxes(n: Node): string | null {
  const operand = n.inputs[0];
  if (operand === undefined) return null;
  const inRange = (a: unknown): boolean => typeof a === "number" && isExtent(a) && a < operand.shape.length;
  if (n.op.kind === "gather") return inRange(n.attrs["axis"]) ? null : "the axis is out of range";
  if (n.op.kind !== "reduce") return null;
  const axes = n.attrs["axes"];
  if (!Array.isArray(axes) || !axes.every(inRange)) return "axes are out of range";
  return axes.every((a, i) => i === 0 || a > axes[i - 1]) ? null : "axes are not sorted and distinct";
}

const checkView = (n: Node): string | null => (n.op.kind === "view" && numel(n.shape) > 0 ? checkPull(n, n.op) : null);

function checkPull(n: Node, op: ViewDefinition): string | null {
  const input = n.inputs[0]!.shape;
  // Corners: every choice of first and last coordinate, or only the two extreme ones where there are many.
  const rank = n.shape.length;
  const choices = rank <= 8 ? Array.from({ length: 1 << rank }, (_, i) => i) : [0, -1];
  for (const bits of choices) {
    const corner = n.shape.map((e, i) => ((bits >> i) & 1 ? e - 1 : 0));
    const { at, valid } = op.pull(numbers, corner, n.attrs, input);
    if (at.length !== input.length) return `reads ${at.length} coordinates of an input of rank ${input.length}`;
    if (valid.every(Boolean) && !at.every((c, i) => isExtent(c) && c < input[i]!)) {
      return `at ${show(corner)} reads ${show(at)} of an input of shape ${show(input)}`;
    }
  }
  return null;
}

function checkStage(n: Node, stage: Stage): string | null {
  if (stage === "traced") return null;
  if (n.op.kind === "macro" || n.op.kind === "item") return "a macro is left";
  if (stage === "simplified" && n.op.kind === "map" && n.op.passes?.(n.inputs[0]!.dtype, n.attrs))
    return "gives back its own operand";
  return null;
}

/**
 * The gradient as one node: what `backward()` traces. It is expanded into a graph only when a plan is made, after the
 * forward graph is canonical, so a repeated training step never differentiates anything.
 */
import { item, macro, type Attrs, type MacroDefinition, type Node } from "../ir/node.ts";
import { expand } from "../ir/ops/broadcast.ts";
import { literal } from "../ir/ops/leaf.ts";
import { gradients } from "./vjp.ts";

const parts = (
  inputs: readonly Node[],
  attrs: Attrs,
): { y: Node; cotangent: Node | null; targets: readonly Node[] } => {
  const given = attrs["cotangent"] === true;
  return { y: inputs[0]!, cotangent: given ? inputs[1]! : null, targets: inputs.slice(given ? 2 : 1) };
};

export const gradientMacro: MacroDefinition = {
  kind: "macro",
  name: "gradient",
  doc: "inputs (y, cotangent?, ..targets): d y / d target for each target, zeros where none leads there.",
  results: (inputs, attrs) => parts(inputs, attrs).targets.map((t) => ({ shape: t.shape, dtype: t.dtype })),
  expand(inputs, attrs) {
    const { y, cotangent, targets } = parts(inputs, attrs);
    return gradients(y, cotangent, targets).map((g, i) => g ?? expand(literal(0), targets[i]!.shape));
  },
};

/** One node for all of d y / d targets; `item(it, i)` is the i-th. */
export function gradientNode(y: Node, cotangent: Node | null, targets: readonly Node[]): Node {
  const inputs = cotangent === null ? [y, ...targets] : [y, cotangent, ...targets];
  return macro(gradientMacro, inputs, { cotangent: cotangent !== null });
}

/** d y / d targets as nodes. */
export function gradientItems(y: Node, cotangent: Node | null, targets: readonly Node[]): Node[] {
  const all = gradientNode(y, cotangent, targets);
  return targets.map((_, i) => item(all, i));
}

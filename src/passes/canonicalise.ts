/**
 * Brings a traced graph to one spelling before it is differentiated, so that equal computations have equal gradients:
 * views of views compose, neutral operands vanish, and the softmax family is spelled as compose/softmax.ts spells it,
 * whose laws are softmax-laws.ts's. `detach` stays, for autodiff to see.
 */
import type { Node } from "../ir/node.ts";
import { rewrite, type OnHit, type Rule } from "./rewrite.ts";
import { localRules } from "./simplify.ts";
import { softmaxRules } from "./softmax-laws.ts";

export const canonicaliseRules: readonly Rule[] = [...localRules, ...softmaxRules];

export function canonicalise(
  roots: readonly Node[],
  onHit: OnHit | null = null,
  off: readonly string[] = [],
): Map<Node, Node> {
  return rewrite(
    roots,
    canonicaliseRules.filter((r) => r.bits === undefined || !off.includes(r.bits)),
    onHit,
  );
}

/**
 * Brings a traced graph to one spelling before it is differentiated, so that equal computations have equal gradients:
 * views of views compose, neutral operands vanish. `detach` stays, for autodiff to see.
 */
import type { Node } from "../ir/node.ts";
import { rewrite, type Hits } from "./rewrite.ts";
import { simplifyRules } from "./simplify.ts";

const rules = simplifyRules.filter((r) => !r.law.startsWith("an op that passes"));

export function canonicalise(roots: readonly Node[], hits: Hits | null): Map<Node, Node> {
  return rewrite(roots, rules, hits);
}

/**
 * Puts graphs in the place of macros: gradients and optimizer updates become ordinary nodes.
 */
import { rebuild, type Node } from "../ir/node.ts";

/** The same roots with no macro left below them. Iterative: graphs are deep, and a macro may give others. */
export function expandMacros(roots: readonly Node[]): Node[] {
  const done = new Map<Node, Node>();
  const expanded = new Map<Node, readonly Node[]>();
  const stack = [...roots];
  while (stack.length > 0) {
    const n = stack[stack.length - 1]!;
    if (done.has(n)) {
      stack.pop();
      continue;
    }
    // An item stands on its macro's inputs; the macro itself is never rebuilt.
    const of = n.op.kind === "item" ? n.inputs[0]! : null;
    const below = of === null ? n.inputs : of.inputs;
    const missing = below.filter((x) => !done.has(x));
    if (missing.length > 0) {
      for (let i = missing.length - 1; i >= 0; i--) stack.push(missing[i]!);
      continue;
    }
    if (of === null || of.op.kind !== "macro") {
      done.set(
        n,
        rebuild(
          n,
          n.inputs.map((x) => done.get(x)!),
        ),
      );
      stack.pop();
      continue;
    }
    let results = expanded.get(of);
    if (results === undefined) {
      results = of.op.expand(
        of.inputs.map((x) => done.get(x)!),
        of.attrs,
      );
      expanded.set(of, results);
    }
    const result = results[n.attrs["index"] as number]!;
    const clean = done.get(result);
    if (clean === undefined) {
      stack.push(result);
      continue;
    }
    done.set(n, clean);
    stack.pop();
  }
  return roots.map((r) => done.get(r)!);
}

/** Puts other nodes in the place of some and rebuilds what is above them. No laws (rewrite.ts). */
import { rebuild, type Node } from "../ir/node.ts";

/** What each node below `roots` became. Replacements are looked into in turn, so they may be made of what is replaced. */
export function substitute(roots: readonly Node[], replacements: ReadonlyMap<Node, Node>): Map<Node, Node> {
  const done = new Map<Node, Node>();
  const stack = [...roots];
  while (stack.length > 0) {
    const n = stack[stack.length - 1]!;
    const made = replacements.get(n) ?? n;
    const missing = done.has(n) ? [] : made.inputs.filter((e) => !done.has(e));
    if (missing.length > 0) {
      stack.push(...missing);
      continue;
    }
    if (!done.has(n)) {
      const now = rebuild(
        made,
        made.inputs.map((e) => done.get(e)!),
      );
      done.set(n, now);
      if (!done.has(made)) done.set(made, now);
    }
    stack.pop();
  }
  return done;
}

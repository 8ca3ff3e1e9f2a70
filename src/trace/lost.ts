/**
 * Whether an expression can still be computed: its cells at the versions it reads, its carried values, nothing disposed.
 */
import type { Node } from "../ir/node.ts";
import type { Cell } from "./cell.ts";
import type { Gone } from "./gone.ts";
import { Value } from "./value.ts";

/** Why an expression cannot be computed any more, or null. */
export function lost(root: Node): Gone | null {
  const seen = new Set<Node>([root]);
  const stack = [root];
  const visit = (n: Node): void => {
    if (!seen.has(n)) stack.push(n);
    seen.add(n);
  };
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    const { source } = n;
    if (source?.kind === "cell") {
      const cell = source.cell as Cell;
      if (!cell.readable(source.version)) return cell.gone(source.version);
    } else if (source?.kind === "carried" && source.value instanceof Value) {
      const v = source.value;
      if (v.disposed || (v.node === null && v.stored() === null)) return v.gone;
      if (v.stored() === null) visit(v.node!);
    }
    n.inputs.forEach(visit);
  }
  return null;
}

/**
 * Walks over graphs: order, users, substitution. All iterative: a chain of 100,000 nodes is an ordinary graph.
 */
import { rebuild, type Node } from "./node.ts";

const inputsOf = (n: Node): readonly Node[] => n.inputs;

/**
 * Every node the roots need, inputs before users, in the order a depth-first walk leaves them: roots in turn, inputs
 * left to right. Equal graphs give equal orders. `below` says what a node needs; nothing below a leaf.
 */
export function topologicalOrder(roots: readonly Node[], below: (n: Node) => readonly Node[] = inputsOf): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  // The path from a root to the node at hand, what each node on it needs, and which of that comes next.
  const path: Node[] = [];
  const needs: (readonly Node[])[] = [];
  const next: number[] = [];
  const enter = (n: Node): void => {
    seen.add(n);
    path.push(n);
    needs.push(below(n));
    next.push(0);
  };
  for (const root of roots) {
    if (!seen.has(root)) enter(root);
    while (path.length > 0) {
      const top = path.length - 1;
      const i = next[top]!;
      if (i < needs[top]!.length) {
        next[top] = i + 1;
        const input = needs[top]![i]!;
        if (!seen.has(input)) enter(input);
      } else {
        order.push(path[top]!);
        path.pop();
        needs.pop();
        next.pop();
      }
    }
  }
  return order;
}

/** Who reads each node of `order`, each user once, in order. Nodes nobody reads have an empty list. */
export function users(order: readonly Node[]): Map<Node, Node[]> {
  const out = new Map<Node, Node[]>(order.map((n) => [n, []]));
  for (const n of order) for (const input of new Set(n.inputs)) out.get(input)?.push(n);
  return out;
}

/**
 * The roots with every node of `by` replaced, wherever it is read. A replacement is taken as it is: what is below it
 * is not substituted again, so x may be replaced by an expression of x.
 */
export function substitute(roots: readonly Node[], by: ReadonlyMap<Node, Node>): Node[] {
  const made = new Map<Node, Node>(by);
  for (const n of topologicalOrder(roots, (e) => (by.has(e) ? [] : e.inputs))) {
    if (!made.has(n)) {
      made.set(
        n,
        rebuild(
          n,
          n.inputs.map((e) => made.get(e)!),
        ),
      );
    }
  }
  return roots.map((r) => made.get(r)!);
}

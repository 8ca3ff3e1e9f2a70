/**
 * One submit's graph in a fixed order: every node gets a number, inputs before users. Two submits of one program get
 * the same numbers, whatever their leaves stand for; that is what plans are found by.
 */
import { gradientMacro } from "../autodiff/gradient.ts";
import type { Node } from "../ir/node.ts";

export interface Walk {
  readonly order: readonly Node[];
  readonly number: ReadonlyMap<Node, number>;
  /** Numbers of all inputs, node after node; -1 below a leaf that stands for a computed node. */
  readonly operands: readonly number[];
  /** Numbers of the leaves that are bound: inputs, cells, carried values, and computed nodes that are at hand. */
  readonly leaves: readonly number[];
  readonly uniforms: readonly number[];
}

/**
 * Numbers everything below `roots`. Computed nodes for which `atHand` holds are leaves: the walk goes on below them
 * only where a gradient is taken, which needs the graph and not only the value.
 */
export function walk(roots: readonly Node[], atHand: ((n: Node) => boolean) | null): Walk {
  const all = numbered(depthFirst(roots), null);
  return atHand === null ? all : cut(all.order, roots, atHand);
}

/** Everything below the roots with its number, inputs before users. */
function depthFirst(roots: readonly Node[]): Map<Node, number> {
  const numbers = new Map<Node, number>();
  // The path from a root to the node at hand, and which input of each comes next. No node is on it twice.
  const path: Node[] = [];
  const next: number[] = [];
  for (const root of roots) {
    if (numbers.has(root)) continue;
    path.push(root);
    next.push(0);
    while (path.length > 0) {
      const top = path.length - 1;
      const n = path[top]!;
      const i = next[top]!;
      if (i < n.inputs.length) {
        next[top] = i + 1;
        const x = n.inputs[i]!;
        if (numbers.has(x)) continue;
        path.push(x);
        next.push(0);
      } else {
        numbers.set(n, numbers.size);
        path.pop();
        next.pop();
      }
    }
  }
  return numbers;
}

function cut(all: readonly Node[], roots: readonly Node[], atHand: (n: Node) => boolean): Walk {
  const held = new Set<Node>();
  const needed = new Set<Node>(roots);
  const differentiated = new Set<Node>();
  for (let i = all.length - 1; i >= 0; i--) {
    const n = all[i]!;
    const through = differentiated.has(n);
    if (!through && !needed.has(n)) continue;
    if (n.inputs.length > 0 && n.op.kind !== "macro" && atHand(n)) held.add(n);
    if (held.has(n) && !through) continue;
    const into = through || n.op === gradientMacro ? differentiated : needed;
    for (const x of n.inputs) into.add(x);
  }
  const numbers = new Map<Node, number>();
  for (const n of all) if (needed.has(n) || differentiated.has(n)) numbers.set(n, numbers.size);
  return numbered(numbers, { held, differentiated });
}

function numbered(
  numbers: ReadonlyMap<Node, number>,
  at: { readonly held: ReadonlySet<Node>; readonly differentiated: ReadonlySet<Node> } | null,
): Walk {
  const order: Node[] = [];
  const operands: number[] = [];
  const leaves: number[] = [];
  const uniforms: number[] = [];
  for (const [n, i] of numbers) {
    order.push(n);
    let isCut = false;
    if (n.op.kind === "leaf") {
      if (n.op.role === "buffer") leaves.push(i);
      else if (n.op.role === "uniform") uniforms.push(i);
    } else if (at !== null && at.held.has(n)) {
      leaves.push(i);
      isCut = !at.differentiated.has(n);
    }
    for (const x of n.inputs) operands.push(isCut ? -1 : numbers.get(x)!);
  }
  return { order, number: numbers, operands, leaves, uniforms };
}

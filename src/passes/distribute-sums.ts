/**
 * Cuts a sum over more terms than one kernel can read into sums over fewer, each of which adds to the one before: the
 * gradient of a weight that every step of a sequence uses is one sum over as many products as there are steps.
 *
 * Looks at what is stored (partition.ts), since only that says what a kernel reads. Terms are never stored for this:
 * they are as large as products of contractions.
 */
import { reduce, view, type Node, type ReduceDefinition } from "../ir/node.ts";
import { add, neg, sub } from "../ir/ops/arithmetic.ts";
import type { CutReason } from "../ir/kernel.ts";
import { computedBy, excess, contentsOf } from "./oversized.ts";
import type { Partition } from "./partition.ts";

export interface Distributed {
  /** Of each sum that was cut, what it became. */
  readonly became: ReadonlyMap<Node, Node>;
  /** Sums that must be stored for the next to be small. */
  readonly apart: ReadonlyMap<Node, CutReason>;
}

/** Null where no kernel reads too much, or none of those that do ends in a sum of terms. */
export function distributeSums(partition: Partition): Distributed | null {
  const { stored, inlined, limits } = partition;
  const became = new Map<Node, Node>();
  const apart = new Map<Node, CutReason>();
  for (const n of stored.keys()) {
    const held = contentsOf(partition, n);
    if (excess(held, limits) !== "inputs") continue;
    for (const e of computedBy(partition, n)) {
      if (e.op.kind !== "reduce" || e.op.linear !== true || became.has(e)) continue;
      const terms = termsOf(e.inputs[0]!, inlined).map((term) => ({ term, loads: loadsOf(term, stored) }));
      if (terms.length < 2) continue;
      // What else the kernel of the last sum reads, and the sum before it.
      const below = new Set(terms.flatMap((t) => [...t.loads]));
      const others = [...held.loads].filter((l) => !below.has(l)).length;
      const room = Math.max(limits.inputs - others - 1, 1);
      const parts = chunks(terms, room);
      if (parts.length > 1) became.set(e, chained(e.op, e, parts, apart));
    }
  }
  return became.size === 0 ? null : { became, apart };
}

interface Term {
  readonly term: Node;
  readonly loads: ReadonlySet<Node>;
}

/** Consecutive terms that read at most `room` values; one that alone reads more stays alone. */
function chunks(terms: readonly Term[], room: number): Node[][] {
  const out: Node[][] = [];
  let loads = new Set<Node>();
  for (const t of terms) {
    const all = new Set([...loads, ...t.loads]);
    if (out.length === 0 || all.size > room) {
      out.push([t.term]);
      loads = new Set(t.loads);
    } else {
      out[out.length - 1]!.push(t.term);
      loads = all;
    }
  }
  return out;
}

/** The sum of the first chunk, to which that of the second is added, and so on. */
function chained(
  op: ReduceDefinition,
  n: Node,
  parts: readonly (readonly Node[])[],
  apart: Map<Node, CutReason>,
): Node {
  const axes = n.attrs["axes"] as readonly number[];
  let total: Node | null = null;
  for (const part of parts) {
    if (total !== null) apart.set(total, "inputs");
    const own = reduce(
      op,
      part.reduce((a, b) => add(a, b)),
      axes,
    );
    total = total === null ? own : add(own, total);
  }
  return total!;
}

/** The terms that inlined additions add, below views of their sum; each is given those views. */
function termsOf(root: Node, inlined: Partition["inlined"]): Node[] {
  const out: Node[] = [];
  const stack: { n: Node; around: (term: Node) => Node }[] = [{ n: root, around: (term) => term }];
  while (stack.length > 0) {
    const { n, around } = stack.pop()!;
    const { op } = n;
    const [a, b] = n.inputs as readonly [Node, Node];
    if (n !== root && !inlined.has(n)) out.push(around(n));
    else if (op === add.definition) stack.push({ n: b, around }, { n: a, around });
    else if (op === sub.definition) stack.push({ n: b, around: (term) => around(neg(term)) }, { n: a, around });
    else if (op.kind === "view" && (n.attrs["fill"] ?? 0) === 0) {
      stack.push({ n: a, around: (term) => around(view(op, term, n.attrs)) });
    } else out.push(around(n));
  }
  return out;
}

/** Stored values and leaves that computing `term` reads. */
function loadsOf(term: Node, stored: Partition["stored"]): Set<Node> {
  const loads = new Set<Node>();
  const inside = new Set<Node>([term]);
  for (const e of inside) {
    if (stored.has(e) || (e.op.kind === "leaf" && e.op.role === "buffer")) loads.add(e);
    else for (const x of e.inputs) inside.add(x);
  }
  return loads;
}

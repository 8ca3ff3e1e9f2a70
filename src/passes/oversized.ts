/**
 * What one kernel may hold, and which values are stored so that it holds no more: textures to read, numbers to take,
 * operations to spell. Counted once the laws of partition.ts have said what is stored.
 */
import type { CutReason } from "../ir/kernel.ts";
import type { Node } from "../ir/node.ts";
import type { Partition, PartitionLimits } from "./partition.ts";

/** Elementwise operations one kernel may hold, so that programs stay short. */
export const MAX_OPERATIONS = 160;
/** User numbers one kernel may take; 224 uniform vectors are guaranteed. */
export const MAX_NUMBERS = 128;

/** What a kernel holds. */
export interface Contents {
  readonly loads: ReadonlySet<Node>;
  readonly operations: ReadonlySet<Node>;
  readonly numbers: ReadonlySet<Node>;
}

const none: ReadonlySet<Node> = new Set();

/** Why a kernel may not hold as much; null where it may. */
export function excess({ loads, numbers, operations }: Contents, limits: PartitionLimits): CutReason | null {
  if (loads.size > limits.inputs) return "inputs";
  if (numbers.size > MAX_NUMBERS) return "numbers";
  return operations.size > MAX_OPERATIONS ? "size" : null;
}

/** What the kernel that stores `n` holds. */
export function contentsOf(partition: Partition, n: Node): Contents {
  const operations = new Set<Node>();
  const numbers = new Set<Node>();
  for (const e of computedBy(partition, n)) {
    if (e.op.kind === "map") operations.add(e);
    if (isNumber(e)) numbers.add(e);
  }
  return { loads: new Set(partition.reads.get(n)!.map((d) => d.node)), operations, numbers };
}

/** Nodes that the kernel of stored node `n` computes, itself included. */
export function computedBy({ inlined }: Partition, n: Node): Set<Node> {
  const inside = new Set<Node>([n]);
  for (const e of inside) for (const x of e.inputs) if (inlined.has(x)) inside.add(x);
  return inside;
}

const isNumber = (n: Node): boolean => n.op.kind === "leaf" && (n.op.role === "uniform" || n.op.role === "count");

/**
 * Values that must be stored for the kernel of `n` to be small enough, counted from its operands to `n`: where a node
 * would hold too much, its largest operand is stored and counts as one load from there on.
 */
export function cutsWithin(
  partition: Partition,
  n: Node,
  leaf: (n: Node) => boolean,
  mayBeStored: (n: Node, loads: ReadonlySet<Node>) => boolean,
): Map<Node, CutReason> {
  const { limits, stored } = partition;
  const cuts = new Map<Node, CutReason>();
  const below = new Map<Node, Contents>();
  const contents = (e: Node): Contents => {
    const known = below.get(e);
    if (known !== undefined) return known;
    const isLoad = leaf(e) || stored.has(e);
    return {
      loads: isLoad ? new Set([e]) : none,
      numbers: !isLoad && isNumber(e) ? new Set([e]) : none,
      operations: none,
    };
  };
  for (const e of [...computedBy(partition, n)].sort((a, b) => a.id - b.id)) {
    if (e.inputs.length === 0) continue;
    for (;;) {
      const parts = e.inputs.map(contents);
      const held: Contents = {
        loads: union(parts.map((p) => p.loads)),
        numbers: union(parts.map((p) => p.numbers)),
        operations: union(
          parts.map((p) => p.operations),
          e.op.kind === "map" ? e : undefined,
        ),
      };
      below.set(e, held);
      const why = excess(held, limits);
      if (why === null) break;
      const size = (x: Node): number => {
        const c = contents(x);
        return why === "inputs" ? c.loads.size : why === "numbers" ? c.numbers.size : c.operations.size;
      };
      const largest = e.inputs
        .map((x) => cuttable(x, (m) => leaf(m) || stored.has(m)))
        .filter((x): x is Node => x !== null && !cuts.has(x) && size(x) > 1 && mayBeStored(x, contents(x).loads))
        .sort((a, b) => size(b) - size(a))[0];
      if (largest === undefined) break;
      cuts.set(largest, why);
      const cut: Contents = { loads: new Set([largest]), numbers: none, operations: none };
      for (const x of e.inputs)
        for (let at = x; cuttable(at, leaf) === largest; at = at.inputs[0]!) {
          below.set(at, cut);
          if (at === largest) break;
        }
    }
  }
  return cuts;
}

function union(sets: readonly ReadonlySet<Node>[], more?: Node): ReadonlySet<Node> {
  const large = sets.filter((s) => s.size > 0);
  if (large.length === 1 && more === undefined) return large[0]!;
  const out = new Set<Node>();
  for (const s of large) for (const e of s) out.add(e);
  if (more !== undefined) out.add(more);
  return out;
}

/** The map below views, which is what would be stored; null where there is none. */
function cuttable(n: Node, isLoad: (n: Node) => boolean): Node | null {
  let at = n;
  while (at.op.kind === "view" && !isLoad(at)) at = at.inputs[0]!;
  return at.op.kind === "map" && !isLoad(at) ? at : null;
}

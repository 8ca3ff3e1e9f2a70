/**
 * Splits long reductions of few results (split-K): first over parts, which many fragments compute, then over what the
 * parts gave. Epilogues stay with the second. Runs after simplify, which would merge the two again.
 */
import { reduce, type Node, type ReduceDefinition } from "../ir/node.ts";
import { sum } from "../ir/ops/broadcast.ts";
import { amax } from "../ir/ops/reduce.ts";
import { pad, reshape } from "../ir/ops/view.ts";
import { rewrite, type OnHit, type Rule } from "./rewrite.ts";
import { example } from "./example.ts";

/** Steps that one fragment takes rather than leave some to another draw: a draw costs as much. */
const LONG = 1024;
/** A whole axis may be kept where it gives up to so many times the parts that are needed. */
const GENEROUS = 4;
/** Fewest steps of a part. */
const SHORT = 16;

export function splitReductions(
  roots: readonly Node[],
  fragments: number,
  onHit: OnHit | null,
  off: readonly string[],
): Map<Node, Node> {
  if (fragments === 0 || off.includes("split")) return new Map(roots.map((r) => [r, r]));
  return rewrite(roots, [splitRule(fragments)], onHit);
}

const rules = new Map<number, Rule>();

/** `fragments`: fewer leave the device idle. One object for each number, as laws without one are. */
export function splitRule(fragments: number): Rule {
  let rule = rules.get(fragments);
  if (rule === undefined) rules.set(fragments, (rule = makeRule(fragments)));
  return rule;
}

const makeRule = (fragments: number): Rule => ({
  law: "reduce_{a,b} x => reduce_a(reduce_b x), where few results take many steps",
  apply: (n) => {
    const { op } = n;
    if (op.kind !== "reduce" || op.form !== "fold") return null;
    const x = n.inputs[0]!;
    const axes = n.attrs["axes"] as readonly number[];
    const steps = axes.reduce((product, a, i) => product * seen(x.shape[a]!, i), 1);
    const results = n.shape.reduce((product, e, i) => product * seen(e, i), 1);
    const parts = Math.min(Math.ceil((4 * fragments) / Math.max(results, 1)), Math.floor(steps / SHORT));
    // What the second adds up must be what the first gave: a count of bools is no longer of bools.
    if (steps <= LONG || parts < 2 || op.dtype(n.dtype, n.attrs) !== n.dtype) return null;
    return split(op, x, axes, parts);
  },
  examples: () => [
    sum(example([3000]), [0]),
    sum(example([1301, 2, 3]), [0]),
    amax(example([4, 20, 40]), [0, 1, 2]),
    sum(example([2, 3, 700]), [0, 2]),
  ],
  bits: "split",
});

/**
 * The extent of the i-th of some axes, as far as decisions see it. The outermost may be a batch, of which only the class
 * counts, so that another batch of the class is no other program; longer ones are no batches.
 */
function seen(extent: number, i: number): number {
  if (i > 0 || extent > LONG) return extent;
  return extent >= 8 ? 8 : extent >= 4 ? 4 : Math.min(extent, 2);
}

/** Keeps axes whole, outer ones first, as long as they give too few parts; the axis after them is cut in two. */
function split(op: ReduceDefinition, x: Node, axes: readonly number[], parts: number): Node | null {
  const kept: number[] = [];
  let found = 1;
  for (const [i, a] of axes.slice(0, -1).entries()) {
    const extent = seen(x.shape[a]!, i);
    if (found >= parts || found * extent > parts * GENEROUS) break;
    kept.push(a);
    found *= extent;
  }
  const cut = axes[kept.length]!;
  const extent = x.shape[cut]!;
  const needed = Math.ceil(parts / found);
  if (needed < 2 || extent < 2 * needed) return kept.length === 0 ? null : twice(op, x, axes, kept);
  const [count, length] = cutInto(extent, needed);
  const missing = x.shape.map((_, d) => (d === cut ? count * length - extent : 0));
  const none = x.shape.map(() => 0);
  const padded = count * length === extent ? x : pad(x, none, missing, op.identity(x.dtype));
  const y = reshape(padded, [...x.shape.slice(0, cut), count, length, ...x.shape.slice(cut + 1)]);
  const moved = (a: number): number => (a > cut ? a + 1 : a);
  return twice(op, y, [...axes.map(moved), cut + 1], [...kept.map(moved), cut]);
}

/** How many parts, and how long: exactly where a divisor is near. */
function cutInto(extent: number, parts: number): readonly [count: number, length: number] {
  for (let count = parts; count <= parts * 4 && count * 2 <= extent; count++) {
    if (extent % count === 0) return [count, extent / count];
  }
  const length = Math.ceil(extent / parts);
  return [Math.ceil(extent / length), length];
}

/** The reduction over `axes`, those of `kept` second. */
function twice(op: ReduceDefinition, x: Node, axes: readonly number[], kept: readonly number[]): Node {
  const first = axes.filter((a) => !kept.includes(a)).sort((a, b) => a - b);
  const before = (a: number): number => first.filter((f) => f < a).length;
  const inner = reduce(op, x, first);
  return reduce(
    op,
    inner,
    kept.map((a) => a - before(a)).sort((a, b) => a - b),
  );
}

/**
 * Laws of reductions that are linear: what does not vary over the reduced axes is taken out of them, and a sum of terms
 * becomes terms of sums where one of them would otherwise wait for another reduction. So the sums that a norm's gradient
 * asks for become two, of the cotangent and of its product with the centred operand, in one loop.
 *
 * Not here: reductions of reductions (simplify.ts), and the softmax family (softmax-laws.ts).
 */
import { map, reduce, type Node, type ReduceDefinition } from "../ir/node.ts";
import { add, div, mul, neg, sub } from "../ir/ops/arithmetic.ts";
import { expand, expandView, sum, sumReduce, unreduce } from "../ir/ops/broadcast.ts";
import { cast } from "../ir/ops/compare.ts";
import { count, iota, literal } from "../ir/ops/leaf.ts";
import { permute, permuteView, reshape, reshapeView } from "../ir/ops/view.ts";
import { numel } from "../ir/shape.ts";
import type { Rule } from "./rewrite.ts";
import { example } from "./example.ts";

/** How deep products are looked into. */
const MAX_DEPTH = 8;
/** Nodes looked at for a reduction below a factor. */
const MAX_LOOK = 64;

const axesOf = (n: Node): readonly number[] => n.attrs["axes"] as readonly number[];
const mean = (x: Node, axes: readonly number[]): Node => div(sum(x, axes), extentOf(x, axes));
const extentOf = (x: Node, axes: readonly number[]): Node => count(numel(axes.map((a) => x.shape[a]!)));

/** The operand and axes of a reduction that is linear in floats. */
function linearReduction(n: Node): { op: ReduceDefinition; x: Node; axes: readonly number[] } | null {
  return n.op.kind === "reduce" && n.op.linear === true && n.dtype === "f32"
    ? { op: n.op, x: n.inputs[0]!, axes: axesOf(n) }
    : null;
}

export const linearRules: readonly Rule[] = [
  {
    law: "sum c (x - mean x) => 0, where c does not vary over the summed axes",
    apply: (n) => {
      if (n.op !== sumReduce || n.dtype !== "f32") return null;
      const axes = axesOf(n);
      const x = factored(n.inputs[0]!, axes, MAX_DEPTH)?.varying ?? n.inputs[0]!;
      if (x.op !== sub.definition) return null;
      const [a, b] = x.inputs as readonly [Node, Node];
      return without(b, axes) === mean(a, axes) ? expand(literal(0), n.shape) : null;
    },
    examples: () => {
      // Whose means are exact.
      const x = reshape(cast(iota(24), "f32"), [2, 3, 4]);
      const centred = sub(x, unreduce(mean(x, [2]), [2, 3, 4], [2]));
      return [sum(centred, [2]), sum(mul(expand(literal(3), [2, 3, 4]), centred), [2])];
    },
    bits: "linear",
  },
  {
    law: "reduce(c x) => c reduce(x), where c does not vary over the reduced axes",
    apply: (n) => {
      const found = linearReduction(n);
      if (found === null) return null;
      const { op, x, axes } = found;
      const parts = factored(x, axes, MAX_DEPTH);
      return parts === null ? null : parts.around(reduce(op, parts.varying, axes));
    },
    examples: () => {
      const x = example([3, 5]);
      const c = expand(reshape(example([3], 2), [3, 1]), [3, 5]);
      return [sum(mul(x, c), [1]), sum(neg(div(mul(c, x), c)), [1]), sum(mul(mul(x, c), example([3, 5], 4)), [1])];
    },
    bits: "linear",
  },
  {
    law: "reduce(x + y) => reduce x + reduce y, where a factor of one is itself made of a reduction",
    apply: (n) => {
      const found = linearReduction(n);
      if (found?.x.op.kind !== "map" || found.x.op.additive !== true) return null;
      const { op, x, axes } = found;
      const terms = x.inputs.map((term) => ({ term, fixed: without(term, axes) }));
      const factorsOf = ({ term, fixed }: (typeof terms)[number]): readonly Node[] =>
        fixed === null ? (factored(term, axes, MAX_DEPTH)?.factors ?? []) : [fixed];
      if (!terms.some((t) => factorsOf(t).some(isMadeOfReduction))) return null;
      const sums = terms.map(({ term, fixed }) =>
        fixed === null ? reduce(op, term, axes) : mul(fixed, extentOf(term, axes)),
      );
      return map(found.x.op, sums, x.attrs);
    },
    examples: () => {
      const x = example([3, 5]);
      const s = unreduce(sum(example([3, 5], 2), [1]), [3, 5], [1]);
      return [sum(add(mul(x, s), example([3, 5], 4)), [1]), sum(sub(x, s), [1])];
    },
    bits: "linear",
  },
];

interface Factored {
  readonly varying: Node;
  /** What was taken out, without the reduced axes. */
  readonly factors: readonly Node[];
  /** Puts what was taken out around the reduction of what varies. */
  readonly around: (y: Node) => Node;
}

/** Takes out of a product what does not vary over `axes`; null where nothing is found. */
function factored(x: Node, axes: readonly number[], depth: number): Factored | null {
  const { op } = x;
  if (op.kind !== "map" || op.linear === undefined || depth === 0) return null;
  const fixed = x.inputs.map((e) => without(e, axes));
  for (const i of op.linear) {
    const rest = fixed.filter((_, k) => k !== i);
    if (fixed[i] !== null || rest.some((e) => e === null)) continue;
    const inner = factored(x.inputs[i]!, axes, depth - 1);
    return {
      varying: inner?.varying ?? x.inputs[i]!,
      factors: [...(rest as readonly Node[]), ...(inner?.factors ?? [])],
      around: (y) => {
        const below = inner?.around(y) ?? y;
        return map(
          op,
          fixed.map((e) => e ?? below),
          x.attrs,
        );
      },
    };
  }
  const inner = x.inputs.map((e, i) =>
    op.linear!.includes(i) && fixed[i] === null ? factored(e, axes, depth - 1) : null,
  );
  if (inner.every((e) => e === null)) return null;
  const varying = x.inputs.map((e, i) => inner[i]?.varying ?? e);
  // Products of the same factors are one node, in whatever order they were written.
  if (op.commutative === true) varying.sort((a, b) => a.id - b.id);
  return {
    varying: map(op, varying, x.attrs),
    factors: inner.flatMap((e) => e?.factors ?? []),
    around: (y) => inner.reduce((z, e) => e?.around(z) ?? z, y),
  };
}

/** `c` without `axes`, if it does not vary over them; else null. */
function without(c: Node, axes: readonly number[], depth: number = MAX_DEPTH): Node | null {
  const { op } = c;
  if (depth === 0) return null;
  const kept = c.shape.filter((_, i) => !axes.includes(i));
  if (op === expandView) {
    const x = c.inputs[0]!;
    const lead = c.shape.length - x.shape.length;
    if (axes.some((a) => a >= lead && x.shape[a - lead] !== 1)) return null;
    const inner = x.shape.filter((_, i) => !axes.includes(i + lead));
    return expand(reshaped(x, inner), kept);
  }
  if (op === permuteView) {
    const order = axesOf(c);
    const inner = without(
      c.inputs[0]!,
      axes.map((a) => order[a]!).sort((a, b) => a - b),
      depth - 1,
    );
    if (inner === null) return null;
    const left = [...order].filter((_, i) => !axes.includes(i));
    return permute(
      inner,
      left.map((a) => left.filter((b) => b < a).length),
    );
  }
  if (op.kind === "map") {
    const inner: Node[] = [];
    for (const e of c.inputs) {
      const made = without(e, axes, depth - 1);
      if (made === null) return null;
      inner.push(made);
    }
    return map(op, inner, c.attrs);
  }
  return axes.every((a) => c.shape[a] === 1) ? reshaped(c, kept) : null;
}

/** A reshape without what it undoes. */
function reshaped(x: Node, shape: readonly number[]): Node {
  return reshape(x.op === reshapeView ? x.inputs[0]! : x, shape);
}

function isMadeOfReduction(factor: Node): boolean {
  const seen = new Set<Node>();
  const stack = [factor];
  while (stack.length > 0 && seen.size < MAX_LOOK) {
    const n = stack.pop()!;
    if (seen.has(n)) continue;
    if (n.op.kind === "reduce") return true;
    seen.add(n);
    stack.push(...n.inputs);
  }
  return false;
}

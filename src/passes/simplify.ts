/**
 * Laws that make a graph smaller, whatever the device. Numbers never change, except that the sign of a zero may
 * (x + 0) and that law 2 adds in another order (see bits.ts).
 */
import { iota, literal, literalLeaf } from "../ir/ops/leaf.ts";
import { expand, expandView, sum } from "../ir/ops/broadcast.ts";
import { flip, pad, permute, permuteView, reshape, reshapeView, slice } from "../ir/ops/view.ts";
import { add, amax, argmax, cast, detach, div, eq, exp, mul, prod, sub } from "../ir/ops/index.ts";
import { map, reduce, view, type Node } from "../ir/node.ts";
import { example } from "./example.ts";
import { linearRules } from "./linear-reductions.ts";
import { rewrite, type OnHit, type Rule, type Uses } from "./rewrite.ts";

/** The literal below expands and reshapes, if that is what a node is. */
function literalValue(n: Node): number | null {
  let at = n;
  while (at.op.kind === "view" && !at.op.fills(at.attrs, at.inputs[0]!.shape)) at = at.inputs[0]!;
  return at.op === literalLeaf ? (at.attrs["value"] as number) : null;
}

const axesOf = (n: Node): readonly number[] => n.attrs["axes"] as readonly number[];
const unchanged = (n: Node, made: Node): Node | null => (made === n ? null : made);

/** Of operands that may change places the simpler is on the right: a number, then a coordinate, then what is stored. */
const ranks = { literal: 0, count: 1, uniform: 2, iota: 3, buffer: 4 } as const;
const COMPUTED = 5;

function rank(n: Node): number {
  let at = n;
  while (at.op.kind === "view") at = at.inputs[0]!;
  return at.op.kind === "leaf" ? ranks[at.op.role] : COMPUTED;
}

/** Laws of one node and its operands; also part of canonicalise. */
export const localRules: readonly Rule[] = [
  {
    law: "a op b => b op a, the simpler operand right",
    apply: (n) => {
      if (n.op.kind !== "map" || n.op.commutative !== true) return null;
      const [a, b] = n.inputs as readonly [Node, Node];
      return rank(a) < rank(b) ? map(n.op, [b, a], n.attrs) : null;
    },
    examples: () => [
      mul(literal(3), example([3])),
      add(example([3]), exp(example([3], 2))),
      eq(iota(4), cast(example([4]), "i32")),
    ],
  },
  {
    law: "x op neutral => x",
    apply: (n) => {
      if (n.op.kind !== "map" || n.op.neutral === undefined) return null;
      const { right, left } = n.op.neutral;
      const [a, b] = n.inputs as readonly [Node, Node];
      if (right !== undefined && a.dtype === n.dtype && literalValue(b) === right) return a;
      if (left !== undefined && b.dtype === n.dtype && literalValue(a) === left) return b;
      return null;
    },
    examples: () => [
      mul(example([2, 3]), literal(1)),
      mul(literal(1), example([3])),
      add(literal(0), example([4])),
      sub(example([4]), literal(0)),
      div(example([2, 2]), reshape(literal(1), [1, 1])),
    ],
  },
  {
    law: "reshape(reshape(x)) => reshape(x)",
    apply: (n) =>
      n.op === reshapeView && n.inputs[0]!.op === reshapeView ? reshape(n.inputs[0]!.inputs[0]!, n.shape) : null,
    examples: () => [reshape(reshape(example([2, 6]), [3, 4]), [12]), reshape(reshape(example([2, 6]), [12]), [2, 6])],
  },
  {
    law: "reshape(x) to its own shape => x",
    apply: (n) => (n.op === reshapeView ? unchanged(n, reshape(n.inputs[0]!, n.shape)) : null),
    examples: () => [view(reshapeView, example([2, 3]), { shape: [2, 3] })],
  },
  {
    law: "permute(permute(x)) => permute(x)",
    apply: (n) => {
      const x = n.inputs[0];
      if (n.op !== permuteView || x?.op !== permuteView) return null;
      return permute(
        x.inputs[0]!,
        axesOf(n).map((a) => axesOf(x)[a]!),
      );
    },
    examples: () => [
      permute(permute(example([2, 3, 4]), [1, 2, 0]), [2, 1, 0]),
      permute(permute(example([2, 3, 4]), [1, 2, 0]), [1, 0, 2]),
      permute(permute(example([2, 3, 4]), [1, 2, 0]), [2, 0, 1]),
    ],
  },
  {
    law: "expand(expand(x)) => expand(x)",
    apply: (n) =>
      n.op === expandView && n.inputs[0]!.op === expandView ? expand(n.inputs[0]!.inputs[0]!, n.shape) : null,
    examples: () => [
      expand(expand(example([3]), [2, 3]), [4, 2, 3]),
      expand(expand(example([2, 1, 1]), [2, 1, 3]), [2, 2, 3]),
    ],
  },
  {
    law: "a reduction over axes of extent 1 => reshape",
    apply: (n) => {
      const x = n.inputs[0];
      if (n.op.kind !== "reduce" || n.op.form !== "fold" || x === undefined || x.dtype !== n.dtype) return null;
      return axesOf(n).every((a) => x.shape[a] === 1) ? reshape(x, n.shape) : null;
    },
    examples: () => [sum(example([3, 1, 2]), [1]), prod(example([1, 4, 1]), [0, 2]), amax(example([3, 1]), [1])],
  },
];

const passing: Rule = {
  law: "an op that passes its operand on => the operand",
  apply: (n) => (n.op.kind === "map" && n.op.passes?.(n.inputs[0]!.dtype, n.attrs) === true ? n.inputs[0]! : null),
  examples: () => [detach(example([3])), map(cast.definition, [example([3])], { to: "f32" })],
};

/** Laws that ask how often a node is used, so that nothing is computed twice that was computed once. */
const reductionRules: readonly Rule[] = [
  {
    law: "reduce_b(view(reduce_a x)) => reduce_{a,b}(lifted view x)",
    apply: mergeReductions,
    examples: () => [
      sum(sum(example([3, 4, 2]), [1]), [0]),
      prod(permute(prod(example([3, 4, 2]), [0]), [1, 0]), [1]),
      amax(pad(amax(example([3, 4]), [0]), [1], [2], -Infinity), [0]),
      sum(pad(reshape(sum(example([3, 4, 2], 3), [1]), [6]), [1], [1], 0), [0]),
      sum(flip(slice(sum(example([5, 6], 2), [0]), [1], [2], [3]), [0]), [0]),
    ],
    bits: "law2",
  },
  {
    law: "permute(reduce x) => reduce(permute x)",
    apply: permuteBelow,
    examples: () => [
      permute(sum(example([3, 4, 2]), [1]), [1, 0]),
      permute(argmax(example([3, 4, 2, 2], 2), 2), [2, 0, 1]),
      permute(prod(example([2, 3, 4, 2], 3), [0, 2]), [1, 0]),
    ],
  },
];

/** All laws of simplify, local ones first. */
export const simplifyRules: readonly Rule[] = [passing, ...localRules, ...linearRules, ...reductionRules];

/**
 * Law 2: when both are the same op, only views stand between, each is injective on its valid points and fills with the
 * op's identity, and the inner reduction has no other use.
 */
function mergeReductions(n: Node, uses: Uses): Node | null {
  const { op } = n;
  if (op.kind !== "reduce" || op.form !== "fold") return null;
  const views: Node[] = [];
  let at = n.inputs[0]!;
  while (at.op.kind === "view") {
    if (!at.op.injective(at.attrs, at.inputs[0]!.shape)) return null;
    if (at.op.fills(at.attrs, at.inputs[0]!.shape) && (at.attrs["fill"] ?? 0) !== op.identity(at.dtype)) return null;
    if (uses(at) > 1) return null;
    views.push(at);
    at = at.inputs[0]!;
  }
  if (at.op !== op || uses(at) > 1) return null;
  const x = at.inputs[0]!;
  if (op.dtype(x.dtype, n.attrs) !== n.dtype) return null;
  const inner = axesOf(at);
  let lifted = permute(x, [...inner, ...keptAxes(at)]);
  const extra = inner.map((i) => x.shape[i]!);
  for (const v of views.reverse()) {
    if (v.op.kind === "view") lifted = view(v.op, lifted, v.op.lift(v.attrs, extra));
  }
  return reduce(op, lifted, [...inner.keys(), ...axesOf(n).map((a) => a + inner.length)]);
}

/** So that what is stored has the order it is read in. */
function permuteBelow(n: Node, uses: Uses): Node | null {
  const inner = n.inputs[0];
  if (n.op !== permuteView || inner === undefined || inner.op.kind !== "reduce" || uses(inner) > 1) return null;
  const reduced = axesOf(inner);
  const kept = keptAxes(inner);
  const below = permute(inner.inputs[0]!, [...reduced, ...axesOf(n).map((a) => kept[a]!)]);
  return reduce(inner.op, below, [...reduced.keys()]);
}

/** Axes of the operand that a reduction keeps. */
const keptAxes = (n: Node): number[] => n.inputs[0]!.shape.map((_, i) => i).filter((i) => !axesOf(n).includes(i));

/**
 * Simplifies everything below `roots`. Reductions are moved once what is local is simple, and again while that changes
 * anything: a merge changes what is used once.
 */
export function simplify(
  roots: readonly Node[],
  onHit: OnHit | null = null,
  off: readonly string[] = [],
): Map<Node, Node> {
  const rules = simplifyRules.filter((r) => r.bits === undefined || !off.includes(r.bits));
  let became = rewrite(roots, [passing, ...localRules], onHit);
  for (;;) {
    const before = roots.map((r) => became.get(r)!);
    const next = rewrite(before, rules, onHit);
    became = new Map([...became].map(([a, b]) => [a, next.get(b) ?? b]));
    if (before.every((r) => next.get(r) === r)) return became;
  }
}

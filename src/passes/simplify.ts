/**
 * Laws that make a graph smaller, whatever the device. Numbers never change, except that the sign of a zero may
 * (x + 0) and that law 2 adds in another order (`reassociates` in bits.ts).
 */
import { literal, literalLeaf } from "../ir/ops/leaf.ts";
import { expand, expandView, sum } from "../ir/ops/broadcast.ts";
import { permute, permuteView, reshape, reshapeView } from "../ir/ops/view.ts";
import { add, cast, detach, mul } from "../ir/ops/index.ts";
import { input } from "../ir/ops/leaf.ts";
import { reduce, view, type Node, type ReduceDefinition } from "../ir/node.ts";
import type { Shape } from "../ir/shape.ts";
import { rewrite, type Hits, type Rule } from "./rewrite.ts";

/** The literal below expands and reshapes, if that is what a node is. */
function literalValue(n: Node): number | null {
  let at = n;
  while (at.op.kind === "view" && !at.op.fills(at.attrs, at.inputs[0]!.shape)) at = at.inputs[0]!;
  return at.op === literalLeaf ? (at.attrs["value"] as number) : null;
}

const example = (shape: Shape): Node =>
  input(
    {
      kind: "input",
      array: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 7 + 1)),
    },
    "f32",
    shape,
  );

export const simplifyRules: readonly Rule[] = [
  {
    law: "an op that passes its operand on => the operand",
    apply: (n) => (n.op.kind === "map" && n.op.passes?.(n.inputs[0]!.dtype, n.attrs) === true ? n.inputs[0]! : null),
    examples: () => [detach(example([3])), cast(example([3]), "f32")],
  },
  {
    law: "x op neutral => x",
    apply: (n) => {
      if (n.op.kind !== "map" || n.op.neutral === undefined) return null;
      const { right, left } = n.op.neutral;
      if (right !== undefined && literalValue(n.inputs[1]!) === right) return n.inputs[0]!;
      if (left !== undefined && literalValue(n.inputs[0]!) === left) return n.inputs[1]!;
      return null;
    },
    examples: () => [mul(example([2, 3]), literal(1)), add(literal(0), example([4]))],
  },
  {
    law: "reshape(reshape(x)) => reshape(x)",
    apply: (n) =>
      n.op === reshapeView && n.inputs[0]!.op === reshapeView ? reshape(n.inputs[0]!.inputs[0]!, n.shape) : null,
    examples: () => [reshape(reshape(example([2, 6]), [3, 4]), [12])],
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
      const inner = x.attrs["axes"] as readonly number[];
      return permute(
        x.inputs[0]!,
        (n.attrs["axes"] as readonly number[]).map((a) => inner[a]!),
      );
    },
    examples: () => [permute(permute(example([2, 3, 4]), [1, 2, 0]), [2, 1, 0])],
  },
  {
    law: "expand(expand(x)) => expand(x)",
    apply: (n) =>
      n.op === expandView && n.inputs[0]!.op === expandView ? expand(n.inputs[0]!.inputs[0]!, n.shape) : null,
    examples: () => [expand(expand(example([3]), [2, 3]), [4, 2, 3])],
  },
  {
    law: "a reduction over axes of extent 1 => reshape",
    apply: (n) => {
      const x = n.inputs[0];
      if (n.op.kind !== "reduce" || n.op.form !== "fold" || x === undefined || x.dtype !== n.dtype) return null;
      return (n.attrs["axes"] as readonly number[]).every((a) => x.shape[a] === 1) ? reshape(x, n.shape) : null;
    },
    examples: () => [sum(example([3, 1, 2]), [1])],
  },
];

const unchanged = (n: Node, made: Node): Node | null => (made === n ? null : made);

/**
 * Law 2: reduce_b(view(reduce_a x)) = reduce_{a,b}(lifted view x), when both are the same op, only views stand
 * between, each is injective on its valid points and fills with the op's identity, and the inner reduction has no
 * other use.
 */
export function mergeReductions(n: Node, uses: (n: Node) => number): Node | null {
  if (n.op.kind !== "reduce" || n.op.form !== "fold") return null;
  const op: ReduceDefinition = n.op;
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
  const inner = at.attrs["axes"] as readonly number[];
  const rest = x.shape.map((_, i) => i).filter((i) => !inner.includes(i));
  const extra = inner.map((i) => x.shape[i]!);
  let lifted = permute(x, [...inner, ...rest]);
  for (const v of views.reverse()) {
    if (v.op.kind === "view") lifted = view(v.op, lifted, v.op.lift(v.attrs, extra));
  }
  const outer = n.attrs["axes"] as readonly number[];
  return reduce(op, lifted, [...inner.keys(), ...outer.map((a) => a + inner.length)]);
}

/** A permutation of a reduction is the reduction of a permutation, so that what is stored has the order it is read in. */
export function permuteBelow(n: Node, uses: (n: Node) => number): Node | null {
  const inner = n.inputs[0];
  if (n.op !== permuteView || inner === undefined || inner.op.kind !== "reduce" || uses(inner) > 1) return null;
  const x = inner.inputs[0]!;
  const reduced = inner.attrs["axes"] as readonly number[];
  const rest = x.shape.map((_, i) => i).filter((i) => !reduced.includes(i));
  const order = (n.attrs["axes"] as readonly number[]).map((a) => rest[a]!);
  return reduce(
    inner.op,
    permute(x, [...reduced, ...order]),
    reduced.map((_, i) => i),
  );
}

export const PERMUTE_BELOW = "permute(reduce x) => reduce(permute x)";
export const LAW_2 = "reduce_b(view(reduce_a x)) => reduce_{a,b}(lifted view x)";

/** Simplifies everything below `roots`. */
export function simplify(roots: readonly Node[], hits: Hits | null, off: readonly string[] = []): Map<Node, Node> {
  let became = rewrite(roots, simplifyRules, hits);
  if (off.includes("law2")) return became;
  for (;;) {
    const uses = countUses(roots.map((r) => became.get(r)!));
    let merged = false;
    const law2: Rule = {
      law: LAW_2,
      apply: (n) => {
        const made = mergeReductions(n, (e) => uses.get(e) ?? 1);
        merged ||= made !== null;
        return made;
      },
      examples: () => [],
    };
    const below: Rule = {
      law: PERMUTE_BELOW,
      apply: (n) => {
        const made = permuteBelow(n, (e) => uses.get(e) ?? 1);
        merged ||= made !== null;
        return made;
      },
      examples: () => [],
    };
    const next = rewrite(
      roots.map((r) => became.get(r)!),
      [law2, below, ...simplifyRules],
      hits,
    );
    became = new Map([...became].map(([a, b]) => [a, next.get(b) ?? b]));
    if (!merged) return became;
  }
}

export function countUses(roots: readonly Node[]): Map<Node, number> {
  const uses = new Map<Node, number>();
  const seen = new Set<Node>();
  const stack = [...roots];
  for (const r of roots) uses.set(r, (uses.get(r) ?? 0) + 1);
  while (stack.length > 0) {
    const n = stack.pop()!;
    if (seen.has(n)) continue;
    seen.add(n);
    for (const e of n.inputs) {
      uses.set(e, (uses.get(e) ?? 0) + 1);
      stack.push(e);
    }
  }
  return uses;
}

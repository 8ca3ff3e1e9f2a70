/**
 * Reverse accumulation, from graph to graph.
 *
 * The cotangent of a node is the sum, over its users, of what each user's rule gives it. Only nodes on a differentiable
 * path from `y` to a target are visited; masks, integers, `detach` and macros have no rule and end a path.
 * Nothing is computed and nothing is recursive, so a graph may be as deep as memory allows.
 *
 * Letters: y what is differentiated, g cotangents, n nodes.
 */
import { isFloat } from "../ir/dtype.ts";
import { GradError, InvariantError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { add } from "../ir/ops/arithmetic.ts";
import { expand } from "../ir/ops/broadcast.ts";
import { literal } from "../ir/ops/leaf.ts";
import { sameShape, show } from "../ir/shape.ts";

/** Sees the whole cotangent of a node and may put another of the same shape in its place. */
export type CotangentHook = (n: Node, g: Node) => Node;

/** Operands a cotangent can reach through `n`; empty where `n` has no rule. */
export function differentiable(n: Node): readonly Node[] {
  switch (n.op.kind) {
    case "map":
    case "reduce":
      return n.op.vjp === null || !isFloat(n.dtype) ? none : n.inputs;
    case "view":
      return isFloat(n.dtype) ? n.inputs : none;
    case "gather":
      return isFloat(n.dtype) ? [n.inputs[0]!] : none;
    case "leaf":
    case "macro":
    case "item":
      return none;
  }
}
const none: readonly Node[] = [];

/** One rule: the cotangents of `n`'s inputs; shorter than them where the rest have none. */
function pull(n: Node, g: Node): readonly (Node | null)[] {
  switch (n.op.kind) {
    case "map":
      return n.op.vjp!(g, n, n.inputs, n.attrs);
    case "reduce":
      return [n.op.vjp!(g, n, n.inputs[0]!, n.attrs)];
    case "view":
      return [n.op.vjp(g, n.inputs[0]!, n.attrs)];
    case "gather":
      return [n.op.vjp(g, n.inputs[0]!, n.inputs[1]!, n.attrs)];
    case "leaf":
    case "macro":
    case "item":
      throw new InvariantError(`${n.op.name} has no gradient rule`);
  }
}

/** Nodes between `y` and the targets, inputs before users. */
function pathTo(y: Node, targets: ReadonlySet<Node>): Node[] {
  const reaches = new Map<Node, boolean>();
  const path: Node[] = [];
  const stack: Node[] = [y];
  const next: number[] = [0];
  while (stack.length > 0) {
    const top = stack.length - 1;
    const n = stack[top]!;
    const inputs = differentiable(n);
    const i = next[top]!++;
    if (i < inputs.length) {
      const x = inputs[i]!;
      if (!reaches.has(x)) {
        stack.push(x);
        next.push(0);
      }
      continue;
    }
    stack.pop();
    next.pop();
    if (reaches.has(n)) continue;
    const leads = targets.has(n) || inputs.some((x) => reaches.get(x) === true);
    reaches.set(n, leads);
    if (leads) path.push(n);
  }
  return path;
}

/**
 * d y / d target for each target, contracted with `cotangent` (of y's shape; null means one, y then has one element).
 * Null where no differentiable path leads from y to the target.
 */
export function gradients(
  y: Node,
  cotangent: Node | null,
  targets: readonly Node[],
  hook: CotangentHook | null = null,
): (Node | null)[] {
  if (cotangent !== null && !sameShape(cotangent.shape, y.shape)) {
    throw new GradError(
      `gradient: y is ${show(y.shape)} and its cotangent ${show(cotangent.shape)}; they must be equal`,
    );
  }
  const wanted = new Set(targets);
  const path = pathTo(y, wanted);
  const onPath = new Set(path);
  const found = new Map<Node, Node>();
  if (onPath.has(y)) found.set(y, cotangent ?? expand(literal(1), y.shape));
  for (let i = path.length - 1; i >= 0; i--) {
    const n = path[i]!;
    let g = found.get(n);
    if (g === undefined) continue;
    if (hook !== null) {
      g = hook(n, g);
      found.set(n, g);
    }
    const inputs = differentiable(n);
    if (inputs.length === 0) continue;
    const parts = pull(n, g);
    for (let k = 0; k < inputs.length; k++) {
      const x = inputs[k]!;
      const part = parts[k];
      if (part === null || part === undefined || !onPath.has(x)) continue;
      const sofar = found.get(x);
      found.set(x, sofar === undefined ? part : add(sofar, part));
    }
    // What lies above is complete; only the targets' cotangents are still asked for.
    if (!wanted.has(n)) found.delete(n);
  }
  return targets.map((t) => found.get(t) ?? null);
}

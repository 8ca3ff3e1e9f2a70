/**
 * Expand and sum, which are each other's adjoint.
 */
import type { DType } from "../dtype.ts";
import { InvariantError, ShapeError } from "../errors.ts";
import { reduce, view, type Node, type ReduceDefinition, type ViewDefinition } from "../node.ts";
import { checkExtents, sameShape, show, type Shape } from "../shape.ts";
import { reshape } from "./view.ts";

export const expandView: ViewDefinition = {
  kind: "view",
  name: "expand",
  doc: "Repeats axes of extent 1 (and adds leading axes) without copying, numpy's broadcasting.",
  shape: (_, attrs) => attrs["shape"] as Shape,
  pull(a, out, _, input) {
    const lead = out.length - input.length;
    return { at: input.map((e, i) => (e === 1 ? a.constant(0) : out[lead + i]!)), valid: [] };
  },
  injective: () => false,
  fills: () => false,
  lift: () => {
    throw new InvariantError("expand is not injective, so law 2 never lifts it");
  },
  vjp: (g, x) => unexpand(g, x.shape),
};

export const sumReduce: ReduceDefinition = {
  kind: "reduce",
  name: "sum",
  doc: "Sum of all elements along the axes; sequential f32 on the device, so the error grows with n * eps.",
  dtype: (t: DType) => (t === "bool" ? "i32" : t),
  identity: () => 0,
  form: "fold",
  combine: (acc, x) => acc + x,
  glsl: (acc, x) => `${acc} + ${x}`,
  js: (acc, x) => `${acc} + ${x}`,
  vjp: (g, _, x, attrs) => unreduce(g, x.shape, attrs["axes"] as readonly number[]),
  samples: { from: -2, to: 2 },
  probes: ["f32", "i32", "u32", "bool"],
  linear: true,
  empty: true,
};

/** Broadcasts x to `shape`; x's axes align right, extents are equal or 1. */
export function expand(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  checkExtents("expand", shape);
  const lead = shape.length - x.shape.length;
  if (lead < 0 || x.shape.some((e, i) => e !== 1 && e !== shape[lead + i])) {
    throw new ShapeError(`expand: ${show(x.shape)} does not broadcast to ${show(shape)}`);
  }
  return view(expandView, x, { shape: [...shape] });
}

/** Sums over `axes`; none gives x itself. */
export const sum = (x: Node, axes: readonly number[]): Node => (axes.length === 0 ? x : reduce(sumReduce, x, axes));

/** The adjoint of `expand`: sums a cotangent back to `shape`. */
export function unexpand(g: Node, shape: Shape): Node {
  const lead = g.shape.length - shape.length;
  const axes = g.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && g.shape[i] !== 1));
  return reshape(sum(g, axes), shape);
}

/** The adjoint of a reduction that keeps every element's weight: g back along the reduced axes. */
export function unreduce(g: Node, shape: Shape, axes: readonly number[]): Node {
  return expand(
    reshape(
      g,
      shape.map((e, i) => (axes.includes(i) ? 1 : e)),
    ),
    shape,
  );
}

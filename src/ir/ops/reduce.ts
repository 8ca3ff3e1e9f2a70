/**
 * Reductions other than `sum` (which lives with `expand`, its adjoint).
 *
 * The rules of amax and amin share a cotangent evenly among ties, as torch; giving it to the first is `maxAlong`'s
 * business. Letters: g cotangent, y result, x operand.
 */
import { ShapeError } from "../errors.ts";
import { checkDtype, type DType } from "../dtype.ts";
import { reduce, type Attrs, type Node, type ReduceDefinition } from "../node.ts";
import { numel, show } from "../shape.ts";
import { div, mul } from "./arithmetic.ts";
import { expand, sum, unreduce } from "./broadcast.ts";
import { cast, eq, ne, where } from "./compare.ts";
import { iota } from "./leaf.ts";
import { numeric } from "./define.ts";
import { permute, reshape } from "./view.ts";

const axesOf = (attrs: Attrs): readonly number[] => attrs["axes"] as readonly number[];

const numericOnly =
  (op: string) =>
  (t: DType): DType => {
    checkDtype(op, t, numeric, 'x.cast("i32") would fit');
    return t;
  };

export const prodReduce: ReduceDefinition = {
  kind: "reduce",
  name: "prod",
  doc: "Product of all elements along the axes. Its gradient multiplies all the others and so is exact at zeros; it costs n products an element.",
  dtype: (t) => (t === "bool" ? "i32" : t),
  identity: () => 1,
  form: "fold",
  // A product of two 32-bit integers has more bits than a double.
  combine: (acc, x, t) => (t === "f32" ? acc * x : Math.imul(acc, x)),
  glsl: (acc, x) => `${acc} * ${x}`,
  js: (acc, x, t) => (t === "f32" ? `${acc} * ${x}` : `Math.imul(${acc}, ${x})`),
  vjp: (g, _, x, attrs) => mul(unreduce(g, x.shape, axesOf(attrs)), productOfOthers(x, axesOf(attrs))),
  samples: { values: [-1.5, -1, 0.5, 1, 2] },
  probes: ["f32", "i32", "u32", "bool"],
  empty: true,
};

/**
 * For each element the product of all others along `axes`: x laid out as [rest, n], expanded to [rest, n, n] with ones
 * on the diagonal, multiplied along the last axis.
 */
function productOfOthers(x: Node, axes: readonly number[]): Node {
  const rank = x.shape.length;
  const rest = Array.from({ length: rank }, (_, i) => i).filter((i) => !axes.includes(i));
  const order = [...rest, ...axes];
  const outer = rest.map((i) => x.shape[i]!);
  const inner = axes.map((i) => x.shape[i]!);
  const n = numel(inner);
  const rows = reshape(permute(x, order), [...outer, 1, n]);
  const other = ne(reshape(iota(n), [n, 1]), iota(n));
  const others = reduce(prodReduce, where(other, expand(rows, [...outer, n, n]), 1), [outer.length + 1]);
  const back: number[] = [];
  order.forEach((axis, i) => (back[axis] = i));
  return permute(reshape(others, [...outer, ...inner]), back);
}

const evenly = (g: Node, y: Node, x: Node, attrs: Attrs): Node => {
  const axes = axesOf(attrs);
  const ties = cast(eq(x, unreduce(y, x.shape, axes)), "f32");
  return mul(unreduce(div(g, sum(ties, axes)), x.shape, axes), ties);
};

export const amaxReduce: ReduceDefinition = {
  kind: "reduce",
  name: "amax",
  doc: "Largest element along the axes; ties share the gradient evenly. Drivers may skip NaN.",
  dtype: numericOnly("amax"),
  identity: (t) => (t === "f32" ? -Infinity : t === "i32" ? -2147483648 : 0),
  form: "fold",
  combine: (acc, x) => Math.max(acc, x),
  glsl: (acc, x) => `max(${acc}, ${x})`,
  js: (acc, x) => `Math.max(${acc}, ${x})`,
  vjp: evenly,
  samples: { from: -2, to: 2 },
  probes: ["f32", "i32", "u32"],
  empty: false,
};

export const aminReduce: ReduceDefinition = {
  kind: "reduce",
  name: "amin",
  doc: "Smallest element along the axes; ties share the gradient evenly. Drivers may skip NaN.",
  dtype: numericOnly("amin"),
  identity: (t) => (t === "f32" ? Infinity : t === "i32" ? 2147483647 : 4294967295),
  form: "fold",
  combine: (acc, x) => Math.min(acc, x),
  glsl: (acc, x) => `min(${acc}, ${x})`,
  js: (acc, x) => `Math.min(${acc}, ${x})`,
  vjp: evenly,
  samples: { from: -2, to: 2 },
  probes: ["f32", "i32", "u32"],
  empty: false,
};

const boolOnly =
  (op: string) =>
  (t: DType): DType => {
    checkDtype(op, t, ["bool"], "compare first, as in x.ne(0)");
    return "bool";
  };

export const anyReduce: ReduceDefinition = {
  kind: "reduce",
  name: "any",
  doc: "Whether some element along the axes is true.",
  dtype: boolOnly("any"),
  identity: () => 0,
  form: "fold",
  combine: (acc, x) => Math.max(acc, x),
  glsl: (acc, x) => `max(${acc}, ${x})`,
  js: (acc, x) => `${acc} | ${x}`,
  vjp: null,
  samples: { values: [0, 1] },
  probes: ["bool"],
  empty: true,
};

export const allReduce: ReduceDefinition = {
  kind: "reduce",
  name: "all",
  doc: "Whether every element along the axes is true.",
  dtype: boolOnly("all"),
  identity: () => 1,
  form: "fold",
  combine: (acc, x) => Math.min(acc, x),
  glsl: (acc, x) => `min(${acc}, ${x})`,
  js: (acc, x) => `${acc} & ${x}`,
  vjp: null,
  samples: { values: [0, 1] },
  probes: ["bool"],
  empty: true,
};

const indexOf =
  (op: string) =>
  (t: DType): DType => {
    checkDtype(op, t, numeric, 'x.cast("i32") would fit');
    return "i32";
  };

/** Whether x is the first NaN. */
const first = (best: number, x: number): boolean => Number.isNaN(x) && !Number.isNaN(best);

export const argmaxReduce: ReduceDefinition = {
  kind: "reduce",
  name: "argmax",
  doc: "Position of the largest element along one axis, the first of ties; NaN counts as the largest, where the driver compares as IEEE 754.",
  dtype: indexOf("argmax"),
  identity: amaxReduce.identity,
  form: "index",
  combine: (best, x) => (x > best || first(best, x) ? 1 : 0),
  glsl: (best, x, t) => `${x} > ${best}${t.element === "float" ? ` || (${x} != ${x} && ${best} == ${best})` : ""}`,
  js: (best, x, t) => `${x} > ${best}${t === "f32" ? ` || (${x} !== ${x} && ${best} === ${best})` : ""}`,
  vjp: null,
  samples: { values: [-2, -1, 0, 1, 2] },
  probes: ["f32", "i32", "u32"],
  empty: false,
};

export const argminReduce: ReduceDefinition = {
  kind: "reduce",
  name: "argmin",
  doc: "Position of the smallest element along one axis, the first of ties; NaN counts as the smallest, where the driver compares as IEEE 754.",
  dtype: indexOf("argmin"),
  identity: aminReduce.identity,
  form: "index",
  combine: (best, x) => (x < best || first(best, x) ? 1 : 0),
  glsl: (best, x, t) => `${x} < ${best}${t.element === "float" ? ` || (${x} != ${x} && ${best} == ${best})` : ""}`,
  js: (best, x, t) => `${x} < ${best}${t === "f32" ? ` || (${x} !== ${x} && ${best} === ${best})` : ""}`,
  vjp: null,
  samples: { values: [-2, -1, 0, 1, 2] },
  probes: ["f32", "i32", "u32"],
  empty: false,
};

// Builders over sorted, distinct axes in range; none gives x itself (for any and all, which then change nothing).

const reducer =
  (definition: ReduceDefinition) =>
  (x: Node, axes: readonly number[]): Node =>
    axes.length === 0 ? x : reduce(definition, x, axes);

export const prod: (x: Node, axes: readonly number[]) => Node = reducer(prodReduce);
export const amax: (x: Node, axes: readonly number[]) => Node = reducer(amaxReduce);
export const amin: (x: Node, axes: readonly number[]) => Node = reducer(aminReduce);
export const any: (x: Node, axes: readonly number[]) => Node = reducer(anyReduce);
export const all: (x: Node, axes: readonly number[]) => Node = reducer(allReduce);

const position =
  (definition: ReduceDefinition) =>
  (x: Node, axis: number): Node => {
    if (x.shape[axis] === undefined) throw new ShapeError(`${definition.name}: ${show(x.shape)} has no axis ${axis}`);
    return reduce(definition, x, [axis]);
  };

/** i32, without `axis`. */
export const argmax: (x: Node, axis: number) => Node = position(argmaxReduce);
export const argmin: (x: Node, axis: number) => Node = position(argminReduce);

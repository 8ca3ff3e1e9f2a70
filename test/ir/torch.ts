/**
 * The calls of the PyTorch fixtures, spelled with builders: what methods of a tensor add (promotion, negative dims,
 * numbers, defaults) in its shortest form. Tests only.
 */
import { isFloat, promote, type DType } from "../../src/ir/dtype.ts";
import * as c from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { broadcastShapes, normalizeAxes, normalizeAxis, numel } from "../../src/ir/shape.ts";

type Attrs = Readonly<Record<string, unknown>>;
type Call = (x: readonly Node[], attrs: Attrs) => Node;

const asFloat = (x: Node): Node => o.cast(x, "f32");
const number = (attrs: Attrs, key: string, or: number): number => (attrs[key] as number | undefined) ?? or;
const axesOf = (op: string, x: Node, attrs: Attrs): number[] => {
  const dim = attrs["dim"] as number | readonly number[] | undefined;
  const list = dim === undefined || (Array.isArray(dim) && dim.length === 0) ? undefined : [dim].flat();
  return normalizeAxes(op, list as readonly number[] | undefined, x.shape.length).filter((a) => a < x.shape.length);
};
const axisOf = (op: string, x: Node, attrs: Attrs, or = 0): number =>
  normalizeAxis(op, number(attrs, "dim", or), x.shape.length);
const at = (x: Node, axis: number, v: number, rest: number): number[] => x.shape.map((_, i) => (i === axis ? v : rest));
const sized = (x: Node, axis: number, v: number): number[] => x.shape.map((e, i) => (i === axis ? v : e));

/** A number beside a tensor: a float makes an integer tensor float, otherwise it takes the tensor's dtype. */
function withNumber(x: Node, v: number): Node {
  const dtype: DType = isFloat(x.dtype) || !Number.isInteger(v) ? "f32" : x.dtype === "bool" ? "i32" : x.dtype;
  return o.literal(v, dtype);
}

const unary =
  (f: (x: Node) => Node): Call =>
  ([x]) =>
    f(asFloat(x!));
const numeric =
  (f: (x: Node) => Node): Call =>
  ([x]) =>
    f(x!);

const binary =
  (op: string, f: (a: Node, b: Node) => Node, key = "other"): Call =>
  ([a, b], attrs) =>
    f(...c.promoted(op, a!, b ?? withNumber(a!, attrs[key] as number)));

const logical =
  (f: (a: Node, b: Node) => Node): Call =>
  ([a, b]) =>
    f(o.cast(a!, "bool"), o.cast(b!, "bool"));

function reduction(op: string, f: (x: Node, axes: readonly number[]) => Node): Call {
  return ([x], attrs) => {
    const axes = axesOf(op, x!, attrs);
    return attrs["keepdim"] === true ? c.keeping(f, x!, axes) : f(x!, axes);
  };
}

function extreme(op: string, full: (x: Node, axes: readonly number[]) => Node, along: typeof c.maxAlong): Call {
  return ([x], attrs) => {
    if (attrs["dim"] === undefined) return full(x!, axesOf(op, x!, attrs));
    const [axis] = axesOf(op, x!, attrs);
    if (axis === undefined) return x!;
    const values = along(x!, axis).values;
    return attrs["keepdim"] === true ? c.keepAxes(values, x!.shape, [axis]) : values;
  };
}

/** The positions that `max(dim)` and `argmax` give. */
export const indices =
  (op: string, f: (x: Node, axis: number) => Node): Call =>
  ([x], attrs) => {
    const flat = attrs["dim"] === undefined || x!.shape.length === 0;
    const y = flat ? o.reshape(x!, [numel(x!.shape)]) : x!;
    const axis = flat ? 0 : axisOf(op, y, attrs);
    const found = f(y, axis);
    if (attrs["keepdim"] !== true) return found;
    return o.reshape(
      found,
      x!.shape.map((e, i) => (flat || i === axis ? 1 : e)),
    );
  };

/** Softmax and logSoftmax take axis 0 of a scalar. */
const along =
  (op: string, f: (x: Node, axis: number) => Node): Call =>
  ([x], attrs) => {
    const row = x!.shape.length === 0 ? o.reshape(x!, [1]) : x!;
    return o.reshape(f(row, axisOf(op, row, attrs)), x!.shape);
  };

interface Range {
  readonly dim: number;
  readonly start?: number;
  readonly end?: number;
  readonly step?: number;
}

function sliced(x: Node, { dim, start = 0, end, step = 1 }: Range): Node {
  const axis = normalizeAxis("slice", dim, x.shape.length);
  const n = x.shape[axis]!;
  const clamp = (v: number): number => Math.min(n, Math.max(0, v < 0 ? v + n : v));
  const first = clamp(start);
  const size = Math.max(0, Math.ceil((clamp(end ?? n) - first) / step));
  return o.slice(x, at(x, axis, size === 0 ? 0 : first, 0), sized(x, axis, size), at(x, axis, step, 1));
}

function windowed(
  x: Node,
  axis: number,
  size: number,
  stride: number,
  padding: number,
  dilation: number,
  fill: number,
): Node {
  const n = Math.floor((x.shape[axis]! + 2 * padding - dilation * (size - 1) - 1) / stride) + 1;
  if (n < 1) throw new RangeError(`window of ${size} in ${x.shape[axis]}`);
  const copies = o.expand(o.reshape(x, [...x.shape, 1]), [...x.shape, size]);
  return o.window(copies, { axis, stride, dilation, padding, size: n, fill });
}

function resolved(x: Node, shape: readonly number[]): number[] {
  const known = numel(shape.filter((e) => e !== -1));
  if (shape.filter((e) => e === -1).length > 1) throw new RangeError("only one extent can be inferred");
  return shape.map((e) => (e === -1 ? numel(x.shape) / known : e));
}

const stacked = (x: readonly Node[], dim: number): Node => {
  const axis = normalizeAxis("stack", dim, x[0]!.shape.length + 1);
  return c.concat(
    x.map((e) => o.reshape(e, [...e.shape.slice(0, axis), 1, ...e.shape.slice(axis)])),
    axis,
  );
};

export const calls: Readonly<Record<string, Call>> = {
  neg: numeric(o.neg),
  abs: numeric(o.abs),
  sign: numeric(o.sign),
  square: ([x]) => o.mul(x!, x!),
  exp: unary(o.exp),
  log: unary(o.log),
  sqrt: unary(o.sqrt),
  rsqrt: unary(o.rsqrt),
  reciprocal: unary(o.reciprocal),
  floor: unary(o.floor),
  ceil: unary(o.ceil),
  round: unary(o.round),
  sin: unary(o.sin),
  cos: unary(o.cos),
  tanh: unary(o.tanh),
  sigmoid: unary(o.sigmoid),
  relu: numeric(o.relu),
  gelu: unary(c.gelu),
  softplus: ([x], attrs) => {
    const beta = number(attrs, "beta", 1);
    const scaled = o.mul(x!, beta);
    return o.where(o.gt(scaled, number(attrs, "threshold", 20)), x!, o.div(o.softplus(scaled), beta));
  },
  clamp: ([x], attrs) => c.clamp(x!, attrs["min"] as number | undefined, attrs["max"] as number | undefined),
  to: ([x], attrs) => o.cast(x!, attrs["dtype"] as DType),
  add: binary("add", o.add),
  sub: binary("sub", o.sub),
  mul: binary("mul", o.mul),
  div: binary("div", o.div),
  maximum: binary("maximum", o.maximum),
  minimum: binary("minimum", o.minimum),
  eq: binary("eq", o.eq),
  ne: binary("ne", o.ne),
  lt: binary("lt", o.lt),
  le: binary("le", o.le),
  gt: binary("gt", o.gt),
  ge: binary("ge", o.ge),
  pow: binary("pow", o.pow, "exponent"),
  logicalNot: ([x]) => o.not(o.cast(x!, "bool")),
  logicalAnd: logical(o.and),
  logicalOr: logical(o.or),
  logicalXor: logical(o.ne),
  where: ([condition, a, b]) => o.where(condition!, ...c.promoted("where", a!, b!)),
  reshape: ([x], attrs) => o.reshape(x!, resolved(x!, attrs["shape"] as readonly number[])),
  expand: ([x], attrs) => {
    const shape = attrs["shape"] as readonly number[];
    const lead = shape.length - x!.shape.length;
    return o.expand(
      x!,
      shape.map((e, i) => (e === -1 ? x!.shape[i - lead]! : e)),
    );
  },
  flatten: ([x], attrs) => {
    const rank = x!.shape.length;
    if (rank === 0) return o.reshape(x!, [1]);
    const first = normalizeAxis("flatten", number(attrs, "startDim", 0), rank);
    const last = normalizeAxis("flatten", number(attrs, "endDim", -1), rank);
    const s = x!.shape;
    return o.reshape(x!, [...s.slice(0, first), numel(s.slice(first, last + 1)), ...s.slice(last + 1)]);
  },
  squeeze: ([x], attrs) => {
    const dim = attrs["dim"] as number | undefined;
    const axis = dim === undefined ? -1 : normalizeAxis("squeeze", dim, x!.shape.length);
    return o.reshape(
      x!,
      x!.shape.filter((e, i) => e !== 1 || (dim !== undefined && i !== axis)),
    );
  },
  unsqueeze: ([x], attrs) => {
    const axis = normalizeAxis("unsqueeze", attrs["dim"] as number, x!.shape.length + 1);
    return o.reshape(x!, [...x!.shape.slice(0, axis), 1, ...x!.shape.slice(axis)]);
  },
  permute: ([x], attrs) => {
    const axes = (attrs["dims"] as readonly number[]).map((d) => normalizeAxis("permute", d, x!.shape.length));
    if (normalizeAxes("permute", axes, x!.shape.length).length !== x!.shape.length) throw new RangeError("permute");
    return o.permute(x!, axes);
  },
  transpose: ([x], attrs) => {
    const axes = x!.shape.map((_, i) => i);
    const a = normalizeAxis("transpose", attrs["dim0"] as number, axes.length);
    const b = normalizeAxis("transpose", attrs["dim1"] as number, axes.length);
    [axes[a], axes[b]] = [b, a];
    return o.permute(x!, axes);
  },
  flip: ([x], attrs) => o.flip(x!, normalizeAxes("flip", attrs["dims"] as readonly number[], x!.shape.length)),
  pad: ([x], attrs) => {
    const given = attrs["pad"] as readonly number[];
    const of = (end: number): number[] => x!.shape.map((_, i) => given[2 * (x!.shape.length - 1 - i) + end] ?? 0);
    return o.pad(x!, of(0), of(1), number(attrs, "value", 0));
  },
  slice: ([x], attrs) => (attrs["ranges"] as readonly Range[]).reduce(sliced, x!),
  select: ([x], attrs) => {
    const axis = axisOf("select", x!, attrs);
    const i = normalizeAxis("select", attrs["index"] as number, x!.shape[axis]!);
    const y = o.slice(x!, at(x!, axis, i, 0), sized(x!, axis, 1));
    return o.reshape(
      y,
      x!.shape.filter((_, a) => a !== axis),
    );
  },
  narrow: ([x], attrs) => {
    const axis = axisOf("narrow", x!, attrs);
    return o.slice(x!, at(x!, axis, attrs["start"] as number, 0), sized(x!, axis, attrs["length"] as number));
  },
  cat: (x, attrs) => {
    const dtype = x.map((e) => e.dtype).reduce(promote);
    return c.concat(
      x.map((e) => o.cast(e, dtype)),
      number(attrs, "dim", 0),
    );
  },
  stack: (x, attrs) => stacked(x, number(attrs, "dim", 0)),
  unfold: ([x], attrs) =>
    windowed(x!, axisOf("unfold", x!, attrs), attrs["size"] as number, attrs["step"] as number, 0, 1, 0),
  window: ([x], attrs) =>
    windowed(
      x!,
      axisOf("window", x!, attrs),
      attrs["size"] as number,
      number(attrs, "stride", 1),
      number(attrs, "padding", 0),
      number(attrs, "dilation", 1),
      number(attrs, "fill", 0),
    ),
  sum: reduction("sum", (x, axes) => o.sum(x.dtype === "bool" ? o.cast(x, "i32") : x, axes)),
  mean: reduction("mean", c.mean),
  prod: reduction("prod", (x, axes) => o.prod(x.dtype === "bool" ? o.cast(x, "i32") : x, axes)),
  amax: reduction("amax", o.amax),
  amin: reduction("amin", o.amin),
  any: reduction("any", (x, axes) => o.any(o.cast(x, "bool"), axes)),
  all: reduction("all", (x, axes) => o.all(o.cast(x, "bool"), axes)),
  max: extreme("max", o.amax, c.maxAlong),
  min: extreme("min", o.amin, c.minAlong),
  argmax: indices("argmax", o.argmax),
  argmin: indices("argmin", o.argmin),
  logsumexp: reduction("logsumexp", c.logsumexp),
  softmax: along("softmax", c.softmax),
  logSoftmax: along("logSoftmax", c.logSoftmax),
  matmul: ([a, b]) => c.matmul(a!, b!),
  linear: ([x, w, b]) => c.linear(x!, w!, b),
  conv2d: ([x, w, b], attrs) => c.conv2d(x!, w!, b, attrs),
  avgPool2d: ([x], attrs) => c.avgPool2d(x!, attrs["kernelSize"] as c.Pair, attrs),
  crossEntropy: ([x, y], attrs) => c.crossEntropy(x!, y!, attrs["reduction"] as c.Reduction | undefined),
  mseLoss: ([a, b], attrs) => {
    const shape = broadcastShapes("mseLoss", a!.shape, b!.shape);
    return c.mseLoss(o.expand(a!, shape), o.expand(b!, shape), attrs["reduction"] as c.Reduction | undefined);
  },
  oneHot: ([x], attrs) => c.oneHot(x!, attrs["numClasses"] as number),
  gather: ([x, index], attrs) => o.gather(x!, attrs["dim"] as number, index!),
  indexSelect: ([x, index], attrs) => {
    const axis = axisOf("indexSelect", x!, attrs);
    const shape = sized(x!, axis, index!.shape[0]!);
    const rows = o.reshape(
      index!,
      shape.map((e, i) => (i === axis ? e : 1)),
    );
    return o.gather(x!, axis, o.expand(rows, shape));
  },
};

/** Making tensors: from values, by rule, and from other tensors. */
import { promote, roundTo, hostArray, type DType, type HostArray } from "../ir/dtype.ts";
import { DtypeError, ShapeError } from "../ir/errors.ts";
import { promoted } from "../ir/compose/promote.ts";
import { concat as concatNodes } from "../ir/compose/select.ts";
import type { Node } from "../ir/node.ts";
import * as ops from "../ir/ops/index.ts";
import { checkExtents, normalizeAxis, numel, show, type Shape } from "../ir/shape.ts";
import { Cell } from "./cell.ts";
import { engine } from "./engine.ts";
import { apply, scalar, type Handle, type Scalar } from "./handle.ts";
import { recorder } from "./recorder.ts";
import { newTensor, type Tensor } from "./tensor.ts";

export interface TensorOptions {
  readonly dtype?: DType;
  readonly requiresGrad?: boolean;
}

/** Values: a number, nested arrays, or a typed array (row-major, with `shape`). */
export type TensorData = number | boolean | readonly TensorData[] | TypedArray;
type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array;

const isTyped = (data: TensorData): data is TypedArray => ArrayBuffer.isView(data);

/** A leaf from a node; one that requires a gradient is a cell, so that optimizers can assign it. */
function made(node: Node, requiresGrad: boolean): Tensor {
  engine.checkFits(node);
  if (!requiresGrad) return newTensor(engine.trace(node, false, false));
  recorder()?.made("a leaf that requires a gradient");
  return newTensor(
    new Cell("tensor", node.dtype, node.shape, node.source?.kind === "input" ? node.source.array : node),
    true,
  );
}

/**
 * A tensor of the values given, which are copied at once. Numbers are f32, booleans bool, unless `dtype` says other;
 * typed arrays keep what they hold. `shape` may be given for any data of that many elements.
 */
export function tensor(data: TensorData, options: TensorOptions & { readonly shape?: Shape } = {}): Tensor {
  const shape = options.shape ?? shapeOf(data);
  checkExtents("tensor", shape);
  const dtype = options.dtype ?? dtypeOf(data);
  const values = isTyped(data) ? data : flat(data);
  if (values.length !== numel(shape)) {
    throw new ShapeError(`tensor: ${values.length} values do not fill the shape ${show(shape)}`);
  }
  const node = ops.input({ kind: "input", array: copied(values, dtype) }, dtype, [...shape]);
  return made(node, options.requiresGrad ?? false);
}

/** A copy in the host form of `dtype`: rounded to f32, truncated and wrapped to integers, 0 and 1 for bool. */
function copied(values: ArrayLike<number | boolean>, dtype: DType): HostArray {
  const own = hostArray(dtype, 0);
  if (values.constructor === own.constructor && dtype !== "bool") return (values as HostArray).slice();
  const out = hostArray(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!;
    out[i] = roundTo(dtype, typeof x === "number" ? x : Number(x));
  }
  return out;
}

function shapeOf(data: TensorData): number[] {
  const shape: number[] = [];
  let at = data;
  while (typeof at === "object") {
    shape.push(at.length);
    if (isTyped(at) || at.length === 0) break;
    at = at[0]!;
  }
  return shape;
}

/** The elements of nested arrays, which must be as long as their neighbours. */
function flat(data: TensorData): (number | boolean)[] {
  const shape = shapeOf(data);
  const out: (number | boolean)[] = [];
  const visit = (part: TensorData, axis: number): void => {
    if (typeof part === "number" || typeof part === "boolean") {
      if (axis !== shape.length) throw ragged(shape, axis, "a number");
      out.push(part);
      return;
    }
    if (typeof part !== "object") throw new DtypeError(`tensor: takes numbers and booleans, got ${typeof part}`);
    if (axis >= shape.length || part.length !== shape[axis]) throw ragged(shape, axis, `${part.length} elements`);
    for (const p of part as readonly TensorData[]) visit(p, axis + 1);
  };
  visit(data, 0);
  return out;
}

const ragged = (shape: Shape, axis: number, got: string): ShapeError =>
  new ShapeError(
    `tensor: nested arrays must be regular: ${got} on axis ${axis} where the first row makes ${show(shape)}`,
  );

function dtypeOf(data: TensorData): DType {
  let at = data;
  while (Array.isArray(at) && at.length > 0) at = (at as readonly TensorData[])[0]!;
  if (typeof at === "boolean") return "bool";
  if (at instanceof Uint32Array) return "u32";
  if (isTyped(at) && !(at instanceof Float32Array) && !(at instanceof Float64Array)) return "i32";
  return "f32";
}

const filled = (value: Node, shape: Shape): Node => {
  checkExtents("full", shape);
  return ops.expand(value, shape);
};

/** Zeros. */
export function zeros(shape: Shape, { dtype = "f32", requiresGrad = false }: TensorOptions = {}): Tensor {
  return made(filled(ops.literal(0, dtype), shape), requiresGrad);
}

/** Ones. */
export function ones(shape: Shape, { dtype = "f32", requiresGrad = false }: TensorOptions = {}): Tensor {
  return made(filled(ops.literal(1, dtype), shape), requiresGrad);
}

/** The same number everywhere. */
export function full(shape: Shape, value: Scalar, { dtype = "f32", requiresGrad = false }: TensorOptions = {}): Tensor {
  return made(filled(scalar(value, dtype), shape), requiresGrad);
}

/** Zeros in the shape and dtype of another tensor. */
export const zerosLike = (t: Handle, options: TensorOptions = {}): Tensor =>
  zeros(t.shape, { dtype: t.dtype, ...options });

/** Ones in the shape and dtype of another tensor. */
export const onesLike = (t: Handle, options: TensorOptions = {}): Tensor =>
  ones(t.shape, { dtype: t.dtype, ...options });

/** One number in the shape and dtype of another tensor. */
export const fullLike = (t: Handle, value: Scalar, options: TensorOptions = {}): Tensor =>
  full(t.shape, value, { dtype: t.dtype, ...options });

/** start, start + step, .. below end; `arange(n)` counts from 0. i32 if all are whole numbers, else f32. */
export function arange(start: number, end?: number, step = 1, options: TensorOptions = {}): Tensor {
  const [from, to] = end === undefined ? [0, start] : [start, end];
  if (step === 0 || Number.isNaN(step)) throw new ShapeError("arange: the step must not be 0");
  const n = Math.max(0, Math.ceil((to - from) / step));
  const dtype = options.dtype ?? ([from, to, step].every(Number.isInteger) ? "i32" : "f32");
  return made(ramp(n, from, step, dtype), options.requiresGrad ?? false);
}

/** `steps` numbers evenly from start to end, both included. */
export function linspace(start: number, end: number, steps: number, options: TensorOptions = {}): Tensor {
  const step = steps > 1 ? (end - start) / (steps - 1) : 0;
  return made(ramp(steps, start, step, options.dtype ?? "f32"), options.requiresGrad ?? false);
}

/** Computed on the host in double precision: on a device, i * step would be rounded twice. */
function ramp(n: number, start: number, step: number, dtype: DType): Node {
  checkExtents("arange", [n]);
  const values = Array.from({ length: n }, (_, i) => start + i * step);
  return ops.input({ kind: "input", array: copied(values, dtype) }, dtype, [n]);
}

/** Ones on the diagonal, zeros elsewhere: [n, m], m = n unless given. */
export function eye(n: number, m: number = n, { dtype = "f32", requiresGrad = false }: TensorOptions = {}): Tensor {
  checkExtents("eye", [n, m]);
  return made(ops.cast(ops.eq(ops.reshape(ops.iota(n), [n, 1]), ops.iota(m)), dtype), requiresGrad);
}

/** `a` where the mask is true, `b` elsewhere. */
export function where(mask: Tensor, a: Tensor, b: Tensor): Tensor {
  return apply((c, x, y) => ops.where(c, ...promoted("where", x, y)), [mask, a, b]);
}

/** Tensors side by side along an axis they have. */
export function concat(tensors: readonly Tensor[], dim = 0): Tensor {
  return apply((...x) => concatNodes(alike(x), dim), tensors);
}
/** torch's name for `concat`. */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  return concat(tensors, dim);
}

/** Tensors of one shape side by side along a new axis. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  const first = tensors[0];
  if (first === undefined) throw new ShapeError("stack: no tensors; takes at least one");
  const axis = normalizeAxis("stack", dim, first.ndim + 1);
  return concat(
    tensors.map((t) => {
      if (show(t.shape) !== show(first.shape)) {
        throw new ShapeError(`stack: ${tensors.map((e) => show(e.shape)).join(", ")} must be equal`);
      }
      return t.unsqueeze(axis);
    }),
    axis,
  );
}

const alike = (x: readonly Node[]): Node[] => {
  const dtype = x.map((n) => n.dtype).reduce(promote, x[0]?.dtype ?? "f32");
  return x.map((n) => ops.cast(n, dtype));
};

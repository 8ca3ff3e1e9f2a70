/**
 * Stacks samples to a batch: a new first axis, one array for each name.
 *
 * Not here: which samples (loader.ts), Tensors. Shapes and dtypes must agree: padding is a collate of the user's own.
 */
import { hostArray } from "../ir/dtype.ts";
import { DtypeError, ShapeError, TexgradError } from "../ir/errors.ts";
import { numel, show } from "../ir/shape.ts";
import { type HostTensor, isHostTensor } from "./host-tensor.ts";

type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/**
 * What a sample may hold. A HostTensor keeps its dtype and shape; a typed array is a vector (f32 for floats, u32 for
 * Uint32Array, i32 for all other integers); a number is an f32 scalar, never an integer by chance of its value: write
 * class labels as hostTensor("i32", [], Int32Array.of(3)). A boolean is a bool scalar.
 */
export type Leaf = HostTensor | NumberArray | number | boolean;

/** What the default collate makes: { x } of a leaf, { x, y } of a pair, the same names of a record. */
export type DefaultBatch<Sample> = Sample extends Leaf
  ? { readonly x: HostTensor }
  : Sample extends readonly [unknown, unknown]
    ? { readonly x: HostTensor; readonly y: HostTensor }
    : { readonly [K in keyof Sample]: HostTensor };

/**
 * samples: b of them, each a leaf, a pair [x, y] or a record of leaves. Result: [b, ...s] for each name, new arrays.
 * indices [b] name the samples in errors.
 * Throws ShapeError or DtypeError when samples differ, TexgradError when one holds something else than leaves.
 */
export function collateDefault(samples: readonly unknown[], indices: ArrayLike<number>): Record<string, HostTensor> {
  const records = samples.map((sample, i) => toRecord(sample, indices[i] ?? i));
  const [first] = records;
  if (first === undefined) throw new TexgradError("collate: no samples; a batch has at least one");
  const names = [...first.keys()];
  for (const [i, record] of records.entries()) {
    if (record.size !== names.length || !names.every((name) => record.has(name))) {
      throw new TexgradError(
        `collate: sample ${indices[i]} has { ${[...record.keys()].join(", ")} }, ` +
          `sample ${indices[0]} has { ${names.join(", ")} }; all must have the same names`,
      );
    }
  }
  const batch: Record<string, HostTensor> = {};
  for (const name of names) {
    // Every record has every name, by the check above.
    const column = records.map((record) => record.get(name) as HostTensor);
    batch[name] = stack(name, column, indices);
  }
  return batch;
}

function stack(name: string, column: readonly HostTensor[], indices: ArrayLike<number>): HostTensor {
  const [{ dtype, shape }] = column as [HostTensor, ...HostTensor[]]; // a batch has at least one sample
  const size = numel(shape);
  const data = hostArray(dtype, size * column.length);
  for (const [i, part] of column.entries()) {
    const where = `collate: ${name} of sample ${indices[i]}`;
    if (part.dtype !== dtype) {
      throw new DtypeError(`${where} is ${part.dtype}, of sample ${indices[0]} ${dtype}; all must agree`);
    }
    if (part.shape.length !== shape.length || part.shape.some((extent, axis) => extent !== shape[axis])) {
      throw new ShapeError(
        `${where} has shape ${show(part.shape)}, of sample ${indices[0]} ${show(shape)}; ` +
          "all must agree, or give a collate that pads",
      );
    }
    if (part.data.length !== size) {
      throw new ShapeError(`${where} has ${part.data.length} elements, its shape ${show(shape)} ${size}`);
    }
    data.set(part.data, i * size);
  }
  return { dtype, shape: [column.length, ...shape], data };
}

function toRecord(sample: unknown, index: number): ReadonlyMap<string, HostTensor> {
  const leaf = toLeaf(sample);
  if (leaf !== undefined) return new Map([["x", leaf]]);
  if (typeof sample !== "object" || sample === null) {
    throw new TexgradError(`collate: sample ${index} is ${kindOf(sample)}; ${WANTED}`);
  }
  if (Array.isArray(sample) && sample.length !== 2) {
    throw new TexgradError(`collate: sample ${index} is an array of ${sample.length}, only a pair [x, y] has names`);
  }
  const entries: [string, unknown][] = Array.isArray(sample)
    ? sample.map((part: unknown, i): [string, unknown] => [i === 0 ? "x" : "y", part])
    : Object.entries(sample);
  return new Map(
    entries.map(([name, part]) => {
      const value = toLeaf(part);
      if (value === undefined) {
        throw new TexgradError(`collate: ${name} of sample ${index} is ${kindOf(part)}; ${WANTED}`);
      }
      return [name, value];
    }),
  );
}

const WANTED = "wanted a typed array, a number, a boolean or hostTensor(dtype, shape, array)";

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? value.constructor.name : `a ${typeof value}`;
}

/** A leaf as a HostTensor; undefined when it is none. Arrays of other kinds are copied to the dtype's own. */
function toLeaf(value: unknown): HostTensor | undefined {
  if (typeof value === "number") return { dtype: "f32", shape: [], data: Float32Array.of(value) };
  if (typeof value === "boolean") return { dtype: "bool", shape: [], data: Uint8Array.of(value ? 1 : 0) };
  if (isHostTensor(value)) return value;
  if (value instanceof Float32Array) return { dtype: "f32", shape: [value.length], data: value };
  if (value instanceof Float64Array) return { dtype: "f32", shape: [value.length], data: Float32Array.from(value) };
  if (value instanceof Uint32Array) return { dtype: "u32", shape: [value.length], data: value };
  if (value instanceof Int32Array) return { dtype: "i32", shape: [value.length], data: value };
  if (
    value instanceof Int8Array ||
    value instanceof Uint8Array ||
    value instanceof Uint8ClampedArray ||
    value instanceof Int16Array ||
    value instanceof Uint16Array
  ) {
    return { dtype: "i32", shape: [value.length], data: Int32Array.from(value) };
  }
  return undefined;
}

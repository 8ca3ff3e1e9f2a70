/**
 * Tensors as text, in numpy's manner: nested brackets, aligned columns, long axes cut in the middle.
 */
import type { DType, HostArray } from "../ir/dtype.ts";
import { numel, strides, type Shape } from "../ir/shape.ts";

/** More elements than this are summarised. */
const MANY = 1000;
/** Elements shown at either end of a summarised axis. */
const EDGE = 3;
/** Significant places after the point. */
const PLACES = 4;

interface Printable {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly requiresGrad: boolean;
}

/** `values`: row-major, or a sentence that stands in their place. */
export function formatTensor(t: Printable, values: HostArray | string): string {
  const facts = [`${t.dtype}[${t.shape.join(",")}]`, ...(t.requiresGrad ? ["requiresGrad"] : [])].join(", ");
  if (typeof values === "string") return `tensor(<${values}>, ${facts})`;
  const start = "tensor(";
  return `${start}${formatValues(values, t.shape, t.dtype, start.length)}, ${facts})`;
}

function formatValues(values: HostArray, shape: Shape, dtype: DType, indent: number): string {
  const cut = numel(shape) > MANY;
  const shown = (extent: number): (number | null)[] =>
    cut && extent > 2 * EDGE
      ? [...Array(EDGE).keys(), null, ...Array.from({ length: EDGE }, (_, i) => extent - EDGE + i)]
      : [...Array(extent).keys()];
  const stride = strides(shape);
  const positions: number[] = [];
  const collect = (axis: number, at: number): void => {
    if (axis === shape.length) positions.push(at);
    else for (const i of shown(shape[axis]!)) if (i !== null) collect(axis + 1, at + i * stride[axis]!);
  };
  collect(0, 0);
  const text = formatter(
    positions.map((p) => values[p]!),
    dtype,
  );
  const width = Math.max(0, ...positions.map((p) => text(values[p]!).length));
  const lines = (axis: number, at: number): string => {
    if (axis === shape.length) return text(values[at]!).padStart(width);
    const parts = shown(shape[axis]!).map((i) => (i === null ? "..." : lines(axis + 1, at + i * stride[axis]!)));
    const deep = shape.length - axis - 1;
    const gap = deep === 0 ? ", " : `,${"\n".repeat(deep)}${" ".repeat(indent + axis + 1)}`;
    return `[${parts.join(gap)}]`;
  };
  return lines(0, 0);
}

/** One spelling for all shown numbers: whole if all are, scientific if they differ too much, else fixed. */
function formatter(shown: readonly number[], dtype: DType): (x: number) => string {
  if (dtype === "bool") return (x) => (x !== 0 ? "true" : "false");
  if (dtype !== "f32") return String;
  const special = (x: number): string => (Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf");
  const finite = shown.filter(Number.isFinite);
  const sizes = finite.filter((x) => x !== 0).map(Math.abs);
  const largest = Math.max(0, ...sizes);
  const smallest = Math.min(Infinity, ...sizes);
  let write: (x: number) => string;
  if (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1e3 * 1e2) write = (x) => x.toExponential(PLACES);
  else if (finite.every(Number.isInteger)) write = (x) => `${x}.`;
  else write = (x) => x.toFixed(PLACES);
  return (x) => (Number.isFinite(x) ? write(x) : special(x));
}

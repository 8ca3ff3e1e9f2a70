/**
 * One named column of a dataset kept in typed arrays: how many samples, what each is, and how to copy some of them out.
 *
 * Not here: which columns belong together (dataset.ts). A field never changes its array and never hands it out.
 */
import { type DType, type HostArray, hostArray } from "../ir/dtype.ts";
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { numel, show } from "../ir/shape.ts";
import type { HostTensor } from "./host-tensor.ts";

export interface Field {
  /** How many samples, n. */
  readonly length: number;
  /** Copies samples out: indices [b], each below length -> [b, ...sample shape], a new array. */
  take(indices: ArrayLike<number>): HostTensor;
  /** Samples from start up to, not including, end, without copying: 0 <= start <= end <= length. */
  slice(start: number, end: number): Field;
}

/** tensor: [n, ...s], s the sample shape. Throws ShapeError when it has no first axis to count samples along. */
export function tensorField({ dtype, shape, data }: HostTensor): Field {
  const [length, ...sampleShape] = shape;
  if (length === undefined) {
    throw new ShapeError("tensorField: shape [] has no axis to count samples along; give [n, ...sample shape]");
  }
  if (data.length !== numel(shape)) {
    throw new ShapeError(`tensorField: shape ${show(shape)} does not fit ${data.length} elements`);
  }
  const size = numel(sampleShape);
  return {
    length,
    take(indices) {
      const taken = hostArray(dtype, indices.length * size);
      for (let i = 0; i < indices.length; i++) {
        const at = (indices[i] as number) * size; // i is below indices.length
        taken.set(data.subarray(at, at + size), i * size);
      }
      return { dtype, shape: [indices.length, ...sampleShape], data: taken };
    },
    slice: (start, end) =>
      tensorField({ dtype, shape: [end - start, ...sampleShape], data: data.subarray(start * size, end * size) }),
  };
}

/**
 * Bytes that mean something else when taken: each byte b becomes table[b]. Keeps large image sets at a byte a pixel,
 * and the values are exactly those the table was made with.
 *
 * bytes: [n, ...sampleShape]; table: [256] of `dtype`.
 * Throws ShapeError when the bytes are not a whole number of samples.
 */
export function byteField(bytes: Uint8Array, sampleShape: readonly number[], dtype: DType, table: HostArray): Field {
  const size = numel(sampleShape);
  const length = size === 0 ? 0 : bytes.length / size;
  if (!Number.isInteger(length)) {
    throw new ShapeError(`byteField: ${bytes.length} bytes are not whole samples of ${show(sampleShape)}`);
  }
  return {
    length,
    take(indices) {
      const taken = hostArray(dtype, indices.length * size);
      for (let i = 0; i < indices.length; i++) {
        const from = (indices[i] as number) * size; // i is below indices.length
        for (let k = 0; k < size; k++) taken[i * size + k] = table[bytes[from + k] as number] as number; // 256 rows
      }
      return { dtype, shape: [indices.length, ...sampleShape], data: taken };
    },
    slice: (start, end) => byteField(bytes.subarray(start * size, end * size), sampleShape, dtype, table),
  };
}

/** The values of a grey byte as (b / 255 - mean) / std, rounded to f32 after each operation as torchvision does. */
export function greyTable(mean: number, std: number): Float32Array {
  if (!Number.isFinite(mean) || !Number.isFinite(std) || std <= 0) {
    throw new TexgradError(`normalise: mean ${mean}, std ${std}; both must be finite and std above 0`);
  }
  const { fround } = Math;
  return Float32Array.from({ length: 256 }, (_, b) => fround(fround(fround(b / 255) - fround(mean)) / fround(std)));
}

/** Bytes as the integers they are. */
export function integerTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, b) => b);
}

/**
 * A tensor's values on the host: what files hold and what a batch is before it becomes a Tensor.
 *
 * Not here: Tensor, device or layout. Nothing is copied; whoever builds one decides who owns the array.
 */
import type { DType, HostArray } from "../ir/dtype.ts";
import { ShapeError } from "../ir/errors.ts";

/** Row-major values: data.length is the product of shape. bool is a Uint8Array of 0 and 1. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: HostArray;
}

/** The number of elements of a shape; 1 for []. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/**
 * data: a typed array of `dtype`'s own kind with as many elements as `shape` has. Result: the three together.
 * Throws ShapeError when the lengths differ or an extent is not a whole number >= 0.
 */
export function hostTensor(dtype: DType, shape: readonly number[], data: HostArray): HostTensor {
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw new ShapeError(`hostTensor: shape [${shape.join(", ")}] has an extent that is not a whole number >= 0`);
  }
  const wanted = elementCount(shape);
  if (data.length !== wanted) {
    throw new ShapeError(`hostTensor: shape [${shape.join(", ")}] has ${wanted} elements, data has ${data.length}`);
  }
  return { dtype, shape, data };
}

/** Whether a value is a HostTensor, told by its three fields. */
export function isHostTensor(value: unknown): value is HostTensor {
  return (
    typeof value === "object" &&
    value !== null &&
    "dtype" in value &&
    "shape" in value &&
    "data" in value &&
    Array.isArray(value.shape) &&
    ArrayBuffer.isView(value.data)
  );
}

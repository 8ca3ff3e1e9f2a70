/**
 * A tensor's values on the host: what files hold and what a batch is before it becomes a Tensor.
 *
 * Not here: Tensor, device or layout. Nothing is copied; whoever builds one decides who owns the array.
 */
import type { DType, HostArray } from "../ir/dtype.ts";
import { ShapeError } from "../ir/errors.ts";
import { numel, show } from "../ir/shape.ts";

/** Row-major values: data.length is the product of shape. bool is a Uint8Array of 0 and 1. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: HostArray;
}

/**
 * data: a typed array of `dtype`'s own kind with as many elements as `shape` has. Result: the three together.
 * Throws ShapeError when the lengths differ or an extent is not a whole number >= 0.
 */
export function hostTensor(dtype: DType, shape: readonly number[], data: HostArray): HostTensor {
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw new ShapeError(`hostTensor: shape ${show(shape)} has an extent that is not a whole number >= 0`);
  }
  const wanted = numel(shape);
  if (data.length !== wanted) {
    throw new ShapeError(`hostTensor: shape ${show(shape)} has ${wanted} elements, data has ${data.length}`);
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

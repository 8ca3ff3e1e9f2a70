/**
 * The four dtypes, what they promote to, and the host arrays that carry them. Imports nothing but errors.
 */
import { DtypeError } from "./errors.ts";

export type DType = "f32" | "i32" | "u32" | "bool";

/** Host storage of a tensor, row-major. bool is a Uint8Array of 0 and 1. */
export type HostArray = Float32Array | Int32Array | Uint32Array | Uint8Array;

/** What each dtype may be written as in a user's call. */
export const dtypes: readonly DType[] = ["f32", "i32", "u32", "bool"];

export const isFloat = (t: DType): boolean => t === "f32";
export const isInteger = (t: DType): boolean => t === "i32" || t === "u32";

/**
 * The dtype of a binary operation on two tensors, by torch's categories (bool < integer < float).
 * i32 with u32 gives i32: torch has no u32 to ask, and int64 does not exist here.
 */
export function promote(a: DType, b: DType): DType {
  if (a === b) return a;
  if (a === "f32" || b === "f32") return "f32";
  if (a === "bool") return b;
  if (b === "bool") return a;
  return "i32";
}

/** A zeroed host array of `size` elements. */
export function hostArray(dtype: DType, size: number): HostArray {
  switch (dtype) {
    case "f32":
      return new Float32Array(size);
    case "i32":
      return new Int32Array(size);
    case "u32":
      return new Uint32Array(size);
    case "bool":
      return new Uint8Array(size);
  }
}

/** Bytes of one element on the device: everything lives in 32-bit lanes. */
export const BYTES_PER_ELEMENT = 4;

/** Brings a number to the nearest value of `dtype`: f32 rounding, 32-bit wrapping, or 0/1. */
export function roundTo(dtype: DType, x: number): number {
  switch (dtype) {
    case "f32":
      return Math.fround(x);
    case "i32":
      return wrap(x) | 0;
    case "u32":
      return wrap(x) >>> 0;
    case "bool":
      return x !== 0 && x === x ? 1 : x === x ? 0 : 1;
  }
}

/** Truncates toward zero; NaN and infinities become 0 (GLSL leaves them undefined, we do not). */
function wrap(x: number): number {
  return Number.isFinite(x) ? Math.trunc(x) : 0;
}

export function checkDtype(op: string, t: DType, allowed: readonly DType[], hint = ""): void {
  if (!allowed.includes(t)) {
    throw new DtypeError(`${op}: got ${t}, takes ${allowed.join(", ")}${hint === "" ? "" : `; ${hint}`}`);
  }
}

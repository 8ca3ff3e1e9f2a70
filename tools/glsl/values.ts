/**
 * Values of GLSL at run time: how they are kept, stored and converted.
 *
 * A scalar is a number: float already rounded to f32, int in [-2^31, 2^31), uint in [0, 2^32), bool 0 or 1. A vector or
 * matrix is a typed array of its base, so a store rounds (f32) or wraps (mod 2^32). Matrices are column-major.
 * Arithmetic is in lanes.ts (one component) and vectors.ts (float vectors, by gl-matrix).
 */
import { baseOf, sizeOf, type Base, type ValueType } from "./types.ts";

export type Value = Float32Array | Int32Array | Uint32Array;

export function makeValue(base: Base, size: number): Value {
  if (base === "float") return new Float32Array(size);
  return base === "int" ? new Int32Array(size) : new Uint32Array(size);
}

export const valueOf = (type: ValueType): Value => makeValue(baseOf(type), sizeOf(type));

/** What a store to a scalar of the base does to a number. */
export const store: Record<Base, (x: number) => number> = {
  float: Math.fround,
  int: (x) => x | 0,
  uint: (x) => x >>> 0,
  bool: (x) => (x === 0 ? 0 : 1),
};

/** Notes that the specification leaves a result undefined; `what` is the operation and why. */
export type Warn = (what: string) => void;

/** A constructor's conversion of one component. */
export function convert(from: Base, to: Base): (x: number, warn: Warn) => number {
  if (from === "float" && to === "int") {
    return (x, warn) => {
      if (!(x > -2147483649 && x < 2147483648)) warn("int() of a float out of range");
      return x | 0;
    };
  }
  if (from === "float" && to === "uint") {
    return (x, warn) => {
      if (!(x > -1 && x < 4294967296)) warn("uint() of a float out of range");
      return x >>> 0;
    };
  }
  return store[to];
}

const word = new DataView(new ArrayBuffer(4));

/** The bits of a number of one base read as another. NaN payloads are not kept. */
export const floatBits = {
  toInt: (x: number): number => (word.setFloat32(0, x), word.getInt32(0)),
  toUint: (x: number): number => (word.setFloat32(0, x), word.getUint32(0)),
  ofInt: (x: number): number => (word.setInt32(0, x), word.getFloat32(0)),
  ofUint: (x: number): number => (word.setUint32(0, x), word.getFloat32(0)),
};

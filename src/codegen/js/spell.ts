/**
 * JavaScript spelling of numbers, roundings, index atoms and conditions. Texts only; what they refer to, and where they
 * are computed, is generate.ts's business.
 */
import type { Condition } from "../../ir/affine.ts";
import { roundTo, type DType } from "../../ir/dtype.ts";

/** A constant, rounded to its dtype. */
export function number(value: number, dtype: DType): string {
  const rounded = roundTo(dtype, value);
  return Object.is(rounded, -0) ? "-0" : String(rounded);
}

/** Brings a result to its dtype; the operations below are exact in doubles, so this is the only rounding. */
export function rounded(dtype: DType, text: string): string {
  switch (dtype) {
    case "f32":
      return `Math.fround(${text})`;
    case "i32":
      return `(${text}) | 0`;
    case "u32":
      return `(${text}) >>> 0`;
    case "bool":
      return `(${text}) !== 0 ? 1 : 0`;
  }
}

const isPowerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/** Floor of an index by a constant. Simplifying may leave an operand that is below zero at some points. */
export function quotient(text: string, by: number, mayBeNegative: boolean): string {
  if (isPowerOfTwo(by)) return `${text} >> ${Math.log2(by)}`;
  return mayBeNegative ? `Math.floor(${text} / ${by})` : `(${text} / ${by}) | 0`;
}

/** What that quotient leaves, in [0, by). */
export function remainder(text: string, by: number, mayBeNegative: boolean): string {
  if (isPowerOfTwo(by)) return `${text} & ${by - 1}`;
  return mayBeNegative ? `(${text} % ${by} + ${by}) % ${by}` : `${text} % ${by}`;
}

/** The product of an index and a constant, in 32 bits. */
export const times = (text: string, coef: number): string => (coef === 1 ? text : `Math.imul(${text}, ${coef})`);

/** `index`: the name of the condition's index. */
export function condition(c: Condition, index: string): string {
  switch (c.kind) {
    case "atLeastZero":
      return `${index} >= 0`;
    case "below":
      return `${index} < ${c.bound}`;
    case "divisible":
      return `${index} % ${c.by} === 0`;
    case "always":
      return "true";
    case "never":
      return "false";
  }
}

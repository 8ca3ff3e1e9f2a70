/**
 * Small spellings of GLSL ES 3.00: types, literals, integer expressions. No kernels here.
 */
import type { Atom, Condition, Index } from "../../ir/affine.ts";
import type { DType } from "../../ir/dtype.ts";
import { InvariantError } from "../../ir/errors.ts";
import type { GlslType } from "../../ir/node.ts";

const elements = { f32: "float", bool: "float", i32: "int", u32: "uint" } as const;
const vectors = { float: "vec4", int: "ivec4", uint: "uvec4" } as const;

/** The GLSL type of a value of `dtype` in one lane or four. bool lives in floats as 0.0 and 1.0. */
export function typeOf(dtype: DType, lanes: 1 | 4): GlslType {
  const element = elements[dtype];
  return { element, value: lanes === 1 ? element : vectors[element], mask: lanes === 1 ? "float" : "vec4", lanes };
}

export const samplerOf = (dtype: DType): string =>
  ({ float: "sampler2DArray", int: "isampler2DArray", uint: "usampler2DArray" })[elements[dtype]];

/** A number as a primary expression of its element type; values with no decimal spelling are spelled by their bits. */
export function literal(value: number, dtype: DType): string {
  const element = elements[dtype];
  if (element === "int")
    return value < 0 ? (value === -2147483648 ? "(-2147483647 - 1)" : `(${value})`) : String(value);
  if (element === "uint") return `${value >>> 0}u`;
  const v = Math.fround(value);
  if (Number.isNaN(v)) return "uintBitsToFloat(0x7fc00000u)";
  if (v === Infinity) return "uintBitsToFloat(0x7f800000u)";
  if (v === -Infinity) return "uintBitsToFloat(0xff800000u)";
  // Mesa reads the shortest decimals of the largest floats as infinity.
  if (Math.abs(v) > 3.4e38) return `uintBitsToFloat(0x${bitsOf(v).toString(16)}u)`;
  const text = shortest(v);
  return v < 0 || Object.is(v, -0) ? `(${text})` : text;
}

function bitsOf(v: number): number {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setFloat32(0, v);
  return bytes.getUint32(0);
}

/** The shortest decimal that reads back as the same f32, always with a point or an exponent. */
function shortest(v: number): string {
  if (Object.is(v, -0)) return "-0.0";
  for (let digits = 1; digits <= 9; digits++) {
    const text = Number(v.toPrecision(digits));
    if (Math.fround(text) === v) {
      const s = String(text);
      return /[.e]/.test(s) ? s : `${s}.0`;
    }
  }
  return String(v);
}

/** Names of what indices are made of. */
export type AtomText = (atom: Extract<Atom, { kind: "axis" } | { kind: "dynamic" }>) => string;

const isPowerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/** An int expression; a primary one if `primary`. */
export function indexText(i: Index, name: AtomText, primary = false): string {
  const parts: string[] = [];
  for (const { atom, coef } of i.terms) {
    const base = atomText(atom, name);
    const text = Math.abs(coef) === 1 ? base : `${Math.abs(coef)} * ${base}`;
    parts.push(parts.length === 0 ? (coef < 0 ? `-${text}` : text) : coef < 0 ? ` - ${text}` : ` + ${text}`);
  }
  if (i.offset !== 0 || parts.length === 0) {
    parts.push(parts.length === 0 ? String(i.offset) : i.offset < 0 ? ` - ${-i.offset}` : ` + ${i.offset}`);
  }
  const simple =
    i.terms.length === 0 ? i.offset >= 0 : i.terms.length === 1 && i.offset === 0 && i.terms[0]!.coef === 1;
  return primary && !simple ? `(${parts.join("")})` : parts.join("");
}

/** Divisors are positive and operands never negative where the result is used, so shifts and masks are exact. */
function atomText(atom: Atom, name: AtomText): string {
  if (atom.kind === "axis" || atom.kind === "dynamic") return name(atom);
  const of = indexText(atom.of, name, true);
  if (atom.kind === "div") return isPowerOfTwo(atom.by) ? `(${of} >> ${Math.log2(atom.by)})` : `(${of} / ${atom.by})`;
  return isPowerOfTwo(atom.by) ? `(${of} & ${atom.by - 1})` : `(${of} % ${atom.by})`;
}

export function conditionText(c: Condition, name: AtomText): string {
  switch (c.kind) {
    case "atLeastZero":
      return `${indexText(c.index, name)} >= 0`;
    case "below":
      return `${indexText(c.index, name)} < ${c.bound}`;
    case "divisible":
      return isPowerOfTwo(c.by)
        ? `(${indexText(c.index, name, true)} & ${c.by - 1}) == 0`
        : `${indexText(c.index, name, true)} % ${c.by} == 0`;
    case "always":
    case "never":
      throw new InvariantError(`a condition that ${c.kind} holds is not spelled`);
  }
}

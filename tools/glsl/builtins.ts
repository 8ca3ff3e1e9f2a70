/**
 * The built-in functions of the subset: one row a function, with its overloads and its meaning on one lane.
 *
 * Signatures are written in letters. Capital: a scalar or vector of the base, the same size for every capital of the
 * signature (F float, I int, U uint, B bool). Small: that scalar. V, J, W, C: vectors only, of float, int, uint, bool.
 * M: mat4. Fetches are not here: they take a sampler, which is no value (see check.ts).
 * Formulas are those of the specification's chapter 8, with an f32 rounding at each of their steps. Functions it gives
 * no formula for (exp, sin, ...) are computed in double and rounded once.
 */
import { floatBits, type Value, type Warn } from "./values.ts";
import { dot, transpose } from "./vectors.ts";
import { baseOf, sizeOf, typeOf, valueTypes, type Base, type ValueType } from "./types.ts";

type Lane = (x: number, y: number, z: number, warn: Warn) => number;
type Whole = (args: readonly Value[], out: Value) => number | void;

/** `lane` is applied to each component, scalars repeated; `whole` sees the vectors (and writes `out` if not scalar). */
export type Meaning = { readonly kind: "lane"; readonly of: Lane } | { readonly kind: "whole"; readonly of: Whole };

export interface Overload {
  readonly signature: string;
  readonly meaning: Meaning;
}

const letters: Record<string, { readonly base: Base; readonly sizes: "any" | "scalar" | "vector" }> = {
  F: { base: "float", sizes: "any" },
  I: { base: "int", sizes: "any" },
  U: { base: "uint", sizes: "any" },
  B: { base: "bool", sizes: "any" },
  V: { base: "float", sizes: "vector" },
  J: { base: "int", sizes: "vector" },
  W: { base: "uint", sizes: "vector" },
  C: { base: "bool", sizes: "vector" },
  f: { base: "float", sizes: "scalar" },
  i: { base: "int", sizes: "scalar" },
  u: { base: "uint", sizes: "scalar" },
  b: { base: "bool", sizes: "scalar" },
};

const f32 = Math.fround;

function lane(signatures: string, of: Lane): readonly Overload[] {
  return signatures.split(" | ").map((signature) => ({ signature, meaning: { kind: "lane", of } }));
}
function whole(signatures: string, of: Whole): readonly Overload[] {
  return signatures.split(" | ").map((signature) => ({ signature, meaning: { kind: "whole", of } }));
}

/** The same lane function, noting arguments for which the specification leaves the result undefined. */
const unless =
  (undefinedAt: (x: number, y: number) => boolean, what: string, of: Lane): Lane =>
  (x, y, z, warn) => {
    if (undefinedAt(x, y)) warn(what);
    return of(x, y, z, warn);
  };

const either = (x: number, y: number): boolean => x !== x || y !== y;
const min = unless(either, "min of NaN", (x, y) => (y < x ? y : x));
const max = unless(either, "max of NaN", (x, y) => (x < y ? y : x));
const clamp: Lane = (x, low, high, warn) => {
  if (low > high) warn("clamp with min > max");
  if (x !== x) warn("clamp of NaN");
  const raised = x < low ? low : x;
  return high < raised ? high : raised;
};
const roundEven = (x: number): number => {
  const up = Math.round(x);
  return Math.abs(x % 1) === 0.5 && up % 2 !== 0 ? up - 1 : up;
};
const mix: Lane = (x, y, a) => f32(f32(x * f32(1 - a)) + f32(y * a));
const pow = unless(
  (x, y) => x < 0 || (x === 0 && y <= 0),
  "pow(x, y) with x < 0, or x = 0 and y <= 0",
  (x, y) => x ** y,
);
const sign: Lane = (x) => (x > 0 ? 1 : x < 0 ? -1 : 0);
const atan2 = unless(
  (y, x) => x === 0 && y === 0,
  "atan(0, 0)",
  (y, x) => Math.atan2(y, x),
);

const comparable = "V V => C | J J => C | W W => C";
const equatable = `${comparable} | C C => C`;

/** By name; overloads in the order they are tried. */
export const builtins: Readonly<Record<string, readonly Overload[]>> = {
  abs: lane("F => F | I => I", (x) => Math.abs(x)),
  sign: lane("F => F | I => I", sign),
  floor: lane("F => F", (x) => Math.floor(x)),
  ceil: lane("F => F", (x) => Math.ceil(x)),
  trunc: lane("F => F", (x) => Math.trunc(x)),
  // The direction of round(n + 0.5) is the implementation's choice; here to even.
  round: lane("F => F", roundEven),
  roundEven: lane("F => F", roundEven),
  fract: lane("F => F", (x) => f32(x - Math.floor(x))),
  mod: lane("F F => F | F f => F", (x, y) => f32(x - f32(y * Math.floor(f32(x / y))))),
  min: lane("F F => F | F f => F | I I => I | I i => I | U U => U | U u => U", min),
  max: lane("F F => F | F f => F | I I => I | I i => I | U U => U | U u => U", max),
  clamp: lane("F F F => F | F f f => F | I I I => I | I i i => I | U U U => U | U u u => U", clamp),
  mix: [...lane("F F F => F | F F f => F", mix), ...lane("F F B => F", (x, y, a) => (a !== 0 ? y : x))],
  step: lane("F F => F | f F => F", (edge, x) => (x < edge ? 0 : 1)),

  sqrt: lane(
    "F => F",
    unless(
      (x) => x < 0,
      "sqrt of a negative number",
      (x) => Math.sqrt(x),
    ),
  ),
  inversesqrt: lane(
    "F => F",
    unless(
      (x) => x <= 0,
      "inversesqrt of a number <= 0",
      (x) => 1 / Math.sqrt(x),
    ),
  ),
  exp: lane("F => F", (x) => Math.exp(x)),
  exp2: lane("F => F", (x) => 2 ** x),
  log: lane(
    "F => F",
    unless(
      (x) => x <= 0,
      "log of a number <= 0",
      (x) => Math.log(x),
    ),
  ),
  log2: lane(
    "F => F",
    unless(
      (x) => x <= 0,
      "log2 of a number <= 0",
      (x) => Math.log2(x),
    ),
  ),
  pow: lane("F F => F", pow),
  sin: lane("F => F", (x) => Math.sin(x)),
  cos: lane("F => F", (x) => Math.cos(x)),
  tan: lane("F => F", (x) => Math.tan(x)),
  asin: lane(
    "F => F",
    unless(
      (x) => Math.abs(x) > 1,
      "asin of |x| > 1",
      (x) => Math.asin(x),
    ),
  ),
  acos: lane(
    "F => F",
    unless(
      (x) => Math.abs(x) > 1,
      "acos of |x| > 1",
      (x) => Math.acos(x),
    ),
  ),
  atan: [...lane("F => F", (x) => Math.atan(x)), ...lane("F F => F", atan2)],
  sinh: lane("F => F", (x) => Math.sinh(x)),
  cosh: lane("F => F", (x) => Math.cosh(x)),
  tanh: lane("F => F", (x) => Math.tanh(x)),

  isnan: lane("F => B", (x) => (x !== x ? 1 : 0)),
  isinf: lane("F => B", (x) => (Math.abs(x) === Infinity ? 1 : 0)),
  floatBitsToInt: lane("F => I", floatBits.toInt),
  floatBitsToUint: lane("F => U", floatBits.toUint),
  intBitsToFloat: lane("I => F", floatBits.ofInt),
  uintBitsToFloat: lane("U => F", floatBits.ofUint),

  lessThan: lane(comparable, (x, y) => (x < y ? 1 : 0)),
  lessThanEqual: lane(comparable, (x, y) => (x <= y ? 1 : 0)),
  greaterThan: lane(comparable, (x, y) => (x > y ? 1 : 0)),
  greaterThanEqual: lane(comparable, (x, y) => (x >= y ? 1 : 0)),
  equal: lane(equatable, (x, y) => (x === y ? 1 : 0)),
  notEqual: lane(equatable, (x, y) => (x !== y ? 1 : 0)),
  not: lane("C => C", (x) => (x === 0 ? 1 : 0)),
  any: whole("C => b", ([x]) => (x!.some((e) => e !== 0) ? 1 : 0)),
  all: whole("C => b", ([x]) => (x!.every((e) => e !== 0) ? 1 : 0)),
  dot: whole("F F => f", ([x, y]) => dot(x as Float32Array, y as Float32Array)),
  transpose: whole("M => M", ([m], out) => {
    transpose(out as Float32Array, m as Float32Array);
  }),
};

const fits = (type: ValueType, letter: string, size: number): boolean => {
  if (letter === "M") return type === "mat4";
  const { base, sizes } = letters[letter]!;
  if (type === "mat4" || baseOf(type) !== base) return false;
  return sizes === "scalar" ? sizeOf(type) === 1 : sizeOf(type) === size && (sizes === "any" || size > 1);
};

/** The type a call has by this overload, or undefined where its arguments do not fit. */
export function resultType({ signature }: Overload, args: readonly ValueType[]): ValueType | undefined {
  const [left, right] = signature.split(" => ") as [string, string];
  const params = left.split(" ");
  if (params.length !== args.length) return undefined;
  const sized = params.findIndex((letter) => letters[letter]?.sizes !== "scalar");
  const size = sized < 0 ? 1 : sizeOf(args[sized]!);
  if (!params.every((letter, i) => fits(args[i]!, letter, size))) return undefined;
  if (right === "M") return "mat4";
  const { base, sizes } = letters[right]!;
  return typeOf(base, sizes === "scalar" ? 1 : size);
}

const named: Record<"any" | "vector", Record<Base, string>> = {
  any: { float: "genFType", int: "genIType", uint: "genUType", bool: "genBType" },
  vector: { float: "vec", int: "ivec", uint: "uvec", bool: "bvec" },
};

/** A signature in the specification's words, for messages: `min(genFType, float)`. */
export function describeOverload(name: string, { signature }: Overload): string {
  const params = signature.split(" => ")[0]!.split(" ");
  const words = params.map((letter) => {
    const form = letters[letter];
    return form === undefined ? "mat4" : form.sizes === "scalar" ? form.base : named[form.sizes][form.base];
  });
  return `${name}(${words.join(", ")})`;
}

/** Every instance of an overload: the argument types and the result, for tests that go through the whole table. */
export function instances(overload: Overload): readonly { args: readonly ValueType[]; result: ValueType }[] {
  const arity = overload.signature.split(" => ")[0]!.split(" ").length;
  const all = Array.from({ length: arity }).reduce<readonly (readonly ValueType[])[]>(
    (lists) => lists.flatMap((list) => valueTypes.map((type) => [...list, type])),
    [[]],
  );
  return all.flatMap((args) => {
    const result = resultType(overload, args);
    return result === undefined ? [] : [{ args, result }];
  });
}

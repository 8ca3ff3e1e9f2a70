/**
 * The types of the subset and GLSL ES 3.00's typing rules for operators.
 *
 * A type is its name, so equality is `===`. GLSL ES has no implicit conversions at all: `1 + 1.0` is an error.
 * Arrays exist only as uniforms and never as the type of an expression.
 */

export type Base = "float" | "int" | "uint" | "bool";

/** Types a variable or an expression may have. */
export type ValueType = Base | `${"" | "i" | "u" | "b"}vec${2 | 3 | 4}` | "mat4";

export type SamplerType = "sampler2DArray" | "isampler2DArray" | "usampler2DArray";

export type Precision = "lowp" | "mediump" | "highp";

interface Form {
  readonly base: Base;
  /** Components: 1 to 4, and 16 for mat4. */
  readonly size: number;
}

const forms: Record<ValueType, Form> = {
  float: { base: "float", size: 1 },
  vec2: { base: "float", size: 2 },
  vec3: { base: "float", size: 3 },
  vec4: { base: "float", size: 4 },
  int: { base: "int", size: 1 },
  ivec2: { base: "int", size: 2 },
  ivec3: { base: "int", size: 3 },
  ivec4: { base: "int", size: 4 },
  uint: { base: "uint", size: 1 },
  uvec2: { base: "uint", size: 2 },
  uvec3: { base: "uint", size: 3 },
  uvec4: { base: "uint", size: 4 },
  bool: { base: "bool", size: 1 },
  bvec2: { base: "bool", size: 2 },
  bvec3: { base: "bool", size: 3 },
  bvec4: { base: "bool", size: 4 },
  mat4: { base: "float", size: 16 },
};

const vectorPrefix: Record<Base, string> = { float: "vec", int: "ivec", uint: "uvec", bool: "bvec" };

export const valueTypes = Object.keys(forms) as readonly ValueType[];
export const samplerTypes: readonly SamplerType[] = ["sampler2DArray", "isampler2DArray", "usampler2DArray"];

export const baseOf = (type: ValueType): Base => forms[type].base;
export const sizeOf = (type: ValueType): number => forms[type].size;
export const isScalar = (type: ValueType): boolean => sizeOf(type) === 1;
export const isVector = (type: ValueType): boolean => sizeOf(type) > 1 && type !== "mat4";

/** The scalar or vector of `size` (1 to 4) components of `base`. */
export function typeOf(base: Base, size: number): ValueType {
  return (size === 1 ? base : `${vectorPrefix[base]}${size}`) as ValueType;
}

/** What a fetch from the sampler gives. */
export const texelOf: Record<SamplerType, "vec4" | "ivec4" | "uvec4"> = {
  sampler2DArray: "vec4",
  isampler2DArray: "ivec4",
  usampler2DArray: "uvec4",
};

export type UnaryOp = "-" | "!" | "~";
export type ArithmeticOp = "+" | "-" | "*" | "/";
export type IntegerOp = "%" | "&" | "|" | "^";
export type ShiftOp = "<<" | ">>";
export type CompareOp = "<" | "<=" | ">" | ">=";
export type EqualOp = "==" | "!=";
export type LogicalOp = "&&" | "||";
export type BinaryOp = ArithmeticOp | IntegerOp | ShiftOp | CompareOp | EqualOp | LogicalOp;

type Rule = (left: ValueType, right: ValueType) => ValueType | undefined;

/** Equal types, or a scalar and a vector of one base: the result is the larger. */
const componentwise: Rule = (left, right) => {
  if (left === "mat4" || right === "mat4" || baseOf(left) !== baseOf(right)) return undefined;
  if (left === right || isScalar(right)) return left;
  return isScalar(left) ? right : undefined;
};

const arithmetic: Rule = (left, right) =>
  baseOf(left) === "bool" ? undefined : left === "mat4" && right === "mat4" ? "mat4" : componentwise(left, right);

const product: Rule = (left, right) => {
  if (left === "mat4" || right === "mat4") {
    const other = left === "mat4" ? right : left;
    return other === "mat4" || other === "float" ? "mat4" : other === "vec4" ? "vec4" : undefined;
  }
  return arithmetic(left, right);
};

const quotient: Rule = (left, right) => (left === "mat4" || right === "mat4" ? undefined : arithmetic(left, right));

const isInteger = (type: ValueType): boolean => baseOf(type) === "int" || baseOf(type) === "uint";

const integer: Rule = (left, right) => (isInteger(left) ? componentwise(left, right) : undefined);

/** The signedness of the two sides may differ; a scalar is shifted only by a scalar. */
const shift: Rule = (left, right) =>
  isInteger(left) && isInteger(right) && (isScalar(right) || sizeOf(left) === sizeOf(right)) ? left : undefined;

const compare: Rule = (left, right) => (left === right && isScalar(left) && left !== "bool" ? "bool" : undefined);

const equal: Rule = (left, right) => (left === right && left !== "mat4" ? "bool" : undefined);

const logical: Rule = (left, right) => (left === "bool" && right === "bool" ? "bool" : undefined);

const rules: Record<BinaryOp, Rule> = {
  "+": arithmetic,
  "-": arithmetic,
  "*": product,
  "/": quotient,
  "%": integer,
  "&": integer,
  "|": integer,
  "^": integer,
  "<<": shift,
  ">>": shift,
  "<": compare,
  "<=": compare,
  ">": compare,
  ">=": compare,
  "==": equal,
  "!=": equal,
  "&&": logical,
  "||": logical,
};

/** The type of `left op right`, or undefined where GLSL ES 3.00 has no such operation. */
export const binaryType = (op: BinaryOp, left: ValueType, right: ValueType): ValueType | undefined =>
  rules[op](left, right);

const unaryRules: Record<UnaryOp, (type: ValueType) => boolean> = {
  "-": (type) => baseOf(type) !== "bool" && type !== "mat4",
  "!": (type) => type === "bool",
  "~": isInteger,
};

export const unaryType = (op: UnaryOp, type: ValueType): ValueType | undefined =>
  unaryRules[op](type) ? type : undefined;

/**
 * How elementwise definitions become builder functions, and the small words their rows are written in.
 *
 * A builder carries its definition, so a row is said once: `exp(x)` builds a node, `exp.definition` is the row.
 * Builders broadcast their operands and never promote: operands of different dtypes are the caller's mistake.
 *
 * Templates, GLSL and JavaScript alike: operands are primary expressions (a name, a call, something in parentheses);
 * the result is any expression, so whoever nests it adds the parentheses.
 */
import type { DType } from "../dtype.ts";
import { checkDtype } from "../dtype.ts";
import { DtypeError } from "../errors.ts";
import { map, noAttrs, type Attrs, type GlslType, type MapDefinition, type Node } from "../node.ts";
import { broadcastShapes, type Shape } from "../shape.ts";
import { expand } from "./broadcast.ts";
import { literal } from "./leaf.ts";

/** A number is a library constant and becomes a literal of the other operands' dtype; numbers of a user come as nodes. */
export type Operand = Node | number;

export interface UnaryOp {
  (x: Operand): Node;
  readonly definition: MapDefinition;
}
export interface BinaryOp {
  (a: Operand, b: Operand): Node;
  readonly definition: MapDefinition;
}

type Row = Omit<MapDefinition, "kind" | "arity">;

export function unary(row: Row): UnaryOp {
  const definition: MapDefinition = { kind: "map", arity: 1, ...row };
  return Object.assign((x: Operand) => map(definition, [asNode(x, "f32")]), { definition });
}

export function binary(row: Row): BinaryOp {
  const definition: MapDefinition = { kind: "map", arity: 2, ...row };
  return Object.assign((a: Operand, b: Operand) => apply(definition, [a, b]), { definition });
}

/** Applies a map to operands of broadcastable shapes; numbers take the dtype of the last operand that has one. */
export function apply(definition: MapDefinition, operands: readonly Operand[], attrs: Attrs = noAttrs): Node {
  let dtype: DType = "f32";
  let shape: Shape = [];
  for (const x of operands) {
    if (typeof x === "number") continue;
    dtype = x.dtype;
    shape = broadcastShapes(definition.name, shape, x.shape);
  }
  return map(
    definition,
    operands.map((x) => expand(asNode(x, dtype), shape)),
    attrs,
  );
}

export const asNode = (x: Operand, dtype: DType): Node => (typeof x === "number" ? literal(x, dtype) : x);

// Dtype rules.

export const numeric: readonly DType[] = ["f32", "i32", "u32"];
export const signed: readonly DType[] = ["f32", "i32"];
export const anyDtype: readonly DType[] = ["f32", "i32", "u32", "bool"];

/** All operands have one dtype, among `allowed`; gives it. */
export function oneOf(op: string, operands: readonly DType[], allowed: readonly DType[]): DType {
  const first = operands[0]!;
  const other = operands.find((t) => t !== first);
  if (other !== undefined) {
    throw new DtypeError(`${op}: operands are ${operands.join(" and ")}; cast one, as in x.cast("${first}")`);
  }
  checkDtype(op, first, allowed, `x.cast("${allowed[0]}") would fit`);
  return first;
}

/** The rule of ops whose result has the dtype of the operands. */
export const same =
  (op: string, allowed: readonly DType[]): Row["dtype"] =>
  (operands) =>
    oneOf(op, operands, allowed);

export const float = (op: string): Row["dtype"] => same(op, ["f32"]);

/** The rule of comparisons. */
export const mask =
  (op: string, allowed: readonly DType[]): Row["dtype"] =>
  (operands) => {
    oneOf(op, operands, allowed);
    return "bool";
  };

// GLSL spellings that differ between one lane and four.

const vectorForm = {
  "<": "lessThan",
  "<=": "lessThanEqual",
  ">": "greaterThan",
  ">=": "greaterThanEqual",
  "==": "equal",
  "!=": "notEqual",
};
export type Comparison = keyof typeof vectorForm;

/** A condition on values of type t: bool, or bvec4 lane by lane. */
export const compare = (t: GlslType, a: string, is: Comparison, b: string): string =>
  t.lanes === 1 ? `${a} ${is} ${b}` : `${vectorForm[is]}(${a}, ${b})`;

/** Per lane, x where the condition holds and y elsewhere. A selection, not a blend: NaN does not leak. Floats only. */
export const choose = (t: GlslType, condition: string, x: string, y: string): string =>
  t.lanes === 1 ? `${condition} ? ${x} : ${y}` : `mix(${y}, ${x}, ${condition})`;

/** A constant of type t: `vec4(1.0)`. */
export const constant = (t: GlslType, text: string): string => (t.lanes === 1 ? text : `${t.value}(${text})`);

/** Spelled by bits: a quotient by zero is not an infinity or a NaN on every compiler. */
export const glslNaN = "uintBitsToFloat(0x7fc00000u)";

/** Negative literals come without parentheses, and `--1.0` is a decrement. */
export const negated = (x: string): string => (x.startsWith("-") ? `-(${x})` : `-${x}`);

export const isInt = (t: DType | undefined): boolean => t === "i32" || t === "u32";

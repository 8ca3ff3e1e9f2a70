/**
 * Types of expressions, by GLSL ES 3.00's rules and the subset's own: samplers only inside fetches, vectors taken apart
 * by swizzles only, gl_FragCoord only as .xy.
 */
import type { Expression, Sampler } from "./ast.ts";
import { builtins, describeOverload, resultType } from "./builtins.ts";
import type { Span } from "./errors.ts";
import type { Scope } from "./scope.ts";
import type { SyntaxExpression, Word } from "./syntax.ts";
import {
  baseOf,
  binaryType,
  isScalar,
  isVector,
  sizeOf,
  texelOf,
  typeOf,
  unaryType,
  type BinaryOp,
  type ValueType,
} from "./types.ts";

type Of<K extends SyntaxExpression["kind"]> = Extract<SyntaxExpression, { readonly kind: K }>;

const list = (types: readonly string[]): string => types.join(", ");

/** Decimal and hexadecimal, by the bit pattern; an int with its sign bit set is negative. */
export function readInteger(
  scope: Scope,
  { text, at }: Word,
): { readonly type: "int" | "uint"; readonly value: number } {
  const unsigned = /u$/i.test(text);
  const value = Number(unsigned ? text.slice(0, -1) : text);
  if (value > 0xffffffff) scope.fail(at, `\`${text}\` does not fit 32 bits`);
  return unsigned ? { type: "uint", value } : { type: "int", value: value | 0 };
}

function literal(scope: Scope, s: Of<"number">): Expression {
  const { at, text } = s;
  if (!/^0x/i.test(text) && /[.e]/i.test(text)) {
    const value = Math.fround(Number(text));
    if (value === Infinity)
      scope.fail(at, `\`${text}\` is larger than the largest float; infinity is uintBitsToFloat(0x7F800000u)`);
    return { kind: "literal", type: "float", value, constant: true, at };
  }
  return { kind: "literal", ...readInteger(scope, s), constant: true, at };
}

function named(scope: Scope, { name, at }: Of<"name">): Expression {
  if (name === "gl_FragCoord") {
    return scope.fail(at, "gl_FragCoord is read as gl_FragCoord.xy, .x or .y only");
  }
  const found = scope.find(name);
  if (found === undefined) return scope.fail(at, `\`${name}\` is not declared`);
  switch (found.kind) {
    case "variable": {
      const { variable } = found;
      return { kind: "read", variable, type: variable.type, constant: variable.role === "const", at };
    }
    case "uniform": {
      const { uniform } = found;
      if (uniform.length !== undefined) {
        return scope.fail(at, `\`${name}\` is an array of ${uniform.length}: index it`);
      }
      return { kind: "uniform", uniform, index: undefined, type: uniform.type, constant: false, at };
    }
    case "sampler":
      return scope.fail(at, `\`${name}\` is a sampler: it is read by texelFetch or textureLod only`);
    case "function":
      return scope.fail(at, `\`${name}\` is a function: call it`);
  }
}

function element(scope: Scope, { name, index, at }: Of<"element">): Expression {
  const found = scope.find(name.text);
  if (found === undefined) return scope.fail(name.at, `\`${name.text}\` is not declared`);
  if (found.kind !== "uniform" || found.uniform.length === undefined) {
    return scope.fail(at, "only uniform arrays are indexed; the components of a vector are taken by a swizzle");
  }
  const { uniform } = found;
  const typed = checkExpression(scope, index);
  if (typed.type !== "int" && typed.type !== "uint") scope.expectType(typed, "int", "an index");
  if (typed.kind === "literal" && (typed.value < 0 || typed.value >= uniform.length!)) {
    scope.fail(typed.at, `index ${typed.value} is outside of \`${name.text}\`, an array of ${uniform.length}`);
  }
  return { kind: "uniform", uniform, index: typed, type: uniform.type, constant: false, at };
}

const swizzleSets = ["xyzw", "rgba"] as const;

/** The components a swizzle names in a value of `type`. */
export function readSwizzle(scope: Scope, type: ValueType, field: Word): readonly number[] {
  if (!isVector(type)) scope.fail(field.at, `\`.${field.text}\`: ${type} has no components`);
  const letters = [...field.text];
  const set = swizzleSets.find((s) => letters.every((letter) => s.includes(letter)));
  if (set === undefined || letters.length > 4) {
    return scope.fail(field.at, `\`.${field.text}\` is no swizzle: up to four of xyzw, or of rgba`);
  }
  const lanes = letters.map((letter) => set.indexOf(letter));
  const past = lanes.findIndex((lane) => lane >= sizeOf(type));
  if (past >= 0) scope.fail(field.at, `\`.${field.text}\`: ${type} has no component ${letters[past]}`);
  return lanes;
}

function member(scope: Scope, { of, field, at }: Of<"member">): Expression {
  const isFragCoord = of.kind === "name" && of.name === "gl_FragCoord";
  if (isFragCoord && !/^[xy]+$/.test(field.text))
    scope.fail(at, "gl_FragCoord is read as gl_FragCoord.xy, .x or .y only");
  const value: Expression = isFragCoord
    ? { kind: "fragCoord", type: "vec4", constant: false, at: of.at }
    : checkExpression(scope, of);
  const lanes = readSwizzle(scope, value.type, field);
  return {
    kind: "swizzle",
    of: value,
    lanes,
    type: typeOf(baseOf(value.type), lanes.length),
    constant: value.constant,
    at,
  };
}

/** `left op right` over typed operands; also what a compound assignment is written out to. */
export function makeBinary(scope: Scope, op: BinaryOp, left: Expression, right: Expression, at: Span): Expression {
  const type = binaryType(op, left.type, right.type);
  if (type === undefined) {
    return scope.fail(at, `no operation \`${left.type} ${op} ${right.type}\` (GLSL ES has no implicit conversions)`);
  }
  return { kind: "binary", op, left, right, type, constant: left.constant && right.constant, at };
}

function unary(scope: Scope, s: Of<"unary">): Expression {
  const operand = checkExpression(scope, s.operand);
  const type = unaryType(s.op, operand.type);
  if (type === undefined) return scope.fail(s.at, `no operation \`${s.op}${operand.type}\``);
  return { kind: "unary", op: s.op, operand, type, constant: operand.constant, at: s.at };
}

function choose(scope: Scope, s: Of<"choose">): Expression {
  const [test, yes, no] = [s.test, s.yes, s.no].map((part) => checkExpression(scope, part)) as [
    Expression,
    Expression,
    Expression,
  ];
  scope.expectType(test, "bool", "the condition of ?:");
  if (yes.type !== no.type)
    scope.fail(s.at, `the two sides of ?: are ${yes.type} and ${no.type}; they must be the same`);
  const constant = test.constant && yes.constant && no.constant;
  return { kind: "choose", test, yes, no, type: yes.type, constant, at: s.at };
}

/** Splat, conversion, shortening of one vector, or concatenation of exactly as many components. */
function construct(scope: Scope, s: Of<"construct">): Expression {
  const { type, at } = s;
  const args = s.args.map((arg) => checkExpression(scope, arg));
  const given = args.reduce((n, arg) => n + sizeOf(arg.type), 0);
  const wanted = sizeOf(type);
  if (args.some((arg) => arg.type === "mat4")) scope.fail(at, `${type}(mat4) is outside of the subset`);
  if (type === "mat4" && !(args.length === 4 && args.every((arg) => arg.type === "vec4"))) {
    scope.fail(
      at,
      `mat4 is made of four columns, mat4(vec4, vec4, vec4, vec4), not of (${list(args.map((a) => a.type))})`,
    );
  }
  const one = args.length === 1 && (isScalar(args[0]!.type) || given >= wanted);
  if (!one && given !== wanted) {
    scope.fail(at, `${type} has ${wanted} components, the arguments have ${given}: (${list(args.map((a) => a.type))})`);
  }
  return { kind: "construct", args, type, constant: args.every((arg) => arg.constant), at };
}

function samplerArgument(scope: Scope, how: string, s: SyntaxExpression | undefined, at: Span): Sampler {
  const found = s?.kind === "name" ? scope.find(s.name) : undefined;
  if (s?.kind === "name" && found === undefined) scope.fail(s.at, `\`${s.name}\` is not declared`);
  if (found?.kind !== "sampler") return scope.fail(s?.at ?? at, `the first argument of ${how} must be a sampler`);
  return found.sampler;
}

/** texelFetch(sampler, ivec3, 0) and textureLod(sampler, vec3, 0.0): one level, a coordinate with the layer last. */
function fetch(scope: Scope, how: "texelFetch" | "textureLod", s: Of<"call">): Expression {
  if (s.args.length !== 3) scope.fail(s.at, `${how} takes 3 arguments, given ${s.args.length}`);
  const sampler = samplerArgument(scope, how, s.args[0], s.at);
  const coordinate = checkExpression(scope, s.args[1]!);
  const level = checkExpression(scope, s.args[2]!);
  scope.expectType(coordinate, how === "texelFetch" ? "ivec3" : "vec3", `the coordinate of ${how}`);
  scope.expectType(level, how === "texelFetch" ? "int" : "float", `the level of ${how}`);
  if (level.kind !== "literal" || level.value !== 0) scope.fail(level.at, `the level of ${how} must be the literal 0`);
  return { kind: "fetch", how, sampler, coordinate, type: texelOf[sampler.type], constant: false, at: s.at };
}

function call(scope: Scope, s: Of<"call">): Expression {
  const { text } = s.name;
  if (text === "texelFetch" || text === "textureLod") return fetch(scope, text, s);
  const found = scope.find(text);
  if (found !== undefined && found.kind !== "function") scope.fail(s.name.at, `\`${text}\` is no function`);
  if (text === scope.current?.name) scope.fail(s.name.at, `\`${text}\` calls itself: GLSL has no recursion`);
  const overloads = builtins[text] ?? [];
  const own = scope.functionsNamed(text);
  const known = [
    ...overloads.map((overload) => describeOverload(text, overload)),
    ...own.map((fn) => `${text}(${list(fn.parameters.map((p) => p.type))})`),
  ];
  if (known.length === 0) scope.fail(s.name.at, `no function \`${text}\` is defined before this, nor built in`);
  const args = s.args.map((arg) => checkExpression(scope, arg));
  const types = args.map((arg) => arg.type);
  for (const overload of overloads) {
    const type = resultType(overload, types);
    if (type === undefined) continue;
    return { kind: "builtin", name: text, overload, args, type, constant: args.every((arg) => arg.constant), at: s.at };
  }
  for (const callee of own) {
    if (list(callee.parameters.map((p) => p.type)) !== list(types)) continue;
    if (callee.type === "void") return scope.fail(s.at, `\`${text}\` returns nothing`);
    return { kind: "call", callee, args, type: callee.type, constant: false, at: s.at };
  }
  return scope.fail(s.at, `no \`${text}\` takes (${list(types)}); there is ${list(known)}`);
}

/** The typed expression. Throws GlslError. */
export function checkExpression(scope: Scope, s: SyntaxExpression): Expression {
  switch (s.kind) {
    case "number":
      return literal(scope, s);
    case "boolean":
      return { kind: "literal", type: "bool", value: s.value ? 1 : 0, constant: true, at: s.at };
    case "name":
      return named(scope, s);
    case "element":
      return element(scope, s);
    case "member":
      return member(scope, s);
    case "construct":
      return construct(scope, s);
    case "call":
      return call(scope, s);
    case "unary":
      return unary(scope, s);
    case "binary":
      return makeBinary(scope, s.op, checkExpression(scope, s.left), checkExpression(scope, s.right), s.at);
    case "choose":
      return choose(scope, s);
  }
}

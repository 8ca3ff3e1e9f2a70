/**
 * The typed tree of a shader: every name resolved, every expression with its type. Made by check.ts.
 *
 * Compound assignments are already written out (`a.x += e` is `a.x = a.x + e`); parentheses are gone.
 */
import type { Overload } from "./builtins.ts";
import type { Span } from "./errors.ts";
import type { BinaryOp, SamplerType, UnaryOp, ValueType } from "./types.ts";

/** Something a function reads or writes by name. Identity is equality; two variables may share a name. */
export interface Variable {
  readonly name: string;
  readonly type: ValueType;
  readonly role: "local" | "parameter" | "loop" | "const" | "output";
  readonly at: Span;
}

export interface Uniform {
  readonly name: string;
  readonly type: ValueType;
  /** Elements of an array, undefined where the uniform is none. */
  readonly length: number | undefined;
  readonly at: Span;
}

export interface Sampler {
  readonly name: string;
  readonly type: SamplerType;
  readonly at: Span;
}

export interface Output {
  readonly name: string;
  readonly type: "vec4" | "ivec4" | "uvec4";
  readonly location: number;
  readonly variable: Variable;
  readonly at: Span;
}

/** What every expression has. `constant`: a constant expression in GLSL's sense. */
interface Typed {
  readonly type: ValueType;
  readonly constant: boolean;
  readonly at: Span;
}

export type Expression = Typed &
  (
    | { readonly kind: "literal"; readonly value: number }
    | { readonly kind: "read"; readonly variable: Variable }
    | { readonly kind: "uniform"; readonly uniform: Uniform; readonly index: Expression | undefined }
    /** gl_FragCoord.xy, before its swizzle. */
    | { readonly kind: "fragCoord" }
    | { readonly kind: "swizzle"; readonly of: Expression; readonly lanes: readonly number[] }
    | { readonly kind: "unary"; readonly op: UnaryOp; readonly operand: Expression }
    | { readonly kind: "binary"; readonly op: BinaryOp; readonly left: Expression; readonly right: Expression }
    | { readonly kind: "choose"; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
    | { readonly kind: "construct"; readonly args: readonly Expression[] }
    | {
        readonly kind: "builtin";
        readonly name: string;
        readonly overload: Overload;
        readonly args: readonly Expression[];
      }
    | { readonly kind: "call"; readonly callee: ShaderFunction; readonly args: readonly Expression[] }
    | {
        readonly kind: "fetch";
        readonly how: "texelFetch" | "textureLod";
        readonly sampler: Sampler;
        readonly coordinate: Expression;
      }
  );

export type Statement =
  | { readonly kind: "block"; readonly body: readonly Statement[]; readonly at: Span }
  | {
      readonly kind: "declare";
      readonly variable: Variable;
      readonly value: Expression | undefined;
      readonly at: Span;
    }
  | {
      readonly kind: "assign";
      readonly variable: Variable;
      /** The components written, undefined for the whole variable. */
      readonly lanes: readonly number[] | undefined;
      readonly value: Expression;
      readonly at: Span;
    }
  | {
      readonly kind: "if";
      readonly test: Expression;
      readonly yes: Statement;
      readonly no: Statement | undefined;
      readonly at: Span;
    }
  | {
      /** for (int variable = from; variable < limit; variable += step) body */
      readonly kind: "for";
      readonly variable: Variable;
      readonly from: Expression;
      readonly limit: Expression;
      readonly step: Expression;
      readonly body: Statement;
      readonly at: Span;
    }
  | { readonly kind: "return"; readonly value: Expression | undefined; readonly at: Span };

export interface ShaderFunction {
  readonly name: string;
  readonly type: ValueType | "void";
  readonly parameters: readonly Variable[];
  readonly body: Statement;
  readonly at: Span;
}

export interface Constant {
  readonly variable: Variable;
  readonly value: Expression;
}

/** A shader that was read and found well typed. */
export interface Shader {
  readonly source: string;
  readonly uniforms: readonly Uniform[];
  readonly samplers: readonly Sampler[];
  /** In order of location. */
  readonly outputs: readonly Output[];
  readonly constants: readonly Constant[];
  /** Without main, in order of declaration: each calls only those before it. */
  readonly functions: readonly ShaderFunction[];
  readonly main: ShaderFunction;
}

/** The direct operands of an expression. */
export function operandsOf(e: Expression): readonly Expression[] {
  switch (e.kind) {
    case "literal":
    case "read":
    case "fragCoord":
      return [];
    case "uniform":
      return e.index ? [e.index] : [];
    case "swizzle":
      return [e.of];
    case "unary":
      return [e.operand];
    case "binary":
      return [e.left, e.right];
    case "choose":
      return [e.test, e.yes, e.no];
    case "construct":
    case "builtin":
    case "call":
      return e.args;
    case "fetch":
      return [e.coordinate];
  }
}

/** The expressions a statement holds itself, those of its inner statements excluded. */
export function expressionsOf(s: Statement): readonly Expression[] {
  switch (s.kind) {
    case "block":
      return [];
    case "declare":
    case "return":
      return s.value ? [s.value] : [];
    case "assign":
      return [s.value];
    case "if":
      return [s.test];
    case "for":
      return [s.from, s.limit, s.step];
  }
}

/** The statements directly inside a statement. */
export function statementsOf(s: Statement): readonly Statement[] {
  switch (s.kind) {
    case "block":
      return s.body;
    case "if":
      return s.no ? [s.yes, s.no] : [s.yes];
    case "for":
      return [s.body];
    case "declare":
    case "assign":
    case "return":
      return [];
  }
}

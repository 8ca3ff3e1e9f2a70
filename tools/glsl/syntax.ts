/**
 * The syntax tree: what was written, with its place, before names and types mean anything. Made by parse.ts, consumed
 * by check.ts.
 */
import type { Span } from "./errors.ts";
import type { BinaryOp, Precision, SamplerType, UnaryOp, ValueType } from "./types.ts";

export interface Word {
  readonly text: string;
  readonly at: Span;
}

export type SyntaxExpression =
  | { readonly kind: "number"; readonly text: string; readonly at: Span }
  | { readonly kind: "boolean"; readonly value: boolean; readonly at: Span }
  | { readonly kind: "name"; readonly name: string; readonly at: Span }
  | { readonly kind: "element"; readonly name: Word; readonly index: SyntaxExpression; readonly at: Span }
  | { readonly kind: "member"; readonly of: SyntaxExpression; readonly field: Word; readonly at: Span }
  | {
      readonly kind: "construct";
      readonly type: ValueType;
      readonly args: readonly SyntaxExpression[];
      readonly at: Span;
    }
  | { readonly kind: "call"; readonly name: Word; readonly args: readonly SyntaxExpression[]; readonly at: Span }
  | { readonly kind: "unary"; readonly op: UnaryOp; readonly operand: SyntaxExpression; readonly at: Span }
  | {
      readonly kind: "binary";
      readonly op: BinaryOp;
      readonly left: SyntaxExpression;
      readonly right: SyntaxExpression;
      readonly at: Span;
    }
  | {
      readonly kind: "choose";
      readonly test: SyntaxExpression;
      readonly yes: SyntaxExpression;
      readonly no: SyntaxExpression;
      readonly at: Span;
    };

export interface SyntaxDeclarator {
  readonly name: Word;
  readonly value: SyntaxExpression | undefined;
}

export type SyntaxStatement =
  | { readonly kind: "block"; readonly body: readonly SyntaxStatement[]; readonly at: Span }
  | {
      readonly kind: "local";
      readonly constant: boolean;
      readonly precision: Precision | undefined;
      readonly type: ValueType;
      readonly declarators: readonly SyntaxDeclarator[];
      readonly at: Span;
    }
  | {
      readonly kind: "assign";
      readonly target: Word;
      readonly field: Word | undefined;
      /** "" for plain assignment, else the operator of a compound one. */
      readonly op: BinaryOp | "";
      readonly value: SyntaxExpression;
      readonly at: Span;
    }
  | {
      readonly kind: "if";
      readonly test: SyntaxExpression;
      readonly yes: SyntaxStatement;
      readonly no: SyntaxStatement | undefined;
      readonly at: Span;
    }
  | {
      readonly kind: "for";
      readonly name: Word;
      readonly from: SyntaxExpression;
      /** The names in the condition and the step, which must be the first one again. */
      readonly tested: Word;
      readonly stepped: Word;
      readonly limit: SyntaxExpression;
      /** Undefined for `++`. */
      readonly step: SyntaxExpression | undefined;
      readonly body: SyntaxStatement;
      readonly at: Span;
    }
  | { readonly kind: "return"; readonly value: SyntaxExpression | undefined; readonly at: Span };

export interface SyntaxParameter {
  readonly precision: Precision | undefined;
  readonly type: ValueType;
  readonly name: Word;
}

export type SyntaxDeclaration =
  | {
      readonly kind: "precision";
      readonly precision: Precision;
      readonly type: "float" | "int" | SamplerType;
      readonly at: Span;
    }
  | {
      readonly kind: "uniforms";
      readonly precision: Precision | undefined;
      readonly type: ValueType | SamplerType;
      readonly names: readonly { readonly name: Word; readonly length: Word | undefined }[];
      readonly at: Span;
    }
  | {
      readonly kind: "output";
      readonly location: Word | undefined;
      readonly precision: Precision | undefined;
      readonly type: ValueType;
      readonly name: Word;
      readonly at: Span;
    }
  | {
      readonly kind: "function";
      readonly type: ValueType | "void";
      readonly name: Word;
      readonly parameters: readonly SyntaxParameter[];
      readonly body: SyntaxStatement;
      readonly at: Span;
    }
  | Extract<SyntaxStatement, { readonly kind: "local" }>;

/**
 * What names and types mean at a place of the shader: nested scopes, the functions so far, and default precisions.
 *
 * Precision is checked because drivers check it: sampler2DArray and float have no default in a fragment shader, and
 * int's is only mediump. Everything texgrad computes is highp.
 */
import type { Expression, Sampler, ShaderFunction, Uniform, Variable } from "./ast.ts";
import { builtins } from "./builtins.ts";
import { GlslError, type Span } from "./errors.ts";
import type { Word } from "./syntax.ts";
import { baseOf, type Precision, type SamplerType, type ValueType } from "./types.ts";

export type Entity =
  | { readonly kind: "variable"; readonly variable: Variable }
  | { readonly kind: "uniform"; readonly uniform: Uniform }
  | { readonly kind: "sampler"; readonly sampler: Sampler }
  | { readonly kind: "function" };

export class Scope {
  readonly source: string;
  readonly #names: Map<string, Entity>[] = [new Map()];
  readonly #functions = new Map<string, ShaderFunction[]>();
  readonly #precisions = new Map<"float" | "int" | SamplerType, Precision>([["int", "mediump"]]);
  /** The function being read, undefined outside of functions. */
  current: { readonly name: string; readonly type: ValueType | "void" } | undefined;

  constructor(source: string) {
    this.source = source;
  }

  /** Never returns: refuses the shader at `at`. */
  fail(at: Span, reason: string): never {
    throw new GlslError(this.source, at, reason);
  }

  /** Runs `body` with a scope of its own for the names it declares. */
  within<T>(body: () => T): T {
    this.#names.push(new Map());
    const result = body();
    this.#names.pop();
    return result;
  }

  declare({ text, at }: Word, entity: Entity): void {
    const innermost = this.#names.at(-1)!;
    if (text.startsWith("gl_") || text.startsWith("webgl_") || text.startsWith("_webgl_") || text.includes("__")) {
      this.fail(at, `\`${text}\`: names with gl_, webgl_ or a double underscore are reserved`);
    }
    if (this.#names.length === 1 && builtins[text] !== undefined) {
      this.fail(at, `\`${text}\` is a built-in function and cannot be declared again`);
    }
    const before = innermost.get(text);
    if (before !== undefined && !(before.kind === "function" && entity.kind === "function")) {
      this.fail(at, `\`${text}\` is already declared in this scope`);
    }
    innermost.set(text, entity);
  }

  declareFunction(name: Word, fn: ShaderFunction): void {
    const types = fn.parameters.map((p) => p.type).join();
    const overloads = this.#functions.get(name.text) ?? [];
    if (overloads.some((other) => other.parameters.map((p) => p.type).join() === types)) {
      this.fail(name.at, `\`${name.text}(${types})\` is already defined`);
    }
    this.#functions.set(name.text, [...overloads, fn]);
  }

  find(name: string): Entity | undefined {
    for (let i = this.#names.length - 1; i >= 0; i--) {
      const entity = this.#names[i]!.get(name);
      if (entity !== undefined) return entity;
    }
    return undefined;
  }

  functionsNamed(name: string): readonly ShaderFunction[] {
    return this.#functions.get(name) ?? [];
  }

  setPrecision(type: "float" | "int" | SamplerType, precision: Precision): void {
    this.#precisions.set(type, precision);
  }

  /** Refuses a declaration that would not be highp, by its own qualifier or by the default in force. */
  requireHighp(type: ValueType | SamplerType, qualifier: Precision | undefined, at: Span): void {
    const base = type.includes("sampler") ? (type as SamplerType) : baseOf(type as ValueType);
    if (base === "bool") {
      if (qualifier !== undefined) this.fail(at, "bool has no precision");
      return;
    }
    const key = base === "uint" ? "int" : base;
    const precision = qualifier ?? this.#precisions.get(key);
    if (precision === undefined)
      this.fail(at, `${key} has no default precision here: write \`precision highp ${key};\``);
    if (precision !== "highp") {
      this.fail(at, `${type} is only ${precision} here: texgrad computes in highp; write \`precision highp ${key};\``);
    }
  }

  /** Refuses an expression of another type than the one wanted. */
  expectType(e: Expression, wanted: ValueType, what: string): void {
    if (e.type === wanted) return;
    this.fail(e.at, `${what} must be ${wanted}, this is ${e.type} (GLSL ES has no implicit conversions)`);
  }
}

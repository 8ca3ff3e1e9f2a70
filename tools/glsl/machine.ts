/**
 * The state of one fragment while a compiled shader runs: storage of each variable, uniforms, textures, and what is
 * counted. One per shader; evaluate.ts and compile.ts close over it.
 */
import type { Shader, ShaderFunction, Variable } from "./ast.ts";
import { drawSpan, GlslRunError, lineAndColumn, type Span } from "./errors.ts";
import type { Tally, TextureCell } from "./texture.ts";
import { baseOf, sizeOf } from "./types.ts";
import { makeValue, valueOf, type Value, type Warn } from "./values.ts";

/** Runs a statement; true when it returned from its function. */
export type StatementCode = () => boolean;

export interface FunctionCode {
  readonly parameters: readonly Value[];
  readonly result: Value;
  readonly run: StatementCode;
}

export class Machine {
  readonly #source: string;
  readonly #variables = new Map<Variable, Value>();
  /** Filled in order of declaration, so that a call finds its function. */
  readonly functions = new Map<ShaderFunction, FunctionCode>();
  readonly fragCoord = Float32Array.of(0.5, 0.5, 0.5, 1);
  readonly uniforms = new Map<string, Value>();
  /** The elements of each uniform, views of `uniforms`; one where it is no array. */
  readonly elements = new Map<string, readonly Value[]>();
  readonly textures = new Map<string, TextureCell>();
  readonly tally: Tally = { fetches: 0, outOfRangeFetches: 0, warnings: new Map() };

  constructor(shader: Shader) {
    this.#source = shader.source;
    for (const { name, type, length = 1 } of shader.uniforms) {
      const size = sizeOf(type);
      const all = makeValue(baseOf(type), size * length);
      this.uniforms.set(name, all);
      this.elements.set(
        name,
        Array.from({ length }, (_, i) => all.subarray(i * size, (i + 1) * size)),
      );
    }
    for (const { name } of shader.samplers) this.textures.set(name, { texture: undefined });
  }

  storage(variable: Variable): Value {
    const known = this.#variables.get(variable);
    if (known !== undefined) return known;
    const made = valueOf(variable.type);
    this.#variables.set(variable, made);
    return made;
  }

  /** A note of what the specification leaves undefined, counted per line. */
  warn(at: Span): Warn {
    const { line } = lineAndColumn(this.#source, at.start);
    return (what) => {
      const key = `line ${line}: ${what}`;
      this.tally.warnings.set(key, (this.tally.warnings.get(key) ?? 0) + 1);
    };
  }

  /** Never returns: ends the run at `at`. */
  fail(at: Span, reason: string): never {
    throw new GlslRunError(`${drawSpan(this.#source, at)}\n${reason}`);
  }
}

/**
 * What a driver would not tell: a value read before it is assigned, a path that returns nothing, an output that some
 * path leaves unwritten. All three are undefined in GLSL; here they are errors.
 *
 * A walk in execution order with, for each variable, the set of components surely assigned (bits). After `if` the two
 * sides are intersected; what only a loop's body assigns does not count after it, since it may run no time at all.
 */
import { operandsOf, type Expression, type Shader, type ShaderFunction, type Statement, type Variable } from "./ast.ts";
import { GlslError, type Span } from "./errors.ts";
import { sizeOf } from "./types.ts";

/** Assigned components of each variable; undefined where the end of the path cannot be reached. */
type State = ReadonlyMap<Variable, number> | undefined;

const whole = (variable: Variable): number => 2 ** sizeOf(variable.type) - 1;
const bitsOf = (lanes: readonly number[]): number => lanes.reduce((bits, lane) => bits | (1 << lane), 0);

function meet(a: State, b: State): State {
  if (a === undefined || b === undefined) return a ?? b;
  return new Map([...a].map(([variable, bits]) => [variable, bits & (b.get(variable) ?? 0)]));
}

const assigned = (state: State, variable: Variable, bits: number): State =>
  state && new Map(state).set(variable, (state.get(variable) ?? 0) | bits);

class Walk {
  readonly #source: string;
  readonly #outputs: readonly Variable[];

  constructor(source: string, outputs: readonly Variable[]) {
    this.#source = source;
    this.#outputs = outputs;
  }

  #fail(at: Span, reason: string): never {
    throw new GlslError(this.#source, at, reason);
  }

  #needs(variable: Variable, bits: number, state: State, at: Span): void {
    if (variable.role !== "local" && variable.role !== "output") return;
    if (state === undefined || ((state.get(variable) ?? 0) & bits) === bits) return;
    this.#fail(at, `\`${variable.name}\` is read before it is assigned on every path`);
  }

  #read(e: Expression, state: State): void {
    if (e.kind === "read") this.#needs(e.variable, whole(e.variable), state, e.at);
    else if (e.kind === "swizzle" && e.of.kind === "read") this.#needs(e.of.variable, bitsOf(e.lanes), state, e.at);
    else for (const operand of operandsOf(e)) this.#read(operand, state);
  }

  /** At each end of main every output must be whole. */
  leave(state: State, at: Span): void {
    if (state === undefined) return;
    const left = this.#outputs.find((variable) => ((state.get(variable) ?? 0) & whole(variable)) !== whole(variable));
    if (left !== undefined) this.#fail(at, `main ends here without having assigned all of the output \`${left.name}\``);
  }

  run(s: Statement, state: State, isMain: boolean): State {
    switch (s.kind) {
      case "block":
        return s.body.reduce((now, inner) => this.run(inner, now, isMain), state);
      case "declare":
        if (s.value === undefined) return state;
        this.#read(s.value, state);
        return assigned(state, s.variable, whole(s.variable));
      case "assign":
        this.#read(s.value, state);
        return assigned(state, s.variable, s.lanes === undefined ? whole(s.variable) : bitsOf(s.lanes));
      case "if":
        this.#read(s.test, state);
        return meet(this.run(s.yes, state, isMain), s.no ? this.run(s.no, state, isMain) : state);
      case "for":
        for (const part of [s.from, s.limit, s.step]) this.#read(part, state);
        this.run(s.body, state, isMain);
        return state;
      case "return":
        if (s.value !== undefined) this.#read(s.value, state);
        if (isMain) this.leave(state, s.at);
        return undefined;
    }
  }

  function(fn: ShaderFunction): void {
    const isMain = fn.type === "void";
    const end = this.run(fn.body, new Map<Variable, number>(), isMain);
    if (isMain) this.leave(end, { start: fn.body.at.end - 1, end: fn.body.at.end });
    else if (end !== undefined) this.#fail(fn.at, `\`${fn.name}\` does not return a ${fn.type} on every path`);
  }
}

/** Throws GlslError where a value may be used that was never made. */
export function checkFlow(shader: Shader): void {
  const walk = new Walk(
    shader.source,
    shader.outputs.map((output) => output.variable),
  );
  for (const fn of [...shader.functions, shader.main]) walk.function(fn);
}

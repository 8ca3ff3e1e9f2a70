/**
 * From a typed shader to JavaScript closures, made once and called for each fragment. Statements here, expressions in
 * evaluate.ts, state in machine.ts.
 */
import type { Expression, Shader, ShaderFunction, Statement, Variable } from "./ast.ts";
import { into, scalar } from "./evaluate.ts";
import { Machine, type FunctionCode, type StatementCode } from "./machine.ts";
import type { Tally, TextureCell } from "./texture.ts";
import { valueOf, type Value } from "./values.ts";

/** A compiled shader. Fill `fragCoord`, `uniforms` and `textures`, call `main`, read `outputs`. */
export interface Program {
  readonly fragCoord: Float32Array;
  readonly uniforms: ReadonlyMap<string, Value>;
  readonly textures: ReadonlyMap<string, TextureCell>;
  readonly outputs: ReadonlyMap<string, Value>;
  readonly tally: Tally;
  readonly main: () => void;
}

const nothing: StatementCode = () => false;

/** `result` is where `return` leaves the value of the function the statement is in. */
function statement(m: Machine, s: Statement, result: Value): StatementCode {
  switch (s.kind) {
    case "block":
      return block(s.body.map((inner) => statement(m, inner, result)));
    case "declare":
      return s.value === undefined ? nothing : assign(m, s.variable, undefined, s.value);
    case "assign":
      return assign(m, s.variable, s.lanes, s.value);
    case "if": {
      const test = scalar(m, s.test);
      const yes = statement(m, s.yes, result);
      const no = s.no ? statement(m, s.no, result) : nothing;
      return () => (test() !== 0 ? yes() : no());
    }
    case "for":
      return loop(m, s, result);
    case "return": {
      const set = s.value ? into(m, result, s.value) : nothing;
      return () => {
        set();
        return true;
      };
    }
  }
}

function block(body: readonly StatementCode[]): StatementCode {
  return () => {
    for (let i = 0; i < body.length; i++) if (body[i]!()) return true;
    return false;
  };
}

function assign(
  m: Machine,
  variable: Variable,
  lanes: readonly number[] | undefined,
  value: Expression,
): StatementCode {
  const slot = m.storage(variable);
  if (lanes === undefined) {
    const set = into(m, slot, value);
    return () => {
      set();
      return false;
    };
  }
  // By way of `held`: in a.yx = a.xy the value is the variable itself.
  const held = valueOf(value.type);
  const set = into(m, held, value);
  return () => {
    set();
    for (let i = 0; i < lanes.length; i++) slot[lanes[i]!] = held[i]!;
    return false;
  };
}

function loop(m: Machine, s: Extract<Statement, { readonly kind: "for" }>, result: Value): StatementCode {
  const slot = m.storage(s.variable);
  const [from, limit, step] = [scalar(m, s.from), scalar(m, s.limit), scalar(m, s.step)];
  const body = statement(m, s.body, result);
  return () => {
    for (let i = from(); i < limit();) {
      slot[0] = i;
      if (body()) return true;
      const next = (i + step()) | 0;
      if (next <= i) m.fail(s.at, `the loop does not end: from ${i} it steps to ${next}`);
      i = next;
    }
    return false;
  };
}

function defineFunction(m: Machine, fn: ShaderFunction): FunctionCode {
  const result = valueOf(fn.type === "void" ? "float" : fn.type);
  const parameters = fn.parameters.map((p) => m.storage(p));
  const code: FunctionCode = { parameters, result, run: statement(m, fn.body, result) };
  m.functions.set(fn, code);
  return code;
}

/** Compiles a shader. The program holds the state of one fragment: it is not to be run in two places at once. */
export function compileShader(shader: Shader): Program {
  const m = new Machine(shader);
  for (const { variable, value } of shader.constants) assign(m, variable, undefined, value)();
  for (const fn of shader.functions) defineFunction(m, fn);
  const { run } = defineFunction(m, shader.main);
  return {
    fragCoord: m.fragCoord,
    uniforms: m.uniforms,
    textures: m.textures,
    outputs: new Map(shader.outputs.map((output) => [output.name, m.storage(output.variable)])),
    tally: m.tally,
    main: run,
  };
}

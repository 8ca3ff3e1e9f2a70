/**
 * Declarations and statements: from the syntax tree to the typed Shader.
 *
 * Throws GlslError at the first undeclared or repeated name, wrong type, write to what cannot be written, loop that is
 * not canonical, or output that GLSL ES or the subset refuses. That every value is assigned before it is read is
 * flow.ts's.
 */
import type {
  Constant,
  Expression,
  Output,
  Sampler,
  Shader,
  ShaderFunction,
  Statement,
  Uniform,
  Variable,
} from "./ast.ts";
import type { Span } from "./errors.ts";
import { checkExpression, makeBinary, readInteger, readSwizzle } from "./expressions.ts";
import { Scope } from "./scope.ts";
import type { SyntaxDeclaration, SyntaxStatement, Word } from "./syntax.ts";
import { baseOf, typeOf, type SamplerType, type ValueType } from "./types.ts";

type StatementOf<K extends SyntaxStatement["kind"]> = Extract<SyntaxStatement, { readonly kind: K }>;
type DeclarationOf<K extends SyntaxDeclaration["kind"]> = Extract<SyntaxDeclaration, { readonly kind: K }>;

function declareVariable(scope: Scope, name: Word, type: ValueType, role: Variable["role"]): Variable {
  const variable: Variable = { name: name.text, type, role, at: name.at };
  scope.declare(name, { kind: "variable", variable });
  return variable;
}

/** One statement per declarator; each is in scope for the next, not for its own initialiser. */
function locals(scope: Scope, s: StatementOf<"local">): Extract<Statement, { readonly kind: "declare" }>[] {
  scope.requireHighp(s.type, s.precision, s.at);
  return s.declarators.map(({ name, value: written }) => {
    const value = written && checkExpression(scope, written);
    if (value !== undefined) scope.expectType(value, s.type, `the value of \`${name.text}\``);
    if (s.constant && !value!.constant)
      scope.fail(value!.at, `\`${name.text}\` is const: its value must be a constant expression`);
    const variable = declareVariable(scope, name, s.type, s.constant ? "const" : "local");
    return { kind: "declare", variable, value, at: name.at };
  });
}

/** The variable an assignment may write. */
function target(scope: Scope, name: Word): Variable {
  const found = scope.find(name.text);
  if (found === undefined) {
    const reason =
      name.text === "gl_FragCoord" ? "gl_FragCoord cannot be assigned" : `\`${name.text}\` is not declared`;
    return scope.fail(name.at, reason);
  }
  if (found.kind !== "variable")
    return scope.fail(name.at, `\`${name.text}\` is a ${found.kind} and cannot be assigned`);
  const { variable } = found;
  if (variable.role === "const") scope.fail(name.at, `\`${name.text}\` is const and cannot be assigned`);
  if (variable.role === "loop")
    scope.fail(name.at, `\`${name.text}\` is the variable of a loop: only the loop changes it`);
  if (variable.role === "output" && scope.current!.name !== "main")
    scope.fail(name.at, `only main assigns the output \`${name.text}\``);
  return variable;
}

function assign(scope: Scope, s: StatementOf<"assign">): Statement {
  const variable = target(scope, s.target);
  const lanes = s.field && readSwizzle(scope, variable.type, s.field);
  if (lanes !== undefined && new Set(lanes).size < lanes.length) {
    scope.fail(s.field!.at, `\`.${s.field!.text}\` names a component twice and cannot be assigned`);
  }
  const type = lanes === undefined ? variable.type : typeOf(baseOf(variable.type), lanes.length);
  let value = checkExpression(scope, s.value);
  if (s.op !== "") {
    const whole: Expression = { kind: "read", variable, type: variable.type, constant: false, at: s.target.at };
    const part: Expression =
      lanes === undefined ? whole : { kind: "swizzle", of: whole, lanes, type, constant: false, at: s.target.at };
    value = makeBinary(scope, s.op, part, value, s.at);
  }
  scope.expectType(value, type, `what is assigned to \`${s.target.text}${s.field ? `.${s.field.text}` : ""}\``);
  return { kind: "assign", variable, lanes, value, at: s.at };
}

/** for (int i = from; i < limit; i += step): the same name three times. The body shares the header's scope. */
function loop(scope: Scope, s: StatementOf<"for">): Statement {
  for (const again of [s.tested, s.stepped]) {
    if (again.text !== s.name.text)
      scope.fail(again.at, `the loop runs over \`${s.name.text}\`, not over \`${again.text}\``);
  }
  scope.requireHighp("int", undefined, s.name.at);
  const from = checkExpression(scope, s.from);
  scope.expectType(from, "int", "the start of a loop");
  return scope.within(() => {
    const variable = declareVariable(scope, s.name, "int", "loop");
    const limit = checkExpression(scope, s.limit);
    const step: Expression = s.step
      ? checkExpression(scope, s.step)
      : { kind: "literal", type: "int", value: 1, constant: true, at: s.stepped.at };
    scope.expectType(limit, "int", "the limit of a loop");
    scope.expectType(step, "int", "the step of a loop");
    if (step.kind === "literal" && step.value <= 0) scope.fail(step.at, "the step of a loop must be positive");
    const body = s.body.kind === "block" ? block(scope, s.body) : checkStatement(scope, s.body);
    return { kind: "for", variable, from, limit, step, body, at: s.at };
  });
}

function returned(scope: Scope, s: StatementOf<"return">): Statement {
  const { name, type } = scope.current!;
  const value = s.value && checkExpression(scope, s.value);
  if (type === "void" && value !== undefined) scope.fail(value.at, `\`${name}\` is void and returns no value`);
  if (type !== "void" && value === undefined) scope.fail(s.at, `\`${name}\` must return a ${type}`);
  if (type !== "void" && value !== undefined) scope.expectType(value, type, `what \`${name}\` returns`);
  return { kind: "return", value, at: s.at };
}

/** The statements of a block in the scope that is open. */
function block(scope: Scope, s: StatementOf<"block">): Statement {
  const body = s.body.flatMap((inner) =>
    inner.kind === "local" ? locals(scope, inner) : [checkStatement(scope, inner)],
  );
  return { kind: "block", body, at: s.at };
}

function checkStatement(scope: Scope, s: SyntaxStatement): Statement {
  switch (s.kind) {
    case "block":
      return scope.within(() => block(scope, s));
    case "local":
      return scope.fail(s.at, "a declaration on its own as the body of `if`, `else` or `for` declares nothing of use");
    case "assign":
      return assign(scope, s);
    case "if": {
      const test = checkExpression(scope, s.test);
      scope.expectType(test, "bool", "the condition of `if`");
      const yes = checkStatement(scope, s.yes);
      return { kind: "if", test, yes, no: s.no && checkStatement(scope, s.no), at: s.at };
    }
    case "for":
      return loop(scope, s);
    case "return":
      return returned(scope, s);
  }
}

function checkFunction(scope: Scope, d: DeclarationOf<"function">): ShaderFunction {
  const isMain = d.name.text === "main";
  if (isMain && (d.type !== "void" || d.parameters.length > 0)) scope.fail(d.name.at, "main is `void main()`");
  if (!isMain && d.type === "void") scope.fail(d.at, "only main is void: a function of the subset is a value");
  if (d.type !== "void") scope.requireHighp(d.type, undefined, d.at);
  scope.declare(d.name, { kind: "function" });
  scope.current = { name: d.name.text, type: d.type };
  const fn = scope.within(() => {
    const parameters = d.parameters.map((p) => {
      scope.requireHighp(p.type, p.precision, p.name.at);
      return declareVariable(scope, p.name, p.type, "parameter");
    });
    const body = block(scope, d.body as StatementOf<"block">);
    return { name: d.name.text, type: d.type, parameters, body, at: d.at };
  });
  scope.current = undefined;
  scope.declareFunction(d.name, fn);
  return fn;
}

/** headless-gl has no uniform1ui, and bool uniforms are ints on the wire. */
const uniformBases: ReadonlySet<string> = new Set(["float", "int"]);

function checkUniforms(scope: Scope, d: DeclarationOf<"uniforms">): readonly (Uniform | Sampler)[] {
  scope.requireHighp(d.type, d.precision, d.at);
  const isSampler = d.type.includes("sampler");
  if (!isSampler && !uniformBases.has(baseOf(d.type as ValueType))) {
    scope.fail(d.at, `uniforms are of float or int; convert in the shader, e.g. uint(u) of \`uniform int u;\``);
  }
  return d.names.map(({ name, length: written }) => {
    const common = { name: name.text, at: name.at };
    if (isSampler) {
      if (written !== undefined) scope.fail(written.at, "arrays of samplers are outside of the subset");
      const sampler: Sampler = { ...common, type: d.type as SamplerType };
      scope.declare(name, { kind: "sampler", sampler });
      return sampler;
    }
    const length = written && readInteger(scope, written).value;
    if (length !== undefined && length < 1) scope.fail(written!.at, "an array has at least one element");
    const uniform: Uniform = { ...common, type: d.type as ValueType, length };
    scope.declare(name, { kind: "uniform", uniform });
    return uniform;
  });
}

function checkOutput(scope: Scope, d: DeclarationOf<"output">, isOnly: boolean): Output {
  const { type, name } = d;
  scope.requireHighp(type, d.precision, d.at);
  if (type !== "vec4" && type !== "ivec4" && type !== "uvec4") {
    return scope.fail(d.at, `an output is vec4, ivec4 or uvec4, not ${type}`);
  }
  if (d.location === undefined && !isOnly) {
    scope.fail(d.at, "with several outputs each needs a location: layout(location = N) out ...");
  }
  const location = d.location === undefined ? 0 : readInteger(scope, d.location).value;
  const variable = declareVariable(scope, name, type, "output");
  return { name: name.text, type, location, variable, at: d.at };
}

/** Types all declarations of a shader. `source` is for messages. */
export function checkShader(source: string, declarations: readonly SyntaxDeclaration[]): Shader {
  const scope = new Scope(source);
  const uniforms: Uniform[] = [];
  const samplers: Sampler[] = [];
  const outputs: Output[] = [];
  const constants: Constant[] = [];
  const functions: ShaderFunction[] = [];
  const isOnly = declarations.filter((d) => d.kind === "output").length === 1;
  for (const d of declarations) {
    switch (d.kind) {
      case "precision":
        scope.setPrecision(d.type, d.precision);
        break;
      case "uniforms":
        for (const u of checkUniforms(scope, d)) {
          if (u.type.includes("sampler")) samplers.push(u as Sampler);
          else uniforms.push(u as Uniform);
        }
        break;
      case "output":
        addOutput(scope, outputs, checkOutput(scope, d, isOnly));
        break;
      case "local":
        for (const { variable, value } of locals(scope, d)) constants.push({ variable, value: value! });
        break;
      case "function":
        functions.push(checkFunction(scope, d));
        break;
    }
  }
  const end: Span = { start: source.trimEnd().length - 1, end: source.trimEnd().length };
  const main = functions.at(-1);
  if (main?.name !== "main") return scope.fail(main?.at ?? end, "the last declaration must be `void main()`");
  if (outputs.length === 0) scope.fail(end, "the shader has no output");
  outputs.sort((a, b) => a.location - b.location);
  return { source, uniforms, samplers, outputs, constants, functions: functions.slice(0, -1), main };
}

function addOutput(scope: Scope, outputs: Output[], output: Output): void {
  const other = outputs.find(({ location }) => location === output.location);
  if (other !== undefined) scope.fail(output.at, `location ${output.location} is already \`${other.name}\``);
  outputs.push(output);
}

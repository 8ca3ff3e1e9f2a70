/**
 * From text to the syntax tree: ohm matches, two operations build. Throws GlslError with ohm's message (line, caret,
 * what was expected) at the first place that is outside of the subset.
 */
import type { ActionDict, Node } from "ohm-js";
import { GlslError, type Span } from "./errors.ts";
import { glslGrammar, refusals, reservedWords } from "./grammar.ts";
import type {
  SyntaxDeclaration,
  SyntaxDeclarator,
  SyntaxExpression,
  SyntaxParameter,
  SyntaxStatement,
  Word,
} from "./syntax.ts";
import type { BinaryOp, Precision, SamplerType, UnaryOp, ValueType } from "./types.ts";

// Ohm types the results of operations as any; the casts below are the edge where they get their types back. Which
// rule yields which tree is fixed by the grammar.
const spanOf = (node: Node): Span => {
  const { startIdx, endIdx } = node.source.trimmed();
  return { start: startIdx, end: endIdx };
};
const word = (node: Node): Word => ({ text: node.sourceString, at: spanOf(node) });
const optional = <T>(node: Node, read: (inner: Node) => T): T | undefined => {
  const [inner] = node.children;
  return inner && read(inner);
};
const precisionOf = (node: Node): Precision | undefined => optional(node, (p) => p.sourceString as Precision);
const expression = (node: Node): SyntaxExpression => node["expression"]() as SyntaxExpression;
const statement = (node: Node): SyntaxStatement => node["statement"]() as SyntaxStatement;
const items = (node: Node): readonly Node[] => node.asIteration().children;

/** How tightly each operator binds; all associate to the left. The grammar has them flat, which ohm reads faster. */
const precedence: Record<BinaryOp, number> = {
  "||": 1,
  "&&": 2,
  "|": 3,
  "^": 4,
  "&": 5,
  "==": 6,
  "!=": 6,
  "<": 7,
  "<=": 7,
  ">": 7,
  ">=": 7,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "%": 10,
};

/** Precedence climbing over `first operators[0] rest[0] operators[1] ...`. */
function climb(operands: readonly SyntaxExpression[], operators: readonly BinaryOp[]): SyntaxExpression {
  let next = 0;
  const from = (least: number): SyntaxExpression => {
    let left = operands[next]!;
    for (let op = operators[next]; op !== undefined && precedence[op] >= least; op = operators[next]) {
      next++;
      const right = from(precedence[op] + 1);
      left = { kind: "binary", op, left, right, at: { start: left.at.start, end: right.at.end } };
    }
    return left;
  };
  return from(1);
}

const expressionActions: ActionDict<SyntaxExpression> = {
  Choice_choose(test, _question, yes, _colon, no) {
    return { kind: "choose", test: expression(test), yes: expression(yes), no: expression(no), at: spanOf(this) };
  },
  Binary(first, operators, rest) {
    const ops = operators.children.map((node) => node.sourceString as BinaryOp);
    return climb([expression(first), ...rest.children.map(expression)], ops);
  },
  Unary_operator(op, operand) {
    return { kind: "unary", op: op.sourceString as UnaryOp, operand: expression(operand), at: spanOf(this) };
  },
  Postfix(first, _dots, fields) {
    return fields.children.reduce<SyntaxExpression>((of, node) => {
      const field = word(node);
      return { kind: "member", of, field, at: { start: of.at.start, end: field.at.end } };
    }, expression(first));
  },
  Primary_parens(_open, inner, _close) {
    return expression(inner);
  },
  Primary_construct(type, _open, args, _close) {
    return {
      kind: "construct",
      type: type.sourceString as ValueType,
      args: items(args).map(expression),
      at: spanOf(this),
    };
  },
  Primary_call(name, _open, args, _close) {
    return { kind: "call", name: word(name), args: items(args).map(expression), at: spanOf(this) };
  },
  Primary_element(name, _open, index, _close) {
    return { kind: "element", name: word(name), index: expression(index), at: spanOf(this) };
  },
  Primary_name(name) {
    return { kind: "name", name: name.sourceString, at: spanOf(this) };
  },
  Primary_number(number) {
    return { kind: "number", text: number.sourceString, at: spanOf(this) };
  },
  Primary_boolean(value) {
    return { kind: "boolean", value: value.sourceString === "true", at: spanOf(this) };
  },
};

const declarator = (node: Node): SyntaxDeclarator => {
  const [name, , value] = node.children as [Node, Node, Node];
  return { name: word(name), value: value.isIteration() ? optional(value, expression) : expression(value) };
};

const statementActions: ActionDict<SyntaxStatement> = {
  Block(_open, body, _close) {
    return { kind: "block", body: body.children.map(statement), at: spanOf(this) };
  },
  If(_if, _open, test, _close, yes, _else, no) {
    return {
      kind: "if",
      test: expression(test),
      yes: statement(yes),
      no: optional(no, statement),
      at: spanOf(this),
    };
  },
  For(_for, _open, _int, name, _assign, from, _semi, tested, _less, limit, _semi2, step, _close, body) {
    const [form] = step.children as [Node];
    const names = form.children.filter((part) => part.ctorName === "name");
    const amount = form.children.find((part) => part.ctorName === "Expression");
    return {
      kind: "for",
      name: word(name),
      from: expression(from),
      tested: word(tested),
      stepped: word(names[0]!),
      limit: expression(limit),
      step: amount && expression(amount),
      body: statement(body),
      at: spanOf(this),
    };
  },
  Return(_return, value, _semi) {
    return { kind: "return", value: optional(value, expression), at: spanOf(this) };
  },
  Constants(_const, precision, type, list, _semi) {
    return {
      kind: "local",
      constant: true,
      precision: precisionOf(precision),
      type: type.sourceString as ValueType,
      declarators: items(list).map(declarator),
      at: spanOf(this),
    };
  },
  Local(precision, type, list, _semi) {
    return {
      kind: "local",
      constant: false,
      precision: precisionOf(precision),
      type: type.sourceString as ValueType,
      declarators: items(list).map(declarator),
      at: spanOf(this),
    };
  },
  Assignment(target, _dot, field, assignment, value, _semi) {
    return {
      kind: "assign",
      target: word(target),
      field: optional(field, word),
      op: assignment.sourceString.slice(0, -1) as BinaryOp | "",
      value: expression(value),
      at: spanOf(this),
    };
  },
};

const parameter = (node: Node): SyntaxParameter => {
  const [precision, type, name] = node.children as [Node, Node, Node];
  return { precision: precisionOf(precision), type: type.sourceString as ValueType, name: word(name) };
};

const declarationActions: ActionDict<SyntaxDeclaration> = {
  Precision(_word, precision, type, _semi) {
    return {
      kind: "precision",
      precision: precision.sourceString as Precision,
      type: type.sourceString as "float" | "int" | SamplerType,
      at: spanOf(this),
    };
  },
  Uniforms(_word, precision, type, list, _semi) {
    const names = items(list).map((node) => {
      const [name, , length] = node.children as [Node, Node, Node];
      return { name: word(name), length: optional(length, word) };
    });
    return {
      kind: "uniforms",
      precision: precisionOf(precision),
      type: type.sourceString as ValueType | SamplerType,
      names,
      at: spanOf(this),
    };
  },
  Output(layout, _word, precision, type, name, _semi) {
    return {
      kind: "output",
      location: optional(layout, (node) => word(node.child(4))),
      precision: precisionOf(precision),
      type: type.sourceString as ValueType,
      name: word(name),
      at: spanOf(this),
    };
  },
  Constants(_const, _precision, _type, _list, _semi) {
    return statement(this) as SyntaxDeclaration;
  },
  Function(type, name, _open, parameters, _close, body) {
    return {
      kind: "function",
      type: type.sourceString as ValueType | "void",
      name: word(name),
      parameters: items(parameters).map(parameter),
      body: statement(body),
      at: spanOf(this),
    };
  },
};

const semantics = glslGrammar
  .createSemantics()
  .addOperation<SyntaxExpression>("expression", expressionActions)
  .addOperation<SyntaxStatement>("statement", statementActions)
  .addOperation<SyntaxDeclaration>("declaration", declarationActions)
  .addOperation<readonly SyntaxDeclaration[]>("declarations", {
    Shader(_version, declarations) {
      return declarations.children.map((node) => node["declaration"]() as SyntaxDeclaration);
    },
  });

/** Says more than ohm's list of what it expected, where the guilty word is one that GLSL has and we refuse. */
function reasonAt(source: string, at: number, expected: string): string {
  const found = /^\w+/.exec(source.slice(at))?.[0] ?? "";
  const known = refusals[found];
  if (known !== undefined) return `\`${found}\` is outside of the subset: ${known}`;
  if (reservedWords.has(found)) return `Expected ${expected}, not the reserved word \`${found}\``;
  return `Expected ${expected}`;
}

/** The declarations of a shader, in their order. Throws GlslError. */
export function parseShader(source: string): readonly SyntaxDeclaration[] {
  if (!source.startsWith("#version 300 es")) {
    throw new GlslError(
      source,
      { start: 0, end: 1 },
      "The first line must be `#version 300 es`, with nothing before it",
    );
  }
  const match = glslGrammar.match(source);
  if (match.failed()) {
    const at = match.getRightmostFailurePosition();
    throw new GlslError(source, { start: at, end: at + 1 }, reasonAt(source, at, match.getExpectedText()));
  }
  return semantics(match)["declarations"]() as readonly SyntaxDeclaration[];
}

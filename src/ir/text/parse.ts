/**
 * Reads textual IR back into nodes. Types are written and inferred, and must agree.
 *
 * A graph without sources comes back as the very same nodes, given the same argument nodes: attributes are kept in the
 * order printed, which is part of a node's identity. Errors are FormatErrors with line, column and a caret.
 */
import type { Node as Parsed } from "ohm-js";
import { hostArray, type DType } from "../dtype.ts";
import { FormatError, TexgradError } from "../errors.ts";
import {
  gatherNode,
  item,
  leaf,
  macro,
  map,
  noAttrs,
  reduce,
  view,
  type Attrs,
  type AttrValue,
  type Definition,
  type Node,
} from "../node.ts";
import { definitionByName } from "../ops/index.ts";
import * as leaves from "../ops/leaf.ts";
import { numel, type Shape } from "../shape.ts";
import { textGrammar } from "./grammar.ts";
import { printType } from "./print.ts";

interface Typed {
  readonly dtype: DType;
  readonly shape: Shape;
}
interface Argument extends Typed {
  readonly name: string;
  readonly role: string;
  /** Throws a FormatError that points here. */
  readonly fail: (message: string) => never;
}
interface Line extends Typed {
  readonly name: string;
  readonly op: string;
  readonly operands: readonly Operand[];
  readonly attrs: Attrs;
  readonly fail: (message: string) => never;
}
interface Operand {
  readonly name: string;
  readonly fail: (message: string) => never;
}
interface Program {
  readonly name: string;
  readonly arguments: readonly Argument[];
  readonly lines: readonly Line[];
  readonly returns: readonly Operand[];
}

export interface ParseOptions {
  /** The nodes of the arguments, in order; without them fresh leaves are made, whose values are to be bound. */
  readonly arguments?: readonly Node[];
  /** Definitions that are not ops: macros. */
  readonly lookup?: (name: string) => Definition | undefined;
}

export interface Parse {
  readonly name: string;
  readonly arguments: readonly Node[];
  readonly roots: readonly Node[];
}

export function parse(text: string, options: ParseOptions = {}): Parse {
  const match = textGrammar.match(text);
  if (match.failed()) throw new FormatError(`text: ${match.message ?? ""}`);
  const program = semantics(match)["program"]() as Program;
  const names = new Map<string, Node>();
  const define = (at: Argument | Line, n: Node): Node => {
    if (names.has(at.name)) at.fail(`${at.name} is defined twice`);
    if (printType(n.dtype, n.shape) !== printType(at.dtype, at.shape)) {
      at.fail(`${at.name} is written ${printType(at.dtype, at.shape)}, but is ${printType(n.dtype, n.shape)}`);
    }
    names.set(at.name, n);
    return n;
  };
  const read = (o: Operand): Node => names.get(o.name) ?? o.fail(`${o.name} is not defined above`);
  const given = options.arguments;
  if (given !== undefined && given.length !== program.arguments.length) {
    throw new FormatError(`text: @${program.name} takes ${program.arguments.length} arguments, got ${given.length}`);
  }
  const args = program.arguments.map((a, i) => define(a, given?.[i] ?? freshLeaf(a, i)));
  for (const line of program.lines) {
    const op = definitionByName(line.op) ?? options.lookup?.(line.op);
    if (op === undefined && line.op !== "item") line.fail(`there is no op ${line.op}`);
    const operands = line.operands.map(read);
    define(line, construct(op, operands, line));
  }
  return { name: program.name, arguments: args, roots: program.returns.map(read) };
}

/** The node of one line, by the builders, whose complaints are given the line. */
function construct(op: Definition | undefined, operands: readonly Node[], line: Line): Node {
  const attr = (name: string): AttrValue => line.attrs[name] ?? line.fail(`${line.op} needs ${name}`);
  const takes = (n: number): void => {
    if (operands.length !== n) line.fail(`${line.op} takes ${n} operands, got ${operands.length}`);
  };
  try {
    switch (op?.kind) {
      case "leaf":
        takes(0);
        if (op.role !== "literal" && op.role !== "count" && op.role !== "iota") line.fail(`${op.name} is an argument`);
        if (op.role !== "iota") attr("value");
        return leaf(op, line.dtype, line.shape, line.attrs);
      case "map":
        takes(op.arity);
        return map(op, operands, line.attrs);
      case "view":
        takes(1);
        return view(op, operands[0]!, line.attrs);
      case "reduce":
        takes(1);
        return reduce(op, operands[0]!, attr("axes") as readonly number[]);
      case "gather":
        takes(2);
        return gatherNode(op, operands[0]!, operands[1]!, attr("axis") as number);
      case "macro":
        return macro(op, operands, line.attrs);
      case "item":
      case undefined:
        takes(1);
        return item(operands[0]!, attr("index") as number);
    }
  } catch (error) {
    if (error instanceof TexgradError && !(error instanceof FormatError)) return line.fail(error.message);
    throw error;
  }
}

function freshLeaf({ role, dtype, shape, name }: Argument, index: number): Node {
  switch (role) {
    case "uniform":
      return leaves.uniform({ kind: "uniform", read: () => 0 }, dtype);
    case "cell":
      return leaves.cell({ kind: "cell", cell: { id: index, label: name, dtype, shape }, version: 0 });
    case "carried":
      return leaves.carried({ kind: "carried", value: {} }, dtype, shape);
    default:
      return leaves.input({ kind: "input", array: hostArray(dtype, numel(shape)) }, dtype, shape);
  }
}

const failAt =
  (at: Parsed) =>
  (message: string): never => {
    throw new FormatError(`text: ${at.source.getLineAndColumnMessage()}${message}`);
  };

const children = (list: Parsed): readonly Parsed[] => list.asIteration().children;
const operand = (at: Parsed): Operand => ({ name: at.sourceString, fail: failAt(at) });

const semantics = textGrammar
  .createSemantics()
  .addOperation<Program>("program", {
    Function: (_func, _at, name, _open, args, _close, _begin, lines, returned, _end) => ({
      name: name.sourceString,
      arguments: children(args).map((a) => a["argument"]() as Argument),
      lines: lines.children.map((l) => l["line"]() as Line),
      returns: returned["returns"]() as readonly Operand[],
    }),
  })
  .addOperation<Argument>("argument", {
    Argument: (value, _colon, role, type) => ({
      name: value.sourceString,
      role: role.sourceString === "" ? "input" : role.sourceString,
      ...(type["type"]() as Typed),
      fail: failAt(value),
    }),
  })
  .addOperation<Line>("line", {
    Line: (value, _is, op, operands, attrs, _colon, type) => ({
      name: value.sourceString,
      op: op.sourceString,
      operands: children(operands).map(operand),
      attrs: (attrs.children[0]?.["attrs"]() as Attrs | undefined) ?? noAttrs,
      ...(type["type"]() as Typed),
      fail: failAt(value),
    }),
  })
  .addOperation<readonly Operand[]>("returns", {
    Return: (_, values) => children(values).map(operand),
  })
  .addOperation<Typed>("type", {
    Type: (dtype, _open, extents, _close) => ({
      dtype: dtype.sourceString as DType,
      shape: children(extents).map((e) => Number(e.sourceString)),
    }),
  })
  .addOperation<Attrs>("attrs", {
    Attrs: (_open, list, _close) => Object.fromEntries(children(list).map((a) => a["attr"]() as [string, AttrValue])),
  })
  .addOperation<[string, AttrValue]>("attr", {
    Attr: (name, _is, value) => [name.sourceString, value["attrValue"]() as AttrValue],
  })
  .addOperation<AttrValue>("attrValue", {
    Value_list: (_open, list, _close) => children(list).map((e) => Number(e.sourceString)),
    Value_number: (n) => Number(n.sourceString),
    Value_boolean: (b) => b.sourceString === "true",
    Value_string: (s) => JSON.parse(s.sourceString) as string,
  });

/**
 * From typed expressions to JavaScript closures.
 *
 * A scalar expression becomes a function that returns a number, a vector one a function that returns a typed array: the
 * storage of a variable, or the register of its own that each computing node has. Expressions have no effects (the
 * subset has no assignment inside them) and no function is active twice, so a register is never overwritten while its
 * value is still wanted; a call copies its result, since another call of the same function may stand beside it.
 */
import type { Expression } from "./ast.ts";
import type { Machine } from "./machine.ts";
import { fetchTexel, sampleTexel } from "./texture.ts";
import { baseOf, isScalar, sizeOf, type BinaryOp, type ValueType } from "./types.ts";
import { laneOperator, type Lane2, type LaneOp } from "./lanes.ts";
import { convert, makeValue, store, valueOf, type Value, type Warn } from "./values.ts";
import { matrixOperators, matrixScale, vectorOperator, vectorScale, type Combine, type Scale } from "./vectors.ts";

type ScalarCode = () => number;
type VectorCode = () => Value;
type FloatVectorCode = () => Float32Array;
type Lane3 = (x: number, y: number, z: number, warn: Warn) => number;
type Of<K extends Expression["kind"]> = Extract<Expression, { readonly kind: K }>;

function copy(out: Value, from: Value): void {
  for (let i = 0; i < out.length; i++) out[i] = from[i]!;
}

/** Evaluates into an array of the expression's size. */
export function into(m: Machine, out: Value, e: Expression): () => void {
  if (isScalar(e.type)) {
    const x = scalar(m, e);
    return () => {
      out[0] = x();
    };
  }
  const x = vector(m, e);
  return () => copy(out, x());
}

// --- scalars ---

export function scalar(m: Machine, e: Expression): ScalarCode {
  switch (e.kind) {
    case "literal": {
      const { value } = e;
      return () => value;
    }
    case "read": {
      const slot = m.storage(e.variable);
      return () => slot[0]!;
    }
    case "swizzle": {
      const of = vector(m, e.of);
      const lane = e.lanes[0]!;
      return () => of()[lane]!;
    }
    case "unary": {
      const x = scalar(m, e.operand);
      const apply = unaryLane(e);
      return () => apply(x());
    }
    case "binary":
      return scalarBinary(m, e);
    case "choose": {
      const [test, yes, no] = [scalar(m, e.test), scalar(m, e.yes), scalar(m, e.no)];
      return () => (test() !== 0 ? yes() : no());
    }
    case "construct": {
      const arg = e.args[0]!;
      const x = isScalar(arg.type) ? scalar(m, arg) : first(vector(m, arg));
      const apply = convert(baseOf(arg.type), baseOf(e.type));
      const warn = m.warn(e.at);
      return () => apply(x(), warn);
    }
    case "builtin":
      return scalarBuiltin(m, e);
    case "uniform":
    case "call":
    case "fragCoord":
    case "fetch":
      return first(vector(m, e));
  }
}

const first =
  (of: VectorCode): ScalarCode =>
  () =>
    of()[0]!;

function unaryLane({ op, type }: Of<"unary">): (x: number) => number {
  const round = store[baseOf(type)];
  if (op === "!") return (x) => (x === 0 ? 1 : 0);
  return op === "-" ? (x) => round(-x) : (x) => round(~x);
}

function binaryLane(op: BinaryOp, type: ValueType): Lane2 {
  const apply = laneOperator(baseOf(type), op as LaneOp);
  if (apply === undefined) throw new Error(`internal: ${op} on ${type} passed the type check`);
  return apply;
}

function scalarBinary(m: Machine, e: Of<"binary">): ScalarCode {
  const { op, left, right } = e;
  if (op === "==" || op === "!=") return equality(m, op, left, right);
  const x = scalar(m, left);
  const y = scalar(m, right);
  if (op === "&&") return () => (x() !== 0 && y() !== 0 ? 1 : 0);
  if (op === "||") return () => (x() !== 0 || y() !== 0 ? 1 : 0);
  const apply = binaryLane(op, left.type);
  const warn = m.warn(e.at);
  return () => apply(x(), y(), warn);
}

/** Of vectors: whether all components are the same, or some differ. */
function equality(m: Machine, op: "==" | "!=", left: Expression, right: Expression): ScalarCode {
  const whenSame = op === "==" ? 1 : 0;
  if (isScalar(left.type)) {
    const x = scalar(m, left);
    const y = scalar(m, right);
    return () => (x() === y() ? whenSame : 1 - whenSame);
  }
  const x = vector(m, left);
  const y = vector(m, right);
  return () => {
    const b = y();
    return x().every((lane, i) => lane === b[i]) ? whenSame : 1 - whenSame;
  };
}

function scalarBuiltin(m: Machine, e: Of<"builtin">): ScalarCode {
  const { meaning } = e.overload;
  if (meaning.kind === "whole") {
    const args = e.args.map((arg) => spread(m, arg, sizeOf(arg.type)));
    const out = valueOf(e.type);
    return () =>
      meaning.of(
        args.map((arg) => arg()),
        out,
      ) ?? 0;
  }
  const round = store[baseOf(e.type)];
  const warn = m.warn(e.at);
  const apply = meaning.of;
  const [x, y, z] = e.args.map((arg) => scalar(m, arg)) as [ScalarCode, ScalarCode?, ScalarCode?];
  if (y === undefined) return () => round(apply(x(), 0, 0, warn));
  if (z === undefined) return () => round(apply(x(), y(), 0, warn));
  return () => round(apply(x(), y(), z(), warn));
}

// --- vectors ---

/** The value as an array of `size` components, a scalar repeated. */
function spread(m: Machine, e: Expression, size: number): VectorCode {
  if (!isScalar(e.type)) return vector(m, e);
  const x = scalar(m, e);
  const out = makeValue(baseOf(e.type), size);
  return () => out.fill(x());
}

function vector(m: Machine, e: Expression): VectorCode {
  switch (e.kind) {
    case "read": {
      const slot = m.storage(e.variable);
      return () => slot;
    }
    case "fragCoord": {
      const { fragCoord } = m;
      return () => fragCoord;
    }
    case "uniform":
      return uniform(m, e);
    case "swizzle": {
      const of = vector(m, e.of);
      const { lanes } = e;
      const out = valueOf(e.type);
      return () => {
        const from = of();
        for (let i = 0; i < lanes.length; i++) out[i] = from[lanes[i]!]!;
        return out;
      };
    }
    case "unary": {
      const apply = unaryLane(e);
      return lift(m, e, [e.operand], (x) => apply(x));
    }
    case "binary":
      return vectorBinary(m, e);
    case "choose": {
      const test = scalar(m, e.test);
      const [yes, no] = [vector(m, e.yes), vector(m, e.no)];
      return () => (test() !== 0 ? yes() : no());
    }
    case "construct":
      return construct(m, e);
    case "builtin":
      return vectorBuiltin(m, e);
    case "call":
      return call(m, e);
    case "fetch":
      return fetch(m, e);
    case "literal":
      throw new Error("internal: a literal is no vector");
  }
}

/** A lane function over vectors; the store to the register rounds or wraps. */
function lift(m: Machine, e: Expression, args: readonly Expression[], apply: Lane3): VectorCode {
  const size = sizeOf(e.type);
  const out = valueOf(e.type);
  const warn = m.warn(e.at);
  const [x, y, z] = args.map((arg) => spread(m, arg, size)) as [VectorCode, VectorCode?, VectorCode?];
  if (y === undefined) {
    return () => {
      const a = x();
      for (let i = 0; i < size; i++) out[i] = apply(a[i]!, 0, 0, warn);
      return out;
    };
  }
  if (z === undefined) {
    return () => {
      const [a, b] = [x(), y()];
      for (let i = 0; i < size; i++) out[i] = apply(a[i]!, b[i]!, 0, warn);
      return out;
    };
  }
  return () => {
    const [a, b, c] = [x(), y(), z()];
    for (let i = 0; i < size; i++) out[i] = apply(a[i]!, b[i]!, c[i]!, warn);
    return out;
  };
}

function vectorBinary(m: Machine, e: Of<"binary">): VectorCode {
  const { op, left, right, type } = e;
  if (left.type === "mat4" || right.type === "mat4") return matrix(m, e);
  if (baseOf(type) !== "float" || (op !== "+" && op !== "-" && op !== "*" && op !== "/")) {
    const apply = binaryLane(op, left.type);
    return lift(m, e, [left, right], (x, y, _z, warn) => apply(x, y, warn));
  }
  const size = sizeOf(type);
  if (op === "*" && isScalar(right.type)) return scaled(m, left, right, vectorScale(size));
  if (op === "*" && isScalar(left.type)) return scaled(m, right, left, vectorScale(size));
  return combined(type, vectorOperator(size, op), spread(m, left, size), spread(m, right, size));
}

function matrix(m: Machine, { op, left, right, type }: Of<"binary">): VectorCode {
  if (right.type === "float") return scaled(m, left, right, matrixScale);
  if (left.type === "float") return scaled(m, right, left, matrixScale);
  const [x, y] = [vector(m, left), vector(m, right)];
  if (op === "+") return combined(type, matrixOperators.add, x, y);
  if (op === "-") return combined(type, matrixOperators.subtract, x, y);
  if (left.type === "vec4") return combined(type, matrixOperators.vectorTimes, x, y);
  if (right.type === "vec4") return combined(type, matrixOperators.timesVector, x, y);
  return combined(type, matrixOperators.product, x, y);
}

function scaled(m: Machine, of: Expression, by: Expression, scale: Scale): VectorCode {
  const out = new Float32Array(sizeOf(of.type));
  const x = vector(m, of) as FloatVectorCode;
  const s = scalar(m, by);
  return () => {
    scale(out, x(), s());
    return out;
  };
}

function combined(type: ValueType, combine: Combine, x: VectorCode, y: VectorCode): VectorCode {
  const out = new Float32Array(sizeOf(type));
  return () => {
    combine(out, x() as Float32Array, y() as Float32Array);
    return out;
  };
}

function vectorBuiltin(m: Machine, e: Of<"builtin">): VectorCode {
  const { meaning } = e.overload;
  if (meaning.kind === "lane") return lift(m, e, e.args, meaning.of);
  const args = e.args.map((arg) => vector(m, arg));
  const out = valueOf(e.type);
  return () => {
    meaning.of(
      args.map((arg) => arg()),
      out,
    );
    return out;
  };
}

/** Splat of one scalar, or the arguments' components one after the other, each converted. */
function construct(m: Machine, e: Of<"construct">): VectorCode {
  const out = valueOf(e.type);
  const warn = m.warn(e.at);
  const [only] = e.args;
  if (e.args.length === 1 && isScalar(only!.type)) {
    const x = scalar(m, only!);
    const apply = convert(baseOf(only!.type), baseOf(e.type));
    return () => out.fill(apply(x(), warn));
  }
  let offset = 0;
  const parts = e.args.map((arg) => {
    const start = offset;
    const size = Math.min(sizeOf(arg.type), out.length - start);
    offset += size;
    const x = spread(m, arg, 1);
    const apply = convert(baseOf(arg.type), baseOf(e.type));
    return () => {
      const from = x();
      for (let i = 0; i < size; i++) out[start + i] = apply(from[i]!, warn);
    };
  });
  return () => {
    for (let i = 0; i < parts.length; i++) parts[i]!();
    return out;
  };
}

function uniform(m: Machine, e: Of<"uniform">): VectorCode {
  const elements = m.elements.get(e.uniform.name)!;
  if (e.index === undefined) {
    const only = elements[0]!;
    return () => only;
  }
  const index = scalar(m, e.index);
  return () => {
    const i = index();
    const length = elements.length;
    return elements[i] ?? m.fail(e.at, `index ${i} is outside of \`${e.uniform.name}\`, an array of ${length}`);
  };
}

function fetch(m: Machine, e: Of<"fetch">): VectorCode {
  const coordinate = vector(m, e.coordinate);
  const cell = m.textures.get(e.sampler.name)!;
  const out = valueOf(e.type);
  const { tally } = m;
  const warn = m.warn(e.at);
  if (e.how === "texelFetch") {
    return () => {
      fetchTexel(cell.texture!, coordinate(), out, tally);
      return out;
    };
  }
  return () => {
    sampleTexel(cell.texture!, coordinate(), out, tally, warn);
    return out;
  };
}

function call(m: Machine, { callee, args, type }: Of<"call">): VectorCode {
  const { parameters, result, run } = m.functions.get(callee)!;
  const held = args.map((arg) => valueOf(arg.type));
  const hold = args.map((arg, i) => into(m, held[i]!, arg));
  const out = valueOf(type);
  return () => {
    // All arguments before any parameter: an argument may itself call this function.
    for (let i = 0; i < hold.length; i++) hold[i]!();
    for (let i = 0; i < held.length; i++) copy(parameters[i]!, held[i]!);
    run();
    copy(out, result);
    return out;
  };
}

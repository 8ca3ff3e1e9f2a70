/**
 * Random well-typed expressions of scalars and vectors, with the value each has, found while generating by other means
 * than the interpreter's: BigInt for integers, one Math.fround per operation for floats.
 */
import fc from "fast-check";
import { typeOf, type Base } from "../../tools/glsl/types.ts";

/** An expression as text, how tightly it binds (12: needs no parentheses), and its components. */
export interface Sample {
  readonly text: string;
  readonly level: number;
  readonly value: readonly number[];
}
type Arbitrary = fc.Arbitrary<Sample>;

const inside = ({ text, level }: Sample, atLeast: number): string => (level >= atLeast ? text : `(${text})`);

const int = (x: bigint): number => Number(BigInt.asIntN(32, x));
const uint = (x: bigint): number => Number(BigInt.asUintN(32, x));

type Op = readonly [symbol: string, level: number, of: (x: number, y: number) => number];

const wide = (wrap: (x: bigint) => number): readonly Op[] => [
  ["+", 9, (x, y) => wrap(BigInt(x) + BigInt(y))],
  ["-", 9, (x, y) => wrap(BigInt(x) - BigInt(y))],
  ["*", 10, (x, y) => wrap(BigInt(x) * BigInt(y))],
  ["&", 5, (x, y) => wrap(BigInt(x) & BigInt(y))],
  ["|", 3, (x, y) => wrap(BigInt(x) | BigInt(y))],
  ["^", 4, (x, y) => wrap(BigInt(x) ^ BigInt(y))],
];
const operators: Record<Exclude<Base, "bool">, readonly Op[]> = {
  float: [
    ["+", 9, (x, y) => Math.fround(x + y)],
    ["-", 9, (x, y) => Math.fround(x - y)],
    ["*", 10, (x, y) => Math.fround(x * y)],
    ["/", 10, (x, y) => Math.fround(x / y)],
  ],
  int: wide(int),
  uint: wide(uint),
};
const comparisons: readonly Op[] = [
  ["<", 7, (x, y) => Number(x < y)],
  ["<=", 7, (x, y) => Number(x <= y)],
  [">", 7, (x, y) => Number(x > y)],
  [">=", 7, (x, y) => Number(x >= y)],
  ["==", 6, (x, y) => Number(x === y)],
  ["!=", 6, (x, y) => Number(x !== y)],
];
const logic: readonly Op[] = [
  ["&&", 2, (x, y) => x & y],
  ["||", 1, (x, y) => x | y],
];

/** Each uniform's components; declared below, and set in the run. */
export const uniforms = {
  uf: [1.5, -2.25, Math.fround(0.1), 1e6],
  ui: [7, -3, 2147483647, -2147483648],
};
export const declarations = "uniform vec4 uf; uniform ivec4 ui;";

function literal(base: Base): Arbitrary {
  if (base === "float") {
    return fc.float({ noNaN: true, noDefaultInfinity: true, min: 0 }).map((x) => {
      const text = /[.e]/.test(String(x)) ? String(x) : `${x}.0`;
      return { text, level: 12, value: [x] };
    });
  }
  if (base === "bool") return fc.boolean().map((x) => ({ text: String(x), level: 12, value: [Number(x)] }));
  const any = fc.oneof(fc.nat(9), fc.nat(0x7fffffff));
  return any.map((x) => ({ text: base === "int" ? String(x) : `0x${x.toString(16)}u`, level: 12, value: [x] }));
}

function uniform(base: Base, lane: number): Sample {
  const component = "xyzw"[lane]!;
  const i = uniforms.ui[lane]!;
  if (base === "float") return { text: `uf.${component}`, level: 12, value: [uniforms.uf[lane]!] };
  if (base === "int") return { text: `ui.${component}`, level: 12, value: [i] };
  if (base === "uint") return { text: `uint(ui.${component})`, level: 12, value: [i >>> 0] };
  return { text: `bool(ui.${component})`, level: 12, value: [1] };
}

const leaf = (base: Base): Arbitrary =>
  fc.oneof(
    literal(base),
    fc.nat(3).map((lane) => uniform(base, lane)),
  );

/** Both operands of `size`, or one of them a scalar. */
function binary(base: Base, size: number, depth: number, ops: readonly Op[]): Arbitrary {
  const sizes = fc.constantFrom([size, size], [1, size], [size, 1]);
  return fc.tuple(fc.constantFrom(...ops), sizes).chain(([[symbol, level, of], [left, right]]) =>
    fc.tuple(expression(base, left, depth - 1), expression(base, right, depth - 1)).map(([x, y]) => ({
      text: `${inside(x, level)} ${symbol} ${inside(y, level + 1)}`,
      level,
      value: Array.from({ length: size }, (_, i) => of(x.value[i] ?? x.value[0]!, y.value[i] ?? y.value[0]!)),
    })),
  );
}

function choice(base: Base, size: number, depth: number): Arbitrary {
  const parts = [
    expression("bool", 1, depth - 1),
    expression(base, size, depth - 1),
    expression(base, size, depth - 1),
  ];
  return fc.tuple(...(parts as [Arbitrary, Arbitrary, Arbitrary])).map(([test, yes, no]) => ({
    text: `${inside(test, 1)} ? ${yes.text} : ${no.text}`,
    level: 0,
    value: test.value[0] === 0 ? no.value : yes.value,
  }));
}

function negated(base: Base, size: number, depth: number): Arbitrary {
  const symbol = base === "bool" ? "!" : "-";
  const of = {
    float: (x: number) => -x,
    int: (x: number) => int(-BigInt(x)),
    uint: (x: number) => uint(-BigInt(x)),
    bool: (x: number) => 1 - x,
  };
  return expression(base, size, depth - 1).map((x) => ({
    text: x.text.startsWith(symbol) ? `${symbol}(${x.text})` : `${symbol}${inside(x, 11)}`,
    level: 11,
    value: x.value.map(of[base]),
  }));
}

/** A vector of parts, or components taken out of a vector. */
function shaped(base: Base, size: number, depth: number): Arbitrary {
  const swizzled = fc.integer({ min: 2, max: 4 }).chain((from) =>
    fc
      .tuple(expression(base, from, depth - 1), fc.array(fc.nat(from - 1), { minLength: size, maxLength: size }))
      .map(([x, lanes]) => ({
        text: `${inside(x, 12)}.${lanes.map((lane) => "xyzw"[lane]).join("")}`,
        level: 12,
        value: lanes.map((lane) => x.value[lane]!),
      })),
  );
  if (size === 1) return swizzled;
  const built = fc.integer({ min: 1, max: size - 1 }).chain((first) =>
    fc.tuple(expression(base, first, depth - 1), expression(base, size - first, depth - 1)).map(([x, y]) => ({
      text: `${typeOf(base, size)}(${x.text}, ${y.text})`,
      level: 12,
      value: [...x.value, ...y.value],
    })),
  );
  return fc.oneof(swizzled, built);
}

/** Between bases; from float only where the specification defines the result. */
function converted(base: Base, size: number, depth: number): Arbitrary {
  const sources: Record<Base, readonly Base[]> = {
    float: ["int", "uint", "bool"],
    int: ["uint", "bool"],
    uint: ["int", "bool"],
    bool: ["int", "uint", "float"],
  };
  const to = {
    float: Math.fround,
    int: (x: number) => int(BigInt(x)),
    uint: (x: number) => uint(BigInt(x)),
    bool: (x: number) => Number(x !== 0),
  }[base];
  return fc.constantFrom(...sources[base]).chain((from) =>
    expression(from, size, depth - 1).map((x) => ({
      text: `${typeOf(base, size)}(${x.text})`,
      level: 12,
      value: x.value.map(to),
    })),
  );
}

function compared(depth: number): Arbitrary {
  return fc.constantFrom<Base>("float", "int", "uint").chain((base) => binary(base, 1, depth, comparisons));
}

/** `depth` operators deep, of `size` components. */
export function expression(base: Base, size: number, depth: number): Arbitrary {
  if (depth === 0) {
    if (size === 1) return leaf(base);
    return leaf(base).map((x) => ({
      text: `${typeOf(base, size)}(${x.text})`,
      level: 12,
      value: Array.from({ length: size }, () => x.value[0]!),
    }));
  }
  const rest = [shaped, converted, ...(size > 1 && base === "bool" ? [] : [choice])].map((f) => f(base, size, depth));
  if (base === "bool" && size > 1) return fc.oneof(...rest);
  const signs = negated(base, size, depth);
  // Chains of operators must be common: they are what precedence and association are about.
  const often = (arbitrary: Arbitrary, weight: number) => ({ arbitrary, weight });
  if (base !== "bool") return fc.oneof(often(binary(base, size, depth, operators[base]), 8), signs, ...rest);
  return fc.oneof(often(binary("bool", 1, depth, logic), 4), often(compared(depth), 4), signs, ...rest);
}

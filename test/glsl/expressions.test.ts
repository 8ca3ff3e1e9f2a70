/** The value of expressions, against numbers worked out by hand or by JavaScript. */
import { describe, expect, test } from "vitest";
import { builtins, instances } from "../../tools/glsl/builtins.ts";
import { baseOf, sizeOf, type ValueType } from "../../tools/glsl/types.ts";
import { evaluate, reportExpression } from "./shaders.ts";

type Row = readonly [type: ValueType, text: string, ...expected: number[]];

const check = (rows: readonly Row[], before = ""): void =>
  test.each(rows.map(([type, text, ...expected]) => ({ type, text, expected })))("$type $text", (row) => {
    expect(evaluate(row.type, row.text, before)).toEqual(row.expected);
  });

const f = Math.fround;

describe("float arithmetic rounds to f32 at each operation", () => {
  check([
    ["float", "0.1 + 0.2", f(f(0.1) + f(0.2))],
    ["float", "16777216.0 + 1.0", 16777216],
    ["float", "(16777216.0 + 1.0) - 16777216.0", 0],
    ["float", "1.0 / 3.0 * 3.0", f(f(1 / 3) * 3)],
    ["float", "1e30 * 1e30", Infinity],
    ["float", "1.0 / 0.0", Infinity],
    ["float", "0.0 / 0.0", NaN],
    ["float", "-(0.0)", -0],
    ["float", "1e-5", f(1e-5)],
    ["float", ".5", 0.5],
    ["float", "2.", 2],
    ["float", "1E+3", 1000],
    ["vec2", "vec2(0.1, 1.0) + vec2(0.2, 1e-8)", f(f(0.1) + f(0.2)), 1],
    ["vec3", "vec3(1.0, 2.0, 3.0) * 2.0 - 1.0", 1, 3, 5],
    ["vec4", "2.0 / vec4(1.0, 2.0, 4.0, 8.0)", 2, 1, 0.5, 0.25],
    ["vec3", "1.0 - vec3(1.0, 2.0, 3.0)", 0, -1, -2],
    ["vec2", "-vec2(1.0, -2.0)", -1, 2],
  ]);
});

describe("precedence and grouping", () => {
  check([
    ["float", "1.0 - 2.0 - 3.0", -4],
    ["float", "2.0 + 3.0 * 4.0 - 1.0", 13],
    ["float", "16.0 / 4.0 / 2.0", 2],
    ["int", "1 + 2 << 3", 24],
    ["int", "7 & 3 ^ 1 | 8", 10],
    ["int", "-7 / 2 * 2 + -7 - -7 / 2 * 2", -7],
    ["bool", "1 < 2 == 3 < 4", 1],
    ["bool", "true || false && false", 1],
    ["int", "true ? 1 : false ? 2 : 3", 1],
    ["int", "false ? 1 : false ? 2 : 3", 3],
    ["int", "~5 + - 3", -9],
    ["float", "-vec2(1.0, 2.0).yx.x", -2],
  ]);
});

describe("integers wrap at 32 bits", () => {
  check([
    ["int", "2147483647 + 1", -2147483648],
    ["int", "65537 * 65537", 131073],
    ["int", "-2147483648", -2147483648],
    ["int", "0xFFFFFFFF", -1],
    ["int", "7 / -2", -3],
    ["int", "17 % 5", 2],
    ["int", "-8 >> 1", -4],
    ["int", "1 << 31", -2147483648],
    ["uint", "0u - 1u", 4294967295],
    ["uint", "-(1u)", 4294967295],
    ["uint", "0x9E3779B9u * 0x85EBCA6Bu", Math.imul(0x9e3779b9, 0x85ebca6b) >>> 0],
    ["uint", "4294967295u / 2u", 2147483647],
    ["uint", "0x80000000u >> 31", 1],
    ["uint", "~0u", 4294967295],
    ["uint", "0xF0F0F0F0u ^ 0xFFFFFFFFu", 0x0f0f0f0f],
    ["ivec3", "ivec3(2147483647, -5, 6) + ivec3(1)", -2147483648, -4, 7],
    ["ivec2", "ivec2(65537, 3) * 65537", 131073, 196611],
    ["uvec2", "uvec2(1u, 2u) - 2u", 4294967295, 0],
    ["uvec4", "uvec4(1u, 2u, 4u, 8u) << uvec4(31u, 30u, 0u, 1u)", 2147483648, 2147483648, 4, 16],
    ["ivec2", "-ivec2(1, -2147483647)", -1, 2147483647],
  ]);
});

describe("comparison, logic, choice", () => {
  check([
    ["bool", "1.0 < 2.0", 1],
    ["bool", "2u >= 3u", 0],
    ["bool", "vec3(1.0, 2.0, 3.0) == vec3(1.0, 2.0, 3.0)", 1],
    ["bool", "vec3(1.0, 2.0, 3.0) != vec3(1.0, 2.0, 4.0)", 1],
    ["bool", "ivec2(1, 2) == ivec2(2, 1)", 0],
    ["bool", "0.0 == -0.0", 1],
    ["bool", "0.0 / 0.0 == 0.0 / 0.0", 0],
    ["bool", "!(true && false)", 1],
    ["vec2", "3 > 2 ? vec2(1.0) : vec2(2.0)", 1, 1],
    ["bvec2", "lessThan(vec2(1.0, 2.0), vec2(2.0))", 1, 0],
    ["bvec3", "greaterThanEqual(ivec3(1, 2, 3), ivec3(2))", 0, 1, 1],
    ["bvec2", "equal(bvec2(true, false), bvec2(false))", 0, 1],
    ["bvec2", "not(bvec2(true, false))", 0, 1],
    ["bool", "any(bvec3(false, true, false))", 1],
    ["bool", "all(bvec3(false, true, true))", 0],
  ]);
});

describe("constructors", () => {
  check([
    ["vec4", "vec4(1.0, vec2(2.0, 3.0), 4)", 1, 2, 3, 4],
    ["vec2", "vec2(vec4(1.0, 2.0, 3.0, 4.0))", 1, 2],
    ["ivec3", "ivec3(1.9, -1.9, 2u)", 1, -1, 2],
    ["ivec3", "ivec3(ivec2(1, 2), 3)", 1, 2, 3],
    ["vec3", "vec3(true)", 1, 1, 1],
    ["int", "int(-2.7)", -2],
    ["int", "int(4294967295u)", -1],
    ["uint", "uint(-1)", 4294967295],
    ["uint", "uint(3.9)", 3],
    ["float", "float(16777217)", 16777216],
    ["float", "float(4294967295u)", 4294967296],
    ["float", "float(vec3(7.0, 8.0, 9.0))", 7],
    ["bool", "bool(-0.0)", 0],
    ["bool", "bool(0.1)", 1],
    ["bvec2", "bvec2(ivec2(0, -3))", 0, 1],
    ["int", "int(true)", 1],
    ["uvec2", "uvec2(vec2(1.5, 2.5))", 1, 2],
  ]);
});

describe("swizzles", () => {
  check([
    ["vec4", "vec4(1.0, 2.0, 3.0, 4.0).wzyx", 4, 3, 2, 1],
    ["vec3", "vec2(1.0, 2.0).yyx", 2, 2, 1],
    ["vec2", "vec4(1.0, 2.0, 3.0, 4.0).rgba.bg", 3, 2],
    ["ivec2", "(ivec3(1, 2, 3) + 1).zx", 4, 2],
  ]);
});

describe("built-in functions, exactly", () => {
  check([
    ["float", "abs(-1.5)", 1.5],
    ["int", "abs(-3)", 3],
    ["vec3", "sign(vec3(-2.0, 0.0, 5.0))", -1, 0, 1],
    ["vec2", "floor(vec2(-1.5, 1.5))", -2, 1],
    ["vec2", "ceil(vec2(-1.5, 1.5))", -1, 2],
    ["vec2", "trunc(vec2(-1.5, 1.5))", -1, 1],
    ["vec4", "roundEven(vec4(0.5, 1.5, 2.5, -2.5))", 0, 2, 2, -2],
    ["vec3", "round(vec3(0.4, 0.6, -1.7))", 0, 1, -2],
    ["float", "fract(-0.25)", 0.75],
    ["vec2", "mod(vec2(-1.0, 7.5), 3.0)", 2, 1.5],
    ["vec2", "min(vec2(1.0, 5.0), 3.0)", 1, 3],
    ["ivec2", "max(ivec2(1, 5), ivec2(3, 3))", 3, 5],
    ["uint", "min(4294967295u, 7u)", 7],
    ["vec3", "clamp(vec3(-1.0, 0.5, 2.0), 0.0, 1.0)", 0, 0.5, 1],
    ["int", "clamp(7, 1, 5)", 5],
    ["vec2", "mix(vec2(0.0, 10.0), vec2(1.0, 20.0), 0.25)", 0.25, 12.5],
    ["vec2", "mix(vec2(0.0, 10.0), vec2(1.0, 20.0), bvec2(true, false))", 1, 10],
    ["float", "mix(1.0, 0.0 / 0.0, false)", 1],
    ["vec2", "step(1.0, vec2(0.5, 1.0))", 0, 1],
    ["float", "sqrt(2.0)", f(Math.SQRT2)],
    ["float", "inversesqrt(4.0)", 0.5],
    ["float", "exp2(3.0)", 8],
    ["float", "log2(8.0)", 3],
    ["float", "pow(2.0, 0.5)", f(Math.SQRT2)],
    ["float", "exp(1.0)", f(Math.E)],
    ["float", "log(10.0)", f(Math.LN10)],
    ["float", "tanh(0.5)", f(Math.tanh(0.5))],
    ["float", "atan(1.0, -1.0)", f(Math.atan2(1, -1))],
    ["float", "atan(1.0)", f(Math.atan(1))],
    ["float", "dot(vec3(1.0, 2.0, 3.0), vec3(4.0, 5.0, 6.0))", 32],
    ["float", "dot(2.0, 3.0)", 6],
    ["bvec2", "isnan(vec2(0.0 / 0.0, 1.0))", 1, 0],
    ["bvec2", "isinf(vec2(-1.0 / 0.0, 1.0))", 1, 0],
    ["int", "floatBitsToInt(-1.0)", 0xbf800000 | 0],
    ["uint", "floatBitsToUint(-1.0)", 0xbf800000],
    ["float", "uintBitsToFloat(0x7F800000u)", Infinity],
    ["float", "intBitsToFloat(1065353216)", 1],
  ]);
});

describe("matrices are made of columns", () => {
  const columns =
    "const vec4 a = vec4(1.0, 2.0, 3.0, 4.0), b = vec4(5.0, 6.0, 7.0, 8.0), v = vec4(1.0, 0.0, 2.0, 0.0);";
  check(
    [
      ["vec4", "mat4(a, b, a, b) * v", 3, 6, 9, 12],
      ["vec4", "v * mat4(a, b, a, b)", 7, 19, 7, 19],
      ["vec4", "transpose(mat4(a, b, a, b)) * v", 7, 19, 7, 19],
      ["vec4", "(mat4(a, b, a, b) * 2.0 - mat4(b, b, b, b)) * v", -9, -6, -3, 0],
      ["vec4", "(mat4(a, b, a, b) * mat4(v, v, v, v)) * v", 9, 18, 27, 36],
    ],
    columns,
  );
});

describe("calls", () => {
  const functions = `float twice(float x) { x += x; return x; }
vec2 swap(vec2 a) { a.yx = a; return a; }
float sum(float a, float b) { return a + b; }
float first(int n) { for (int i = 0; i < n; i++) { if (i * i > n) return float(i); } return -1.0; }`;
  check(
    [
      ["float", "twice(1.0) + twice(2.0)", 6],
      ["vec2", "swap(vec2(1.0, 2.0)) * vec2(1.0, 10.0) + swap(vec2(3.0, 4.0))", 6, 13],
      ["float", "sum(sum(1.0, 2.0), sum(sum(4.0, 8.0), 16.0))", 31],
      ["float", "first(10)", 4],
      ["float", "first(0)", -1],
    ],
    functions,
  );
});

describe("what GLSL leaves undefined is noted", () => {
  test.each([
    ["int", "1 / 0", 0, "integer division by zero"],
    ["uint", "1u / 0u", 0, "integer division by zero"],
    ["int", "1 % 0", 0, "remainder by zero"],
    ["int", "-7 % 4", -3, "% with a negative operand"],
    ["int", "1 << 33", 2, "shift by less than 0 or more than 31"],
    ["float", "pow(-2.0, 2.0)", 4, "pow(x, y) with x < 0, or x = 0 and y <= 0"],
    ["float", "log(-1.0)", NaN, "log of a number <= 0"],
    ["float", "sqrt(-1.0)", NaN, "sqrt of a negative number"],
    ["float", "max(0.0 / 0.0, 1.0)", NaN, "max of NaN"],
    ["int", "int(1e20)", 0, "int() of a float out of range"],
    ["uint", "uint(-1.0)", 4294967295, "uint() of a float out of range"],
    ["float", "clamp(1.0, 3.0, 2.0)", 2, "clamp with min > max"],
  ] as const)("%s %s", (type, text, value, warning) => {
    const { outputs, warnings } = reportExpression(type, text);
    expect(outputs["o"]![0]).toBe(value);
    expect(warnings).toEqual({ [`line 10: ${warning}`]: 1 });
  });

  test("and nothing else is", () => {
    expect(reportExpression("float", "pow(2.0, 0.5) + float(7 % 4) + log(1.0)").warnings).toEqual({});
  });
});

describe("every overload of every built-in function has a value of its type", () => {
  const literal = (type: ValueType): string => {
    if (type === "mat4") return "mat4(vec4(1.0), vec4(1.0), vec4(1.0), vec4(1.0))";
    return { float: `${type}(0.5)`, int: `${type}(3)`, uint: `${type}(3u)`, bool: `${type}(true)` }[baseOf(type)];
  };
  const finite = expect.toSatisfy(Number.isFinite) as number;
  test.each(Object.entries(builtins))("%s", (name, overloads) => {
    for (const overload of overloads) {
      for (const { args, result } of instances(overload)) {
        const text = `${name}(${args.map(literal).join(", ")})`;
        const values = result === "mat4" ? evaluate("vec4", `${text} * vec4(1.0)`) : evaluate(result, text);
        const size = result === "mat4" ? 4 : sizeOf(result);
        expect({ text, values }).toEqual({ text, values: Array.from({ length: size }, () => finite) });
      }
    }
  });
});

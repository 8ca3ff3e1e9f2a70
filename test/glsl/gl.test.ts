/**
 * The interpreter against real GL: the same shaders compile or fail to, and the same numbers come out.
 *
 * Integers and bools must agree exactly. Floats agree to a tolerance that says why; no NaN, since GLSL does not promise
 * it, and no number that a driver may flush.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { WebGL2 } from "../../src/runtime/gl-types.ts";
import { builtins, instances } from "../../tools/glsl/builtins.ts";
import { readShader } from "../../tools/glsl/read.ts";
import { reportShader, type ShaderInputs } from "../../tools/glsl/run.ts";
import { baseOf, sizeOf, typeOf, type Base, type ValueType } from "../../tools/glsl/types.ts";
import { headlessGl } from "../support/gl.ts";
import { compileOnGl, runOnGl } from "./driver.ts";
import { matmulShader, philoxShader, softmaxShader } from "./kernels.ts";
import { declarations, expression, uniforms } from "./random-expressions.ts";
import { emptyInputs, expressionShader, head, shaderOf } from "./shaders.ts";
import { accepted, refused } from "./subset.cases.ts";

let gl: WebGL2;
beforeAll(() => {
  gl = headlessGl();
  gl.bindVertexArray(gl.createVertexArray());
});

/** Both sides run; floats differ by at most `tolerance` of the larger of 1 and the value. */
function agree(source: string, inputs: ShaderInputs, tolerance = 0): void {
  const { outputs: wanted, outOfRangeFetches, warnings } = reportShader(readShader(source), inputs);
  const got = runOnGl(gl, source, inputs);
  expect({ outOfRangeFetches, warnings }).toEqual({ outOfRangeFetches: 0, warnings: {} });
  for (const [name, values] of Object.entries(wanted)) {
    values.forEach((value, i) => {
      const other = got[name]![i]!;
      if (
        other === value ||
        (other !== other && value !== value) ||
        Math.abs(other - value) <= tolerance * Math.max(1, Math.abs(value))
      )
        return;
      throw new Error(`${name}[${i}]: the interpreter has ${value}, GL has ${other}\n${source}`);
    });
  }
}

describe("the driver agrees about what is GLSL", () => {
  test.each(accepted)("takes $name", ({ source }) => {
    expect(compileOnGl(gl, source)).not.toBeTypeOf("string");
  });
  test.each(refused.filter(({ refusedBy }) => refusedBy === "glsl"))("refuses $name", ({ source }) => {
    expect(compileOnGl(gl, source)).toBeTypeOf("string");
  });
});

/** f32 operations in another order or fused: some roundings of values near 1. */
const fewRoundings = 4 * 2 ** -23;

/** By function, where a driver may be further off than a few roundings (specification 4.5.1, and what Mesa does). */
const looser: Readonly<Record<string, number>> = {
  exp: 1e-6,
  exp2: 1e-6,
  log: 1e-6,
  log2: 1e-6,
  pow: 4e-6,
  sin: 1e-5,
  cos: 1e-5,
  tan: 2e-5,
  asin: 4e-4,
  acos: 4e-4,
  atan: 1e-4,
  sinh: 4e-6,
  cosh: 4e-6,
  tanh: 1e-5,
  inversesqrt: 1e-6,
};

const inputs: ShaderInputs = {
  ...emptyInputs,
  uniforms: {
    f: [0.25, 0.8125, 0.5, 0.9375, 0.125, 0.625, 0.75, 0.375, 0.6875, 0.875, 0.9375, 0.8125],
    i: [3, -7, 2147483647, -12, 4, 9, 5, 2, 11, 13, 15, 17],
  },
};

/** Argument number n: of the uniforms, so that the driver cannot fold it. */
function argument(type: ValueType, n: number): string {
  if (type === "mat4") return "mat4(f[0], f[1], f[2], f[0])";
  const of = baseOf(type) === "float" ? "f" : "i";
  const swizzle = "xyzw".slice(0, sizeOf(type));
  if (baseOf(type) === "bool")
    return `${type}(${sizeOf(type) === 1 ? `i[${n}].x > 0` : `greaterThan(i[${n}].${swizzle}, ${typeOf("int", sizeOf(type))}(0))`})`;
  return baseOf(type) === "uint" ? `${type}(i[${n}].${swizzle})` : `${of}[${n}].${swizzle}`;
}

describe("built-in functions, each overload", () => {
  const arrays = "uniform vec4 f[3]; uniform ivec4 i[3];";
  test.each(Object.entries(builtins))("%s", (name, overloads) => {
    for (const overload of overloads) {
      for (const { args, result } of instances(overload)) {
        const call = `${name}(${args.map((type, n) => argument(type, n)).join(", ")})`;
        const source =
          result === "mat4"
            ? expressionShader("vec4", `${call} * f[1]`, arrays)
            : expressionShader(result, call, arrays);
        agree(source, inputs, looser[name] ?? fewRoundings);
      }
    }
  });
});

describe("kernels", () => {
  const noise = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(12.9898 * i));
  test.each(["texelFetch", "textureLod"] as const)("matmul by %s", (how) => {
    const [m, k, n] = [8, 12, 16];
    const textures = {
      t0: { width: k / 4, height: m, layers: 1, data: noise(m * k) },
      t1: { width: n / 4, height: k, layers: 1, data: noise(k * n) },
    };
    const target = { width: n / 4, height: m / 4, uniforms: { k4: k / 4 }, textures };
    agree(matmulShader(how, { m, k, n }), target, 12 * fewRoundings);
  });
  test("softmax statistics", () => {
    const textures = { t0: { width: 3, height: 3, layers: 2, data: noise(72) } };
    agree(softmaxShader(10), { width: 3, height: 2, uniforms: {}, textures }, 4e-6);
  });
  test("philox", () => {
    agree(philoxShader, { ...emptyInputs, width: 17, height: 5, uniforms: { seed: [123456789, -987654321] } });
  });
});

describe("statements", () => {
  test.each([
    ["swizzled writes", "o = vec4(gl_FragCoord.xy, 1.0, 2.0); o.yx = o.xy; o.zw *= o.xy; o.w -= 3.0;"],
    [
      "loops to a uniform",
      "float s = 0.0; for (int j = 0; j < n; j += 2) { s += float(j) * gl_FragCoord.x; } o = vec4(s);",
    ],
    [
      "nested loops and branches",
      "int s = 0; for (int j = 0; j < n; j++) { for (int k = j; k < n; k++) { if ((j ^ k) > 2) s += j * k; else { s -= 1; } } } o = vec4(s);",
    ],
    ["a return out of a loop", "o = vec4(find(int(gl_FragCoord.x)), 0.0, 0.0, 0.0);"],
    ["arguments that call the same function", "o = vec4(mad(mad(1.0, 2.0, 3.0), mad(gl_FragCoord.x, 5.0, 6.0), 7.0));"],
    ["an early return", "o = vec4(1.0); if (gl_FragCoord.x > 2.0) return; o = vec4(2.0);"],
    [
      "shadowing",
      "float a = 1.0; for (int j = 0; j < 3; j++) { float a = float(j); o.x = a; } o.yzw = vec3(a);".replace(
        "float a = 1.0;",
        "float a = 1.0; o.x = 0.0;",
      ),
    ],
    ["matrices", "mat4 m = mat4(f, f.wzyx, f * 2.0, vec4(1.0)); o = m * f + f * m - (m * transpose(m)) * f;"],
    ["choice of vectors", "vec2 c = gl_FragCoord.xy; o = c.x > c.y ? f : c.x == c.y ? f.wzyx : -f;"],
    ["constants", "const float k = exp2(3.0), l = k * 2.0; o = vec4(k, l, -l, k / l);"],
  ])("%s", (_name, body) => {
    const before = `uniform int n; uniform vec4 f;
float mad(float a, float b, float c) { return a * b + c; }
float find(int x) { for (int j = 0; j < 9; j++) { if (j * j >= x) return float(j); } return -1.0; }`;
    const uniforms = { n: 6, f: [1.5, -2, 0.25, 3] };
    agree(shaderOf(before, body), { width: 4, height: 3, uniforms, textures: {} }, fewRoundings);
  });

  test("integer textures and outputs", () => {
    const source = `${head}uniform isampler2DArray a;
uniform usampler2DArray b;
layout(location = 0) out ivec4 p;
layout(location = 1) out uvec4 q;
void main() {
  ivec3 at = ivec3(gl_FragCoord.xy, 1);
  p = texelFetch(a, at, 0) * 3 - ivec4(texelFetch(b, at, 0));
  q = texelFetch(b, at, 0) >> 3 ^ uvec4(texelFetch(a, at, 0));
}
`;
    const length = 2 * 3 * 2 * 4;
    const words = Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
    const size = { width: 2, height: 3, layers: 2 };
    const textures = { a: { ...size, data: Int32Array.from(words) }, b: { ...size, data: Uint32Array.from(words) } };
    agree(source, { width: 2, height: 3, uniforms: {}, textures });
  });
});

/** Floats are left out: division by zero, overflow and small numbers are the driver's choice. */
const hasFloat = /\buf|float|\bvec\d|\d(\.\d|e[-+])/;

test.each<[Base, number]>([
  ["int", 1],
  ["int", 4],
  ["uint", 1],
  ["uint", 3],
  ["bool", 1],
  ["bool", 4],
])("random expressions of integers: %s x %d", (base, size) => {
  const whole = expression(base, size, 3).filter(({ text }) => !hasFloat.test(text));
  fc.assert(
    fc.property(whole, ({ text }) => {
      agree(expressionShader(typeOf(base, size), text, declarations), { ...emptyInputs, uniforms });
    }),
    { numRuns: 20, seed: 11 },
  );
});

/** Sums, differences and products of floats of moderate size: no division, comparison or small literal. */
const risky = /\/|bool|\?|e[-+]|int|true|false|[<>=!]/;

test.each([1, 4])("random expressions of floats, size %d", (size) => {
  const plain = expression("float", size, 3).filter(({ text }) => !risky.test(text));
  fc.assert(
    fc.property(plain, ({ text, value }) => {
      fc.pre(value.every((x) => Math.abs(x) < 1e30));
      agree(expressionShader(typeOf("float", size), text, declarations), { ...emptyInputs, uniforms }, fewRoundings);
    }),
    { numRuns: 40, seed: 11 },
  );
});

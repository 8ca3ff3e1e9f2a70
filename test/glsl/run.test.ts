/** What a run reads, counts and refuses: textures, uniforms, statements, several outputs. */
import { describe, expect, test } from "vitest";
import { countShader } from "../../tools/glsl/count.ts";
import { readShader } from "../../tools/glsl/read.ts";
import { reportShader, runShader, type ShaderInputs, type Texture } from "../../tools/glsl/run.ts";
import { emptyInputs, head, shaderOf } from "./shaders.ts";

/** Texel (x, y, layer) holds 100 * layer + 10 * y + x + component / 10. */
function ramp(width: number, height: number, layers: number): Texture {
  const data = Float32Array.from({ length: width * height * layers * 4 }, (_, i) => {
    const texel = i >> 2;
    const [x, y, layer] = [texel % width, Math.floor(texel / width) % height, Math.floor(texel / width / height)];
    return 100 * layer + 10 * y + x + (i % 4) / 10;
  });
  return { width, height, layers, data };
}

const run = (before: string, body: string, inputs: Partial<ShaderInputs> = {}) =>
  reportShader(readShader(shaderOf(before, body)), { ...emptyInputs, ...inputs });

const first = (report: { readonly outputs: Record<string, ArrayLike<number>> }): number[] =>
  Array.from(report.outputs["o"]!).slice(0, 4);

describe("textures", () => {
  const t = ramp(4, 3, 2);
  const sampler = "uniform sampler2DArray t;";
  const at = (x: number, y: number, layer: number): number[] =>
    [0, 1, 2, 3].map((i) => Math.fround(100 * layer + 10 * y + x + i / 10));

  test("texelFetch takes x, y, layer", () => {
    const report = run(sampler, "o = texelFetch(t, ivec3(3, 2, 1), 0);", { textures: { t } });
    expect(first(report)).toEqual(at(3, 2, 1));
    expect([report.fetches, report.outOfRangeFetches]).toEqual([1, 0]);
  });

  test.each(["4, 0, 0", "-1, 0, 0", "0, 3, 0", "0, -1, 0", "0, 0, 2", "0, 0, -1"])(
    "texelFetch out of range at (%s) is zero and counted",
    (coordinate) => {
      const report = run(sampler, `o = texelFetch(t, ivec3(${coordinate}), 0);`, { textures: { t } });
      expect(first(report)).toEqual([0, 0, 0, 0]);
      expect(report.outOfRangeFetches).toBe(1);
    },
  );

  test("a fetch that is not chosen is not made", () => {
    const body = "o = gl_FragCoord.x < 1.0 ? vec4(7.0) : texelFetch(t, ivec3(-1), 0);";
    expect(run(sampler, body, { textures: { t } })).toMatchObject({ fetches: 0, outOfRangeFetches: 0 });
  });

  test("textureLod takes the texel whose middle is meant, by the inverse of the size", () => {
    const body = "o = textureLod(t, vec3((vec2(2.0, 1.0) + 0.5) * u, 1.0), 0.0);";
    const uniforms = { u: [1 / 4, 1 / 3] };
    const report = run(`${sampler} uniform vec2 u;`, body, { textures: { t }, uniforms });
    expect(first(report)).toEqual(at(2, 1, 1));
    expect(report).toMatchObject({ fetches: 1, outOfRangeFetches: 0, warnings: {} });
  });

  test("textureLod clamps to the edge, and counts", () => {
    const report = run(sampler, "o = textureLod(t, vec3(1.125, -0.5, 9.0), 0.0);", { textures: { t } });
    expect(first(report)).toEqual(at(3, 0, 1));
    expect(report.outOfRangeFetches).toBe(1);
  });

  test("textureLod on the border of two texels is noted", () => {
    const report = run(sampler, "o = textureLod(t, vec3(0.5, 0.5, 0.0), 0.0);", { textures: { t } });
    expect(report.warnings).toEqual({ "line 10: textureLod within 1/64 of a texel's border": 1 });
  });

  test("integer textures keep all their bits", () => {
    const data = Uint32Array.of(4294967295, 1, 2147483648, 16777217);
    const source = `${head}uniform usampler2DArray t;\nout uvec4 o;\nvoid main() { o = texelFetch(t, ivec3(0), 0); }`;
    const outputs = runShader(readShader(source), {
      ...emptyInputs,
      textures: { t: { width: 1, height: 1, layers: 1, data } },
    });
    expect(outputs["o"]).toEqual(data);
  });
});

describe("uniforms", () => {
  test("arrays are given flat, and indexed by element", () => {
    const body = "o = vec4(u[1], u[i + 1]);";
    const uniforms = { u: [1, 2, 3, 4, 5, 6], i: 1 };
    expect(first(run("uniform vec2 u[3]; uniform int i;", body, { uniforms }))).toEqual([3, 4, 5, 6]);
  });

  test("floats are rounded to f32", () => {
    expect(first(run("uniform float u;", "o = vec4(u);", { uniforms: { u: 0.1 } }))[0]).toBe(Math.fround(0.1));
  });

  test("mat4 is given by columns", () => {
    const uniforms = { m: Array.from({ length: 16 }, (_, i) => i) };
    expect(first(run("uniform mat4 m;", "o = m * vec4(0.0, 1.0, 0.0, 0.0);", { uniforms }))).toEqual([4, 5, 6, 7]);
  });
});

describe("a run is refused", () => {
  const vector = "uniform vec2 u;";
  const t = ramp(2, 2, 1);
  test.each<[string, string, Partial<ShaderInputs>, string]>([
    ["without a uniform", vector, {}, "uniforms not given: u"],
    ["with an unknown uniform", "", { uniforms: { v: 1 } }, "uniforms the shader does not declare: v"],
    ["with too few numbers", vector, { uniforms: { u: 1 } }, "uniform u: 2 numbers wanted (vec2), 1 given"],
    [
      "with a fraction for an int",
      "uniform int u;",
      { uniforms: { u: 1.5 } },
      "uniform u (int): 1.5 is no 32-bit integer",
    ],
    ["without a texture", "uniform sampler2DArray t;", {}, "textures not given: t"],
    [
      "with ints for floats",
      "uniform isampler2DArray t;",
      { textures: { t } },
      "texture t (ivec4): Int32Array wanted, Float32Array given",
    ],
    [
      "with too few texels",
      "uniform sampler2DArray t;",
      { textures: { t: { ...t, width: 3 } } },
      "3 x 2 x 1 texels are 24 numbers, 16 given",
    ],
  ])("%s", (_name, before, inputs, message) => {
    expect(() => run(before, "o = vec4(0.0);", inputs)).toThrow(message);
  });

  test("at an index outside of an array", () => {
    const body = "o = vec4(0.0); for (int i = 0; i < 4; i++) o += u[i];";
    expect(() => run("uniform vec4 u[3];", body, { uniforms: { u: Array.from({ length: 12 }, () => 0) } })).toThrow(
      /u\[i\][^]*index 3 is outside of `u`, an array of 3/,
    );
  });

  test("in a loop that does not end", () => {
    const body = "int s = 0; for (int i = 0; i < 4; i += n) s += i; o = vec4(s);";
    expect(() => run("uniform int n;", body, { uniforms: { n: 0 } })).toThrow("the loop does not end");
  });
});

describe("statements", () => {
  test.each([
    ["o = vec4(1.0, 2.0, 3.0, 4.0); o.yx = o.xy;", [2, 1, 3, 4]],
    ["o = vec4(1.0); o.zx += vec2(1.0, 2.0); o.w = 9.0;", [3, 1, 2, 9]],
    ["vec4 a = vec4(1.0), b = a; a.x = 5.0; o = b + a;", [6, 2, 2, 2]],
    ["float a = 1.0; { float a = 2.0; o.x = a; } o.yzw = vec3(a);", [2, 1, 1, 1]],
    ["int s = 0; for (int i = 1; i < 20; i += 3) s += i; o = vec4(s);", [70, 70, 70, 70]],
    ["int s = 0; for (int i = 5; i < 2; i++) s = 1; o = vec4(s);", [0, 0, 0, 0]],
    [
      "int s = 0; for (int i = 0; i < 4; i++) { for (int j = 0; j < i; j++) { s += i * j; } } o = vec4(s);",
      [11, 11, 11, 11],
    ],
    ["o = vec4(1.0); if (o.x > 0.5) { if (o.y > 2.0) o.x = 7.0; else o.x = 8.0; }", [8, 1, 1, 1]],
    ["o = vec4(1.0); if (o.x > 0.5) return; o = vec4(2.0);", [1, 1, 1, 1]],
    [
      "int a = 13; a %= 5; a <<= 2; a |= 1; a ^= 4; a &= 14; a -= 2; a *= 3; a /= 2; a >>= 1; o = vec4(a);",
      [4, 4, 4, 4],
    ],
  ])("%s", (body, expected) => {
    expect(first(run("", body))).toEqual(expected);
  });

  test("fragments are independent, in rows from y = 0", () => {
    const report = run("", "o = vec4(gl_FragCoord.xy, gl_FragCoord.yx * 2.0);", { width: 2, height: 3 });
    const expected = [0, 1, 2].flatMap((y) => [0, 1].flatMap((x) => [x + 0.5, y + 0.5, 2 * y + 1, 2 * x + 1]));
    expect(Array.from(report.outputs["o"]!)).toEqual(expected);
    expect(report.fragments).toBe(6);
  });

  test("outputs of three bases at once", () => {
    const source = `${head}layout(location = 0) out vec4 a;
layout(location = 1) out ivec4 b;
layout(location = 2) out uvec4 c;
void main() { a = vec4(0.5); b = ivec4(-1); c = uvec4(~0u); }`;
    expect(runShader(readShader(source), emptyInputs)).toEqual({
      a: new Float32Array(4).fill(0.5),
      b: new Int32Array(4).fill(-1),
      c: new Uint32Array(4).fill(4294967295),
    });
  });

  test("a shader may be run again with other inputs", () => {
    const shader = readShader(shaderOf("uniform float u;", "o = vec4(u);"));
    const [one, two] = [1, 2].map((u) => runShader(shader, { ...emptyInputs, uniforms: { u } }));
    expect([one!["o"]![0], two!["o"]![0]]).toEqual([1, 2]);
  });
});

test("counts", () => {
  const source = shaderOf(
    "uniform sampler2DArray t, s; uniform vec4 u[12]; uniform float a, b; uniform mat4 m;\nfloat f(float x) { return x; }",
    `o = texelFetch(t, ivec3(0), 0) + textureLod(s, vec3(0.5), 0.0);
for (int i = 0; i < 2; i++) { for (int j = 0; j < 2; j++) { o += texelFetch(t, ivec3(i, j, 0), 0); } }
for (int i = 0; i < 2; i++) { if (i < 1) { o += 1.0; } }`,
  );
  expect(countShader(readShader(source))).toMatchObject({
    functions: 1,
    loops: 3,
    loopDepth: 2,
    branches: 1,
    fetches: 3,
    texelFetches: 2,
    sampled: 1,
    samplers: 2,
    uniforms: 4,
    uniformVectors: 18,
    outputs: 1,
    lines: 14,
  });
});

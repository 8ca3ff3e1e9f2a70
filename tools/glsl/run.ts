/**
 * Runs a shader on the CPU: main() once for each fragment of a width x height target, every output kept.
 *
 * It is the third opinion beside the evaluator and the cpu device, and slow: some million operations a second. It has
 * no derivatives, no blending and no neighbours: fragments know nothing of each other.
 */
import type { Shader } from "./ast.ts";
import { compileShader, type Program } from "./compile.ts";
import { GlslRunError } from "./errors.ts";
import type { Texture } from "./texture.ts";
import { baseOf, sizeOf, texelOf, type ValueType } from "./types.ts";
import { makeValue, type Value } from "./values.ts";

export interface ShaderInputs {
  /** Of the target, in texels. */
  readonly width: number;
  readonly height: number;
  /** By name, one number or all components (an array's elements one after the other). Every declared one, no other. */
  readonly uniforms: Readonly<Record<string, number | readonly number[]>>;
  readonly textures: Readonly<Record<string, Texture>>;
}

/** By name of output: RGBA of each fragment, row by row from y = 0. */
export type ShaderOutputs = Record<string, Value>;

export interface RunReport {
  readonly outputs: ShaderOutputs;
  readonly fragments: number;
  /** Texels read, by either way. */
  readonly fetches: number;
  /** Of these, how many were outside of their texture. No kernel may rely on one: expect 0. */
  readonly outOfRangeFetches: number;
  /** Operations whose result GLSL leaves undefined (`line 7: integer division by zero`), with how often. */
  readonly warnings: Readonly<Record<string, number>>;
}

const programs = new WeakMap<Shader, Program>();

function programOf(shader: Shader): Program {
  const known = programs.get(shader);
  if (known !== undefined) return known;
  const made = compileShader(shader);
  programs.set(shader, made);
  return made;
}

function matchNames(kind: string, declared: readonly string[], given: readonly string[]): void {
  const missing = declared.filter((name) => !given.includes(name));
  const unknown = given.filter((name) => !declared.includes(name));
  if (missing.length > 0) throw new GlslRunError(`${kind} not given: ${missing.join(", ")}`);
  if (unknown.length > 0) throw new GlslRunError(`${kind} the shader does not declare: ${unknown.join(", ")}`);
}

function setUniform(name: string, type: ValueType, slot: Value, given: number | readonly number[]): void {
  const values = typeof given === "number" ? [given] : given;
  if (values.length !== slot.length) {
    throw new GlslRunError(`uniform ${name}: ${slot.length} numbers wanted (${type}), ${values.length} given`);
  }
  const wrong = baseOf(type) === "int" ? values.find((x) => x !== (x | 0)) : undefined;
  if (wrong !== undefined) throw new GlslRunError(`uniform ${name} (${type}): ${wrong} is no 32-bit integer`);
  slot.set(values);
}

const arrayNames = { float: "Float32Array", int: "Int32Array", uint: "Uint32Array", bool: "" } as const;

function checkTexture(name: string, texel: ValueType, t: Texture): Texture {
  const wanted = arrayNames[baseOf(texel)];
  if (t.data.constructor.name !== wanted) {
    throw new GlslRunError(`texture ${name} (${texel}): ${wanted} wanted, ${t.data.constructor.name} given`);
  }
  const length = t.width * t.height * t.layers * 4;
  if (t.data.length !== length) {
    const size = `${t.width} x ${t.height} x ${t.layers}`;
    throw new GlslRunError(`texture ${name}: ${size} texels are ${length} numbers, ${t.data.length} given`);
  }
  return t;
}

function bind(shader: Shader, program: Program, { uniforms, textures }: ShaderInputs): void {
  matchNames(
    "uniforms",
    shader.uniforms.map((u) => u.name),
    Object.keys(uniforms),
  );
  matchNames(
    "textures",
    shader.samplers.map((s) => s.name),
    Object.keys(textures),
  );
  for (const { name, type } of shader.uniforms) setUniform(name, type, program.uniforms.get(name)!, uniforms[name]!);
  for (const { name, type } of shader.samplers) {
    program.textures.get(name)!.texture = checkTexture(name, texelOf[type], textures[name]!);
  }
}

/** Runs the shader and says what it did besides. Throws GlslRunError where it cannot be run. */
export function reportShader(shader: Shader, inputs: ShaderInputs): RunReport {
  const { width, height } = inputs;
  const program = programOf(shader);
  const { tally, fragCoord, main } = program;
  bind(shader, program, inputs);
  tally.fetches = 0;
  tally.outOfRangeFetches = 0;
  tally.warnings.clear();
  const kept = shader.outputs.map(({ name, type }) => {
    const all = makeValue(baseOf(type), width * height * sizeOf(type));
    return { name, all, one: program.outputs.get(name)! };
  });
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      fragCoord[0] = x + 0.5;
      fragCoord[1] = y + 0.5;
      main();
      for (const { all, one } of kept) all.set(one, at);
    }
  }
  for (const cell of program.textures.values()) cell.texture = undefined;
  return {
    outputs: Object.fromEntries(kept.map(({ name, all }) => [name, all])),
    fragments: width * height,
    fetches: tally.fetches,
    outOfRangeFetches: tally.outOfRangeFetches,
    warnings: Object.fromEntries(tally.warnings),
  };
}

/** The outputs alone; see reportShader for the fetches that were out of range. */
export const runShader = (shader: Shader, inputs: ShaderInputs): ShaderOutputs => reportShader(shader, inputs).outputs;

export type { Texture } from "./texture.ts";

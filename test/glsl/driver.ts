/**
 * Runs a shader of the reader's on real GL, with the inputs and outputs of the interpreter: the other side of the
 * differential test. One draw at a time, nothing kept: not how texgrad's runtime draws.
 */
import { readShader, type Shader } from "../../tools/glsl/read.ts";
import type { ShaderInputs, ShaderOutputs, Texture } from "../../tools/glsl/run.ts";
import { baseOf, sizeOf, texelOf, type Base, type ValueType } from "../../tools/glsl/types.ts";
import { makeValue } from "../../tools/glsl/values.ts";
import type { GlFramebuffer, GlProgram, GlTexture, GlUniformLocation, WebGL2 } from "../../src/runtime/gl-types.ts";

const vertexSource = `#version 300 es
void main() {
  gl_Position = vec4(vec2(float((gl_VertexID & 1) << 2), float((gl_VertexID & 2) << 1)) - 1.0, 0.0, 1.0);
}
`;

/** The program, or what the driver says against the fragment shader. */
export function compileOnGl(gl: WebGL2, source: string): GlProgram | string {
  const program = gl.createProgram()!;
  const stages = [
    [gl.VERTEX_SHADER, vertexSource],
    [gl.FRAGMENT_SHADER, source],
  ] as const;
  for (const [stage, text] of stages) {
    const shader = gl.createShader(stage)!;
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (gl.getShaderParameter(shader, gl.COMPILE_STATUS) !== true) return gl.getShaderInfoLog(shader) ?? "no log";
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true) return gl.getProgramInfoLog(program) ?? "no log";
  return program;
}

function formOf(gl: WebGL2, base: Base): { readonly storage: number; readonly format: number; readonly type: number } {
  if (base === "float") return { storage: gl.RGBA32F, format: gl.RGBA, type: gl.FLOAT };
  if (base === "int") return { storage: gl.RGBA32I, format: gl.RGBA_INTEGER, type: gl.INT };
  return { storage: gl.RGBA32UI, format: gl.RGBA_INTEGER, type: gl.UNSIGNED_INT };
}

function makeTexture(gl: WebGL2, base: Base, width: number, height: number, layers: number): GlTexture {
  const texture = gl.createTexture()!;
  gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.NEAREST);
  }
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.CLAMP_TO_EDGE);
  }
  gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, formOf(gl, base).storage, width, height, layers);
  return texture;
}

function upload(gl: WebGL2, base: Base, { width, height, layers, data }: Texture): GlTexture {
  const texture = makeTexture(gl, base, width, height, layers);
  const { format, type } = formOf(gl, base);
  // headless-gl takes integers only as bytes.
  const sent = base === "float" ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, 0, width, height, layers, format, type, sent);
  return texture;
}

/** Bound, with one texture a target. */
function framebufferOf(gl: WebGL2, targets: readonly GlTexture[]): GlFramebuffer | null {
  const framebuffer = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  targets.forEach((t, i) => gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + i, t, 0, 0));
  gl.drawBuffers(targets.map((_, i) => gl.COLOR_ATTACHMENT0 + i));
  return framebuffer;
}

type Numbers = readonly number[];

function setUniform(gl: WebGL2, at: GlUniformLocation | null, type: ValueType, isArray: boolean, v: Numbers): void {
  const [x, y, z, w] = v as readonly [number, number, number, number];
  if (isArray && type === "float") gl.uniform1fv(at, Float32Array.from(v));
  else if (isArray && type === "vec4") gl.uniform4fv(at, Float32Array.from(v));
  else if (isArray && type === "int") gl.uniform1iv(at, Int32Array.from(v));
  else if (isArray && type === "ivec4") gl.uniform4iv(at, Int32Array.from(v));
  else if (isArray) throw new Error(`the driver sets no array of ${type}`);
  else if (type === "float") gl.uniform1f(at, x);
  else if (type === "vec2") gl.uniform2f(at, x, y);
  else if (type === "vec3") gl.uniform3f(at, x, y, z);
  else if (type === "vec4") gl.uniform4f(at, x, y, z, w);
  else if (type === "int") gl.uniform1i(at, x);
  else if (type === "ivec2") gl.uniform2i(at, x, y);
  else if (type === "ivec3") gl.uniform3i(at, x, y, z);
  else if (type === "ivec4") gl.uniform4i(at, x, y, z, w);
  else throw new Error(`the driver sets no uniform of type ${type}`);
}

function bindInputs(gl: WebGL2, program: GlProgram, shader: Shader, { uniforms, textures }: ShaderInputs): GlTexture[] {
  gl.useProgram(program);
  for (const { name, type, length } of shader.uniforms) {
    const at = gl.getUniformLocation(program, length === undefined ? name : `${name}[0]`);
    setUniform(gl, at, type, length !== undefined, [uniforms[name]!].flat());
  }
  const bound = shader.samplers.map(({ name, type }, unit) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.uniform1i(gl.getUniformLocation(program, name), unit);
    return upload(gl, baseOf(texelOf[type]), textures[name]!);
  });
  // What is made next is bound to a unit that no sampler reads.
  gl.activeTexture(gl.TEXTURE0 + shader.samplers.length);
  return bound;
}

/** Unbound first: headless-gl makes an error of deleting an array texture that is bound to a unit. */
function deleteTextures(gl: WebGL2, textures: readonly GlTexture[]): void {
  textures.forEach((_, unit) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, null);
  });
  for (const texture of textures) gl.deleteTexture(texture);
}

/** Draws `source` and reads every output back. Throws what the driver says where it refuses. */
export function runOnGl(gl: WebGL2, source: string, inputs: ShaderInputs): ShaderOutputs {
  const shader = readShader(source);
  const program = compileOnGl(gl, source);
  if (typeof program === "string") throw new Error(`${program}\n${source}`);
  const { width, height } = inputs;
  const bound = bindInputs(gl, program, shader, inputs);
  const targets = shader.outputs.map(({ type }) => makeTexture(gl, baseOf(type), width, height, 1));
  const drawn = framebufferOf(gl, targets);
  gl.viewport(0, 0, width, height);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const outputs: ShaderOutputs = {};
  shader.outputs.forEach(({ name, type }, i) => {
    const base = baseOf(type);
    const { format, type: word } = formOf(gl, base);
    const values = makeValue(base, width * height * sizeOf(type));
    const read = framebufferOf(gl, targets.slice(i, i + 1));
    gl.readPixels(0, 0, width, height, format, word, values);
    gl.deleteFramebuffer(read);
    outputs[name] = values;
  });
  const error = gl.getError();
  gl.deleteFramebuffer(drawn);
  gl.deleteProgram(program);
  deleteTextures(gl, [...bound, ...targets]);
  if (error !== gl.NO_ERROR) throw new Error(`GL error 0x${error.toString(16)} in\n${source}`);
  return outputs;
}

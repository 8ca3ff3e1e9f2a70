/**
 * What a WebGL2 context can do, found by doing it: every capability is a value that was written and read back.
 *
 * Contexts lie: headless-gl built with optimisation reports eight draw buffers, writes the first and raises an error
 * nobody asks for; its integer uploads from Int32Array silently upload nothing. Not here: how fast anything is.
 */
import type { GlData, GlProgram, WebGL2 } from "./gl-types.ts";
import { ProbeBench, SIDE, type Size, type Transfer } from "./probe-bench.ts";

export interface Capabilities {
  /** Largest side of a texture, in texels. */
  readonly maxTextureSize: number;
  readonly maxArrayLayers: number;
  /** Largest of 1, 2, 4, 8 render targets of one draw that all came back right, each another layer of one texture. */
  readonly maxDrawBuffers: number;
  /** Textures one fragment shader may read. */
  readonly maxTextureUnits: number;
  readonly maxFragmentUniformVectors: number;
  /** RGBA32F keeps all 24 bits from upload through a draw to readback (1 + 2^-23 is told from 1). */
  readonly floatRender: boolean;
  /** RGBA32I and RGBA32UI keep all 32 bits through the same path. */
  readonly intTextures: boolean;
  /** Integers go up as "typed" arrays of their own kind (browsers), as "bytes" (headless-gl) or not at all. */
  readonly intUpload: "typed" | "bytes" | "none";
  /** int and uint arithmetic in fragment shaders is 32 bits wide and wraps. */
  readonly highpInt: boolean;
  /** Nearest textureLod at (i + 0.5) / size reads texel i of the longest row and of the highest column. */
  readonly exactSampling: boolean;
  /** The driver's name for itself, or "unknown" where it is hidden. */
  readonly renderer: string;
  /** The renderer is a known software rasteriser. */
  readonly isSoftware: boolean;
  /** Programs can be asked whether they are linked without waiting (KHR_parallel_shader_compile). */
  readonly parallelCompile: boolean;
  /** fenceSync gives something that can be waited on. */
  readonly fence: boolean;
  /** readPixels into a buffer works, so that a read need not stop the thread. */
  readonly pixelPackBuffer: boolean;
}

/** Leaves the context in its default state, apart from the viewport, which is put back. Takes some 20 ms. */
export function probeCapabilities(gl: WebGL2): Capabilities {
  // A context of the caller's may not have been asked; without it nothing can be drawn to float textures.
  gl.getExtension("EXT_color_buffer_float");
  const limit = (name: number): number => Number(gl.getParameter(name));
  // A lost context gives nothing, and whoever asked finds out.
  const viewport = (gl.getParameter(gl.VIEWPORT) ?? []) as ArrayLike<number>;
  const bench = new ProbeBench(gl);
  const renderer = rendererName(gl);
  try {
    const { maxDrawBuffers, floatRender } = probeTargets(gl, bench);
    return {
      maxTextureSize: limit(gl.MAX_TEXTURE_SIZE),
      maxArrayLayers: limit(gl.MAX_ARRAY_TEXTURE_LAYERS),
      maxDrawBuffers,
      maxTextureUnits: limit(gl.MAX_TEXTURE_IMAGE_UNITS),
      maxFragmentUniformVectors: limit(gl.MAX_FRAGMENT_UNIFORM_VECTORS),
      floatRender,
      ...probeIntegers(gl, bench),
      exactSampling: floatRender && probeSampling(gl, bench),
      renderer,
      isSoftware: /llvmpipe|softpipe|lavapipe|swiftshader|software|basic render/i.test(renderer),
      parallelCompile: gl.getExtension("KHR_parallel_shader_compile") !== null,
      fence: probeFence(gl, bench),
      pixelPackBuffer: probePixelPackBuffer(gl, bench),
    };
  } finally {
    bench.dispose();
    gl.viewport(viewport[0] ?? 0, viewport[1] ?? 0, viewport[2] ?? 0, viewport[3] ?? 0);
  }
}

const header = `#version 300 es
precision highp float; precision highp int;
precision highp sampler2DArray; precision highp isampler2DArray; precision highp usampler2DArray;
`;

const texelComponents = SIDE * SIDE * 4;

const floatTransfer = (gl: WebGL2): Transfer => ({ storage: gl.RGBA32F, format: gl.RGBA, type: gl.FLOAT });

/** Distinct in every component of every layer, and none representable with 23 bits or fewer. */
const floatPattern = (layers: number): Float32Array =>
  Float32Array.from({ length: layers * texelComponents }, (_, i) => 1 + (2 * i + 1) * 2 ** -23);

/** Copies layer i of one texture to target i: what comes back proves upload, array fetch, every target and readback. */
function probeTargets(gl: WebGL2, bench: ProbeBench): Pick<Capabilities, "maxDrawBuffers" | "floatRender"> {
  const claimed = Math.min(
    Number(gl.getParameter(gl.MAX_DRAW_BUFFERS)),
    Number(gl.getParameter(gl.MAX_COLOR_ATTACHMENTS)),
  );
  for (const targets of [8, 4, 2, 1]) {
    if (targets <= claimed && copiesEveryTarget(gl, bench, targets))
      return { maxDrawBuffers: targets, floatRender: true };
  }
  return { maxDrawBuffers: 1, floatRender: false };
}

function copiesEveryTarget(gl: WebGL2, bench: ProbeBench, targets: number): boolean {
  const layers = Array.from({ length: targets }, (_, i) => i);
  const program = bench.program(`${header}uniform sampler2DArray source;
${layers.map((i) => `layout(location = ${i}) out vec4 target${i};`).join("\n")}
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
${layers.map((i) => `  target${i} = texelFetch(source, ivec3(at, ${i}), 0);`).join("\n")}
}`);
  const transfer = floatTransfer(gl);
  const pattern = floatPattern(targets);
  return (
    program !== null && copies(bench, program, transfer, pattern, pattern, targets, new Float32Array(texelComponents))
  );
}

/** Draws `uploaded` through the program and compares every layer with `wanted`. Any GL error is a no. */
function copies(
  bench: ProbeBench,
  program: GlProgram,
  transfer: Transfer,
  uploaded: GlData,
  wanted: ArrayLike<number>,
  layers: number,
  buffer: GlData,
): boolean {
  bench.clearErrors();
  const from = bench.texture(transfer, layers, uploaded);
  const to = bench.texture(transfer, layers);
  if (from === null || to === null || !bench.draw(program, from, to, layers)) return false;
  for (let layer = 0; layer < layers; layer++) {
    buffer.fill(0);
    if (!bench.read(to, layer, transfer, buffer)) return false;
    if (!buffer.every((value, i) => value === wanted[layer * texelComponents + i])) return false;
  }
  return true;
}

/** Reads the longest row and the highest column backwards, texel by texel, by coordinates in [0, 1]. */
function probeSampling(gl: WebGL2, bench: ProbeBench): boolean {
  const n = Number(gl.getParameter(gl.MAX_TEXTURE_SIZE));
  const program = bench.program(`${header}uniform sampler2DArray source; uniform vec2 inverse; out vec4 target;
void main() {
  vec2 at = round(1.0 / inverse) - gl_FragCoord.xy - 0.5;
  target = textureLod(source, vec3((at + 0.5) * inverse, 0.0), 0.0);
}`);
  if (program === null) return false;
  const transfer = floatTransfer(gl);
  const texels = Float32Array.from({ length: n * 4 }, (_, i) => i >> 2);
  const sizes: readonly Size[] = [
    [n, 1],
    [1, n],
  ];
  return sizes.every((size) => {
    bench.clearErrors();
    const from = bench.texture(transfer, 1, texels, size);
    const to = bench.texture(transfer, 1, undefined, size);
    gl.useProgram(program);
    gl.uniform2f(gl.getUniformLocation(program, "inverse"), 1 / size[0], 1 / size[1]);
    if (from === null || to === null || !bench.draw(program, from, to, 1, size)) return false;
    const read = new Float32Array(texels.length);
    return bench.read(to, 0, transfer, read, size) && read.every((v, i) => v === n - 1 - (i >> 2));
  });
}

/** Large, small, negative and beyond 2^24: what a detour through floats or 16-bit integers would change. */
const intPattern = Int32Array.from(
  { length: texelComponents },
  (_, i) => [0x7fffffff, -0x80000000, 16777217, -123456789][i % 4]! ^ (i >> 2),
);
const uintPattern = Uint32Array.from(intPattern);

const bytesOf = (data: Int32Array | Uint32Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Numbers of a linear congruential generator: the product needs all 32 bits and must wrap. */
const [factor, summand] = [1664525, 1013904223];
const advance = (value: number): number => Math.imul(value, factor) + summand;

function probeIntegers(gl: WebGL2, bench: ProbeBench): Pick<Capabilities, "intTextures" | "intUpload" | "highpInt"> {
  const signed: Transfer = { storage: gl.RGBA32I, format: gl.RGBA_INTEGER, type: gl.INT };
  const unsigned: Transfer = { storage: gl.RGBA32UI, format: gl.RGBA_INTEGER, type: gl.UNSIGNED_INT };
  const source = (prefix: "i" | "u", body: string): GlProgram | null =>
    bench.program(`${header}uniform ${prefix}sampler2DArray source; uniform int step; out ${prefix}vec4 target;
void main() { ${prefix}vec4 value = texelFetch(source, ivec3(ivec2(gl_FragCoord.xy), 0), 0); target = ${body}; }`);

  // One program per kind does both: the uniform `step` is 0 for the copy and 1 for the arithmetic.
  const programs = {
    i: source("i", `step == 0 ? value : value * ${factor} + ${summand}`),
    u: source("u", `step == 0 ? value : value * ${factor}u + ${summand}u`),
  };
  const works = (as: "typed" | "bytes", step: 0 | 1): boolean => {
    const run = (program: GlProgram | null, transfer: Transfer, data: Int32Array | Uint32Array): boolean => {
      if (program === null) return false;
      gl.useProgram(program);
      gl.uniform1i(gl.getUniformLocation(program, "step"), step);
      const buffer = data.slice();
      const wanted = step === 0 ? data : data.map(advance);
      return copies(bench, program, transfer, as === "typed" ? data : bytesOf(data), wanted, 1, buffer);
    };
    return run(programs.i, signed, intPattern) && run(programs.u, unsigned, uintPattern);
  };
  const intUpload = works("typed", 0) ? "typed" : works("bytes", 0) ? "bytes" : "none";
  return { intTextures: intUpload !== "none", intUpload, highpInt: intUpload !== "none" && works(intUpload, 1) };
}

/** A page never sees a fence signalled before it returns to the event loop, so an accepted wait is all to be asked. */
function probeFence(gl: WebGL2, bench: ProbeBench): boolean {
  bench.clearErrors();
  const sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
  if (sync === null) return false;
  gl.flush();
  const result = gl.clientWaitSync(sync, 0, 0);
  gl.deleteSync(sync);
  const accepted = [gl.ALREADY_SIGNALED, gl.CONDITION_SATISFIED, gl.TIMEOUT_EXPIRED].includes(result);
  return accepted && gl.getError() === gl.NO_ERROR;
}

function probePixelPackBuffer(gl: WebGL2, bench: ProbeBench): boolean {
  bench.clearErrors();
  const pattern = floatPattern(1);
  const transfer = floatTransfer(gl);
  const texture = bench.texture(transfer, 1, pattern);
  const buffer = gl.createBuffer();
  if (texture === null || buffer === null) return false;
  gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
  try {
    // headless-gl refuses the binding; without one, readPixels would write to an address.
    if (gl.getError() !== gl.NO_ERROR || !bench.bindForReading(texture, 0)) return false;
    gl.bufferData(gl.PIXEL_PACK_BUFFER, pattern.byteLength, gl.STREAM_READ);
    gl.readPixels(0, 0, SIDE, SIDE, transfer.format, transfer.type, 0);
    if (gl.getError() !== gl.NO_ERROR) return false;
    const read = new Float32Array(pattern.length);
    gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, read);
    return read.every((value, i) => value === pattern[i]);
  } finally {
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    gl.deleteBuffer(buffer);
  }
}

const UNMASKED_RENDERER_WEBGL = 0x9246;

/**
 * The extension gives the name in browsers. headless-gl hides it behind the constant "ANGLE", but compares the number
 * before it is cut to 32 bits, so that RENDERER + 2^32 reaches the driver; browsers cut it first and answer as usual.
 */
function rendererName(gl: WebGL2): string {
  const name =
    gl.getExtension("WEBGL_debug_renderer_info") !== null
      ? gl.getParameter(UNMASKED_RENDERER_WEBGL)
      : gl.getParameter(gl.RENDERER + 2 ** 32);
  return typeof name === "string" && name !== "" && name !== "WebKit WebGL" ? name : "unknown";
}

/**
 * GL for tests without a GPU, or beside one: a stub context that answers what a good driver would and records every
 * call, and a wrapper that records the calls made on a real context.
 *
 * The stub computes nothing: textures read back as zeros. It is what host overhead is measured on.
 */
import type { Capabilities } from "../../src/runtime/capabilities.ts";
import type { GlConstants, WebGL2 } from "../../src/runtime/gl-types.ts";

/** A call as text: its name and its arguments, objects by the order they were made in. */
export type Call = string;

export interface RecordingGl {
  readonly gl: WebGL2;
  /** Calls since `calls.length = 0`; kept only while `recording` is on. */
  readonly calls: Call[];
  recording: boolean;
  /** Number of calls ever. */
  count: number;
  /** Has the context answer as if it were lost, and tells its canvas. */
  lose(): void;
  /** Brings the context back, and tells its canvas. */
  restore(): void;
}

/** Numbers of the OpenGL ES 3.0 header. */
export const constants: GlConstants = {
  NO_ERROR: 0,
  OUT_OF_MEMORY: 0x505,
  VIEWPORT: 0xba2,
  MAX_TEXTURE_SIZE: 0xd33,
  MAX_ARRAY_TEXTURE_LAYERS: 0x88ff,
  MAX_DRAW_BUFFERS: 0x8824,
  MAX_COLOR_ATTACHMENTS: 0x8cdf,
  MAX_TEXTURE_IMAGE_UNITS: 0x8872,
  MAX_COMBINED_TEXTURE_IMAGE_UNITS: 0x8b4d,
  MAX_FRAGMENT_UNIFORM_VECTORS: 0x8dfd,
  VENDOR: 0x1f00,
  RENDERER: 0x1f01,
  VERSION: 0x1f02,
  TEXTURE0: 0x84c0,
  TEXTURE_2D: 0xde1,
  TEXTURE_2D_ARRAY: 0x8c1a,
  TEXTURE_MIN_FILTER: 0x2801,
  TEXTURE_MAG_FILTER: 0x2800,
  TEXTURE_WRAP_S: 0x2802,
  TEXTURE_WRAP_T: 0x2803,
  NEAREST: 0x2600,
  CLAMP_TO_EDGE: 0x812f,
  UNPACK_ALIGNMENT: 0xcf5,
  PACK_ALIGNMENT: 0xd05,
  UNPACK_FLIP_Y_WEBGL: 0x9240,
  UNPACK_PREMULTIPLY_ALPHA_WEBGL: 0x9241,
  RGBA: 0x1908,
  RGBA_INTEGER: 0x8d99,
  RGBA32F: 0x8814,
  RGBA32I: 0x8d82,
  RGBA32UI: 0x8d70,
  FLOAT: 0x1406,
  INT: 0x1404,
  UNSIGNED_INT: 0x1405,
  FRAMEBUFFER: 0x8d40,
  READ_FRAMEBUFFER: 0x8ca8,
  DRAW_FRAMEBUFFER: 0x8ca9,
  FRAMEBUFFER_COMPLETE: 0x8cd5,
  COLOR_ATTACHMENT0: 0x8ce0,
  COLOR_BUFFER_BIT: 0x4000,
  COLOR: 0x1800,
  NONE: 0,
  BACK: 0x405,
  SCISSOR_TEST: 0xc11,
  BLEND: 0xbe2,
  DEPTH_TEST: 0xb71,
  STENCIL_TEST: 0xb90,
  RASTERIZER_DISCARD: 0x8c89,
  CULL_FACE: 0xb44,
  DITHER: 0xbd0,
  VERTEX_SHADER: 0x8b31,
  FRAGMENT_SHADER: 0x8b30,
  COMPILE_STATUS: 0x8b81,
  LINK_STATUS: 0x8b82,
  TRIANGLES: 4,
  PIXEL_PACK_BUFFER: 0x88eb,
  STREAM_READ: 0x88e1,
  SYNC_GPU_COMMANDS_COMPLETE: 0x9117,
  SYNC_STATUS: 0x9114,
  SIGNALED: 0x9119,
  ALREADY_SIGNALED: 0x911a,
  CONDITION_SATISFIED: 0x911c,
  TIMEOUT_EXPIRED: 0x911b,
  WAIT_FAILED: 0x911d,
};

/** A desktop context with eight targets. */
export const stubCapabilities: Capabilities = {
  maxTextureSize: 16384,
  maxArrayLayers: 2048,
  maxDrawBuffers: 8,
  maxTextureUnits: 16,
  maxFragmentUniformVectors: 1024,
  floatRender: true,
  intTextures: true,
  intUpload: "typed",
  highpInt: true,
  renderer: "stub",
  exactSampling: true,
  isSoftware: false,
  parallelCompile: true,
  fence: true,
  pixelPackBuffer: true,
};

type Method = (...args: readonly unknown[]) => unknown;
interface Answers {
  readonly [name: string]: Method;
}

/** What objects are called in the record: the kind and the order of making. */
class Names {
  readonly #of = new Map<object, string>();
  readonly #made = new Map<string, number>();

  add(kind: string, made: unknown): void {
    if (typeof made !== "object" || made === null || this.#of.has(made)) return;
    const n = (this.#made.get(kind) ?? 0) + 1;
    this.#made.set(kind, n);
    this.#of.set(made, `${kind}${n}`);
  }

  show(arg: unknown): string {
    if (ArrayBuffer.isView(arg)) return `${arg.constructor.name}(${(arg as Float32Array).length})`;
    if (typeof arg === "object" && arg !== null)
      return this.#of.get(arg) ?? (Array.isArray(arg) ? `[${arg.join()}]` : "?");
    return typeof arg === "string" && arg.includes("\n") ? "..." : String(arg);
  }
}

const methods = [
  "getParameter getExtension getError isContextLost enable disable flush finish",
  "createTexture deleteTexture activeTexture bindTexture texParameteri pixelStorei texStorage2D texStorage3D",
  "texSubImage2D texSubImage3D createFramebuffer deleteFramebuffer bindFramebuffer framebufferTexture2D",
  "framebufferTextureLayer checkFramebufferStatus drawBuffers readBuffer viewport scissor colorMask clearColor clear",
  "readPixels createShader deleteShader shaderSource compileShader getShaderParameter getShaderInfoLog createProgram",
  "deleteProgram attachShader detachShader linkProgram getProgramParameter getProgramInfoLog useProgram",
  "getUniformLocation uniform1i uniform2i uniform3i uniform4i uniform1f uniform2f uniform3f uniform4f",
  "uniform1iv uniform4iv uniform1fv uniform4fv createVertexArray deleteVertexArray bindVertexArray isVertexArray drawArrays",
  "createBuffer deleteBuffer bindBuffer bufferData getBufferSubData fenceSync deleteSync clientWaitSync getSyncParameter",
].flatMap((line) => line.split(" "));

/** Wraps `answers` so that every call is recorded. */
function recorded(answers: Answers, base: object): RecordingGl & { readonly target: EventTarget } {
  const names = new Names();
  const canvas = new EventTarget();
  const out = {
    gl: undefined as unknown as WebGL2,
    calls: [] as Call[],
    recording: false,
    count: 0,
    target: canvas,
    lose: () => {},
    restore: () => {},
  };
  const gl: Record<string, unknown> = { ...base, canvas };
  for (const name of methods) {
    const answer = answers[name]!;
    const isMaking = /^create|^fenceSync$|^getUniformLocation$/.test(name);
    gl[name] = (...args: readonly unknown[]) => {
      out.count++;
      const result = answer(...args);
      if (isMaking) {
        const kind = name === "getUniformLocation" ? `${names.show(args[0])}.${String(args[1])}#` : name.slice(6);
        names.add(kind.charAt(0).toLowerCase() + kind.slice(1), result);
      }
      if (out.recording) out.calls.push(`${name}(${args.map((a) => names.show(a)).join(", ")})`);
      return result;
    };
  }
  out.gl = gl as unknown as WebGL2;
  return out;
}

/** A context that does nothing, as a good driver would. */
export function stubGl(overrides: Partial<Answers> = {}): RecordingGl {
  let lost = false;
  const parameters = new Map<number, unknown>([
    [constants.MAX_TEXTURE_SIZE, 16384],
    [constants.MAX_ARRAY_TEXTURE_LAYERS, 2048],
    [constants.MAX_DRAW_BUFFERS, 8],
    [constants.MAX_COLOR_ATTACHMENTS, 8],
    [constants.MAX_TEXTURE_IMAGE_UNITS, 16],
    [constants.MAX_COMBINED_TEXTURE_IMAGE_UNITS, 32],
    [constants.MAX_FRAGMENT_UNIFORM_VECTORS, 1024],
    [constants.VIEWPORT, [0, 0, 1, 1]],
    [constants.RENDERER, "stub"],
  ]);
  const answers: Record<string, Method> = Object.fromEntries(methods.map((name) => [name, () => undefined]));
  for (const name of methods) if (name.startsWith("create") || name === "fenceSync") answers[name] = () => ({});
  Object.assign(answers, {
    getParameter: (name: number) => parameters.get(name) ?? null,
    getExtension: () => null,
    getError: () => constants.NO_ERROR,
    isContextLost: () => lost,
    checkFramebufferStatus: () => constants.FRAMEBUFFER_COMPLETE,
    getShaderParameter: () => true,
    getProgramParameter: () => true,
    getShaderInfoLog: () => "",
    getProgramInfoLog: () => "",
    getUniformLocation: () => ({}),
    clientWaitSync: () => constants.ALREADY_SIGNALED,
    getSyncParameter: () => constants.SIGNALED,
    ...overrides,
  });
  const out = recorded(answers, constants);
  out.lose = () => {
    lost = true;
    out.target.dispatchEvent(new Event("webglcontextlost"));
  };
  out.restore = () => {
    lost = false;
    out.target.dispatchEvent(new Event("webglcontextrestored"));
  };
  return out;
}

/** A real context whose calls are recorded. */
export function recordingGl(real: WebGL2): RecordingGl {
  const target = real as unknown as Record<string, Method>;
  return recorded(
    Object.fromEntries(methods.map((name) => [name, (...args) => target[name]!.apply(real, [...args])])),
    {
      ...constants,
    },
  );
}

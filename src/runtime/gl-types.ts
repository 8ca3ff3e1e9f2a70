/**
 * The part of WebGL2 that texgrad uses, written as structure.
 *
 * Both a browser's WebGL2RenderingContext and headless-gl's context are assignable to `WebGL2`, and our declarations
 * need neither lib.dom nor @types/node. Not here: anything that runs.
 */

declare global {
  // lib es2022 lacks these names; lib esnext.disposable declares the same, and the declarations merge.
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
  interface Disposable {
    [Symbol.dispose](): void;
  }
}

/** What GL hands out. The optional brands keep a texture from being passed where a program is wanted. */
export interface GlTexture {
  readonly glTexture?: never;
}
export interface GlFramebuffer {
  readonly glFramebuffer?: never;
}
export interface GlShader {
  readonly glShader?: never;
}
export interface GlProgram {
  readonly glProgram?: never;
}
export interface GlUniformLocation {
  readonly glUniformLocation?: never;
}
export interface GlVertexArray {
  readonly glVertexArray?: never;
}
export interface GlBuffer {
  readonly glBuffer?: never;
}
/** An object in browsers, a number in headless-gl. */
export interface GlSync {
  readonly glSync?: never;
}

/** Array data that GL takes; headless-gl reads integers only through a Uint8Array. */
export type GlData = Float32Array | Int32Array | Uint32Array | Uint8Array | Uint16Array;

export interface GlConstants {
  readonly NO_ERROR: number;
  readonly OUT_OF_MEMORY: number;

  readonly VIEWPORT: number;
  readonly MAX_TEXTURE_SIZE: number;
  readonly MAX_ARRAY_TEXTURE_LAYERS: number;
  readonly MAX_DRAW_BUFFERS: number;
  readonly MAX_COLOR_ATTACHMENTS: number;
  readonly MAX_TEXTURE_IMAGE_UNITS: number;
  readonly MAX_COMBINED_TEXTURE_IMAGE_UNITS: number;
  readonly MAX_FRAGMENT_UNIFORM_VECTORS: number;
  readonly VENDOR: number;
  readonly RENDERER: number;
  readonly VERSION: number;

  readonly TEXTURE0: number;
  readonly TEXTURE_2D: number;
  readonly TEXTURE_2D_ARRAY: number;
  readonly TEXTURE_MIN_FILTER: number;
  readonly TEXTURE_MAG_FILTER: number;
  readonly TEXTURE_WRAP_S: number;
  readonly TEXTURE_WRAP_T: number;
  readonly NEAREST: number;
  readonly CLAMP_TO_EDGE: number;
  readonly UNPACK_ALIGNMENT: number;
  readonly PACK_ALIGNMENT: number;
  readonly UNPACK_FLIP_Y_WEBGL: number;
  readonly UNPACK_PREMULTIPLY_ALPHA_WEBGL: number;

  readonly RGBA: number;
  readonly RGBA_INTEGER: number;
  readonly RGBA32F: number;
  readonly RGBA32I: number;
  readonly RGBA32UI: number;
  readonly FLOAT: number;
  readonly INT: number;
  readonly UNSIGNED_INT: number;

  readonly FRAMEBUFFER: number;
  readonly READ_FRAMEBUFFER: number;
  readonly DRAW_FRAMEBUFFER: number;
  readonly FRAMEBUFFER_COMPLETE: number;
  readonly COLOR_ATTACHMENT0: number;
  readonly COLOR_BUFFER_BIT: number;
  readonly COLOR: number;
  readonly NONE: number;
  readonly BACK: number;
  readonly SCISSOR_TEST: number;
  readonly BLEND: number;
  readonly DEPTH_TEST: number;
  readonly STENCIL_TEST: number;
  readonly RASTERIZER_DISCARD: number;
  readonly CULL_FACE: number;
  readonly DITHER: number;

  readonly VERTEX_SHADER: number;
  readonly FRAGMENT_SHADER: number;
  readonly COMPILE_STATUS: number;
  readonly LINK_STATUS: number;
  readonly TRIANGLES: number;

  readonly PIXEL_PACK_BUFFER: number;
  readonly STREAM_READ: number;
  readonly SYNC_GPU_COMMANDS_COMPLETE: number;
  readonly SYNC_STATUS: number;
  readonly SIGNALED: number;
  readonly ALREADY_SIGNALED: number;
  readonly CONDITION_SATISFIED: number;
  readonly TIMEOUT_EXPIRED: number;
  readonly WAIT_FAILED: number;
}

/** The GL calls of a compute runtime: textures, framebuffers, programs, uniforms, draws, fences and readback. */
export interface WebGL2 extends GlConstants {
  getParameter(name: number): unknown;
  getExtension(name: string): unknown;
  getError(): number;
  isContextLost(): boolean;
  enable(capability: number): void;
  disable(capability: number): void;
  flush(): void;
  finish(): void;

  createTexture(): GlTexture | null;
  deleteTexture(texture: GlTexture | null): void;
  activeTexture(unit: number): void;
  bindTexture(target: number, texture: GlTexture | null): void;
  texParameteri(target: number, name: number, value: number): void;
  pixelStorei(name: number, value: number | boolean): void;
  texStorage2D(target: number, levels: number, format: number, width: number, height: number): void;
  texStorage3D(target: number, levels: number, format: number, width: number, height: number, depth: number): void;
  texSubImage2D(
    target: number,
    level: number,
    x: number,
    y: number,
    width: number,
    height: number,
    format: number,
    type: number,
    data: GlData | null,
  ): void;
  texSubImage3D(
    target: number,
    level: number,
    x: number,
    y: number,
    z: number,
    width: number,
    height: number,
    depth: number,
    format: number,
    type: number,
    data: GlData | null,
  ): void;

  createFramebuffer(): GlFramebuffer | null;
  deleteFramebuffer(framebuffer: GlFramebuffer | null): void;
  bindFramebuffer(target: number, framebuffer: GlFramebuffer | null): void;
  framebufferTexture2D(
    target: number,
    attachment: number,
    texTarget: number,
    texture: GlTexture | null,
    level: number,
  ): void;
  framebufferTextureLayer(
    target: number,
    attachment: number,
    texture: GlTexture | null,
    level: number,
    layer: number,
  ): void;
  checkFramebufferStatus(target: number): number;
  drawBuffers(buffers: number[]): void;
  readBuffer(buffer: number): void;
  viewport(x: number, y: number, width: number, height: number): void;
  scissor(x: number, y: number, width: number, height: number): void;
  colorMask(red: boolean, green: boolean, blue: boolean, alpha: boolean): void;
  clearColor(red: number, green: number, blue: number, alpha: number): void;
  clear(mask: number): void;
  readPixels(
    x: number,
    y: number,
    width: number,
    height: number,
    format: number,
    type: number,
    data: GlData | null,
  ): void;
  /** Reads into the bound PIXEL_PACK_BUFFER at a byte offset; headless-gl cannot. */
  readPixels(
    x: number,
    y: number,
    width: number,
    height: number,
    format: number,
    type: number,
    byteOffset: number,
  ): void;

  createShader(type: number): GlShader | null;
  deleteShader(shader: GlShader | null): void;
  shaderSource(shader: GlShader, source: string): void;
  compileShader(shader: GlShader): void;
  getShaderParameter(shader: GlShader, name: number): unknown;
  getShaderInfoLog(shader: GlShader): string | null;
  createProgram(): GlProgram | null;
  deleteProgram(program: GlProgram | null): void;
  attachShader(program: GlProgram, shader: GlShader): void;
  detachShader(program: GlProgram, shader: GlShader): void;
  linkProgram(program: GlProgram): void;
  getProgramParameter(program: GlProgram, name: number): unknown;
  getProgramInfoLog(program: GlProgram): string | null;
  useProgram(program: GlProgram | null): void;

  /** The location of an array is asked as "name[0]": headless-gl answers null to "name". */
  getUniformLocation(program: GlProgram, name: string): GlUniformLocation | null;
  uniform1i(location: GlUniformLocation | null, x: number): void;
  uniform2i(location: GlUniformLocation | null, x: number, y: number): void;
  uniform3i(location: GlUniformLocation | null, x: number, y: number, z: number): void;
  uniform4i(location: GlUniformLocation | null, x: number, y: number, z: number, w: number): void;
  uniform1f(location: GlUniformLocation | null, x: number): void;
  uniform2f(location: GlUniformLocation | null, x: number, y: number): void;
  uniform3f(location: GlUniformLocation | null, x: number, y: number, z: number): void;
  uniform4f(location: GlUniformLocation | null, x: number, y: number, z: number, w: number): void;
  uniform1iv(location: GlUniformLocation | null, values: Int32Array): void;
  uniform4iv(location: GlUniformLocation | null, values: Int32Array): void;
  uniform1fv(location: GlUniformLocation | null, values: Float32Array): void;
  uniform4fv(location: GlUniformLocation | null, values: Float32Array): void;

  createVertexArray(): GlVertexArray | null;
  deleteVertexArray(array: GlVertexArray | null): void;
  bindVertexArray(array: GlVertexArray | null): void;
  /** A boolean; contexts that only pretend may answer nothing. */
  isVertexArray(array: GlVertexArray | null): unknown;
  drawArrays(mode: number, first: number, count: number): void;

  createBuffer(): GlBuffer | null;
  deleteBuffer(buffer: GlBuffer | null): void;
  bindBuffer(target: number, buffer: GlBuffer | null): void;
  bufferData(target: number, byteLength: number, usage: number): void;
  getBufferSubData(target: number, byteOffset: number, data: GlData): void;

  fenceSync(condition: number, flags: number): GlSync | null;
  deleteSync(sync: GlSync | null): void;
  clientWaitSync(sync: GlSync, flags: number, timeout: number): number;
  getSyncParameter(sync: GlSync, name: number): unknown;
}

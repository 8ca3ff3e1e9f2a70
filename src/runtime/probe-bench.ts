/**
 * What the capability probes share: tiny textures, one draw, one readback. Everything it makes is freed by `dispose`.
 *
 * It is as plain as can be, because it must tell what works before anything is known to work: no caching, no pooling.
 * Not here: what is asked of the context; see capabilities.ts.
 */
import type { GlData, GlFramebuffer, GlProgram, GlShader, GlTexture, WebGL2 } from "./gl-types.ts";

/** Side of a probe texture in texels where nothing else is said: one quad of fragments. */
export const SIDE = 2;

/** Width and height in texels. */
export type Size = readonly [number, number];
const quad: Size = [SIDE, SIDE];

/** How elements travel: the storage format and the type that moves it. */
export interface Transfer {
  readonly storage: number;
  readonly format: number;
  readonly type: number;
}

const vertexShader = `#version 300 es
void main() { gl_Position = vec4(vec2(float((gl_VertexID & 1) << 2), float((gl_VertexID & 2) << 1)) - 1.0, 0.0, 1.0); }`;

export class ProbeBench {
  readonly #gl: WebGL2;
  readonly #textures: GlTexture[] = [];
  readonly #framebuffers: GlFramebuffer[] = [];
  readonly #programs: GlProgram[] = [];
  readonly #shaders: GlShader[] = [];
  readonly #vertexArray: ReturnType<WebGL2["createVertexArray"]>;

  constructor(gl: WebGL2) {
    this.#gl = gl;
    for (const name of [gl.BLEND, gl.CULL_FACE, gl.DEPTH_TEST, gl.SCISSOR_TEST, gl.STENCIL_TEST]) gl.disable(name);
    gl.disable(gl.RASTERIZER_DISCARD);
    gl.colorMask(true, true, true, true);
    for (const name of [gl.UNPACK_FLIP_Y_WEBGL, gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL]) gl.pixelStorei(name, 0);
    this.#vertexArray = gl.createVertexArray();
    gl.bindVertexArray(this.#vertexArray);
    this.clearErrors();
  }

  /** An array texture of so many layers, filled where data is given. */
  texture({ storage, format, type }: Transfer, layers: number, data?: GlData, [w, h] = quad): GlTexture | null {
    const gl = this.#gl;
    const texture = gl.createTexture();
    if (texture === null) return null;
    this.#textures.push(texture);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.NEAREST);
    }
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, storage, w, h, layers);
    if (data) gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, 0, w, h, layers, format, type, data);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, null);
    return texture;
  }

  /** A program from a fragment shader, or null where it does not compile or link. */
  program(fragmentShader: string): GlProgram | null {
    const gl = this.#gl;
    const program = gl.createProgram();
    if (program === null) return null;
    this.#programs.push(program);
    for (const [type, source] of [
      [gl.VERTEX_SHADER, vertexShader],
      [gl.FRAGMENT_SHADER, fragmentShader],
    ] as const) {
      const shader = gl.createShader(type);
      if (shader === null) return null;
      this.#shaders.push(shader);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
  }

  /** Draws over the first `targets` layers of `to` with `from` on unit 0. False where GL refuses. */
  draw(program: GlProgram, from: GlTexture, to: GlTexture, targets: number, [w, h] = quad): boolean {
    const gl = this.#gl;
    const attachments = Array.from({ length: targets }, (_, i) => gl.COLOR_ATTACHMENT0 + i);
    this.#bindNewFramebuffer();
    attachments.forEach((at, layer) => gl.framebufferTextureLayer(gl.FRAMEBUFFER, at, to, 0, layer));
    gl.drawBuffers(attachments);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return false;
    gl.viewport(0, 0, w, h);
    gl.useProgram(program);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, from);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, null);
    return gl.getError() === gl.NO_ERROR;
  }

  /** Reads one layer into `into`, which must hold its texels. */
  read(texture: GlTexture, layer: number, { format, type }: Transfer, into: GlData, [w, h] = quad): boolean {
    if (!this.bindForReading(texture, layer)) return false;
    this.#gl.readPixels(0, 0, w, h, format, type, into);
    return this.#gl.getError() === this.#gl.NO_ERROR;
  }

  bindForReading(texture: GlTexture, layer: number): boolean {
    const gl = this.#gl;
    this.#bindNewFramebuffer();
    gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, texture, 0, layer);
    return gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE;
  }

  /** GL keeps errors until they are asked for; a probe must not see those of the one before. */
  clearErrors(): void {
    // Bounded: a lost context answers CONTEXT_LOST for ever.
    for (let i = 0; i < 16 && this.#gl.getError() !== this.#gl.NO_ERROR; i++);
  }

  /** Frees all objects and puts the bindings back to those of a new context. */
  dispose(): void {
    const gl = this.#gl;
    gl.useProgram(null);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.bindVertexArray(null);
    for (const framebuffer of this.#framebuffers) gl.deleteFramebuffer(framebuffer);
    for (const texture of this.#textures) gl.deleteTexture(texture);
    for (const program of this.#programs) gl.deleteProgram(program);
    for (const shader of this.#shaders) gl.deleteShader(shader);
    gl.deleteVertexArray(this.#vertexArray);
    this.clearErrors();
  }

  #bindNewFramebuffer(): void {
    const gl = this.#gl;
    const framebuffer = gl.createFramebuffer();
    if (framebuffer !== null) this.#framebuffers.push(framebuffer);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  }
}

/**
 * What GL is set to, so that a replayed plan makes no call that changes nothing.
 *
 * Every call that changes bindings goes through here; whoever else uses the context must have `forget` called
 * afterwards. Not here: uniform values, which belong to programs (programs.ts).
 */
import type { GlFramebuffer, GlProgram, GlTexture, GlVertexArray, WebGL2 } from "./gl-types.ts";

export class GlState {
  readonly #gl: WebGL2;
  #vertexArray: GlVertexArray | null = null;
  /** Texture of each unit; undefined where it is not known. */
  readonly #units: (GlTexture | null | undefined)[];
  /** The last unit that exists: no program samples it, so creating and uploading textures disturbs no draw. */
  readonly #scratch: number;
  #active = -1;
  #program: GlProgram | null = null;
  /** undefined where it is not known; null is the default framebuffer. */
  #framebuffer: GlFramebuffer | null | undefined;
  #width = -1;
  #height = -1;
  #scissors = false;

  constructor(gl: WebGL2) {
    this.#gl = gl;
    const units = Number(gl.getParameter(gl.MAX_COMBINED_TEXTURE_IMAGE_UNITS));
    this.#units = new Array<GlTexture | null | undefined>(units).fill(undefined);
    this.#scratch = units - 1;
    this.begin();
  }

  /** Makes what belongs to the context itself: at first, and again on a context that was restored. */
  begin(): void {
    // Points come from gl_VertexID: the vertex array stays empty and bound for life.
    this.#vertexArray = this.#gl.createVertexArray();
    this.forget();
  }

  /**
   * Whether a GPU still answers. Between its end and the browser's noticing it, some 50 ms, a context says it is not lost,
   * takes every call and answers each with 0 or false: also that what is bound for life is no vertex array. Waits for the GPU.
   */
  get answers(): boolean {
    return this.#gl.isVertexArray(this.#vertexArray) !== false;
  }

  /** Assumes nothing, and sets what our draws take for granted. */
  forget(): void {
    const gl = this.#gl;
    this.#units.fill(undefined);
    this.#active = -1;
    this.#framebuffer = undefined;
    this.#width = this.#height = -1;
    this.#scissors = false;
    this.#program = null;
    for (const name of [gl.BLEND, gl.CULL_FACE, gl.DEPTH_TEST, gl.SCISSOR_TEST, gl.STENCIL_TEST, gl.DITHER]) {
      gl.disable(name);
    }
    gl.disable(gl.RASTERIZER_DISCARD);
    gl.colorMask(true, true, true, true);
    for (const name of [gl.UNPACK_FLIP_Y_WEBGL, gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL]) gl.pixelStorei(name, 0);
    for (const name of [gl.UNPACK_ALIGNMENT, gl.PACK_ALIGNMENT]) gl.pixelStorei(name, 4);
    gl.bindVertexArray(this.#vertexArray);
  }

  useProgram(program: GlProgram): void {
    if (this.#program === program) return;
    this.#program = program;
    this.#gl.useProgram(program);
  }

  /** Binds for drawing and reading. */
  bindFramebuffer(framebuffer: GlFramebuffer | null): void {
    if (this.#framebuffer === framebuffer) return;
    this.#framebuffer = framebuffer;
    this.#gl.bindFramebuffer(this.#gl.FRAMEBUFFER, framebuffer);
  }

  viewport(width: number, height: number): void {
    if (this.#width === width && this.#height === height) return;
    this.#width = width;
    this.#height = height;
    this.#gl.viewport(0, 0, width, height);
  }

  /** Draws touch no other texels until `unscissor`. */
  scissor(x: number, y: number, width: number, height: number): void {
    if (!this.#scissors) this.#gl.enable(this.#gl.SCISSOR_TEST);
    this.#scissors = true;
    this.#gl.scissor(x, y, width, height);
  }

  unscissor(): void {
    if (this.#scissors) this.#gl.disable(this.#gl.SCISSOR_TEST);
    this.#scissors = false;
  }

  bindTexture(unit: number, texture: GlTexture | null): void {
    if (this.#units[unit] === texture) return;
    this.#activate(unit);
    this.#units[unit] = texture;
    this.#gl.bindTexture(this.#gl.TEXTURE_2D_ARRAY, texture);
  }

  /** Binds where texture parameters, storage and uploads go, and makes that unit the active one. */
  bindForUpload(texture: GlTexture): void {
    this.#activate(this.#scratch);
    this.bindTexture(this.#scratch, texture);
  }

  /** headless-gl does not unbind a deleted array texture, and clears the active unit instead. */
  deleteTexture(texture: GlTexture): void {
    this.#units.forEach((bound, unit) => {
      if (bound === texture) this.bindTexture(unit, null);
    });
    this.#gl.deleteTexture(texture);
  }

  deleteFramebuffer(framebuffer: GlFramebuffer): void {
    if (this.#framebuffer === framebuffer) this.bindFramebuffer(null);
    this.#gl.deleteFramebuffer(framebuffer);
  }

  deleteProgram(program: GlProgram): void {
    if (this.#program === program) {
      this.#program = null;
      this.#gl.useProgram(null);
    }
    this.#gl.deleteProgram(program);
  }

  dispose(): void {
    this.#gl.deleteVertexArray(this.#vertexArray);
  }

  #activate(unit: number): void {
    if (this.#active === unit) return;
    this.#active = unit;
    this.#gl.activeTexture(this.#gl.TEXTURE0 + unit);
  }
}

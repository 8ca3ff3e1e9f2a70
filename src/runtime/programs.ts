/**
 * Compiled programs, one for each source text. All programs of a plan are handed to the driver before any is asked
 * whether it linked, so that drivers that compile on other threads (KHR_parallel_shader_compile) do.
 *
 * Sampler `t<i>` reads unit i, set once. A program remembers the uniform values it was given and is not told them
 * again. Programs of live plans are never evicted. Not here: what a kernel's numbers are (draw.ts).
 */
import { DeviceError } from "../ir/errors.ts";
import type { ShaderProgram } from "../codegen/glsl/program.ts";
import type { Counters } from "./counters.ts";
import type { GlProgram, GlShader, GlUniformLocation, WebGL2 } from "./gl-types.ts";
import { shaderError } from "./shader-error.ts";
import type { GlState } from "./state.ts";

/** One triangle that covers the viewport: no attributes, no varyings, no edge inside. */
const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(float((gl_VertexID & 1) << 2), float((gl_VertexID & 2) << 1)) - 1.0, 0.0, 1.0);
}
`;

/** Programs kept although no plan uses them. */
const KEPT_UNUSED = 256;

/** Numbers on their way to an array of four-lane uniforms. */
export class Staged<A extends Float32Array | Int32Array> {
  readonly values: A;
  /** Compared by their bits: -0 is not 0, and NaN is itself. */
  readonly bits: Int32Array;
  constructor(values: A) {
    this.values = values;
    this.bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  }
}

/** An array of uniforms, and what the program holds in it now. */
export class Uniforms {
  readonly location: GlUniformLocation;
  readonly #held: Int32Array;
  #known = false;
  constructor(location: GlUniformLocation, length: number) {
    this.location = location;
    this.#held = new Int32Array(length);
  }

  /** Takes note of `next`; false if the program holds just that. */
  changes(next: Int32Array): boolean {
    const held = this.#held;
    let same = this.#known;
    for (let i = 0; same && i < next.length; i++) same = held[i] === next[i];
    if (same) return false;
    held.set(next);
    this.#known = true;
    return true;
  }
}

/** null: the program declares none, or the compiler found that it reads none. */
interface Linked {
  readonly extents: Uniforms | null;
  readonly floats: Uniforms | null;
  readonly ints: Uniforms | null;
  readonly heights: Uniforms | null;
}

export class Program {
  readonly source: string;
  readonly handle: GlProgram;
  readonly shader: GlShader;
  readonly shape: ShaderProgram;
  /** Prints the kernel, should the driver refuse it. */
  readonly kernel: () => string;
  /** Plans that use it. */
  users = 0;
  linked: Linked | null = null;
  constructor(shape: ShaderProgram, handle: GlProgram, shader: GlShader, kernel: () => string) {
    this.source = shape.source;
    this.shape = shape;
    this.handle = handle;
    this.shader = shader;
    this.kernel = kernel;
  }
}

/** Whole vectors that `n` numbers take. */
export const padded = (n: number): number => Math.ceil(n / 4) * 4;

export class Programs {
  readonly #gl: WebGL2;
  readonly #state: GlState;
  readonly #counters: Counters;
  readonly #known = new Map<string, Program>();
  #vertex: GlShader | null = null;

  constructor(gl: WebGL2, state: GlState, counters: Counters) {
    this.#gl = gl;
    this.#state = state;
    this.#counters = counters;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Hands the source to the driver unless it is known; does not wait. The caller must `release` it. */
  retain(shape: ShaderProgram, kernel: () => string): Program {
    let program = this.#known.get(shape.source);
    if (program === undefined) program = this.#submit(shape, kernel);
    // Map order is the order of use: the oldest unused program is evicted first.
    else this.#known.delete(shape.source);
    this.#known.set(shape.source, program);
    program.users++;
    return program;
  }

  release(program: Program): void {
    program.users--;
    let unused = 0;
    for (const p of this.#known.values()) if (p.users === 0) unused++;
    for (const p of this.#known.values()) {
      if (unused <= KEPT_UNUSED) return;
      if (p.users > 0) continue;
      this.#delete(p);
      unused--;
    }
  }

  /** Waits for the driver. Throws InvariantError with the source if it refuses. */
  link(program: Program): Linked {
    if (program.linked !== null) return program.linked;
    const gl = this.#gl;
    const { handle, shader, shape } = program;
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS)) {
      if (gl.isContextLost()) throw new DeviceError("the WebGL context was lost while compiling");
      const compiled = Boolean(gl.getShaderParameter(shader, gl.COMPILE_STATUS));
      const log = compiled ? gl.getProgramInfoLog(handle) : gl.getShaderInfoLog(shader);
      this.#delete(program);
      throw shaderError(compiled ? "program" : "fragment shader", log, shape.source, program.kernel);
    }
    gl.deleteShader(shader);
    this.#state.useProgram(handle);
    for (let unit = 0; unit < shape.samplers; unit++) {
      const location = gl.getUniformLocation(handle, `t${unit}`);
      if (location !== null) gl.uniform1i(location, unit);
    }
    const uniforms = (name: string, count: number): Uniforms | null => {
      // headless-gl knows an array only by its first element.
      const location = count === 0 ? null : gl.getUniformLocation(handle, `${name}[0]`);
      return location === null ? null : new Uniforms(location, padded(count));
    };
    program.linked = {
      extents: uniforms("e", shape.extents.length),
      floats: uniforms("u", shape.floats.length),
      ints: uniforms("n", shape.ints.length),
      heights: uniforms("h", shape.heights.length),
    };
    return program.linked;
  }

  dispose(): void {
    for (const program of this.#known.values()) this.#delete(program);
    this.#gl.deleteShader(this.#vertex);
    this.#vertex = null;
  }

  #submit(shape: ShaderProgram, kernel: () => string): Program {
    const gl = this.#gl;
    this.#vertex ??= this.#compile(gl.VERTEX_SHADER, VERTEX);
    const fragment = this.#compile(gl.FRAGMENT_SHADER, shape.source);
    const handle = gl.createProgram();
    if (handle === null) throw new DeviceError("program: the context gives none; it may be lost");
    gl.attachShader(handle, this.#vertex);
    gl.attachShader(handle, fragment);
    gl.linkProgram(handle);
    this.#counters.programs++;
    return new Program(shape, handle, fragment, kernel);
  }

  #compile(type: number, source: string): GlShader {
    const gl = this.#gl;
    const shader = gl.createShader(type);
    if (shader === null) throw new DeviceError("shader: the context gives none; it may be lost");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    return shader;
  }

  #delete(program: Program): void {
    this.#known.delete(program.source);
    this.#state.deleteProgram(program.handle);
    if (program.linked === null) this.#gl.deleteShader(program.shader);
  }
}

/**
 * Compiled programs, one for each source text. Those of a plan are handed to the driver together, every shader before the
 * first link, and none is asked whether it linked before a plan first runs: drivers that compile on other threads
 * (KHR_parallel_shader_compile) and browsers that do so in another process work meanwhile.
 *
 * Sampler `t<i>` reads unit i, set once. A program remembers the uniform values it was given and is not told them
 * again. Programs that plans use are never evicted; others stay for the next plan, up to a limit. GL's objects can go
 * (evicted, lost with the context): who still has the program finds it compiled again when it is next drawn.
 * Not here: what a kernel's numbers are (draw.ts), compiling ahead of any plan (warm-up.ts).
 */
import { DeviceError } from "../ir/errors.ts";
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

/** Of KHR_parallel_shader_compile; the extension's object holds nothing else. */
const COMPLETION_STATUS_KHR = 0x91b1;

export interface ProgramLimits {
  /** Programs that are kept compiled; beyond it those that no plan uses go, the one asked for longest ago first. */
  readonly count: number;
  /** Characters that the text of one program may have. */
  readonly characters: number;
}

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

/** A program ready to draw. null: the program declares none, or the compiler found that it reads none. */
export interface Linked {
  readonly handle: GlProgram;
  readonly extents: Uniforms | null;
  readonly floats: Uniforms | null;
  readonly ints: Uniforms | null;
  readonly heights: Uniforms | null;
}

export class Program {
  readonly source: string;
  /** Prints the kernel, should the driver refuse it. */
  kernel: () => string;
  /** Plans that use it. */
  users = 0;
  /** What the textures of its draws were like (warm-up.ts). */
  readonly forms = new Set<string>();
  /** GL's objects until it is linked; null if it was not handed to the driver, or what the driver made is gone. */
  submitted: { readonly handle: GlProgram; readonly shader: GlShader; linking: boolean } | null = null;
  linked: Linked | null = null;
  constructor(source: string, kernel: () => string) {
    this.source = source;
    this.kernel = kernel;
  }
}

/** Whole vectors that `n` numbers take. */
export const padded = (n: number): number => Math.ceil(n / 4) * 4;

/** Vectors of a uniform array, as the text declares it. */
const declared = (source: string, name: string): number =>
  Number(new RegExp(`^uniform i?vec4 ${name}\\[(\\d+)\\];`, "m").exec(source)?.[1] ?? 0);

const samplersOf = (source: string): number => source.match(/^uniform highp [iu]?sampler2DArray t\d+;/gm)?.length ?? 0;

export class Programs {
  readonly #gl: WebGL2;
  readonly #state: GlState;
  readonly #counters: Counters;
  readonly #limits: ProgramLimits;
  /** In the order in which they were last asked for. */
  readonly #known = new Map<string, Program>();
  /** Handed to the driver as shaders, not yet as programs. */
  readonly #unlinked = new Set<Program>();
  #vertex: GlShader | null = null;

  constructor(gl: WebGL2, state: GlState, counters: Counters, limits: ProgramLimits) {
    this.#gl = gl;
    this.#state = state;
    this.#counters = counters;
    this.#limits = limits;
  }

  /** All that are kept, the one asked for last at the end. */
  get all(): readonly Program[] {
    return [...this.#known.values()];
  }

  has(source: string): boolean {
    return this.#known.has(source);
  }

  /**
   * Has the driver begin to compile the shader unless it is known; does not wait. `kernel` prints what it was made from.
   * Throws DeviceError if the text is longer than the device allows.
   */
  prepare(source: string, kernel: () => string): Program {
    let program = this.#known.get(source);
    if (program === undefined) {
      const { characters } = this.#limits;
      if (source.length > characters) {
        throw new DeviceError(
          `a program of ${source.length} characters, this device allows ${characters} (option "maxProgramLength"); ` +
            `realize(x) part of the expression first\n${kernel()}`,
        );
      }
      program = new Program(source, kernel);
      this.#submit(program);
      // Browsers keep commands back; what compiles elsewhere may begin now.
      this.#gl.flush();
    } else {
      // Map order is the order of use: the oldest unused program is evicted first.
      this.#known.delete(source);
      // Of several kernels with one text, errors show the first that a plan has.
      if (program.users === 0) program.kernel = kernel;
    }
    this.#known.set(source, program);
    return program;
  }

  /** As `prepare`, and keeps it until the caller says `release`. */
  retain(source: string, kernel: () => string): Program {
    const program = this.prepare(source, kernel);
    program.users++;
    return program;
  }

  release(program: Program): void {
    program.users--;
    this.evict();
  }

  /** Drops programs beyond the limit, of those that no plan uses. */
  evict(): void {
    if (this.#known.size <= this.#limits.count) return;
    for (const program of this.#known.values()) {
      if (program.users > 0) continue;
      this.#delete(program);
      this.#counters.evictedPrograms++;
      if (this.#known.size <= this.#limits.count) return;
    }
  }

  /** Has the driver link what `prepare` gave it; does not wait. */
  linkAll(): void {
    for (const { submitted } of this.#unlinked) {
      if (submitted === null) continue;
      this.#gl.linkProgram(submitted.handle);
      submitted.linking = true;
    }
    this.#unlinked.clear();
  }

  /** Whether `link` would not wait. Needs KHR_parallel_shader_compile. */
  isReady({ submitted }: Program): boolean {
    if (submitted?.linking !== true) return true;
    return this.#gl.getProgramParameter(submitted.handle, COMPLETION_STATUS_KHR) !== false;
  }

  /** Waits for the driver. Throws InvariantError with the source if it refuses. */
  link(program: Program): Linked {
    if (program.linked !== null) return program.linked;
    const gl = this.#gl;
    if (program.submitted === null) this.#submit(program);
    const { handle, shader } = program.submitted!;
    if (!program.submitted!.linking) this.linkAll();
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS)) {
      if (gl.isContextLost()) throw new DeviceError("the WebGL context was lost while compiling");
      const compiled = Boolean(gl.getShaderParameter(shader, gl.COMPILE_STATUS));
      const log = compiled ? gl.getProgramInfoLog(handle) : gl.getShaderInfoLog(shader);
      this.#delete(program);
      throw shaderError(compiled ? "program" : "fragment shader", log, program.source, program.kernel);
    }
    gl.deleteShader(shader);
    this.#state.useProgram(handle);
    const samplers = samplersOf(program.source);
    for (let unit = 0; unit < samplers; unit++) {
      const location = gl.getUniformLocation(handle, `t${unit}`);
      if (location !== null) gl.uniform1i(location, unit);
    }
    const uniforms = (name: string): Uniforms | null => {
      const vectors = declared(program.source, name);
      // headless-gl knows an array only by its first element.
      const location = vectors === 0 ? null : gl.getUniformLocation(handle, `${name}[0]`);
      return location === null ? null : new Uniforms(location, vectors * 4);
    };
    program.submitted = null;
    program.linked = {
      handle,
      extents: uniforms("e"),
      floats: uniforms("u"),
      ints: uniforms("n"),
      heights: uniforms("h"),
    };
    return program.linked;
  }

  /**
   * Begins again on a context that came in place of a lost one: what plans use is handed to the driver, what they do not
   * is forgotten.
   */
  restore(): void {
    this.#vertex = null;
    this.#unlinked.clear();
    for (const program of this.#known.values()) {
      program.submitted = null;
      program.linked = null;
      if (program.users > 0) this.#submit(program);
      else this.#known.delete(program.source);
    }
    this.linkAll();
  }

  dispose(): void {
    for (const program of this.#known.values()) this.#delete(program);
    this.#gl.deleteShader(this.#vertex);
    this.#vertex = null;
  }

  #submit(program: Program): void {
    const gl = this.#gl;
    this.#vertex ??= this.#compile(gl.VERTEX_SHADER, VERTEX);
    const shader = this.#compile(gl.FRAGMENT_SHADER, program.source);
    const handle = gl.createProgram();
    if (handle === null) throw new DeviceError("program: the context gives none; it may be lost");
    gl.attachShader(handle, this.#vertex);
    gl.attachShader(handle, shader);
    program.submitted = { handle, shader, linking: false };
    this.#unlinked.add(program);
    this.#counters.programs++;
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
    this.#unlinked.delete(program);
    const handle = program.submitted?.handle ?? program.linked?.handle;
    if (handle !== undefined) this.#state.deleteProgram(handle);
    if (program.submitted !== null) this.#gl.deleteShader(program.submitted.shader);
    program.submitted = null;
    program.linked = null;
  }
}

/**
 * One kernel, ready to be drawn again and again: which buffers it reads and writes, and its numbers.
 *
 * Drawing allocates nothing and tells GL only what differs from the draw before. Not here: where buffers live; the
 * executable hands in the textures of the plan's buffers.
 */
import type { ShaderProgram } from "../codegen/glsl/program.ts";
import type { DType } from "../ir/dtype.ts";
import type { NumberSlot } from "../ir/kernel.ts";
import { cutDraw, type Part } from "./draw-work.ts";
import type { Framebuffers } from "./framebuffers.ts";
import type { GlFramebuffer, WebGL2 } from "./gl-types.ts";
import { padded, Staged, type Program, type Programs } from "./programs.ts";
import type { GlState } from "./state.ts";
import type { Texture } from "./textures.ts";

export interface DrawContext {
  readonly gl: WebGL2;
  readonly state: GlState;
  readonly framebuffers: Framebuffers;
  readonly programs: Programs;
  /** Work of one draw above which it is drawn in parts. */
  readonly drawWork: number;
}

/** What is drawn. */
export interface DrawSpec {
  readonly program: ShaderProgram;
  /** What the draw asks of the device; see draw-work.ts. */
  readonly work: number;
  /** Prints the kernel, should the driver refuse it. */
  readonly describe: () => string;
}

export class Draw {
  readonly program: Program;
  readonly #context: DrawContext;
  readonly #loads: readonly number[];
  readonly #targets: readonly number[];
  readonly #layers: readonly number[];
  readonly #width: number;
  readonly #height: number;
  /** One, unless the whole would be too much at once. */
  readonly #parts: readonly Part[];
  readonly #extents: Staged<Int32Array>;
  readonly #floats: Staged<Float32Array>;
  readonly #ints: Staged<Int32Array>;
  readonly #heights: Staged<Float32Array>;
  /** Numbers that come with each run, by their place in `floats` and `ints`. */
  readonly #floatSlots: readonly Place[];
  readonly #intSlots: readonly Place[];
  /** Targets of the last draw and the framebuffer over them; a texture that was destroyed never comes again. */
  readonly #textures: Texture[] = [];
  #framebuffer: GlFramebuffer | null = null;

  constructor(context: DrawContext, spec: DrawSpec) {
    const { program } = spec;
    const { numbers } = program;
    this.#context = context;
    this.#loads = program.loads;
    this.#targets = program.targets.map((t) => t.buffer);
    this.#layers = program.targets.map((t) => t.layer);
    this.#width = program.width;
    this.#height = program.height;
    this.#parts = cutDraw(program.width, program.height, spec.work, context.drawWork);
    this.#extents = new Staged(new Int32Array(padded(program.extents.length)));
    this.#extents.values.set(program.extents);
    this.#floats = new Staged(new Float32Array(padded(program.floats.length)));
    this.#ints = new Staged(new Int32Array(padded(program.ints.length)));
    this.#heights = new Staged(new Float32Array(padded(program.heights.length)));
    this.#heights.values.set(program.heights);
    this.#floatSlots = places(program.floats, numbers, this.#floats.values);
    this.#intSlots = places(program.ints, numbers, this.#ints.values);
    this.program = context.programs.retain(program.source, spec.describe);
  }

  /** Draws it takes. */
  get count(): number {
    return this.#parts.length;
  }

  /** `textures`: of each buffer of the plan. `uniforms`: the run's numbers. */
  run(textures: readonly (Texture | null)[], uniforms: readonly number[]): void {
    const { gl, state, programs } = this.#context;
    const { handle, extents, floats, ints, heights } = programs.link(this.program);
    state.useProgram(handle);
    if (extents?.changes(this.#extents.bits)) gl.uniform4iv(extents.location, this.#extents.values);
    if (heights?.changes(this.#heights.bits)) gl.uniform4fv(heights.location, this.#heights.values);
    if (floats !== null) {
      fillPlaces(this.#floatSlots, uniforms, this.#floats.values);
      if (floats.changes(this.#floats.bits)) gl.uniform4fv(floats.location, this.#floats.values);
    }
    if (ints !== null) {
      fillPlaces(this.#intSlots, uniforms, this.#ints.values);
      if (ints.changes(this.#ints.bits)) gl.uniform4iv(ints.location, this.#ints.values);
    }
    for (let unit = 0; unit < this.#loads.length; unit++) {
      state.bindTexture(unit, textures[this.#loads[unit]!]!.handle);
    }
    state.bindFramebuffer(this.#over(textures));
    state.viewport(this.#width, this.#height);
    if (this.#parts.length > 1) this.#drawParts();
    else gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  #drawParts(): void {
    const { gl, state } = this.#context;
    try {
      for (const { x, y, width, height } of this.#parts) {
        state.scissor(x, y, width, height);
        gl.drawArrays(gl.TRIANGLES, 0, 3);
        // Drivers watch what they were handed together.
        gl.flush();
      }
    } finally {
      state.unscissor();
    }
  }

  release(): void {
    this.#context.programs.release(this.program);
  }

  #over(textures: readonly (Texture | null)[]): GlFramebuffer {
    const targets = this.#targets;
    let same = this.#framebuffer !== null;
    for (let i = 0; i < targets.length; i++) {
      const texture = textures[targets[i]!]!;
      if (this.#textures[i] === texture) continue;
      this.#textures[i] = texture;
      same = false;
    }
    if (!same) this.#framebuffer = this.#context.framebuffers.of(this.#textures, this.#layers);
    return this.#framebuffer!;
  }
}

interface Place {
  readonly at: number;
  readonly uniform: number;
  readonly dtype: DType;
}

/** Writes the counts, which never change, and says where the run's numbers go. */
function places(
  slots: readonly number[],
  numbers: readonly NumberSlot[],
  values: Float32Array | Int32Array,
): readonly Place[] {
  const out: Place[] = [];
  slots.forEach((slot, at) => {
    const number = numbers[slot]!;
    if (number.kind === "count") values[at] = number.value;
    else out.push({ at, uniform: number.uniform, dtype: number.dtype });
  });
  return out;
}

/** A store into the array rounds to f32 or wraps to 32 bits, which keeps a u32's bits. */
function fillPlaces(slots: readonly Place[], uniforms: readonly number[], into: Float32Array | Int32Array): void {
  for (const { at, uniform, dtype } of slots) {
    const value = uniforms[uniform]!;
    into[at] = dtype === "bool" ? Number(value !== 0) : value;
  }
}

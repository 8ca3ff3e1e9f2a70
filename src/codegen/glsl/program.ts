/**
 * What the GLSL generator gives the runtime for one kernel: source text, and how to bind it. No GL here.
 */
import type { NumberSlot } from "../../ir/kernel.ts";

export interface ShaderProgram {
  /** Fragment shader, GLSL ES 3.00. Byte-deterministic: the text is the key of the program cache. */
  readonly source: string;
  /** Samplers t0, t1, ... read these buffers of the plan. */
  readonly loads: readonly number[];
  /** The numbers it takes; `floats` and `ints` say where. */
  readonly numbers: readonly NumberSlot[];
  /**
   * `uniform ivec4 e[]`: extents of outermost axes and first rows, padded to whole vectors. Empty: not declared.
   */
  readonly extents: readonly number[];
  /** `uniform vec4 u[]`: f32 and bool numbers, four a vector: which of `numbers` lies where. */
  readonly floats: readonly number[];
  /** `uniform ivec4 n[]`: i32 and u32 numbers (u32 by its bits). */
  readonly ints: readonly number[];
  /** `uniform vec4 h[]`: 1/height of textures that are sampled, padded to whole vectors. */
  readonly heights: readonly number[];
  /** Render targets in order of location: which buffer of the plan, which texture layer. */
  readonly targets: readonly { readonly buffer: number; readonly layer: number }[];
  /** Texels of the viewport. */
  readonly width: number;
  readonly height: number;
  readonly counts: {
    /** Loads that took four scalar fetches. */
    readonly gathers: number;
    /** Texel fetches of one fragment, loops counted by their trips. */
    readonly fetches: number;
  };
}

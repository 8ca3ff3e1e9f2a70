/**
 * What the passes may assume of a WebGL2 context, from what was probed. Tests force limits low to reach layouts and
 * schedules that large contexts never need.
 */
import type { DeviceProfile } from "../ir/plan.ts";
import type { Capabilities } from "./capabilities.ts";

export interface ProfileOptions {
  readonly maxTextureSize?: number;
  readonly maxDrawBuffers?: 1 | 2 | 4 | 8;
  readonly maxTextureUnits?: number;
  readonly fetch?: DeviceProfile["fetch"];
  readonly fragments?: number;
  readonly tile?: 1 | 2 | 4 | 8;
  readonly unroll?: DeviceProfile["unroll"];
  /**
   * Multiply-adds of one draw above which it is drawn in parts, so that no driver takes it for hung. Default: 2e9, 50 to
   * 100 ms of a phone's GPU; Infinity on software rasterisers, which nothing watches.
   */
  readonly drawWork?: number;
  /** Names of optimisations to switch off. */
  readonly off?: readonly string[];
}

/** Limits are lowered by the options, never raised. */
export function webglProfile(found: Capabilities, options: ProfileOptions = {}): DeviceProfile {
  return {
    name: "webgl",
    maxTextureSize: Math.min(found.maxTextureSize, options.maxTextureSize ?? Infinity),
    maxDrawBuffers: Math.min(found.maxDrawBuffers, options.maxDrawBuffers ?? Infinity),
    maxTextureUnits: Math.min(found.maxTextureUnits, options.maxTextureUnits ?? Infinity),
    fragments: options.fragments ?? (found.isSoftware ? 128 : 16_384),
    drawWork: options.drawWork ?? (found.isSoftware ? Infinity : 2e9),
    maxFragmentUniformVectors: found.maxFragmentUniformVectors,
    tile: options.tile ?? 8,
    unroll: options.unroll ?? 4,
    // Inside contraction loops llvmpipe samples 1.7 times as fast as it fetches.
    fetch: options.fetch ?? (found.isSoftware && found.exactSampling ? "textureLod" : "texelFetch"),
    off: options.off ?? [],
  };
}

/**
 * What the passes may assume of the cpu device: one target, and limits no graph reaches. Layouts only order its loops.
 */
import type { DeviceProfile } from "../../ir/plan.ts";

export const cpuProfile = (off: readonly string[]): DeviceProfile => ({
  name: "cpu",
  maxTextureSize: 2 ** 26,
  maxDrawBuffers: 1,
  maxTextureUnits: 64,
  maxFragmentUniformVectors: 1024,
  fragments: 0,
  drawWork: Infinity,
  tile: 1,
  unroll: 4,
  fetch: "texelFetch",
  // It has no textures.
  off: [...off, "packs"],
});

/**
 * How much one draw asks of the device, and how a draw that asks too much is cut. A driver that waits too long for one
 * draw resets the GPU (2 s on Windows, some 10 s in Chromium's watchdog), and the context with everything in it is lost.
 * Fragments know nothing of each other, so parts of a target drawn one after the other hold the same bits as the whole.
 */
import type { ShaderProgram } from "../codegen/glsl/program.ts";
import type { Kernel } from "../ir/kernel.ts";

/** Multiply-adds that one fetch takes the time of: as many as a 4 x 4 tile makes of each, which GPUs wait for fetches at. */
const MACS_PER_FETCH = 8;

/**
 * Multiply-adds of a draw, or the time of its fetches in multiply-adds, where that is longer. Guards that skip work are
 * not looked at: no draw asks for more.
 */
export function drawWork(kernels: readonly Kernel[], { width, height, counts }: ShaderProgram): number {
  const macs = kernels.map(({ phases, layout }) => {
    const steps = phases.reduce(
      (n, { axes, accumulators }) => n + accumulators.length * axes.reduce((trips, a) => trips * a.extent, 1),
      0,
    );
    return steps * 4 * layout.R;
  });
  // A fragment runs one of them.
  return width * height * Math.max(...macs, counts.fetches * MACS_PER_FETCH);
}

/** Texels of a target. */
export interface Part {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Parts of a target of which none asks for more than `most` of the draw's `work`, each as large as that allows: bands of
 * whole rows, or parts of rows where one row is too much already. A texel is never cut.
 */
export function cutDraw(width: number, height: number, work: number, most: number): readonly Part[] {
  const perTexel = work / (width * height);
  const texels = Math.max(1, Math.floor(most / perTexel));
  if (work <= most || texels >= width * height) return [{ x: 0, y: 0, width, height }];
  const across = Math.ceil(width / Math.min(width, texels));
  // Even parts: none of a few texels is left over.
  const w = Math.ceil(width / across);
  const down = Math.ceil(height / Math.max(1, Math.floor(texels / width)));
  const h = Math.ceil(height / down);
  const parts: Part[] = [];
  for (let y = 0; y < height; y += h) {
    for (let x = 0; x < width; x += w) {
      parts.push({ x, y, width: Math.min(w, width - x), height: Math.min(h, height - y) });
    }
  }
  return parts;
}

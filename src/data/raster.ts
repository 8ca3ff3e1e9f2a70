/**
 * Inks strokes on a small grey image: distance to the nearest stroke, turned into coverage with soft edges.
 *
 * Not here: what the strokes are. Coordinates are pixels; the centre of the upper left one is (0, 0).
 */
import type { Stroke } from "./glyphs.ts";

/**
 * For each pixel the squared distance to the nearest segment of `strokes`, at least right wherever it is below
 * reach^2; elsewhere it may be Infinity. nearest: [height * width], overwritten.
 */
function measure(strokes: readonly Stroke[], reach: number, width: number, nearest: Float64Array): void {
  nearest.fill(Infinity);
  const height = nearest.length / width;
  for (const stroke of strokes) {
    let from = stroke[0];
    for (const to of stroke) {
      if (from === undefined) break;
      const { x: ax, y: ay } = from;
      from = to;
      const dx = to.x - ax;
      const dy = to.y - ay;
      const squaredLength = dx * dx + dy * dy;
      const left = Math.max(0, Math.ceil(Math.min(ax, to.x) - reach));
      const right = Math.min(width - 1, Math.floor(Math.max(ax, to.x) + reach));
      const top = Math.max(0, Math.ceil(Math.min(ay, to.y) - reach));
      const bottom = Math.min(height - 1, Math.floor(Math.max(ay, to.y) + reach));
      for (let y = top; y <= bottom; y++) {
        for (let x = left; x <= right; x++) {
          // The nearest point of the segment: the foot of the perpendicular, kept between the ends.
          const along = squaredLength === 0 ? 0 : ((x - ax) * dx + (y - ay) * dy) / squaredLength;
          const t = along < 0 ? 0 : along > 1 ? 1 : along;
          const ex = ax + t * dx - x;
          const ey = ay + t * dy - y;
          const squared = ex * ex + ey * ey;
          const at = y * width + x;
          if (squared < (nearest[at] as number)) nearest[at] = squared; // at is inside by the bounds above
        }
      }
    }
  }
}

/**
 * strokes: in pixels; radius: half the pen's width in pixels; coverage: [height * width], overwritten with values in
 * [0, 1]: 1 well inside a stroke, 0 outside, linear over one pixel between. `scratch` is as long as coverage.
 */
export function inkStrokes(
  strokes: readonly Stroke[],
  radius: number,
  width: number,
  coverage: Float64Array,
  scratch: Float64Array,
): void {
  const edge = radius + 0.5;
  measure(strokes, edge, width, scratch);
  for (let i = 0; i < coverage.length; i++) {
    const inside = edge - Math.sqrt(scratch[i] as number); // same length
    coverage[i] = inside <= 0 ? 0 : inside >= 1 ? 1 : inside;
  }
}

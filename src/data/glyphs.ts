/**
 * The ten digits as pen strokes: polylines in the unit square, x to the right and y down, a few ways to write each.
 *
 * Not here: any randomness or pixels; digits.ts bends and places the strokes, raster.ts inks them.
 * Only + and * on doubles: the same points on every machine (Math.sin may differ in its last bit between engines).
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Points the pen visits without being lifted. */
export type Stroke = readonly Point[];

/** All strokes of one way to write a digit. */
export type Glyph = readonly Stroke[];

/** Sine of an angle in degrees: Taylor's series up to x^9 on [-90, 90], |error| < 4e-6, far below a pixel. */
function sine(degrees: number): number {
  const turn = degrees - 360 * Math.round(degrees / 360); // [-180, 180]
  const folded = turn > 90 ? 180 - turn : turn < -90 ? -180 - turn : turn;
  const x = folded * (Math.PI / 180);
  const q = x * x;
  return x * (1 + q * (-1 / 6 + q * (1 / 120 + q * (-1 / 5040 + q * (1 / 362880)))));
}

/** A unit vector: angle 0 points right, 90 down. */
export function direction(degrees: number): Point {
  return { x: sine(degrees + 90), y: sine(degrees) };
}

/** Straight pieces through x, y, x, y, ... */
function line(...xy: readonly number[]): Stroke {
  return Array.from({ length: xy.length >> 1 }, (_, i) => ({ x: xy[2 * i] ?? 0, y: xy[2 * i + 1] ?? 0 }));
}

/** Part of an ellipse, from one angle to another in degrees (0 right, 90 down; ascending is clockwise). */
function arc(cx: number, cy: number, rx: number, ry: number, from: number, to: number): Stroke {
  const pieces = Math.max(2, Math.ceil(Math.abs(to - from) / 24));
  return Array.from({ length: pieces + 1 }, (_, i) => {
    const unit = direction(from + ((to - from) * i) / pieces);
    return { x: cx + rx * unit.x, y: cy + ry * unit.y };
  });
}

/** One stroke through several pieces, joined by straight lines where they do not meet. */
function pen(...pieces: readonly Stroke[]): Stroke {
  return pieces.flat();
}

/** GLYPHS[d]: the ways to write digit d. */
export const GLYPHS: readonly (readonly Glyph[])[] = [
  [
    // 0: round, narrow, and not quite closed
    [arc(0.5, 0.5, 0.34, 0.5, -90, 270)],
    [arc(0.5, 0.5, 0.24, 0.5, -80, 280)],
    [arc(0.5, 0.5, 0.32, 0.48, -60, 275)],
  ],
  [
    // 1: a bar, with a flag, with a flag and a foot
    [line(0.5, 0, 0.5, 1)],
    [line(0.3, 0.24, 0.54, 0, 0.54, 1)],
    [line(0.3, 0.22, 0.52, 0, 0.52, 1), line(0.28, 1, 0.76, 1)],
  ],
  [
    // 2: with an angle, with a loop at the foot, with a wide neck
    [pen(arc(0.5, 0.28, 0.32, 0.28, -170, 35), line(0.2, 1, 0.84, 1))],
    [pen(arc(0.5, 0.27, 0.3, 0.27, -160, 60), arc(0.34, 0.86, 0.15, 0.12, -40, -300), line(0.5, 0.92, 0.86, 0.96))],
    [pen(line(0.18, 0.18), arc(0.48, 0.3, 0.36, 0.3, -130, 50), line(0.18, 0.98, 0.5, 0.94, 0.84, 1))],
  ],
  [
    // 3: two bowls, a flat top, and two bowls without a waist
    [pen(arc(0.46, 0.25, 0.29, 0.25, -160, 95), arc(0.46, 0.74, 0.34, 0.26, -85, 155))],
    [pen(line(0.2, 0, 0.76, 0, 0.46, 0.4), arc(0.46, 0.7, 0.34, 0.3, -85, 150))],
    [pen(arc(0.44, 0.26, 0.32, 0.26, -140, 60), line(0.42, 0.48), arc(0.42, 0.74, 0.36, 0.26, -70, 140))],
  ],
  [
    // 4: closed, open, and open with a curved arm
    [line(0.86, 0.68, 0.14, 0.68, 0.64, 0, 0.64, 1)],
    [line(0.24, 0, 0.2, 0.54, 0.86, 0.54), line(0.72, 0.04, 0.68, 1)],
    [pen(line(0.2, 0.02), arc(0.44, 0.36, 0.27, 0.2, 180, 40), line(0.74, 0.46)), line(0.78, 0, 0.7, 1)],
  ],
  [
    // 5: three strokes' worth with a bar on top, in one go, and soft like an S
    [pen(line(0.28, 0.02, 0.24, 0.44), arc(0.46, 0.7, 0.34, 0.3, -130, 150)), line(0.28, 0.02, 0.82, 0)],
    [pen(line(0.82, 0.02, 0.3, 0.02, 0.26, 0.46), arc(0.44, 0.7, 0.38, 0.28, -110, 140))],
    [pen(line(0.8, 0.04, 0.52, 0.02), arc(0.44, 0.26, 0.22, 0.2, -120, -250), arc(0.44, 0.72, 0.32, 0.27, -70, 150))],
  ],
  [
    // 6: with a curved stem, a straight one, and a small loop
    [pen(arc(0.78, 0.66, 0.6, 0.66, -95, -180), arc(0.5, 0.72, 0.32, 0.28, 180, -180))],
    [pen(line(0.62, 0, 0.26, 0.62), arc(0.5, 0.74, 0.28, 0.25, 200, -170))],
    [pen(arc(0.74, 0.56, 0.54, 0.56, -90, -180), arc(0.46, 0.78, 0.26, 0.21, 180, -190))],
  ],
  [
    // 7: plain, crossed, with a hook, and bent
    [line(0.16, 0, 0.84, 0, 0.4, 1)],
    [line(0.18, 0.02, 0.82, 0, 0.42, 1), line(0.36, 0.5, 0.8, 0.5)],
    [line(0.16, 0.16, 0.18, 0, 0.82, 0.02, 0.44, 1)],
    [pen(line(0.16, 0.03, 0.8, 0.03), arc(1.1, 0.98, 0.6, 0.78, -120, -180))],
  ],
  [
    // 8: two loops, and one crossing stroke
    [arc(0.5, 0.25, 0.25, 0.25, 90, 450), arc(0.5, 0.74, 0.32, 0.26, -90, 270)],
    [
      pen(
        arc(0.5, 0.24, 0.27, 0.24, -20, -210),
        line(0.5, 0.5),
        arc(0.5, 0.76, 0.3, 0.24, -30, 210),
        line(0.5, 0.5, 0.77, 0.16),
      ),
    ],
  ],
  [
    // 9: with a straight stem, a curved tail, and a bent one
    [pen(arc(0.46, 0.28, 0.28, 0.28, -20, -370), line(0.74, 0.1, 0.7, 1))],
    [pen(arc(0.48, 0.28, 0.3, 0.28, 0, -360), arc(0.18, 0.34, 0.6, 0.66, 0, 85))],
    [pen(arc(0.46, 0.26, 0.27, 0.24, 10, -350), line(0.72, 0.3, 0.66, 0.62, 0.46, 1))],
  ],
];

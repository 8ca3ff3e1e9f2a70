/**
 * Drawn digits: a synthetic stand-in for handwritten ones, made from pen strokes by seed, so that everything runs with
 * no file at all. Each picture takes one way to write its digit, bends, slants, turns, scales and shifts it, draws it
 * with a pen of some width and adds noise.
 *
 * They are not handwriting and results on them say nothing about MNIST: call them synthetic wherever they are shown.
 * Deterministic on every platform: Philox words, and of floating point only + - * / and sqrt.
 */
import { TexgradError } from "../ir/errors.ts";
import { direction, GLYPHS, type Glyph, type Point, type Stroke } from "./glyphs.ts";
import { inkStrokes } from "./raster.ts";
import { below, permutation, PhiloxWords, seedKey } from "./words.ts";

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const CLASSES = 10;

/** Which use of a seed these draws are: "digs" and "digt" in ASCII, distinct from the loader's. */
const LABEL_STREAM = 0x64696773;
const PICTURE_STREAM = 0x64696774;

/** Ranges, each drawn uniformly. Lengths in pixels, angles in degrees; bends in units of the glyph's square. */
const RANGES = {
  height: [14.5, 20.5],
  /** Width of the unit square relative to its height. */
  aspect: [0.62, 1.0],
  turn: [-14, 14],
  /** Horizontal shift per unit of height: handwriting slants more to the right than to the left. */
  shear: [-0.18, 0.38],
  shift: [-2, 2],
  /** Coefficients of the quadratic and cubic bends. */
  bend: [-0.22, 0.22],
  radius: [0.75, 1.75],
  ink: [0.7, 1],
  /** Standard deviation of the noise, as a part of white. */
  noise: [0, 0.1],
} as const;

export interface DrawnDigits {
  /** [n, 28, 28], row-major, 0 background to 255 ink. */
  readonly images: Uint8Array;
  /** [n], 0 to 9. */
  readonly labels: Uint8Array;
}

export interface DrawnDigitsOptions {
  /** How many, n. */
  readonly count: number;
  /** An integer from 0 to 2^53 - 1. Default 0. */
  readonly seed?: number;
}

/**
 * n synthetic digits. images: u8 [n, 28, 28], labels: u8 [n].
 *
 * Every run of ten holds each digit once, so any cut is balanced to within one; picture i depends on (seed, i) only,
 * so a larger count begins with the pictures of a smaller one. About 0.1 ms each.
 * Throws TexgradError when count or seed is not a whole number in range.
 */
export function drawnDigits({ count, seed = 0 }: DrawnDigitsOptions): DrawnDigits {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new TexgradError(`drawnDigits: count is ${count}; it must be a whole number >= 0`);
  }
  const key = seedKey("drawnDigits", seed);
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  const coverage = new Float64Array(PIXELS);
  const scratch = new Float64Array(PIXELS);
  for (let i = 0; i < count; i++) {
    if (i % CLASSES === 0) {
      const order = permutation(new PhiloxWords(key, LABEL_STREAM, i), CLASSES);
      labels.set(order.subarray(0, Math.min(CLASSES, count - i)), i);
    }
    const words = new PhiloxWords(key, PICTURE_STREAM, i);
    const draw = ([low, high]: readonly [number, number]): number => words.uniform(low, high);
    const glyphs = GLYPHS[labels[i] as number] as readonly Glyph[]; // labels are 0..9, and there are ten
    const glyph = glyphs[below(words, glyphs.length)] as Glyph;
    const place = placement(draw);
    const strokes = glyph.map((stroke: Stroke) => stroke.map(place));
    inkStrokes(strokes, draw(RANGES.radius), SIDE, coverage, scratch);
    develop(coverage, images.subarray(i * PIXELS, (i + 1) * PIXELS), words, draw(RANGES.ink), draw(RANGES.noise));
  }
  return { images, labels };
}

/** A random map from the glyph's unit square to pixels: bent, then slanted, scaled, turned and shifted. */
function placement(draw: (range: readonly [number, number]) => number): (p: Point) => Point {
  const height = draw(RANGES.height);
  const width = height * draw(RANGES.aspect);
  const shear = draw(RANGES.shear);
  const { x: cos, y: sin } = direction(draw(RANGES.turn));
  const bends = Array.from({ length: 6 }, () => draw(RANGES.bend)) as [number, number, number, number, number, number];
  const [bowX, taperX, curlX, bowY, taperY, curlY] = bends;
  const centreX = (SIDE - 1) / 2 + draw(RANGES.shift);
  const centreY = (SIDE - 1) / 2 + draw(RANGES.shift);
  return ({ x, y }) => {
    const u = x - 0.5;
    const v = y - 0.5;
    const bentX = u + bowX * v * v + taperX * u * v + curlX * v * v * v;
    const bentY = v + bowY * u * u + taperY * u * v + curlY * u * u * u;
    const px = width * bentX - shear * height * bentY;
    const py = height * bentY;
    return { x: centreX + cos * px - sin * py, y: centreY + sin * px + cos * py };
  };
}

/** Mean and standard deviation of the sum of four uniform bytes, which is close enough to a normal for noise. */
const BYTES_MEAN = 510;
const BYTES_DEVIATION = 147.8;

/** Coverage to grey: ink strength, then noise on every pixel. */
function develop(coverage: Float64Array, image: Uint8Array, words: PhiloxWords, ink: number, noise: number): void {
  const scale = (255 * noise) / BYTES_DEVIATION;
  for (let i = 0; i < PIXELS; i++) {
    const word = words.uint32();
    const sum = (word & 0xff) + ((word >>> 8) & 0xff) + ((word >>> 16) & 0xff) + (word >>> 24);
    const grey = 255 * ink * (coverage[i] as number) + scale * (sum - BYTES_MEAN); // coverage is PIXELS long
    image[i] = grey <= 0 ? 0 : grey >= 255 ? 255 : Math.round(grey);
  }
}

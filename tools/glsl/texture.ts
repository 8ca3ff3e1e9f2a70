/**
 * Textures as the interpreter sees them, and the two ways of reading a texel.
 *
 * Both count. A fetch outside of the texture gives zeros and is counted as out of range; so is a sample outside of
 * [0, 1] or of the layers, although it is clamped to the edge: no kernel may rely on either.
 */
import type { Value, Warn } from "./values.ts";

/** `width` x `height` texels of RGBA in each of `layers` layers: layer by layer, row by row, x by x. */
export interface Texture {
  readonly width: number;
  readonly height: number;
  readonly layers: number;
  readonly data: Value;
  /** One a texel: 1 is written to those that are read by a coordinate inside of the texture. */
  readonly touched?: Uint8Array;
}

/** Where a run puts the texture of a sampler. */
export interface TextureCell {
  texture: Texture | undefined;
}

/** What a run counts. */
export interface Tally {
  fetches: number;
  outOfRangeFetches: number;
  /** How often, by `line N: what`. */
  readonly warnings: Map<string, number>;
}

function readTexel({ width, height, data, touched }: Texture, x: number, y: number, layer: number, out: Value): void {
  const texel = (layer * height + y) * width + x;
  if (touched !== undefined) touched[texel] = 1;
  for (let i = 0; i < 4; i++) out[i] = data[4 * texel + i]!;
}

/** texelFetch(t, ivec3 c, 0). */
export function fetchTexel(t: Texture, c: Value, out: Value, tally: Tally): void {
  const [x, y, layer] = [c[0]!, c[1]!, c[2]!];
  tally.fetches++;
  if (x >= 0 && x < t.width && y >= 0 && y < t.height && layer >= 0 && layer < t.layers) {
    readTexel(t, x, y, layer, out);
    return;
  }
  tally.outOfRangeFetches++;
  out.fill(0);
}

/** Nearer to the border of a texel than this (in texels), which texel is taken depends on the device. */
const margin = 1 / 64;

function nearest(coordinate: number, size: number, tally: { edge: boolean; out: boolean }): number {
  const texel = Math.fround(coordinate * size);
  const index = Math.floor(texel);
  if (!(coordinate >= 0 && coordinate <= 1)) tally.out = true;
  if (Math.abs(texel - Math.round(texel)) < margin) tally.edge = true;
  return index >= 0 ? Math.min(index, size - 1) : 0;
}

/** textureLod(t, vec3 c, 0.0), nearest, clamped to the edge; the layer is rounded. */
export function sampleTexel(t: Texture, c: Value, out: Value, tally: Tally, warn: Warn): void {
  const seen = { edge: false, out: false };
  const x = nearest(c[0]!, t.width, seen);
  const y = nearest(c[1]!, t.height, seen);
  const layer = Math.floor(c[2]! + 0.5);
  tally.fetches++;
  const isOutside = seen.out || !(layer >= 0 && layer < t.layers);
  if (isOutside) tally.outOfRangeFetches++;
  if (seen.edge) warn("textureLod within 1/64 of a texel's border");
  const { width, height, layers, data } = t;
  readTexel(isOutside ? { width, height, layers, data } : t, x, y, layer >= 0 ? Math.min(layer, layers - 1) : 0, out);
}

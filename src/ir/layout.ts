/**
 * Where an element lives in a texture array (design section 5), as one address function read by numbers (upload,
 * readback) and by symbolic indices (kernels).
 *
 * A layout writes every logical index as digits: row digits, outer to inner, and column digits. Four columns share a
 * texel. One row digit may be split: its low part (mod R) is the texture layer. P row panels lie side by side.
 */
import type { IndexAlgebra } from "./indexing.ts";
import { numel, type Shape } from "./shape.ts";

/** digit = floor(index[dim] / div) mod extent; the outermost digit of a dim takes no mod. */
export interface Digit {
  readonly dim: number;
  readonly div: number;
  readonly extent: number;
  readonly outermost: boolean;
}

export interface Layout {
  readonly shape: Shape;
  readonly rows: readonly Digit[];
  readonly cols: readonly Digit[];
  /** Which row digit is split over the texture layers; -1 where R is 1. */
  readonly split: number;
  readonly R: number;
  /** Row panels, a power of two. */
  readonly P: number;
  /** Texels a row of one panel takes. */
  readonly W: number;
  readonly width: number;
  readonly height: number;
  /** null where the value has its texture for itself. */
  readonly place: Place | null;
  readonly text: string;
}

/** Where in a shared texture a value lies: from texel row `y` and texture layer `z` on. */
export interface Place {
  readonly y: number;
  readonly z: number;
  /** Size of the whole texture. */
  readonly width: number;
  readonly height: number;
  readonly layers: number;
}

/** What a layout may use of a context. */
export interface LayoutLimits {
  readonly maxTextureSize: number;
}

/** Panels aim at this many texels across, so that narrow results are near-square. */
const PANEL_TEXELS = 32;

export function makeLayout(
  shape: Shape,
  rows: readonly Digit[],
  cols: readonly Digit[],
  split: number,
  R: number,
  limits: LayoutLimits,
): Layout | null {
  const W = Math.max(1, Math.ceil(product(cols) / 4));
  let total = 1;
  rows.forEach((d, i) => (total *= i === split ? Math.ceil(d.extent / R) : d.extent));
  let P = 1;
  if (rows.length > 0) while (W * P * 2 <= PANEL_TEXELS) P *= 2;
  while (Math.ceil(total / P) > limits.maxTextureSize && W * P * 2 <= limits.maxTextureSize) P *= 2;
  const width = W * P;
  const height = Math.max(1, Math.ceil(total / P));
  // Nothing is stored of a shape without elements, however large its other axes are.
  const fits = width <= limits.maxTextureSize && height <= limits.maxTextureSize;
  if (!fits && numel(shape) > 0) return null;
  const digits = (all: readonly Digit[]): string =>
    all.map((d) => `${d.dim}${d.div === 1 ? "" : `/${d.div}`}:${d.extent}`).join(" ");
  const text = `[${shape.join(",")}] ${digits(rows)} | ${digits(cols)} R${R}${split < 0 ? "" : `@${split}`} P${P}`;
  return intern({ shape, rows, cols, split, R, P, W, width, height, place: null, text });
}

/** The same order of elements in a part of a shared texture. */
export function placed(layout: Layout, place: Place): Layout {
  const { y, z, width, height, layers } = place;
  return intern({ ...layout, place, text: `${layout.text} +${y},${z} of ${width}x${height}x${layers}` });
}

function intern(layout: Layout): Layout {
  const known = interned.get(layout.text);
  if (known === undefined) interned.set(layout.text, layout);
  return known ?? layout;
}

/** The texture a value of this layout lies in, alone or not. */
export const textureOf = ({ place, width, height, R }: Layout): Pick<Place, "width" | "height" | "layers"> =>
  place ?? { width, height, layers: R };

/** Layouts by their text: buffers name theirs by it. A program uses finitely many. */
const interned = new Map<string, Layout>();

/** The layout a buffer's text names; undefined for a text no layout was made with. */
export const layoutByText = (text: string): Layout | undefined => interned.get(text);

const product = (digits: readonly Digit[]): number => digits.reduce((n, d) => n * d.extent, 1);

/** Columns of a vector that is stored in two digits, so that its length stays a uniform. */
export const VECTOR_COLUMNS = 256;

export interface LayoutChoice {
  /** Axes that lie in the columns, outer to inner; default the last one. */
  readonly columns?: readonly number[];
  /** The row axis that is split over texture layers, and into how many. */
  readonly split?: { readonly dim: number; readonly R: number };
}

/** The layout of `shape` under `choice`; null if no layout fits the limits. */
export function layoutOf(shape: Shape, limits: LayoutLimits, choice: LayoutChoice = {}): Layout | null {
  const real = shape.map((_, i) => i).filter((i) => shape[i] !== 1);
  const rows: Digit[] = [];
  const cols: Digit[] = [];
  if (real.length === 1 && choice.columns === undefined) {
    const dim = real[0]!;
    rows.push({ dim, div: VECTOR_COLUMNS, extent: Math.ceil(shape[dim]! / VECTOR_COLUMNS), outermost: true });
    cols.push({ dim, div: 1, extent: VECTOR_COLUMNS, outermost: false });
    return makeLayout(shape, rows, cols, -1, 1, limits);
  }
  const columns = choice.columns ?? real.slice(-1);
  const widest = limits.maxTextureSize * 4;
  let room = widest;
  for (const dim of [...columns].reverse()) {
    const extent = shape[dim]!;
    if (extent <= room) {
      cols.unshift({ dim, div: 1, extent, outermost: true });
      room = Math.floor(room / Math.max(extent, 1));
      continue;
    }
    // Too wide for a row: the low digit stays in the columns, the high digit becomes the innermost row axis.
    const low = 2 ** Math.floor(Math.log2(Math.max(room, 1)));
    cols.unshift({ dim, div: 1, extent: low, outermost: false });
    rows.unshift({ dim, div: low, extent: Math.ceil(extent / low), outermost: true });
    room = 1;
  }
  const high = rows.splice(0);
  for (const dim of real) if (!columns.includes(dim)) rows.push({ dim, div: 1, extent: shape[dim]!, outermost: true });
  rows.push(...high);
  const split = choice.split === undefined ? -1 : rows.findIndex((d) => d.dim === choice.split!.dim);
  return makeLayout(shape, rows, cols, split, split < 0 ? 1 : choice.split!.R, limits);
}

export interface Address<I> {
  readonly x: I;
  readonly y: I;
  readonly layer: I;
  readonly lane: I;
}

/** The texel and lane of the element at `at` (one index per axis of the layout's shape), from the value's place on. */
export function addressOf<I, B>(a: IndexAlgebra<I, B>, layout: Layout, at: readonly I[]): Address<I> {
  const digit = (d: Digit): I => {
    const high = d.div === 1 ? at[d.dim]! : a.div(at[d.dim]!, d.div);
    return d.outermost ? high : a.mod(high, d.extent);
  };
  let row = a.constant(0);
  let layer = a.constant(0);
  layout.rows.forEach((d, i) => {
    let value = digit(d);
    let extent = d.extent;
    if (i === layout.split) {
      layer = a.mod(value, layout.R);
      value = a.div(value, layout.R);
      extent = Math.ceil(extent / layout.R);
    }
    row = i === 0 ? value : a.add(a.scale(row, extent), value);
  });
  let col = a.constant(0);
  layout.cols.forEach((d, i) => (col = i === 0 ? digit(d) : a.add(a.scale(col, d.extent), digit(d))));
  const panel = layout.P === 1 ? a.constant(0) : a.mod(row, layout.P);
  const x = a.add(a.div(col, 4), a.scale(panel, layout.W));
  return { x, y: layout.P === 1 ? row : a.div(row, layout.P), layer, lane: a.mod(col, 4) };
}

/** Bytes of the value's texels: four 32-bit lanes each. */
export const layoutBytes = (l: Layout): number => (numel(l.shape) === 0 ? 0 : l.width * l.height * l.R * 16);

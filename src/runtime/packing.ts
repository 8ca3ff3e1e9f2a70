/**
 * Row-major host arrays to texels in memory order (layer, row, texel, lane) and back, for any layout.
 *
 * In memory order the address of an element is layer * layerSize + row * 4W + column: row panels lie side by side, so
 * consecutive rows are consecutive in memory whatever P is. Digits add up independently, in the host's array as in the
 * texels', so a table of rows and a table of columns say where everything is. No GL here.
 */
import type { HostArray } from "../ir/dtype.ts";
import type { Digit, Layout } from "../ir/layout.ts";
import { strides } from "../ir/shape.ts";

export type Texels = Float32Array | Int32Array | Uint32Array;

/** 32-bit values a texture of this layout holds, padding included. */
export const texelCount = (l: Layout): number => l.width * l.height * l.R * 4;

interface Packing {
  /** Of each row: where it begins in the host's array and in the texels. */
  readonly rowHost: Int32Array;
  readonly rowTexel: Int32Array;
  /** Of each column: its place in the host's array, relative to the row's. null where it is the column's number. */
  readonly colHost: Int32Array | null;
  readonly cols: number;
  /** Columns of a row that exist, where one column digit is the low digit of a vector; null where all do. */
  readonly rowEnd: Int32Array | null;
  /** Dims in several digits that may pass their extent, where `rowEnd` cannot say it. */
  readonly ghosts: readonly Ghost[];
  /** The texels begin with the host's array, as it is. */
  readonly isPrefix: boolean;
}

interface Ghost {
  readonly extent: number;
  readonly row: Int32Array;
  readonly col: Int32Array;
}

/** Larger tables are made again each time rather than kept. */
const KEPT_ROWS = 1 << 16;
const known = new WeakMap<Layout, Packing>();

function packingOf(layout: Layout): Packing {
  let packing = known.get(layout);
  if (packing === undefined) {
    packing = makePacking(layout);
    if (packing.rowHost.length <= KEPT_ROWS) known.set(layout, packing);
  }
  return packing;
}

/** Sum over digits of `weight(value, digit)`, for every combination, the last digit fastest. */
function table(digits: readonly Digit[], weight: (value: number, digit: number) => number): Int32Array {
  let out = new Int32Array(1);
  digits.forEach((d, i) => {
    const next = new Int32Array(out.length * d.extent);
    const part = Int32Array.from({ length: d.extent }, (_, v) => weight(v, i));
    for (let o = 0, n = 0; o < out.length; o++) for (let v = 0; v < d.extent; v++) next[n++] = out[o]! + part[v]!;
    out = next;
  });
  return out;
}

function makePacking(layout: Layout): Packing {
  const { rows, cols, split, R, W, width, height } = layout;
  const hostStrides = strides(layout.shape);
  const host = (digits: readonly Digit[]): Int32Array =>
    table(digits, (v, i) => v * digits[i]!.div * hostStrides[digits[i]!.dim]!);
  const radix = new Array<number>(rows.length);
  for (let i = rows.length - 1, n = 1; i >= 0; i--) {
    radix[i] = n;
    n *= i === split ? Math.ceil(rows[i]!.extent / R) : rows[i]!.extent;
  }
  const rowHost = host(rows);
  const rowTexel = table(rows, (v, i) => {
    const low = i === split ? v % R : 0;
    const high = i === split ? Math.floor(v / R) : v;
    return low * width * height * 4 + high * radix[i]! * W * 4;
  });
  const colHost = host(cols);
  const inOrder = colHost.every((at, c) => at === c);
  const ghosts: Ghost[] = [];
  layout.shape.forEach((extent, dim) => {
    const part = (digits: readonly Digit[]): Int32Array =>
      table(digits, (v, i) => (digits[i]!.dim === dim ? v * digits[i]!.div : 0));
    if ([...rows, ...cols].filter((d) => d.dim === dim).length > 1) {
      ghosts.push({ extent, row: part(rows), col: part(cols) });
    }
  });
  const onlyLowDigit = inOrder && cols.length === 1 && ghosts.length === 1 && ghosts[0]!.col.every((v, c) => v === c);
  const count = colHost.length;
  return {
    rowHost,
    rowTexel,
    colHost: inOrder ? null : colHost,
    cols: count,
    rowEnd: onlyLowDigit ? ghosts[0]!.row.map((v) => Math.max(0, Math.min(count, ghosts[0]!.extent - v))) : null,
    ghosts: onlyLowDigit ? [] : ghosts,
    isPrefix:
      inOrder &&
      rowHost.every((at, r) => at === r * count && rowTexel[r] === at) &&
      ghosts.length <= Number(onlyLowDigit),
  };
}

/** Whether texels in memory order are the host's array and nothing else. */
export const isPacked = (layout: Layout, size: number): boolean =>
  size === texelCount(layout) && packingOf(layout).isPrefix;

/** Below this many elements a loop is quicker than a view and a block copy. */
const BLOCK = 64;

/** Writes `from` where `layout` says; padding keeps what it held. */
export function pack(layout: Layout, from: HostArray, into: Texels): void {
  const p = packingOf(layout);
  const { colHost } = p;
  if (p.isPrefix) {
    into.set(from);
    return;
  }
  for (let r = 0; r < p.rowHost.length; r++) {
    const host = p.rowHost[r]!;
    const texel = p.rowTexel[r]!;
    const end = p.rowEnd === null ? p.cols : p.rowEnd[r]!;
    if (colHost !== null && p.ghosts.length === 0) {
      for (let c = 0; c < end; c++) into[texel + c] = from[host + colHost[c]!]!;
    } else if (p.ghosts.length > 0) {
      for (let c = 0; c < end; c++) {
        if (exists(p.ghosts, r, c)) into[texel + c] = from[host + (colHost === null ? c : colHost[c]!)]!;
      }
    } else if (end < BLOCK) {
      for (let c = 0; c < end; c++) into[texel + c] = from[host + c]!;
    } else {
      into.set(from.subarray(host, host + end), texel);
    }
  }
}

/** The inverse of `pack`. */
export function unpack(layout: Layout, from: Texels, into: HostArray): void {
  const p = packingOf(layout);
  const { colHost } = p;
  if (p.isPrefix) {
    into.set(from.subarray(0, into.length));
    return;
  }
  for (let r = 0; r < p.rowHost.length; r++) {
    const host = p.rowHost[r]!;
    const texel = p.rowTexel[r]!;
    const end = p.rowEnd === null ? p.cols : p.rowEnd[r]!;
    if (colHost !== null && p.ghosts.length === 0) {
      for (let c = 0; c < end; c++) into[host + colHost[c]!] = from[texel + c]!;
    } else if (p.ghosts.length > 0) {
      for (let c = 0; c < end; c++) {
        if (exists(p.ghosts, r, c)) into[host + (colHost === null ? c : colHost[c]!)] = from[texel + c]!;
      }
    } else if (end < BLOCK) {
      for (let c = 0; c < end; c++) into[host + c] = from[texel + c]!;
    } else {
      into.set(from.subarray(texel, texel + end), host);
    }
  }
}

function exists(ghosts: readonly Ghost[], r: number, c: number): boolean {
  for (const g of ghosts) if (g.row[r]! + g.col[c]! >= g.extent) return false;
  return true;
}

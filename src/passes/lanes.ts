/**
 * Chooses which axis of a stored value lies in the columns, four to a texel: the one that its kernel's loads like best.
 * A convolution so becomes channels-last inside, and what reads it follows. Chooses no tiles (layouts.ts).
 *
 * A load is V (its own columns run with the lanes), S (all lanes read one element), K (its columns run with a reduce
 * axis, so that four steps share four texels) or G (four fetches for four lanes).
 */
import { visitAtoms, type Axis, type Index } from "../ir/affine.ts";
import type { Layout } from "../ir/layout.ts";
import type { Node } from "../ir/node.ts";
import { numel } from "../ir/shape.ts";
import type { Demand, Partition } from "./partition.ts";

/** The layout a value has, where that is known already; null for a leaf whose layout follows from this plan. */
export type KnownLayout = (n: Node) => Layout | null;

/** Another axis than the last must save this share of the fetches: equal costs have one answer. */
const GAIN = 0.2;

/** A kernel as loads see it: the axes in its lanes and over its render targets, and how many of these there are. */
export interface Tile {
  readonly lane: Axis | null;
  readonly split: Axis | null;
  readonly R: number;
}

/** The axis of stored value `n` for the columns; null for the last one, which is the default. */
export function laneOf(
  n: Node,
  partition: Partition,
  known: KnownLayout,
  tile: (lane: number) => Tile,
  mayBeOutermost: boolean,
): number | null {
  const column = (e: Node): Column => columnIn(known(e));
  return cheapest(n, mayBeOutermost, (d) => fetchesOf(partition.reads.get(n)!, tile(d), column));
}

/** The same for a leaf that no plan has laid out: as the kernels that read it like. */
export function leafLane(n: Node, partition: Partition, known: KnownLayout): number | null {
  const readers = [...partition.stored.keys()].filter((k) => partition.reads.get(k)!.some((r) => r.node === n));
  if (readers.length === 0) return null;
  return cheapest(n, false, (d) => {
    const column = (e: Node): Column => (e === n ? d : columnIn(known(e)));
    return readers.reduce(
      (sum, k) => sum + numel(k.shape) * fetchesOf(partition.reads.get(k)!, tileIn(k, partition, known(k)!), column),
      0,
    );
  });
}

function tileIn(k: Node, partition: Partition, layout: Layout): Tile {
  const axes = partition.axes.get(k)!;
  const lane = columnIn(layout);
  return {
    lane: typeof lane === "number" ? axes[lane]! : null,
    split: layout.split < 0 ? null : axes[layout.rows[layout.split]!.dim]!,
    R: layout.R,
  };
}

function cheapest(n: Node, mayBeOutermost: boolean, fetchesBy: (d: number) => number): number | null {
  const real = [...n.shape.keys()].filter((d) => n.shape[d] !== 1);
  if (real.length < 2) return null;
  // Lanes past the end are computed, too.
  const cost = (d: number): number => ((Math.ceil(n.shape[d]! / 4) * 4) / n.shape[d]!) * fetchesBy(d);
  const last = real[real.length - 1]!;
  let best = last;
  let least = cost(last) * (1 - GAIN);
  // The outermost extent is a uniform wherever it may be a batch, and lanes are counted in the text.
  for (const d of mayBeOutermost ? real : real.slice(1)) {
    const c = d === last ? Infinity : cost(d);
    if (c < least) [best, least] = [d, c];
  }
  return best === last ? null : best;
}

/** Texel fetches for four lanes of one row, under the best innermost loop. */
function fetchesOf(reads: readonly Demand[], tile: Tile, column: (n: Node) => Column): number {
  const cost = (inner: Axis | null): number =>
    reads.reduce((sum, r) => sum + r.trips * fetches(r.at, tile, column(r.node), inner), 0);
  const inner = new Set<Axis>();
  for (const { at, node } of reads) {
    const own = column(node);
    const runs = typeof own === "number" ? axisAlone(at[own]) : null;
    if (runs?.role === "reduce") inner.add(runs);
  }
  return Math.min(cost(null), ...[...inner].map(cost));
}

/**
 * Texel fetches of one load for one step, four lanes and one row. Four steps of `inner`, or four rows of the tile, share
 * texels where they lie in the columns; all rows do if the load is the same in all.
 */
function fetches(at: readonly Index[], { lane, split, R }: Tile, column: Column, inner: Axis | null): number {
  const runs = typeof column === "number" ? axisAlone(at[column]) : null;
  const isShared = column === "free" || (runs !== null && (runs === inner || (runs === split && R >= 4)));
  const shared = isShared ? 1 / 4 : 1;
  const rows = split !== null && !at.some((i) => mentions(i, split)) ? 1 / R : 1;
  const along = lane === null ? [] : [...at.keys()].filter((d) => mentions(at[d]!, lane));
  if (along.length === 0) return rows * shared;
  if (along.length > 1 || axisAlone(at[along[0]!]) !== lane) return rows * 4;
  return rows * (column === "free" || column === along[0] ? 1 : 4 * shared + SHUFFLE);
}

/** What putting four texels' elements together costs, in fetches. */
const SHUFFLE = 1 / 4;

/** The axis in a value's columns; null where it is not one, "free" where it follows from what reads the value. */
type Column = number | "free" | null;

const columnIn = (layout: Layout | null): Column =>
  layout === null ? "free" : layout.cols.length === 1 ? layout.cols[0]!.dim : null;

/** The axis that an index is, with nothing added. */
function axisAlone(i: Index | undefined): Axis | null {
  const term = i?.terms[0];
  if (i?.terms.length !== 1 || i.offset !== 0 || term!.coef !== 1 || term!.atom.kind !== "axis") return null;
  return term!.atom.axis;
}

function mentions(i: Index, axis: Axis): boolean {
  let found = false;
  visitAtoms(i, (a) => (found ||= a.kind === "axis" && a.axis === axis));
  return found;
}

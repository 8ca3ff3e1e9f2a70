/**
 * Chooses the layout of every stored value; groups.ts says which of them one draw can write.
 *
 * A contraction is tiled: the row axis that most of its loop's operands do not depend on is split over render targets,
 * so that one fetch serves R rows. A cell's layout is fixed by the first plan that writes it.
 */
import { visitAtoms } from "../ir/affine.ts";
import { DeviceError } from "../ir/errors.ts";
import { layoutOf, type Layout, type LayoutChoice } from "../ir/layout.ts";
import type { Node } from "../ir/node.ts";
import type { DeviceProfile } from "../ir/plan.ts";
import { show } from "../ir/shape.ts";
import { groupStores, type KernelGroup } from "./groups.ts";
import { laneOf, leafLane, type KnownLayout, type Tile } from "./lanes.ts";
import type { Demand, Partition } from "./partition.ts";

/** Rows a tile may have for an axis of this extent: by class, so that a new batch of the class makes no new program. */
function tileRows(extent: number, targets: number): number {
  const most = extent >= 8 ? 8 : extent >= 4 ? 4 : extent >= 2 ? 2 : 1;
  return Math.min(most, targets);
}

/** The axis of a stored node to split, and over how many targets; null for what is no contraction. */
function tileOf(
  n: Node,
  lane: number,
  partition: Partition,
  targets: number,
): NonNullable<LayoutChoice["split"]> | null {
  const axes = partition.axes.get(n)!;
  const loops = partition.reads.get(n)!.filter((d) => d.inLoop);
  let best: { dim: number; shared: number } | null = null;
  for (let dim = 0; dim < n.shape.length; dim++) {
    if (dim === lane || n.shape[dim]! < 2) continue;
    const shared = loops.filter((d) => !dependsOn(d, axes[dim]!)).length;
    // A split axis must be read by some operand of the loop, or nothing is tiled.
    if (shared > 0 && shared < loops.length && (best === null || shared > best.shared)) best = { dim, shared };
  }
  if (best === null) return null;
  const R = tileRows(n.shape[best.dim]!, targets);
  return R === 1 ? null : { dim: best.dim, R };
}

function dependsOn(d: Demand, axis: object): boolean {
  let found = false;
  for (const i of d.at) visitAtoms(i, (a) => (found ||= a.kind === "axis" && a.axis === axis));
  return found;
}

export interface Layouts {
  readonly of: ReadonlyMap<Node, Layout>;
  /** What one kernel computes each, in an order in which kernels can run. */
  readonly groups: readonly KernelGroup[];
}

/** What is settled before layouts are chosen. */
export interface GivenLayouts {
  /** Of stored values that are next versions of cells: plans before have chosen theirs. */
  readonly fixed: ReadonlyMap<Node, Layout>;
  /** Of bound leaves; null where this plan chooses. */
  readonly ofLeaf: KnownLayout;
  /** Stored values that are next versions of cells. */
  readonly assigned: ReadonlySet<Node>;
  /** Stored values that the caller wants. */
  readonly roots: ReadonlySet<Node>;
}

export function chooseLayouts(
  partition: Partition,
  given: GivenLayouts,
  stores: (n: Node) => number,
  profile: DeviceProfile,
): Layouts {
  const of = new Map<Node, Layout>();
  const known: KnownLayout = (n) => of.get(n) ?? given.ofLeaf(n);
  // Inputs first, so that values follow what they read.
  for (const n of [...partition.stored.keys()].sort((a, b) => a.id - b.id)) {
    const fixed = given.fixed.get(n);
    of.set(n, fixed ?? chosenLayout(n, partition, known, given.assigned.has(n), stores(n), profile));
  }
  return { of, groups: groupStores(partition, of, stores, (n) => given.roots.has(n), profile) };
}

function chosenLayout(
  n: Node,
  partition: Partition,
  known: KnownLayout,
  isAssigned: boolean,
  stores: number,
  profile: DeviceProfile,
): Layout {
  const isOff = (name: string): boolean => profile.off.includes(name);
  const targets = Math.min(profile.tile, Math.max(1, Math.floor(profile.maxDrawBuffers / stores)));
  const axes = partition.axes.get(n)!;
  const splitOf = (lane: number): LayoutChoice["split"] | null =>
    isOff("tiles") ? null : tileOf(n, lane, partition, targets);
  const tile = (lane: number): Tile => {
    const split = splitOf(lane);
    return { lane: axes[lane]!, split: split === null ? null : axes[split!.dim]!, R: split?.R ?? 1 };
  };
  const lane = isOff("lanes") ? null : laneOf(n, partition, known, tile, isAssigned);
  let last = n.shape.length - 1;
  while (last >= 0 && n.shape[last] === 1) last--;
  const split = splitOf(lane ?? last);
  return fitting(n, profile, {
    ...(lane === null ? {} : { columns: [lane] }),
    ...(split == null ? {} : { split }),
  });
}

/** Of leaves that no plan has laid out. Each follows those before it. */
export function leafLayouts(
  leaves: readonly Node[],
  partition: Partition,
  known: KnownLayout,
  profile: DeviceProfile,
): ReadonlyMap<Node, Layout> {
  const of = new Map<Node, Layout>();
  for (const n of leaves) {
    const lane = profile.off.includes("lanes") ? null : leafLane(n, partition, (e) => of.get(e) ?? known(e));
    of.set(n, fitting(n, profile, lane === null ? {} : { columns: [lane] }));
  }
  return of;
}

function fitting(n: Node, profile: DeviceProfile, choice: LayoutChoice): Layout {
  const made = layoutOf(n.shape, profile, choice) ?? layoutOf(n.shape, profile);
  if (made === null) {
    throw new DeviceError(
      `${n.op.name}: a ${n.dtype} tensor of ${show(n.shape)} fits no texture of ${profile.maxTextureSize} x ${profile.maxTextureSize} (MAX_TEXTURE_SIZE of this context)`,
    );
  }
  return made;
}

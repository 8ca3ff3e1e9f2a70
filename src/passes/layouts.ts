/**
 * Chooses the layout of every stored value; groups.ts says which of them one draw can write.
 *
 * A contraction is tiled: the row axis that most of its loop's operands do not depend on is split over render targets,
 * so that one fetch serves R rows. A cell's layout is fixed by the first plan that writes it.
 */
import { visitAtoms } from "../ir/affine.ts";
import { DeviceError } from "../ir/errors.ts";
import { layoutOf, type Layout } from "../ir/layout.ts";
import type { Node } from "../ir/node.ts";
import type { DeviceProfile } from "../ir/plan.ts";
import { show } from "../ir/shape.ts";
import { groupStores } from "./groups.ts";
import type { Demand, Partition } from "./partition.ts";

/** Rows a tile may have for an axis of this extent: by class, so that a new batch of the class makes no new program. */
function tileRows(extent: number, targets: number): number {
  const most = extent >= 8 ? 8 : extent >= 4 ? 4 : extent >= 2 ? 2 : 1;
  return Math.min(most, targets);
}

/** The axis of a stored node to split, and over how many targets; null for what is no contraction. */
function tileOf(n: Node, partition: Partition, targets: number): { dim: number; R: number } | null {
  const axes = partition.axes.get(n)!;
  let lane = n.shape.length - 1;
  while (lane >= 0 && n.shape[lane] === 1) lane--;
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
  /** Stored nodes that one kernel writes, in an order in which kernels can run. */
  readonly groups: readonly (readonly Node[])[];
}

/** `fixed` gives the layouts that may not be chosen: those of cells that a plan has already written. */
export function chooseLayouts(
  partition: Partition,
  fixed: ReadonlyMap<Node, Layout>,
  stores: (n: Node) => number,
  profile: DeviceProfile,
): Layouts {
  const of = new Map<Node, Layout>();
  for (const n of partition.stored.keys()) {
    const tile = profile.off.includes("tiles")
      ? null
      : tileOf(n, partition, Math.max(1, Math.floor(profile.maxDrawBuffers / stores(n))));
    of.set(n, fixed.get(n) ?? defaultLayout(n, profile, tile));
  }
  return { of, groups: groupStores(partition, of, stores, profile) };
}

export function defaultLayout(n: Node, profile: DeviceProfile, tile: { dim: number; R: number } | null = null): Layout {
  const made = layoutOf(n.shape, profile, tile === null ? {} : { split: tile });
  if (made === null) {
    throw new DeviceError(
      `${n.op.name}: a ${n.dtype} tensor of ${show(n.shape)} fits no texture of ${profile.maxTextureSize} x ${profile.maxTextureSize} (MAX_TEXTURE_SIZE of this context)`,
    );
  }
  return made;
}

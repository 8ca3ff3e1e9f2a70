/**
 * Chooses the layout of every stored value and groups stored values that one draw can write.
 *
 * A contraction is tiled: the row axis that most of its loop's operands do not depend on is split over render targets,
 * so that one fetch serves R rows. A cell's layout is fixed by the first plan that writes it.
 */
import { isConstant, visitAtoms } from "../ir/affine.ts";
import { DeviceError } from "../ir/errors.ts";
import { layoutOf, type Layout } from "../ir/layout.ts";
import type { Node } from "../ir/node.ts";
import type { DeviceProfile } from "../ir/plan.ts";
import { show } from "../ir/shape.ts";
import { MAX_NUMBERS, MAX_OPERATIONS, type Demand, type Partition } from "./partition.ts";

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
  return { of, groups: group(partition, of, stores, profile) };
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

/**
 * Inputs first; joins values of one form of layout where one of them reads the other in place, or both loop over the
 * same operands. A value that reads two groups in place joins them all.
 */
function group(
  partition: Partition,
  layouts: ReadonlyMap<Node, Layout>,
  stores: (n: Node) => number,
  profile: DeviceProfile,
): readonly (readonly Node[])[] {
  const groups = new Set<Node[]>();
  const groupOf = new Map<Node, Node[]>();
  const contents = new Map<Node, Contents>();
  const isSmall = (nodes: readonly Node[]): boolean => {
    const all = { loads: new Set<Node>(), operations: new Set<Node>(), numbers: new Set<Node>() };
    for (const n of nodes) {
      let own = contents.get(n);
      if (own === undefined) contents.set(n, (own = contentsOf(partition, n)));
      for (const e of own.loads) all.loads.add(e);
      for (const e of own.operations) all.operations.add(e);
      for (const e of own.numbers) all.numbers.add(e);
    }
    for (const n of nodes) all.loads.delete(n);
    return (
      all.loads.size <= partition.limits.inputs &&
      all.operations.size <= MAX_OPERATIONS &&
      all.numbers.size <= MAX_NUMBERS
    );
  };
  const fits = (a: readonly Node[], b: readonly Node[]): boolean => {
    const layout = layouts.get(a[0]!)!;
    const targets = [...a, ...b].reduce((sum, e) => sum + stores(e), 0) * layout.R;
    return (
      a[0]!.dtype === b[0]!.dtype &&
      layoutForm(layouts.get(b[0]!)!) === layoutForm(layout) &&
      targets <= profile.maxDrawBuffers &&
      isSmall([...a, ...b]) &&
      readsOnlyInPlace(partition, a, b) &&
      readsOnlyInPlace(partition, b, a) &&
      !reachesThroughOthers(partition, groupOf, a, b) &&
      !reachesThroughOthers(partition, groupOf, b, a)
    );
  };
  for (const n of [...partition.stored.keys()].sort((a, b) => a.id - b.id)) {
    let own = [n];
    groups.add(own);
    groupOf.set(n, own);
    if (profile.off.includes("outputs")) continue;
    for (const g of groups) {
      if (g === own || !groups.has(g) || !g.some((e) => readsInPlace(partition, n, e) || sharesLoop(partition, n, e)))
        continue;
      if (!fits(g, own)) continue;
      g.push(...own);
      for (const e of own) groupOf.set(e, g);
      groups.delete(own);
      own = g;
    }
  }
  return orderGroups(partition, [...groups], groupOf);
}

/** What a kernel that stores one node holds. */
interface Contents {
  readonly loads: ReadonlySet<Node>;
  readonly operations: ReadonlySet<Node>;
  readonly numbers: ReadonlySet<Node>;
}

function contentsOf(partition: Partition, n: Node): Contents {
  const operations = new Set<Node>();
  const numbers = new Set<Node>();
  const seen = new Set<Node>([n]);
  const stack = [n];
  while (stack.length > 0) {
    const e = stack.pop()!;
    if (e.op.kind === "map") operations.add(e);
    if (e.op.kind === "leaf" && (e.op.role === "uniform" || e.op.role === "count")) numbers.add(e);
    for (const x of e.inputs) {
      if (seen.has(x) || !partition.inlined.has(x)) continue;
      seen.add(x);
      stack.push(x);
    }
  }
  return { loads: new Set(partition.reads.get(n)!.map((d) => d.node)), operations, numbers };
}

/** A layout apart from axes of extent 1: values of one form are written by one kernel. */
export function layoutForm(l: Layout): string {
  const real = l.shape.map((_, i) => i).filter((i) => l.shape[i] !== 1);
  const digits = (all: Layout["rows"]): string =>
    all.map((d) => `${real.indexOf(d.dim)}/${d.div}:${d.extent}`).join(" ");
  return `${real.map((i) => l.shape[i]).join(",")} ${digits(l.rows)}|${digits(l.cols)} ${l.R} ${l.split} ${l.P}`;
}

/** Whether n's kernel reads stored node e once, at n's own coordinates. */
function readsInPlace(partition: Partition, n: Node, e: Node): boolean {
  const all = partition.reads.get(n)!.filter((d) => d.node === e);
  const real = partition.axes.get(n)!.filter((_, d) => n.shape[d] !== 1);
  const at = all[0]?.at.filter((i) => !isConstant(i)) ?? [];
  return (
    all.length === 1 &&
    at.length === real.length &&
    at.every((i, d) => {
      const term = i.terms[0]!;
      return (
        i.offset === 0 &&
        i.terms.length === 1 &&
        term.coef === 1 &&
        term.atom.kind === "axis" &&
        term.atom.axis === real[d]
      );
    })
  );
}

/** Whether the members of `a` read those of `b` at their own coordinates or not at all: others are not computed yet. */
const readsOnlyInPlace = (partition: Partition, a: readonly Node[], b: readonly Node[]): boolean =>
  a.every((n) => b.every((e) => readsInPlace(partition, n, e) || !partition.reads.get(n)!.some((d) => d.node === e)));

/** Whether both kernels read one operand inside a loop. */
function sharesLoop(partition: Partition, a: Node, b: Node): boolean {
  const of = (n: Node): Demand[] => partition.reads.get(n)!.filter((d) => d.inLoop);
  const loads = new Set(of(b).map((d) => d.node));
  return of(a).some((d) => loads.has(d.node) && d.trips === of(b).find((e) => e.node === d.node)!.trips);
}

/** Whether group a needs a value of group b by way of a third kernel (then they cannot be one draw). */
function reachesThroughOthers(
  partition: Partition,
  groupOf: ReadonlyMap<Node, readonly Node[]>,
  a: readonly Node[],
  b: readonly Node[],
): boolean {
  const seen = new Set<readonly Node[]>([a, b]);
  const stack: (readonly Node[])[] = [a];
  while (stack.length > 0) {
    const g = stack.pop()!;
    for (const m of g) {
      for (const d of partition.reads.get(m)!) {
        const other = groupOf.get(d.node);
        if (other === b && g !== a) return true;
        if (other === undefined || seen.has(other)) continue;
        seen.add(other);
        stack.push(other);
      }
    }
  }
  return false;
}

function orderGroups(
  partition: Partition,
  groups: readonly Node[][],
  groupOf: ReadonlyMap<Node, readonly Node[]>,
): readonly (readonly Node[])[] {
  const out: (readonly Node[])[] = [];
  const state = new Map<readonly Node[], "open" | "done">();
  for (const start of groups) {
    const stack: (readonly Node[])[] = [start];
    while (stack.length > 0) {
      const g = stack[stack.length - 1]!;
      if (state.get(g) === "done") {
        stack.pop();
        continue;
      }
      if (state.get(g) === "open") {
        state.set(g, "done");
        out.push(g);
        stack.pop();
        continue;
      }
      state.set(g, "open");
      for (const m of g) {
        for (const d of partition.reads.get(m)!) {
          const other = groupOf.get(d.node);
          if (other !== undefined && other !== g && state.get(other) === undefined) stack.push(other);
        }
      }
    }
  }
  return out;
}

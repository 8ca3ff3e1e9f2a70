/**
 * Decides which values are stored, and so which nodes become one kernel (design section 3, law 1). Walks from users to
 * inputs; each node is met with every demand on it known: which kernel reads it, at which symbolic coordinates.
 * Builds no kernels (lower.ts) and chooses no layouts (layouts.ts).
 */
import { axisIndex, symbolic, visitAtoms, type Axis, type Index } from "../ir/affine.ts";
import type { CutReason } from "../ir/kernel.ts";
import type { Node } from "../ir/node.ts";
import type { NodeFate } from "../ir/plan.ts";
import { numel } from "../ir/shape.ts";
import { contentsOf, cutsWithin, excess } from "./oversized.ts";

/** How often one kernel may compute a node at different coordinates before it is stored instead. */
const MAX_PATHS = 4;
/** Law 1: evaluations of an element per distinct element up to which a value with one more load is recomputed. */
const MAX_REFETCH = 4;
/** Quotients, remainders and axes one coordinate may be made of: reshapes of reshapes that do not compose double it. */
const MAX_ATOMS = 24;

/** What one kernel may hold. */
export interface PartitionLimits {
  /** Textures it may read. */
  readonly inputs: number;
  /** Render targets of a draw. */
  readonly targets: number;
  /** Whether even the product of a contraction is stored rather than that a kernel reads more. */
  readonly isStrict: boolean;
}

export interface Partition {
  /** Stored nodes, users first, with the reason of each. Leaves are never here, except as roots. */
  readonly stored: ReadonlyMap<Node, CutReason>;
  /** Why each other computed node is part of its users' kernels. */
  readonly inlined: ReadonlyMap<Node, InlineWhy>;
  /** What the kernel of each stored node reads. */
  readonly reads: ReadonlyMap<Node, readonly Demand[]>;
  /** Axes of each kernel, one per axis of its stored node. */
  readonly axes: ReadonlyMap<Node, readonly Axis[]>;
  readonly limits: PartitionLimits;
}

export type InlineWhy = Extract<NodeFate, { kind: "inlined" }>["why"];

/** One way in which a kernel needs a node: at which coordinates. */
export interface Demand {
  readonly node: Node;
  readonly kernel: Node;
  readonly at: readonly Index[];
  /** Product of the extents of the reduce axes the coordinates depend on. */
  readonly trips: number;
  /** Whether the coordinates depend on a reduce axis. */
  readonly inLoop: boolean;
  /** Whether four lanes share one evaluation. */
  readonly splat: boolean;
}

/**
 * `roots` with the reason each is stored; `leaf` says which nodes are bound to buffers; `apart` is stored whatever the
 * laws say.
 */
export function partition(
  roots: ReadonlyMap<Node, CutReason>,
  leaf: (n: Node) => boolean,
  limits: PartitionLimits,
  apart: ReadonlyMap<Node, CutReason>,
): Partition {
  const order = usersFirst([...roots.keys()], leaf);
  const expanding = expandingMaps(order, leaf);
  const cuts = new Map(apart);
  const cut = (made: Partition, mayBeStored: (n: Node, loads: ReadonlySet<Node>) => boolean): boolean => {
    const before = cuts.size;
    for (const n of made.stored.keys()) {
      if (leaf(n) || excess(contentsOf(made, n), limits) === null) continue;
      for (const [e, why] of cutsWithin(made, n, leaf, mayBeStored)) if (!cuts.has(e)) cuts.set(e, why);
    }
    return cuts.size > before;
  };
  for (;;) {
    const made = partitioned(order, roots, leaf, limits, expanding, cuts);
    if (cut(made, (n, loads) => !expanding.has(n) || isNoLarger(n, loads))) continue;
    if (!limits.isStrict || !cut(made, () => true)) return made;
  }
}

/** `cuts`: values that must be stored for the kernels to be small enough. */
function partitioned(
  order: readonly Node[],
  roots: ReadonlyMap<Node, CutReason>,
  leaf: (n: Node) => boolean,
  limits: PartitionLimits,
  expanding: ReadonlySet<Node>,
  cuts: ReadonlyMap<Node, CutReason>,
): Partition {
  const { sitting, beside, above } = sittingOnReductions(order, roots, leaf);
  const stored = new Map<Node, CutReason>();
  const inlined = new Map<Node, InlineWhy>();
  const demands = new Map<Node, Map<string, Demand>>();
  const gathered = new Set<Node>();
  const reduceAxes = new Map<string, readonly Axis[]>();
  let nextAxis = 0;
  // The outermost extent is a uniform in kernels, so it bounds nothing: coordinates are as different as there.
  const newAxis = (extent: number, role: Axis["role"], isOutermost: boolean): Axis => ({
    id: nextAxis++,
    name: "",
    extent,
    bound: isOutermost ? Infinity : extent,
    role,
  });

  const ask = (n: Node, kernel: Node, at: readonly Index[]): void => {
    let all = demands.get(n);
    if (all === undefined) demands.set(n, (all = new Map<string, Demand>()));
    const key = `${kernel.id}:${at.map((i) => i.key).join(",")}`;
    if (all.has(key)) return;
    const loops = new Set<Axis>();
    let splat = true;
    const last = kernelAxes.get(kernel)!.at(-1);
    for (const i of at) {
      visitAtoms(i, (a) => {
        if (a.kind !== "axis") return;
        if (a.axis.role === "reduce") loops.add(a.axis);
        else if (a.axis === last) splat = false;
      });
    }
    let trips = 1;
    for (const a of loops) trips *= a.extent;
    all.set(key, { node: n, kernel, at, trips, inLoop: loops.size > 0, splat });
  };

  const kernelAxes = new Map<Node, readonly Axis[]>();
  const startKernel = (n: Node, reason: CutReason): void => {
    stored.set(n, reason);
    const outermost = n.shape.findIndex((e) => e !== 1);
    const axes = n.shape.map((e, i) => newAxis(e, "row", i === outermost));
    kernelAxes.set(n, axes);
    if (!leaf(n)) askInputs(n, n, axes.map(axisIndex));
  };

  const askInputs = (n: Node, kernel: Node, at: readonly Index[]): void => {
    const op = n.op;
    const x = n.inputs[0];
    switch (op.kind) {
      case "map":
        for (const e of n.inputs) ask(e, kernel, at);
        return;
      case "view": {
        const pulled = op.pull(symbolic, at, n.attrs, x!.shape);
        if (!pulled.valid.some((c) => c.kind === "never")) ask(x!, kernel, pulled.at);
        return;
      }
      case "reduce": {
        const axes = n.attrs["axes"] as readonly number[];
        const key = `${kernel.id}:${n.id}`;
        let loops = reduceAxes.get(key);
        if (loops === undefined)
          reduceAxes.set(key, (loops = axes.map((a, i) => newAxis(x!.shape[a]!, "reduce", i === 0))));
        const full: Index[] = [];
        for (let i = 0, outer = 0, inner = 0; i < x!.shape.length; i++) {
          full.push(axes.includes(i) ? axisIndex(loops[inner++]!) : at[outer++]!);
        }
        ask(x!, kernel, full);
        return;
      }
      case "gather": {
        ask(n.inputs[1]!, kernel, at);
        gathered.add(x!);
        const axis = n.attrs["axis"] as number;
        const opaque = axisIndex(newAxis(x!.shape[axis]!, "row", false));
        ask(
          x!,
          kernel,
          at.map((i, d) => (d === axis ? opaque : i)),
        );
        return;
      }
      default:
        return;
    }
  };

  const evaluations = (d: Demand): number => (numel(d.kernel.shape) * d.trips) / (d.splat && d.inLoop ? 4 : 1);

  for (const n of order) {
    const root = roots.get(n);
    if (root !== undefined) {
      startKernel(n, root);
      continue;
    }
    if (leaf(n)) continue;
    const asked = [...(demands.get(n)?.values() ?? [])];
    if (asked.length === 0) continue;
    const verdict = decide(n, asked);
    if ("store" in verdict) startKernel(n, verdict.store);
    else {
      inlined.set(n, verdict.inline);
      for (const d of asked) askInputs(n, d.kernel, d.at);
    }
  }
  const reads = new Map<Node, Demand[]>();
  for (const n of stored.keys()) reads.set(n, []);
  for (const [n, all] of demands) {
    if (!leaf(n) && !stored.has(n)) continue;
    for (const d of all.values()) if (d.kernel !== n) reads.get(d.kernel)!.push(d);
  }
  return { stored, inlined, reads, axes: kernelAxes, limits };

  function decide(n: Node, asked: readonly Demand[]): { store: CutReason } | { inline: InlineWhy } {
    if (n.op.kind === "leaf") return { inline: "leaf" };
    if (gathered.has(n)) return { store: "gathered" };
    const size = numel(n.shape);
    const kernels = new Set(asked.map((d) => d.kernel));
    const paths = Math.max(...[...kernels].map((k) => asked.filter((d) => d.kernel === k).length));
    const inPlace = kernels.size === 1 && paths === 1 && !asked[0]!.inLoop && numel(asked[0]!.kernel.shape) <= size;
    const forced = cuts.get(n);
    if (n.op.kind === "reduce" || n.op.kind === "gather") {
      if (inPlace && forced === undefined) return { inline: n.op.kind === "reduce" ? "phase" : "epilogue" };
      if (n.op.kind === "reduce") return { store: "reduction" };
    }
    if (forced !== undefined) return { store: forced };
    if (n.op.kind === "view") {
      if (onLeaf(n) && !isView(n.inputs[0]!)) return { inline: "view" };
      if (asked.some((d) => d.at.some((i) => atomsOf(i) > MAX_ATOMS))) return { store: "size" };
      return paths > MAX_PATHS * 4 && !onLeaf(n) ? { store: "paths" } : { inline: "view" };
    }
    if (inPlace) return { inline: "epilogue" };
    if (expanding.has(n) && asked.every((d) => d.inLoop)) return { inline: "expanding" };
    // Each element is computed once either way: storing it would only add a write and a read.
    const once = asked.length === 1 && evaluations(asked[0]!) <= size;
    if (once && beside.has(n)) return { inline: "epilogue" };
    const refetch = Math.max(...asked.map(evaluations)) / Math.max(size, 1);
    const isCheap = refetch <= MAX_REFETCH && loadsBelow(n) <= 2;
    if (limits.targets === 1 && above.has(n) && loadsBelow(n) <= 3)
      return { inline: "recomputed for want of a second target" };
    if (sitting.has(n) && !(beside.has(n) && isCheap)) return { store: "epilogue" };
    if (paths > MAX_PATHS) return { store: "paths" };
    if (n.op.kind === "map" && (n.op.trivial === true || scalesByNumber(n) || isMask(n))) return { inline: "trivial" };
    if (once) return { inline: "epilogue" };
    const contractions = asked.filter((d) => d.inLoop && evaluations(d) > size).length;
    if (contractions >= 2) return { store: "contractions" };
    if (isCheap) return { inline: "refetched at most four times" };
    return { store: "refetched" };
  }

  function onLeaf(n: Node): boolean {
    let at = n;
    while (at.op.kind === "view") at = at.inputs[0]!;
    return leaf(at) || at.op.kind === "leaf";
  }

  /** A product or quotient with one number: a multiply costs less than a fetch. */
  function scalesByNumber(n: Node): boolean {
    return n.inputs.length === 2 && n.inputs.some((e) => onNumber(e));
  }

  /** A selection between a value and a number: where(mask, x, 0). */
  function isMask(n: Node): boolean {
    return n.inputs.length === 3 && n.inputs[0]!.dtype === "bool" && n.inputs.slice(1).some((e) => onNumber(e));
  }

  function onNumber(n: Node): boolean {
    let at = n;
    while (at.op.kind === "view") at = at.inputs[0]!;
    return at.op.kind === "leaf" && at.op.role !== "buffer" && at.op.role !== "iota";
  }

  /** Buffers a value reads if it is recomputed, up to three; work that ends where a reduction ends counts as one. */
  function loadsBelow(n: Node): number {
    const loads = new Set<Node>();
    const seen = new Set<Node>();
    const stack = [n];
    while (stack.length > 0 && loads.size <= 2) {
      const e = stack.pop()!;
      if (seen.has(e)) continue;
      seen.add(e);
      if (
        leaf(e) ||
        (e !== n && (e.op.kind === "reduce" || e.op.kind === "gather" || (e.op.kind === "map" && sitting.has(e))))
      )
        loads.add(e);
      else stack.push(...e.inputs);
    }
    return loads.size;
  }
}

/** Law 1: maps larger than each operand before its own views; the product of a contraction, or a mask of one. */
function expandingMaps(order: readonly Node[], leaf: (n: Node) => boolean): Set<Node> {
  const expanding = new Set<Node>();
  for (let k = order.length - 1; k >= 0; k--) {
    const n = order[k]!;
    if (n.op.kind !== "map") continue;
    let [grows, all] = [false, true];
    for (const e of n.inputs) {
      let base = e;
      while (base.op.kind === "view") base = base.inputs[0]!;
      if (base.op.kind === "leaf" && !leaf(base)) continue;
      if (numel(base.shape) < numel(n.shape) || expanding.has(base)) grows = true;
      else all = false;
    }
    if (grows && all) expanding.add(n);
  }
  return expanding;
}

/**
 * `sitting`: elementwise work on a reduction of the same size that could be done where that reduction ends, since no
 * other operand depends on the reduction. `beside`: such work on a value that has other users, and so is stored anyway;
 * `above`: that, and what follows it.
 */
function sittingOnReductions(
  order: readonly Node[],
  roots: ReadonlyMap<Node, CutReason>,
  leaf: (n: Node) => boolean,
): Record<"sitting" | "beside" | "above", ReadonlySet<Node>> {
  const bases = reductionBases(order, leaf);
  const users = new Map<Node, number>([...roots.keys()].map((n) => [n, 1]));
  for (const n of order) if (!leaf(n)) for (const e of new Set(n.inputs)) users.set(e, (users.get(e) ?? 0) + 1);
  const isShared = (n: Node): boolean => {
    let at = n;
    while (at.op.kind === "view" && users.get(at)! < 2) at = at.inputs[0]!;
    return users.get(at)! >= 2;
  };
  const sitting = new Set<Node>();
  const beside = new Set<Node>();
  const above = new Set<Node>();
  for (let k = order.length - 1; k >= 0; k--) {
    const n = order[k]!;
    const base = bases.get(n);
    if (base === undefined) continue;
    const sits = (e: Node): boolean =>
      e.id < base.id || leaf(e) || (bases.get(e) === base ? sitting.has(e) : !reaches(e, base, leaf));
    if (n === base || n.inputs.every(sits)) sitting.add(n);
    const below = n === base ? [] : n.inputs.filter((e) => bases.get(e) === base);
    if (below.some(isShared)) beside.add(n);
    if (beside.has(n) || below.some((e) => above.has(e))) above.add(n);
  }
  return { sitting, beside, above };
}

function reaches(from: Node, to: Node, leaf: (n: Node) => boolean): boolean {
  const seen = new Set<Node>();
  const stack = [from];
  while (stack.length > 0) {
    const e = stack.pop()!;
    if (e === to) return true;
    if (seen.has(e) || e.id < to.id || leaf(e)) continue;
    seen.add(e);
    stack.push(...e.inputs);
  }
  return false;
}

/** For each node the reduction of its size below it, through elementwise work and views that only move elements. */
function reductionBases(order: readonly Node[], leaf: (n: Node) => boolean): Map<Node, Node> {
  const bases = new Map<Node, Node>();
  for (let k = order.length - 1; k >= 0; k--) {
    const n = order[k]!;
    if (leaf(n)) continue;
    if (n.op.kind === "reduce") bases.set(n, n);
    else if (n.op.kind === "map" || n.op.kind === "view") {
      const size = numel(n.shape);
      // Of several, the youngest: the others may be what it was computed from.
      for (const e of n.inputs) {
        const base = bases.get(e);
        if (base === undefined || numel(e.shape) !== size) continue;
        if (bases.get(n) === undefined || base.id > bases.get(n)!.id) bases.set(n, base);
      }
    }
  }
  return bases;
}

const isView = (n: Node): boolean => n.op.kind === "view";

function atomsOf(i: Index): number {
  let atoms = 0;
  visitAtoms(i, () => atoms++);
  return atoms;
}

/** All nodes below `roots`, users before inputs. Ids grow from inputs to users, so this is a sort. */
function usersFirst(roots: readonly Node[], leaf: (n: Node) => boolean): Node[] {
  const seen = new Set<Node>(roots);
  const stack = [...roots];
  while (stack.length > 0) {
    const n = stack.pop()!;
    if (leaf(n)) continue;
    for (const e of n.inputs) {
      if (!seen.has(e)) {
        seen.add(e);
        stack.push(e);
      }
    }
  }
  return [...seen].sort((a, b) => b.id - a.id);
}

/** Whether a value is no larger than what it is made of; the product of a contraction is, and is never stored. */
function isNoLarger(n: Node, loads: ReadonlySet<Node>): boolean {
  let read = 0;
  for (const e of loads) read += numel(e.shape);
  return numel(n.shape) <= read;
}

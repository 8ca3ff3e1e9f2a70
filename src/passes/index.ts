/**
 * The ordered passes: from a submission's graph to kernels. Each stage is a named function on graphs; nothing here
 * knows GLSL or a context, only a device profile.
 */
import { InvariantError } from "../ir/errors.ts";
import type { CutReason, Kernel } from "../ir/kernel.ts";
import { layoutByText, type Layout } from "../ir/layout.ts";
import type { CompileRequest, LeafSlot, RootSlot } from "../ir/device.ts";
import { map, type Node } from "../ir/node.ts";
import { detach } from "../ir/ops/compare.ts";
import { carried } from "../ir/ops/leaf.ts";
import type { DeviceProfile, KernelPlan, NodeFate, PlanBuffer } from "../ir/plan.ts";
import { canonicalise } from "./canonicalise.ts";
import { distributeSums } from "./distribute-sums.ts";
import { fatesOf, Recorder } from "./fates.ts";
import { chooseLayouts, leafLayouts } from "./layouts.ts";
import { lower } from "./lower.ts";
import { contentsOf, excess } from "./oversized.ts";
import { packResults } from "./packs.ts";
import { partition, type Partition } from "./partition.ts";
import type { Hits, OnHit } from "./rewrite.ts";
import { simplify } from "./simplify.ts";
import { splitReductions } from "./split-reductions.ts";
import { substitute } from "./substitute.ts";

export interface PlanOptions {
  /** Keep the graph after each pass and the fate of each node, for the dump. */
  readonly record?: boolean;
  readonly hits?: Hits;
}

/** Textures a kernel may read: two units are kept for uploads and for what the context rebinds behind our back. */
const RESERVED_UNITS = 2;

export function buildPlan(
  request: CompileRequest,
  profile: DeviceProfile,
  expandMacros: (roots: readonly Node[]) => readonly Node[],
  options: PlanOptions = {},
): KernelPlan {
  const recorder = options.record === true ? new Recorder() : null;
  const onHit = hitsInto(options.hits, recorder);
  // What each traced node became, pass after pass.
  const traced = request.order.filter((n) => n.op.kind !== "macro");
  const images = new Map<Node, readonly Node[]>(traced.map((n) => [n, [n]]));
  const imageOf = (n: Node): Node => images.get(n)?.at(-1) ?? n;
  let roots: readonly Node[] = request.roots.map((r) => r.node);
  const become = (name: string, next: ReadonlyMap<Node, Node>): void => {
    for (const [n, all] of images) {
      const image = next.get(all[all.length - 1]!);
      if (image !== undefined && image !== all[all.length - 1]) images.set(n, [...all, image]);
    }
    roots = roots.map((r) => next.get(r)!);
    recorder?.stage(name, roots);
  };
  recorder?.stage("traced", roots);

  become("canonicalise", canonicalise(roots, onHit, profile.off));
  // Roots last, so that they are expanded first and in order.
  const before = [...traced.map(imageOf), ...roots];
  const expanded = expandMacros(before);
  become("expand macros", new Map(before.map((n, i) => [n, expanded[i]!])));
  const bound = bindLeaves(roots, request, imageOf);
  become("bind leaves", bound.became);
  become("simplify", simplify(roots, onHit, profile.off));
  become("split reductions", splitReductions(roots, profile.fragments, onHit, profile.off));
  roots = withOneLayoutEach(roots, request.roots);

  const input = (): ScheduleInput => ({
    roots,
    slots: request.roots,
    leaves: bound.leaves,
    leafSlots: request.leaves,
    uniforms: request.uniforms,
  });
  let parts = partitionOf(input(), profile);
  const apart = new Map<Node, CutReason>();
  while (readsTooMuch(parts) && !parts.limits.isStrict) {
    const distributed = profile.off.includes("linear") ? null : distributeSums(parts);
    if (distributed !== null) {
      const became = substitute(roots, distributed.became);
      for (const [n, why] of distributed.apart) apart.set(became.get(n)!, why);
      become("distribute sums", became);
    }
    parts = partitionOf(input(), profile, apart, distributed === null);
  }
  const plan = schedule(input(), profile, parts);
  const kept = new Map<Node, number>();
  for (const from of traced) {
    const to = imageOf(from);
    const at = plan.bufferOf.get(to);
    if (at !== undefined && from.op.kind !== "leaf" && to.op.kind !== "leaf") kept.set(from, at);
  }
  const record = recorder?.record(request.order, images, plan.fates()) ?? null;
  const { kernels, draws, buffers, leaves } = plan;
  return { kernels, draws, buffers, leaves, roots: plan.roots, kept, record };
}

function hitsInto(hits: Hits | undefined, recorder: Recorder | null): OnHit | null {
  if (hits === undefined) return recorder?.onHit ?? null;
  return (law, before, after) => {
    hits.set(law, (hits.get(law) ?? 0) + 1);
    recorder?.onHit(law, before, after);
  };
}

/** A simple graph, and what is known of its ends. */
export interface ScheduleInput {
  readonly roots: readonly Node[];
  /** One per root. */
  readonly slots: readonly Pick<RootSlot, "assigns">[];
  readonly leaves: readonly Node[];
  /** One per leaf. */
  readonly leafSlots: readonly Pick<LeafSlot, "layout">[];
  readonly uniforms: readonly Node[];
}

export interface Scheduled extends Pick<KernelPlan, "kernels" | "draws" | "buffers" | "leaves" | "roots"> {
  /** The first buffer each stored node is in. */
  readonly bufferOf: ReadonlyMap<Node, number>;
  readonly fates: () => ReadonlyMap<Node, NodeFate>;
}

const isLeaf = (n: Node): boolean => n.op.kind === "leaf" && n.op.role === "buffer";

/** Why each root is stored. */
function reasonsOf({ roots, slots }: ScheduleInput): Map<Node, CutReason> {
  const reasons = new Map<Node, CutReason>();
  roots.forEach((n, i) => {
    const { assigns } = slots[i]!;
    if (!reasons.has(n) || assigns !== null) reasons.set(n, assigns === null ? "output" : "assigned");
  });
  return reasons;
}

/** `apart`: what must be stored whatever the laws say, and why. */
function partitionOf(
  input: ScheduleInput,
  profile: DeviceProfile,
  apart: ReadonlyMap<Node, CutReason> = new Map(),
  isStrict = false,
): Partition {
  const limits = { inputs: profile.maxTextureUnits - RESERVED_UNITS, targets: profile.maxDrawBuffers, isStrict };
  return partition(reasonsOf(input), isLeaf, limits, apart);
}

const readsTooMuch = (parts: Partition): boolean =>
  [...parts.stored.keys()].some((n) => !isLeaf(n) && excess(contentsOf(parts, n), parts.limits) === "inputs");

/** Partition, layouts, kernel form. */
export function schedule(
  input: ScheduleInput,
  profile: DeviceProfile,
  parts: Partition = partitionOf(input, profile),
): Scheduled {
  const { roots } = input;
  const reasons = reasonsOf(input);
  const fixed = new Map<Node, Layout>();
  roots.forEach((n, i) => {
    const { assigns } = input.slots[i]!;
    if (assigns !== null && assigns.layout !== null) fixed.set(n, knownLayout(assigns.layout));
  });
  // A node asked for more often than there are targets, of which a tile that is fixed takes some for each, is written
  // once; the device copies it for the others.
  const stores = (n: Node): number => {
    const most = Math.floor(profile.maxDrawBuffers / (fixed.get(n)?.R ?? 1));
    return Math.min(most, Math.max(1, roots.filter((r) => r === n).length));
  };
  const boundAs = new Map(input.leaves.map((n, i) => [n, input.leafSlots[i]!.layout]));
  const given = {
    fixed,
    assigned: new Set(roots.filter((_, i) => input.slots[i]!.assigns !== null)),
    roots: new Set(roots),
    ofLeaf: (n: Node): Layout | null => {
      const text = boundAs.get(n) ?? null;
      return text === null ? null : knownLayout(text);
    },
  };
  const { of: chosen, groups: found } = chooseLayouts(parts, given, stores, profile);
  const packed = packResults(
    {
      partition: parts,
      groups: found,
      layouts: chosen,
      results: new Set(roots.filter((n) => stores(n) === 1 && !isLeaf(n))),
      assigned: given.assigned,
      settled: new Set(fixed.keys()),
    },
    profile,
  );
  const layoutOf = new Map([...chosen, ...packed.of]);
  const groups = packed.draws.flatMap((draw) => draw.map((g) => found[g]!));
  let drawn = 0;
  const draws = packed.draws.map((draw) => draw.map(() => drawn++));

  // Buffers: leaves first, then one per root, then what partition stores besides.
  const buffers: PlanBuffer[] = [];
  const leafBuffer = new Map<Node, number>();
  const leafLayout = new Map<Node, Layout>();
  input.leaves.forEach((node, i) => {
    const writer = input.slots.findIndex((r) => r.assigns?.leaf === i);
    const written = roots[writer];
    const layout =
      given.ofLeaf(node) ?? (written?.shape.length === node.shape.length ? (layoutOf.get(written) ?? null) : null);
    if (layout !== null) leafLayout.set(node, layout);
  });
  const free = [...new Set(input.leaves)].filter((n) => !leafLayout.has(n));
  const known = (n: Node): Layout | null => layoutOf.get(n) ?? leafLayout.get(n) ?? null;
  for (const [n, layout] of leafLayouts(free, parts, known, profile)) leafLayout.set(n, layout);
  const leaves = input.leaves.map((node) => {
    let buffer = leafBuffer.get(node);
    if (buffer === undefined) {
      buffer = buffers.push({ dtype: node.dtype, layout: leafLayout.get(node)!, node, reason: null }) - 1;
      leafBuffer.set(node, buffer);
    }
    return buffer;
  });
  const written = new Map<Node, number[]>();
  const rootBuffers = roots.map((n) => {
    const known = written.get(n);
    if (known !== undefined && known.length === stores(n)) return known[0]!;
    const buffer = buffers.push({ dtype: n.dtype, layout: layoutOf.get(n)!, node: n, reason: reasons.get(n)! }) - 1;
    if (known === undefined) written.set(n, [buffer]);
    else known.push(buffer);
    return buffer;
  });
  const isStored = new Set(groups.flatMap((g) => g.stores));
  for (const [n, reason] of parts.stored) {
    if (isStored.has(n) && !written.has(n))
      written.set(n, [buffers.push({ dtype: n.dtype, layout: layoutOf.get(n)!, node: n, reason }) - 1]);
  }

  const uniforms = new Map<Node, number>(input.uniforms.map((n, i) => [n, i]));
  const kernels: Kernel[] = groups.map(({ nodes, stores: outputs }) =>
    lower({
      nodes,
      stores: outputs,
      targets: (n) => written.get(n)!,
      bufferOf: (n) => leafBuffer.get(n) ?? written.get(n)?.[0] ?? null,
      layoutOf: (b) => buffers[b]!.layout,
      uniformOf: (n) => {
        const at = uniforms.get(n);
        if (at === undefined) throw new InvariantError("a uniform that the request does not list");
        return at;
      },
      reason: parts.stored.get(outputs[outputs.length - 1]!)!,
    }),
  );
  return {
    kernels,
    draws,
    buffers,
    leaves,
    roots: rootBuffers,
    bufferOf: new Map([...written].map(([n, all]) => [n, all[0]!])),
    fates: () => fatesOf(parts.stored, parts.inlined, groups, leafBuffer),
  };
}

/** Cells that are assigned one value but keep it in different layouts are assigned copies of it. */
function withOneLayoutEach(roots: readonly Node[], slots: readonly RootSlot[]): readonly Node[] {
  const layouts = new Map<Node, string>();
  return roots.map((n, i) => {
    const layout = slots[i]!.assigns?.layout ?? null;
    if (layout === null) return n;
    let own = n;
    while ((layouts.get(own) ?? layout) !== layout) own = map(detach.definition, [own]);
    layouts.set(own, layout);
    return own;
  });
}

/**
 * Puts a buffer leaf in the place of every node whose value is already at hand, and forgets the graph below it.
 * Done after macros are expanded: a gradient differentiates through such a node.
 */
function bindLeaves(
  roots: readonly Node[],
  request: CompileRequest,
  imageOf: (n: Node) => Node,
): { became: Map<Node, Node>; leaves: readonly Node[] } {
  const replaced = new Map<Node, Node>();
  const leaves = request.leaves.map((slot) => {
    const n = imageOf(slot.node);
    if (n.op.kind === "leaf") return n;
    let leaf = replaced.get(n);
    if (leaf === undefined) replaced.set(n, (leaf = carried({ kind: "carried", value: {} }, n.dtype, n.shape)));
    return leaf;
  });
  return { became: substitute(roots, replaced), leaves };
}

function knownLayout(text: string): Layout {
  const layout = layoutByText(text);
  if (layout === undefined) throw new InvariantError(`no layout was ever made as ${text}`);
  return layout;
}

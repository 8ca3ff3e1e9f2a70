/**
 * The ordered passes: from a submission's graph to kernels. Each stage is a named function on graphs; nothing here
 * knows GLSL or a context, only a device profile.
 */
import { InvariantError } from "../ir/errors.ts";
import type { CutReason, Kernel } from "../ir/kernel.ts";
import { layoutByText, type Layout } from "../ir/layout.ts";
import type { CompileRequest } from "../ir/device.ts";
import { rebuild, type Node } from "../ir/node.ts";
import { carried } from "../ir/ops/leaf.ts";
import type { DeviceProfile, KernelPlan, NodeFate, PlanBuffer, PlanRecord } from "../ir/plan.ts";
import { canonicalise } from "./canonicalise.ts";
import { chooseLayouts, defaultLayout } from "./layouts.ts";
import { lower } from "./lower.ts";
import { partition } from "./partition.ts";
import type { Hits } from "./rewrite.ts";
import { simplify } from "./simplify.ts";

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
  const hits = options.hits ?? null;
  const stages: PlanRecord["stages"][number][] = [];
  const note = (name: string, roots: readonly Node[]): void => {
    if (options.record === true) stages.push({ name, roots });
  };
  // What each traced node became, pass after pass.
  const traced = request.order.filter((n) => n.op.kind !== "macro");
  let became = new Map<Node, Node>(traced.map((n) => [n, n]));
  const compose = (next: ReadonlyMap<Node, Node>): void => {
    became = new Map([...became].map(([a, b]) => [a, next.get(b) ?? b]));
  };
  let roots: readonly Node[] = request.roots.map((r) => r.node);
  note("traced", roots);

  const canonical = canonicalise(roots, hits);
  compose(canonical);
  roots = roots.map((r) => canonical.get(r)!);
  note("canonicalise", roots);

  roots = expandMacros(roots);
  note("expand macros", roots);

  const bound = bindLeaves(roots, request, became);
  roots = roots.map((r) => bound.became.get(r)!);
  compose(bound.became);

  const simple = simplify(roots, hits, profile.off);
  compose(simple);
  roots = roots.map((r) => simple.get(r)!);
  note("simplify", roots);

  // Buffers: leaves first, then one per root, then what partition stores besides.
  const buffers: PlanBuffer[] = [];
  const isLeaf = (n: Node): boolean => n.op.kind === "leaf" && n.op.role === "buffer";
  const reasons = new Map<Node, CutReason>();
  const fixed = new Map<Node, Layout>();
  roots.forEach((n, i) => {
    const assigns = request.roots[i]!.assigns;
    if (!reasons.has(n) || assigns !== null) reasons.set(n, assigns === null ? "output" : "assigned");
    if (assigns !== null && assigns.layout !== null) fixed.set(n, knownLayout(assigns.layout));
  });
  const parts = partition(reasons, isLeaf, { inputs: profile.maxTextureUnits - RESERVED_UNITS });
  const stores = (n: Node): number => Math.max(1, roots.filter((r) => r === n).length);
  const layouts = chooseLayouts(parts, fixed, stores, profile);

  const leafBuffer = new Map<Node, number>();
  const leaves = request.leaves.map((slot, i) => {
    const node = bound.leaves[i]!;
    const known = leafBuffer.get(node);
    if (known !== undefined) return known;
    const writer = request.roots.findIndex((r) => r.assigns?.leaf === i);
    const layout =
      slot.layout !== null
        ? knownLayout(slot.layout)
        : writer >= 0 && roots[writer]!.shape.length === node.shape.length
          ? layouts.of.get(roots[writer]!)!
          : defaultLayout(node, profile);
    leafBuffer.set(node, buffers.push({ dtype: node.dtype, layout, node, reason: null }) - 1);
    return buffers.length - 1;
  });
  const written = new Map<Node, number[]>();
  const rootBuffers = roots.map((n) => {
    const buffer = buffers.push({ dtype: n.dtype, layout: layouts.of.get(n)!, node: n, reason: reasons.get(n)! }) - 1;
    const all = written.get(n);
    if (all === undefined) written.set(n, [buffer]);
    else all.push(buffer);
    return buffer;
  });
  for (const [n, reason] of parts.stored) {
    if (!written.has(n))
      written.set(n, [buffers.push({ dtype: n.dtype, layout: layouts.of.get(n)!, node: n, reason }) - 1]);
  }

  const uniforms = new Map<Node, number>(request.uniforms.map((n, i) => [n, i]));
  const kernels: Kernel[] = layouts.groups.map((nodes) =>
    lower({
      nodes,
      targets: (n) => written.get(n)!,
      bufferOf: (n) => leafBuffer.get(n) ?? written.get(n)?.[0] ?? null,
      layoutOf: (b) => buffers[b]!.layout,
      uniformOf: (n) => {
        const at = uniforms.get(n);
        if (at === undefined) throw new InvariantError("a uniform that the request does not list");
        return at;
      },
      reason: parts.stored.get(nodes[nodes.length - 1]!)!,
    }),
  );

  const kept = new Map<Node, number>();
  for (const [from, to] of became) {
    const at = written.get(to);
    if (at !== undefined && from.op.kind !== "leaf" && to.op.kind !== "leaf") kept.set(from, at[0]!);
  }
  const record =
    options.record === true ? { stages, fates: fatesOf(parts.stored, parts.inlined, layouts.groups) } : null;
  return { kernels, buffers, leaves, roots: rootBuffers, kept, record };
}

/**
 * Puts a buffer leaf in the place of every node whose value is already at hand, and forgets the graph below it.
 * Done after macros are expanded: a gradient differentiates through such a node.
 */
function bindLeaves(
  roots: readonly Node[],
  request: CompileRequest,
  became: ReadonlyMap<Node, Node>,
): { became: Map<Node, Node>; leaves: readonly Node[] } {
  const replaced = new Map<Node, Node>();
  const leaves = request.leaves.map((slot) => {
    const n = became.get(slot.node) ?? slot.node;
    if (n.op.kind === "leaf") return n;
    let leaf = replaced.get(n);
    if (leaf === undefined) replaced.set(n, (leaf = carried({ kind: "carried", value: {} }, n.dtype, n.shape)));
    return leaf;
  });
  const done = new Map<Node, Node>(replaced);
  const stack = [...roots];
  while (stack.length > 0) {
    const n = stack[stack.length - 1]!;
    const missing = done.has(n) ? [] : n.inputs.filter((e) => !done.has(e));
    if (missing.length > 0) {
      stack.push(...missing);
      continue;
    }
    if (!done.has(n))
      done.set(
        n,
        rebuild(
          n,
          n.inputs.map((e) => done.get(e)!),
        ),
      );
    stack.pop();
  }
  return { became: done, leaves };
}

function knownLayout(text: string): Layout {
  const layout = layoutByText(text);
  if (layout === undefined) throw new InvariantError(`no layout was ever made as ${text}`);
  return layout;
}

function fatesOf(
  stored: ReadonlyMap<Node, CutReason>,
  inlined: ReadonlyMap<Node, Extract<NodeFate, { kind: "inlined" }>["why"]>,
  groups: readonly (readonly Node[])[],
): Map<Node, NodeFate> {
  const fates = new Map<Node, NodeFate>();
  for (const [n, reason] of stored)
    fates.set(n, { kind: "stored", reason, kernel: groups.findIndex((g) => g.includes(n)) });
  for (const [n, why] of inlined) {
    fates.set(n, { kind: "inlined", why, kernels: [] });
  }
  return fates;
}

/**
 * Which of a plan's own buffers may share storage: two that are never alive at once and are stored alike.
 *
 * A value the caller may still ask for (a stored value of the traced program, see `KernelPlan.kept`) lives until the
 * next run, because a backward traced later reads it instead of computing it again. Only the others, which no one can
 * name, take turns. A kernel never reads what it writes, so a slot becomes free after the kernel that read it last.
 */
import type { StoredTensor } from "../ir/device.ts";
import type { Node } from "../ir/node.ts";
import type { KernelPlan, PlanBuffer } from "../ir/plan.ts";

export interface MemoryPlan {
  /** Slot of each buffer of the plan; -1 for leaves and roots, which come with each run, and empty buffers. */
  readonly slotOf: readonly number[];
  /** What each slot must be like: the key of all its buffers. */
  readonly slots: readonly { readonly key: string; readonly buffer: number }[];
}

/** What a plan stores: its slots, its results and, where `sends` them, the host arrays among its leaves. */
export function storedTensors(
  plan: KernelPlan,
  { slots }: MemoryPlan,
  bytesOf: (buffer: PlanBuffer) => number,
  sends: boolean,
): StoredTensor[] {
  const traced = new Map<number, Node>();
  for (const [node, buffer] of plan.kept) if (!traced.has(buffer)) traced.set(buffer, node);
  const stored = (number: number, root: number | null): StoredTensor => {
    const buffer = plan.buffers[number]!;
    const { dtype, layout, node } = buffer;
    return { dtype, shape: layout.shape, bytes: bytesOf(buffer), node, traced: traced.get(number) ?? null, root };
  };
  const sent = plan.leaves.filter((b) => sends && b >= 0 && plan.buffers[b]!.node.source?.kind === "input");
  return [
    ...slots.map((s) => stored(s.buffer, null)),
    ...sent.map((b) => stored(b, null)),
    ...plan.roots.map((b, i) => stored(b, i)),
  ];
}

/** `keyOf`: equal for buffers that may share storage; null for one that needs none. */
export function planMemory(plan: KernelPlan, keyOf: (buffer: number) => string | null): MemoryPlan {
  const outside = new Set([...plan.leaves, ...plan.roots]);
  const kept = new Set(plan.kept.values());
  const lastUse = new Map<number, number>();
  plan.kernels.forEach((kernel, i) => {
    for (const { buffer } of [...kernel.loads, ...kernel.stores]) lastUse.set(buffer, i);
  });
  const endsAt = plan.kernels.map((): number[] => []);
  for (const [buffer, i] of lastUse) if (!kept.has(buffer)) endsAt[i]!.push(buffer);

  const slotOf = plan.buffers.map(() => -1);
  const slots: { key: string; buffer: number }[] = [];
  const free = new Map<string, number[]>();
  plan.kernels.forEach((kernel, i) => {
    for (const { buffer } of kernel.stores) {
      const key = outside.has(buffer) ? null : keyOf(buffer);
      if (key === null || slotOf[buffer]! >= 0) continue;
      slotOf[buffer] = free.get(key)?.pop() ?? slots.push({ key, buffer }) - 1;
    }
    for (const buffer of endsAt[i]!) {
      const slot = slotOf[buffer]!;
      if (slot < 0) continue;
      const { key } = slots[slot]!;
      const list = free.get(key);
      if (list === undefined) free.set(key, [slot]);
      else list.push(slot);
    }
  });
  return { slotOf, slots };
}

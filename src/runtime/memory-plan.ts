/**
 * Which of a plan's own buffers may share storage: two that are never alive at once and are stored alike.
 *
 * A value the caller may still ask for (a stored value of the traced program, see `KernelPlan.kept`) lives until the
 * next run, because a backward traced later reads it instead of computing it again. Only the others, which no one can
 * name, take turns. A kernel never reads what it writes, so a slot becomes free after the kernel that read it last.
 */
import type { KernelPlan } from "../ir/plan.ts";

export interface MemoryPlan {
  /** Slot of each buffer of the plan; -1 for leaves and roots, which come with each run, and empty buffers. */
  readonly slotOf: readonly number[];
  /** What each slot must be like: the key of all its buffers. */
  readonly slots: readonly { readonly key: string; readonly buffer: number }[];
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

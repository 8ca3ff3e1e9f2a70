/**
 * The buffers a run may write: for a cell's next version the one before the current, for other results one of the run
 * before last, so that a plan may read what it wrote last. Never one that a run in progress reads.
 */
import type { DeviceBuffer } from "../ir/device.ts";
import { isHost, type Cell } from "./cell.ts";
import type { Plan, Root, Slot, Variant } from "./plan.ts";

/** Where an output buffer came from. */
type Taken = { readonly slot: Slot } | { readonly cell: Cell; readonly from: "previous" | "spare" } | null;

/** One choice of buffers for a run. */
export class Outputs {
  readonly #taken: readonly Taken[];

  constructor(plan: Plan, variant: Variant, roots: readonly Root[], busy: ReadonlySet<unknown>) {
    this.#taken = variant.numbers.map((_, i) => take(plan, variant, roots[i], i, busy));
  }

  /** One per root; null where the device is to allocate. */
  get buffers(): (DeviceBuffer | null)[] {
    return this.#taken.map(bufferOf);
  }

  /** The run has written `results`: whoever had them, has them no more. What it did not use goes back. */
  written(results: readonly DeviceBuffer[]): void {
    this.#taken.forEach((t, i) => {
      const given = bufferOf(t);
      // A cell's previous version goes when the next is published.
      if (t === null || ("cell" in t && t.from === "previous")) return;
      if ("slot" in t) t.slot.buffer = null;
      else t.cell.storage.spare = null;
      if (results[i] !== given) given?.release();
    });
  }

  /** The run has failed, and may have written half of them. */
  spoilt(): void {
    for (const t of this.#taken) {
      bufferOf(t)?.release();
      if (t === null) continue;
      if ("slot" in t) t.slot.buffer = null;
      else t.cell.storage[t.from] = null;
    }
  }
}

function take(plan: Plan, variant: Variant, root: Root | undefined, i: number, busy: ReadonlySet<unknown>): Taken {
  if (root === undefined || (root.cell === null && root.snapshot === null)) {
    const slot = plan.spare(variant, i, busy);
    return slot === null ? null : { slot };
  }
  const { cell } = root;
  if (cell === null || root.first) return null;
  for (const from of ["previous", "spare"] as const) {
    const b = cell.storage[from];
    if (b === null || isHost(b) || b.loss !== null) continue;
    if (b.layout === cell.layout && !busy.has(b)) return { cell, from };
  }
  return null;
}

function bufferOf(t: Taken): DeviceBuffer | null {
  if (t === null) return null;
  return "slot" in t ? t.slot.buffer : (t.cell.storage[t.from] as DeviceBuffer);
}

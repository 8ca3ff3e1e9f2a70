/**
 * Who is told of every plan that any device of this process compiles. The dump listens here; nothing decides by it.
 * While somebody listens, plans keep a record of their passes.
 */
import type { PlanInfo } from "./compile.ts";

type Listener = (info: PlanInfo) => void;

const listeners = new Set<Listener>();

/** Calls `listener` with every plan from now on; the result ends it. */
export function observePlans(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const isObserved = (): boolean => listeners.size > 0;

export function announcePlan(info: PlanInfo): void {
  for (const listener of listeners) listener(info);
}

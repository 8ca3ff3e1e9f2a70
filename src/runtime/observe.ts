/**
 * Who is told of every plan that any device of this process compiles. The dump listens here; nothing decides by it.
 * While somebody listens, plans keep a record of their passes.
 */
import { platform } from "#platform";
import type { PlanInfo } from "./compile.ts";
import type * as fromEnvironment from "./from-environment.ts";

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

/** TEXGRAD_DEBUG and TEXGRAD_DUMP, the one place where plans are told of because the environment asks. */
function observeForEnvironment(): void {
  const level = Number(platform.env("TEXGRAD_DEBUG") ?? 0);
  const folder = platform.env("TEXGRAD_DUMP") ?? "";
  if (!(level > 0) && folder === "") return;
  // One after the other, in the order they were compiled.
  let last: Promise<unknown> = Promise.resolve();
  observePlans((info) => {
    last = last
      .then(() => platform.loadOwn("runtime/from-environment"))
      .then((own) => (own as typeof fromEnvironment).report(info, level, folder))
      .catch((error: unknown) => platform.warn(`TEXGRAD_DEBUG, TEXGRAD_DUMP: ${String(error)}`));
  });
}
observeForEnvironment();

/**
 * Which conditions a phase's loops may stop at: where one fails, every accumulator would take in what changes nothing.
 *
 * The taps of a convolution that lie outside the image are so left out and not multiplied by 0; what is multiplied by
 * such a 0 is not looked at, not even if it is NaN.
 */
import type { Condition } from "../../ir/affine.ts";
import type { Expr, Phase } from "../../ir/kernel.ts";

/** Conditions that all accumulators of the phase share. */
export function guardsOf(phase: Phase): readonly Condition[] {
  const all = phase.accumulators.map((a) =>
    a.op.form === "fold" ? vanishing(a.value, a.op.identity(a.value.dtype)) : new Map<string, Condition>(),
  );
  const [first, ...others] = all;
  return [...(first ?? [])].filter(([key]) => others.every((o) => o.has(key))).map(([, c]) => c);
}

/** Conditions without any of which `e` is `value`, by key. */
function vanishing(e: Expr, value: number): Map<string, Condition> {
  switch (e.kind) {
    case "load":
      return byKey(e.fill === value ? e.valid : []);
    case "select":
      return e.fill === value ? new Map([...byKey(e.valid), ...vanishing(e.value, value)]) : new Map();
    case "map":
      return e.op.absorbing === value ? new Map(e.operands.flatMap((x) => [...vanishing(x, value)])) : new Map();
    default:
      return new Map();
  }
}

const byKey = (all: readonly Condition[]): Map<string, Condition> => new Map(all.map((c) => [c.key, c]));

/**
 * How a phase's loops run: which reduce axis is innermost, how many of its steps are unrolled, and what is left over.
 * Four steps, or as many more as the device likes, are unrolled where some operand keeps four consecutive steps in one
 * texel.
 */
import {
  add,
  axisIndex,
  constant,
  div,
  isConstant,
  scale,
  substitute,
  visitAtoms,
  type Axis,
  type Index,
} from "../../ir/affine.ts";
import { symbolic } from "../../ir/affine.ts";
import type { Expr, Kernel, Phase } from "../../ir/kernel.ts";
import { addressOf } from "../../ir/layout.ts";
import type { DeviceProfile } from "../../ir/plan.ts";

/** Consecutive steps that an operand may keep in one texel. */
const IN_TEXEL = 4;

export interface LoopPlan {
  /** Outer to inner. */
  readonly axes: readonly Axis[];
  /** Steps of the innermost axis in one trip. */
  readonly unroll: number;
}

export function planLoops(kernel: Kernel, phase: Phase, unroll: DeviceProfile["unroll"]): LoopPlan {
  const loads = loadsOf(phase.accumulators.map((a) => a.value));
  let best: { axis: Axis; count: number } | null = null;
  // The first of ties is the first met: where a position is looked for, its digits keep their order.
  const isOrdered = phase.accumulators.some((a) => a.op.form === "index");
  for (const axis of isOrdered ? phase.axes.slice(-1) : phase.axes) {
    if (axis.extent < 2) continue;
    const count = loads.filter((e) => liesInTexels(kernel, e, axis)).length;
    if (count > 0 && (best === null || count > best.count)) best = { axis, count };
  }
  if (best === null) return { axes: phase.axes, unroll: 1 };
  const inner = best.axis;
  return { axes: [...phase.axes.filter((a) => a !== inner), inner], unroll };
}

/** Whether four consecutive steps of `axis` read four lanes of one texel. */
function liesInTexels(kernel: Kernel, load: Extract<Expr, { kind: "load" }>, axis: Axis): boolean {
  if (!load.at.some((i) => mentions(i, axis))) return false;
  const { layout } = kernel.loads[load.buffer]!;
  const steps = new Set<string>();
  const texels = new Set<string>();
  const quarter: Axis = { ...axis, id: -1, bound: Infinity };
  for (let s = 0; s < IN_TEXEL; s++) {
    const step = add(scale(axisIndex(quarter), IN_TEXEL), constant(s));
    const at = load.at.map((i) =>
      substitute(i, (a) => (a.kind === "axis" ? (a.axis === axis ? step : alignedColumn(kernel, a.axis)) : null)),
    );
    const { x, y, layer, lane } = addressOf(symbolic, layout, at);
    if (!isConstant(lane)) return false;
    steps.add(lane.key);
    texels.add(`${x.key} ${y.key} ${layer.key}`);
  }
  return steps.size === IN_TEXEL && texels.size === 1;
}

/** Column axes count as one of their lanes here: which one does not matter. */
function alignedColumn(kernel: Kernel, axis: Axis): Index | null {
  return kernel.cols.includes(axis) && kernel.cols.length === 1 ? scale(div(axisIndex(axis), 4), 4) : null;
}

const mentions = (i: Index, axis: Axis): boolean => {
  let found = false;
  visitAtoms(i, (a) => (found ||= a.kind === "axis" && a.axis === axis));
  return found;
};

/** Every load below `roots`. */
export function loadsOf(roots: readonly Expr[]): Extract<Expr, { kind: "load" }>[] {
  const out: Extract<Expr, { kind: "load" }>[] = [];
  const seen = new Set<Expr>();
  const stack = [...roots];
  while (stack.length > 0) {
    const e = stack.pop()!;
    if (seen.has(e)) continue;
    seen.add(e);
    if (e.kind === "load") out.push(e);
    if (e.kind === "map") stack.push(...e.operands);
    if (e.kind === "select") stack.push(e.value);
  }
  return out;
}

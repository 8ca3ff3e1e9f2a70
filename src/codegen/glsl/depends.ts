/**
 * Which axes an expression depends on, through indices, conditions, device-made indices and earlier results.
 */
import { conditionIndex, visitAtoms, type Axis, type Index } from "../../ir/affine.ts";
import type { Expr, Kernel } from "../../ir/kernel.ts";

export type Depends = (e: Expr) => ReadonlySet<Axis>;

export function dependence(kernel: Kernel): Depends {
  const known = new Map<Expr, ReadonlySet<Axis>>();
  const results = new Map<number, ReadonlySet<Axis>>();
  const of = (e: Expr): ReadonlySet<Axis> => {
    let out = known.get(e);
    if (out === undefined) known.set(e, (out = find(e)));
    return out;
  };
  const visitIndex = (i: Index, out: Set<Axis>): void =>
    visitAtoms(i, (a) => {
      if (a.kind === "axis") out.add(a.axis);
      if (a.kind === "dynamic") for (const axis of of(a.expr as Expr)) out.add(axis);
    });
  const find = (e: Expr): ReadonlySet<Axis> => {
    const out = new Set<Axis>();
    switch (e.kind) {
      case "load":
        for (const i of e.at) visitIndex(i, out);
        break;
      case "map":
        for (const x of e.operands) for (const a of of(x)) out.add(a);
        break;
      case "select":
        for (const a of of(e.value)) out.add(a);
        break;
      case "index":
        visitIndex(e.index, out);
        break;
      case "result":
        for (const a of results.get(e.accumulator)!) out.add(a);
        break;
      case "literal":
      case "uniform":
        break;
    }
    if (e.kind === "load" || e.kind === "select") {
      for (const c of e.valid) {
        const i = conditionIndex(c);
        if (i !== null) visitIndex(i, out);
      }
    }
    return out;
  };
  // Phases come in order, so the results a value uses are known before it.
  for (const phase of kernel.phases) {
    for (const a of phase.accumulators) {
      results.set(a.id, new Set([...of(a.value)].filter((axis) => !phase.axes.includes(axis))));
    }
  }
  return of;
}

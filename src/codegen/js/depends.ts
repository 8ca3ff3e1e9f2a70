/**
 * Which axes and earlier results an expression of a kernel depends on, through indices, conditions and indices that
 * are computed themselves.
 */
import { conditionIndex, visitAtoms, type Axis, type Condition, type Index } from "../../ir/affine.ts";
import type { Expr } from "../../ir/kernel.ts";

export interface Dependence {
  readonly axes: ReadonlySet<Axis>;
  /** Ids of accumulators. */
  readonly results: ReadonlySet<number>;
}

const none: Dependence = { axes: new Set(), results: new Set() };

export class Dependences {
  readonly #of = new Map<Expr, Dependence>();
  readonly #ofIndex = new Map<string, Dependence>();

  of(e: Expr): Dependence {
    let known = this.#of.get(e);
    if (known === undefined) this.#of.set(e, (known = this.#find(e)));
    return known;
  }

  ofIndex(index: Index): Dependence {
    let known = this.#ofIndex.get(index.key);
    if (known === undefined) {
      const axes = new Set<Axis>();
      const parts: Dependence[] = [];
      visitAtoms(index, (atom) => {
        if (atom.kind === "axis") axes.add(atom.axis);
        // What a dynamic atom carries is an expression of the same kernel.
        if (atom.kind === "dynamic") parts.push(this.of(atom.expr as Expr));
      });
      known = union([{ axes, results: none.results }, ...parts]);
      this.#ofIndex.set(index.key, known);
    }
    return known;
  }

  ofCondition(c: Condition): Dependence {
    const index = conditionIndex(c);
    return index === null ? none : this.ofIndex(index);
  }

  #find(e: Expr): Dependence {
    switch (e.kind) {
      case "literal":
      case "uniform":
        return none;
      case "result":
        return { axes: none.axes, results: new Set([e.accumulator]) };
      case "index":
        return this.ofIndex(e.index);
      case "load":
        return union([...e.at.map((i) => this.ofIndex(i)), ...e.valid.map((c) => this.ofCondition(c))]);
      case "select":
        return union([this.of(e.value), ...e.valid.map((c) => this.ofCondition(c))]);
      case "map":
        return union(e.operands.map((x) => this.of(x)));
    }
  }
}

function union(all: readonly Dependence[]): Dependence {
  if (all.length === 1) return all[0]!;
  const axes = new Set<Axis>();
  const results = new Set<number>();
  for (const d of all) {
    for (const a of d.axes) axes.add(a);
    for (const r of d.results) results.add(r);
  }
  return { axes, results };
}

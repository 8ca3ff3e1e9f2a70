/**
 * Which axes an expression of a kernel depends on: through indices, conditions, indices that are computed themselves,
 * and results of earlier phases.
 */
import { conditionIndex, visitAtoms, type Axis, type Condition, type Index } from "../../ir/affine.ts";
import type { Expr, Kernel } from "../../ir/kernel.ts";

export type Axes = ReadonlySet<Axis>;

const none: Axes = new Set();

export class Dependences {
  readonly #of = new Map<Expr, Axes>();
  readonly #ofIndex = new Map<string, Axes>();
  /** Of each accumulator's result: the axes of its values, its own loops apart. */
  readonly #ofResult = new Map<number, Axes>();

  constructor(kernel: Kernel) {
    // Phases come in order, so the results a value uses are known before it.
    for (const phase of kernel.phases) {
      for (const a of phase.accumulators) {
        this.#ofResult.set(a.id, new Set([...this.of(a.value)].filter((axis) => !phase.axes.includes(axis))));
      }
    }
  }

  of(e: Expr): Axes {
    let known = this.#of.get(e);
    if (known === undefined) this.#of.set(e, (known = this.#find(e)));
    return known;
  }

  ofResult(accumulator: number): Axes {
    return this.#ofResult.get(accumulator)!;
  }

  ofIndex(index: Index): Axes {
    let known = this.#ofIndex.get(index.key);
    if (known === undefined) {
      const axes = new Set<Axis>();
      const parts: Axes[] = [axes];
      visitAtoms(index, (atom) => {
        if (atom.kind === "axis") axes.add(atom.axis);
        // What a dynamic atom carries is an expression of the same kernel.
        if (atom.kind === "dynamic") parts.push(this.of(atom.expr as Expr));
      });
      known = union(parts);
      this.#ofIndex.set(index.key, known);
    }
    return known;
  }

  ofCondition(c: Condition): Axes {
    const index = conditionIndex(c);
    return index === null ? none : this.ofIndex(index);
  }

  #find(e: Expr): Axes {
    switch (e.kind) {
      case "literal":
      case "uniform":
        return none;
      case "result":
        return this.ofResult(e.accumulator);
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

function union(all: readonly Axes[]): Axes {
  if (all.length === 1) return all[0]!;
  const out = new Set<Axis>();
  for (const axes of all) for (const a of axes) out.add(a);
  return out;
}

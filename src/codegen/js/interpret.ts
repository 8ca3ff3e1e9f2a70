/**
 * Runs a kernel by walking it at every point: for places that forbid making functions from text (a page's CSP), and as
 * the second opinion on what generate.ts writes. Some hundred times slower, and the same bits.
 */
import { conditionIndex, type Axis, type Condition, type Index } from "../../ir/affine.ts";
import { roundTo, type HostArray } from "../../ir/dtype.ts";
import type { Accumulator, Expr, Kernel } from "../../ir/kernel.ts";
import { strides, type Shape } from "../../ir/shape.ts";

/** Flat row-major arrays, in the order of the kernel's loads and stores. */
export function interpret(
  kernel: Kernel,
  numbers: readonly number[],
  loads: readonly HostArray[],
  stores: readonly HostArray[],
): void {
  new Interpreter(kernel, numbers, loads).run(stores);
}

class Interpreter {
  readonly #kernel: Kernel;
  readonly #numbers: readonly number[];
  readonly #loads: readonly HostArray[];
  readonly #axes = new Map<Axis, number>();
  readonly #results = new Map<number, number>();
  /** Values at the current point. */
  readonly #known = new Map<Expr, number>();

  constructor(kernel: Kernel, numbers: readonly number[], loads: readonly HostArray[]) {
    this.#kernel = kernel;
    this.#numbers = numbers;
    this.#loads = loads;
  }

  run(stores: readonly HostArray[]): void {
    const { rows, cols, at, shape, phases } = this.#kernel;
    this.#each([...rows, ...cols], () => {
      // A vector in two digits has points past its end.
      const place = at.map((index) => this.#index(index));
      if (place.some((i, dim) => i >= shape[dim]!)) return;
      for (const phase of phases) {
        const best = new Map<Accumulator, number>();
        for (const a of phase.accumulators) {
          const start = a.op.identity(a.value.dtype);
          best.set(a, start);
          this.#results.set(a.id, a.op.form === "index" ? 0 : start);
        }
        this.#each(phase.axes, () => {
          for (const a of phase.accumulators) this.#accumulate(a, best);
        });
      }
      this.#known.clear();
      this.#kernel.stores.forEach((s, i) => (stores[i]![flatten(place, shape)] = this.#value(s.value)));
    });
  }

  /** Visits every point of `axes`, the last one fastest. */
  #each(axes: readonly Axis[], visit: () => void): void {
    const walk = (d: number): void => {
      const axis = axes[d];
      if (axis === undefined) {
        this.#known.clear();
        visit();
        return;
      }
      for (let i = 0; i < axis.extent; i++) {
        this.#axes.set(axis, i);
        walk(d + 1);
      }
    };
    walk(0);
  }

  #accumulate(a: Accumulator, best: Map<Accumulator, number>): void {
    const x = this.#value(a.value);
    if (a.op.form === "fold") {
      this.#results.set(a.id, roundTo(a.dtype, a.op.combine(this.#results.get(a.id)!, x, a.value.dtype)));
    } else if (a.op.combine(best.get(a)!, x, a.value.dtype) !== 0) {
      best.set(a, x);
      this.#results.set(a.id, this.#index(a.position!));
    }
  }

  #value(e: Expr): number {
    let known = this.#known.get(e);
    if (known === undefined) this.#known.set(e, (known = this.#compute(e)));
    return known;
  }

  #compute(e: Expr): number {
    switch (e.kind) {
      case "literal":
        return roundTo(e.dtype, e.value);
      case "uniform":
        return this.#numbers[e.slot]!;
      case "result":
        return this.#results.get(e.accumulator)!;
      case "index":
        return this.#index(e.index);
      case "load": {
        if (!this.#holds(e.valid)) return roundTo(e.dtype, e.fill);
        const { shape } = this.#kernel.loads[e.buffer]!.layout;
        const place = flatten(
          e.at.map((index) => this.#index(index)),
          shape,
        );
        // Outside the array (an index the user computed) the generated code reads undefined, which rounds to this.
        return this.#loads[e.buffer]![place] ?? roundTo(e.dtype, NaN);
      }
      case "select":
        return this.#holds(e.valid) ? this.#value(e.value) : roundTo(e.dtype, e.fill);
      case "map": {
        const operands = e.operands.map((x) => this.#value(x));
        const dtypes = e.operands.map((x) => x.dtype);
        return roundTo(e.dtype, e.op.evaluate(operands, e.attrs, dtypes));
      }
    }
  }

  #holds(valid: readonly Condition[]): boolean {
    return valid.every((c) => {
      const index = conditionIndex(c);
      const i = index === null ? 0 : this.#index(index);
      switch (c.kind) {
        case "atLeastZero":
          return i >= 0;
        case "below":
          return i < c.bound;
        case "divisible":
          return i % c.by === 0;
        case "always":
          return true;
        case "never":
          return false;
      }
    });
  }

  #index(index: Index): number {
    let sum = index.offset;
    for (const { atom, coef } of index.terms) {
      switch (atom.kind) {
        case "axis":
          sum += coef * this.#axes.get(atom.axis)!;
          break;
        case "dynamic":
          sum += coef * this.#value(atom.expr as Expr);
          break;
        case "div":
          sum += coef * Math.floor(this.#index(atom.of) / atom.by);
          break;
        case "mod": {
          const i = this.#index(atom.of);
          sum += coef * (i - atom.by * Math.floor(i / atom.by));
          break;
        }
      }
    }
    return sum;
  }
}

function flatten(at: readonly number[], shape: Shape): number {
  const steps = strides(shape);
  return at.reduce((sum, i, dim) => sum + i * steps[dim]!, 0);
}

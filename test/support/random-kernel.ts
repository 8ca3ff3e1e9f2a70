/**
 * Random kernels with their arrays: every kind of expression, index and condition the form allows, with in-range
 * indices wherever a load is valid. By size and seed, so that a failure shrinks and can be repeated.
 */
import {
  add,
  axisIndex,
  conjunction,
  constant,
  div,
  dynamicIndex,
  mod,
  scale,
  symbolic,
  type Axis,
  type Condition,
  type Index,
} from "../../src/ir/affine.ts";
import { hostArray, roundTo, type DType, type HostArray } from "../../src/ir/dtype.ts";
import type { Accumulator, BufferSlot, Expr, Kernel, NumberSlot, Phase } from "../../src/ir/kernel.ts";
import { layoutOf } from "../../src/ir/layout.ts";
import { noAttrs, type MapDefinition, type ReduceDefinition } from "../../src/ir/node.ts";
import { definitions } from "../../src/ir/ops/index.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";

export interface RandomKernel {
  readonly kernel: Kernel;
  readonly numbers: readonly number[];
  readonly loads: readonly HostArray[];
}

type ExprBody = Expr extends infer E ? (E extends Expr ? Omit<E, "id"> : never) : never;

const dtypes: readonly DType[] = ["f32", "f32", "f32", "i32", "u32", "bool"];
const extents = [1, 2, 3, 4, 5, 7, 9, 16];

const maps = definitions.filter((d): d is MapDefinition => d.kind === "map");
const reduces = definitions.filter((d): d is ReduceDefinition => d.kind === "reduce");

export function randomKernel(size: number, seed: number): RandomKernel {
  return new Builder(size, seed).build();
}

class Builder {
  readonly size: number;
  state: number;
  nextAxis = 0;
  nextId = 0;
  readonly loads: BufferSlot[] = [];
  readonly arrays: HostArray[] = [];
  readonly numbers: NumberSlot[] = [];
  readonly values: number[] = [];

  constructor(size: number, seed: number) {
    this.size = size;
    this.state = seed | 0;
  }

  /** mulberry32: small, and good enough to choose. */
  random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }

  shape(rank: number): number[] {
    return Array.from({ length: rank }, () => this.pick(extents));
  }

  build(): RandomKernel {
    const shape = this.shape(this.below(4));
    // A tiny texture size makes two digits of a long axis.
    const layout = layoutOf(shape, { maxTextureSize: this.pick([4096, 64]) })!;
    const rows = layout.rows.map((d, i) => this.axis("row", d.extent, i === 0));
    const cols = layout.cols.map((d) => this.axis("col", d.extent, false));
    const at: Index[] = shape.map(() => constant(0));
    layout.rows.forEach((d, i) => (at[d.dim] = add(at[d.dim]!, scale(axisIndex(rows[i]!), d.div))));
    layout.cols.forEach((d, i) => (at[d.dim] = add(at[d.dim]!, scale(axisIndex(cols[i]!), d.div))));
    const parallel = [...rows, ...cols];
    const pool: Expr[] = [];
    this.grow(pool, parallel, 2 + this.below(this.size + 1));
    const phases: Phase[] = [];
    const shared = Array.from({ length: 1 + this.below(2) }, (_, i) =>
      this.axis("reduce", this.pick(extents), i === 0),
    );
    for (let p = this.below(3); p > 0; p--) {
      // Phases over the same axes are as common as phases over others.
      const axes = this.below(2) === 0 ? shared : [this.axis("reduce", this.pick(extents), true)];
      phases.push(this.phase(axes, parallel, pool, phases));
      this.grow(pool, parallel, 1 + this.below(2));
    }
    const dtype = this.pick(dtypes);
    const stores = Array.from({ length: 1 + this.below(2) }, (_, i) => ({
      buffer: i,
      value: this.as(dtype, pool, parallel),
      target: i * layout.R,
      dtype,
      label: `s${i}`,
    }));
    const kernel: Kernel = {
      rows,
      cols,
      layout,
      at,
      shape,
      phases,
      stores,
      loads: this.loads,
      numbers: this.numbers,
      reason: "output",
    };
    return { kernel, numbers: this.values, loads: this.arrays };
  }

  axis(role: Axis["role"], extent: number, outermost: boolean): Axis {
    const id = this.nextAxis++;
    return { id, name: `${role[0]}${id}`, extent, bound: outermost ? Infinity : extent, role };
  }

  expr(body: ExprBody): Expr {
    return { ...body, id: this.nextId++ };
  }

  phase(axes: readonly Axis[], parallel: readonly Axis[], pool: Expr[], before: readonly Phase[]): Phase {
    const inside = [...pool];
    this.grow(inside, [...parallel, ...axes], 1 + this.below(3));
    const count = 1 + this.below(2);
    const first = before.reduce((n, p) => n + p.accumulators.length, 0);
    const accumulators = Array.from({ length: count }, (_, i): Accumulator => {
      const op = this.pick(reduces);
      const value = this.as(this.pick(op.probes ?? ["f32"]), inside, [...parallel, ...axes]);
      const position = op.form === "index" ? axisIndex(axes[0]!) : null;
      return { id: first + i, op, dtype: op.dtype(value.dtype, { axes: [0] }), value, position, label: op.name };
    });
    for (const a of accumulators) pool.push(this.expr({ kind: "result", dtype: a.dtype, accumulator: a.id }));
    return { axes, accumulators };
  }

  /** Some expression of a dtype: one of the pool, or a load made for it. */
  as(dtype: DType, pool: Expr[], axes: readonly Axis[]): Expr {
    const known = pool.filter((e) => e.dtype === dtype);
    if (known.length > 0 && this.below(8) > 0) {
      // The youngest is the largest.
      return this.below(2) === 0 ? known.at(-1)! : this.pick(known);
    }
    const made = this.load(dtype, pool, axes);
    pool.push(made);
    return made;
  }

  grow(pool: Expr[], axes: readonly Axis[], count: number): void {
    for (let i = 0; i < count; i++) pool.push(this.any(pool, axes));
  }

  any(pool: Expr[], axes: readonly Axis[]): Expr {
    const dtype = this.pick(dtypes);
    switch (this.below(10)) {
      case 0:
        return this.expr({ kind: "literal", dtype, value: this.number(dtype) });
      case 1: {
        const value = this.number(dtype);
        const slot = this.numbers.push({ kind: "count", value, dtype }) - 1;
        this.values.push(roundTo(dtype, value));
        return this.expr({ kind: "uniform", dtype, slot });
      }
      case 2:
        return this.expr({ kind: "index", dtype: "i32", index: this.index(pool, axes) });
      case 3: {
        const { valid } = this.inside(this.index(pool, axes), 1 + this.below(9));
        const value = this.as(dtype, pool, axes);
        return this.expr({ kind: "select", dtype, value, valid: conjunction(valid), fill: this.number(dtype) });
      }
      case 4:
      case 5:
        return this.load(dtype, pool, axes);
      default: {
        const op = this.pick(maps);
        const probe = this.pick(op.probes ?? [Array.from({ length: op.arity }, (): DType => "f32")]);
        const attrs = op.probeAttrs === undefined ? noAttrs : this.pick(op.probeAttrs);
        const operands = probe.map((t) => this.as(t, pool, axes));
        return this.expr({ kind: "map", dtype: op.dtype(probe, attrs), op, attrs, operands });
      }
    }
  }

  load(dtype: DType, pool: Expr[], axes: readonly Axis[]): Expr {
    const known = this.loads.findIndex((l) => l.dtype === dtype);
    let buffer = known;
    if (known < 0 || this.below(3) === 0) {
      const shape = this.shape(this.below(4));
      buffer =
        this.loads.push({
          buffer: 100 + this.loads.length,
          dtype,
          layout: layoutOf(shape, { maxTextureSize: 4096 })!,
        }) - 1;
      this.arrays.push(this.array(dtype, shape));
    }
    const { shape } = this.loads[buffer]!.layout;
    const valid: Condition[] = [];
    const at = shape.map((extent) => {
      const index = this.index(pool, axes);
      // Some indices are brought into range, the others are valid where they are.
      if (this.below(2) === 0 && index.lo >= 0) return mod(index, extent);
      const bounded = this.inside(index, extent);
      valid.push(...bounded.valid);
      return bounded.index;
    });
    return this.expr({ kind: "load", dtype, buffer, at, valid: conjunction(valid), fill: this.number(dtype) });
  }

  /** Where an index is in [0, extent), perhaps after an exact division. */
  inside(index: Index, extent: number): { index: Index; valid: Condition[] } {
    const by = this.pick([1, 1, 2, 3]);
    const own = div(index, by);
    const exact = by === 1 ? [] : [symbolic.divisible(index, by)];
    return { index: own, valid: [...exact, symbolic.atLeastZero(index), symbolic.below(own, extent)] };
  }

  index(pool: readonly Expr[], axes: readonly Axis[]): Index {
    let out = constant(this.pick([0, 0, 0, 1, -1, 3]));
    for (const axis of axes) {
      if (this.below(3) > 0) out = add(out, scale(axisIndex(axis), this.pick([1, 1, 1, 2, 3, -1])));
    }
    const computed = pool.filter((e) => e.dtype === "i32" && e.kind === "load" && e.fill >= 0 && e.fill < 100);
    if (computed.length > 0 && this.below(4) === 0) {
      const expr = this.pick(computed);
      out = add(out, mod(dynamicIndex({ kind: "dynamic", key: `d${expr.id}`, from: 0, bound: 1 << 20, expr }), 7));
    }
    // Operands of / and % are never negative.
    if (out.lo >= 0 && this.below(3) === 0) out = div(out, this.pick([2, 3, 4]));
    if (out.lo >= 0 && this.below(4) === 0) out = mod(out, this.pick([2, 3, 5, 8]));
    return out;
  }

  number(dtype: DType): number {
    switch (dtype) {
      case "f32":
        return this.pick([0, 1, -1, 0.5, -2.25, 1e-3, 100, Infinity, this.random() * 4 - 2]);
      case "i32":
        return this.pick([0, 1, -1, 7, -100, 0x7fffffff, -0x80000000]);
      case "u32":
        return this.pick([0, 1, 7, 0xffffffff, 0x80000000]);
      case "bool":
        return this.below(2);
    }
  }

  /** Integers small and not negative, so that they can be indices; the other dtypes with awkward values among them. */
  array(dtype: DType, shape: Shape): HostArray {
    const out = hostArray(dtype, numel(shape));
    for (let i = 0; i < out.length; i++) {
      const awkward = this.below(12) === 0 && dtype !== "i32";
      out[i] = awkward
        ? this.number(dtype)
        : dtype === "f32"
          ? this.random() * 4 - 2
          : this.below(dtype === "bool" ? 2 : 9);
    }
    return out;
  }
}

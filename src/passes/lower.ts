/**
 * Lowers one group of stored nodes to kernel form: pulls every value back to the axes of the layout, turns reductions
 * into phases of loops, and what is stored elsewhere into loads. Decides nothing about what is stored (partition.ts)
 * nor how it is spelled (codegen).
 */
import {
  add,
  axisIndex,
  conditionIndex,
  conjunction,
  constant,
  dynamicIndex,
  scale,
  symbolic,
  visitAtoms,
  type Axis,
  type Condition,
  type Index,
} from "../ir/affine.ts";
import type { DType } from "../ir/dtype.ts";
import { InvariantError } from "../ir/errors.ts";
import type { Accumulator, BufferSlot, CutReason, Expr, Kernel, NumberSlot, Phase } from "../ir/kernel.ts";
import type { Layout } from "../ir/layout.ts";
import type { MapDefinition, Node, ReduceDefinition } from "../ir/node.ts";
import { numel } from "../ir/shape.ts";

export interface LowerInput {
  /** What the kernel computes rather than loads. */
  readonly nodes: readonly Node[];
  /** Those of them that it stores. */
  readonly stores: readonly Node[];
  /** The plan's buffers each node is stored to. */
  readonly targets: (n: Node) => readonly number[];
  /** The plan's buffer a node is read from, if it is stored or bound; null if it must be computed. */
  readonly bufferOf: (n: Node) => number | null;
  readonly layoutOf: (buffer: number) => Layout;
  /** Number of a uniform leaf in the plan. */
  readonly uniformOf: (n: Node) => number;
  readonly reason: CutReason;
}

/**
 * Lowers twice where a reduce axis is cut by a reshape: the second time the axis is two, and no index needs a division.
 */
export function lower(input: LowerInput): Kernel {
  const first = new Lowering(input, new Map()).kernel();
  const cuts = cutsOf(first);
  return cuts.size === 0 ? first : new Lowering(input, cuts).kernel();
}

/**
 * Where reduce axes are cut: divisors of quotients and remainders of the axis alone, as far as each divides the next
 * and the last divides the extent. Other quotients stay as they are and are computed.
 */
function cutsOf(kernel: Kernel): Map<number, readonly number[]> {
  const found = new Map<Axis, Set<number>>();
  const visit = (i: Index): void =>
    visitAtoms(i, (atom) => {
      if (atom.kind !== "div" && atom.kind !== "mod") return;
      const only = atom.of.terms[0];
      if (atom.of.terms.length !== 1 || atom.of.offset !== 0 || only!.coef !== 1 || only!.atom.kind !== "axis") return;
      const { axis } = only!.atom;
      if (axis.role !== "reduce") return;
      let divisors = found.get(axis);
      if (divisors === undefined) found.set(axis, (divisors = new Set()));
      divisors.add(atom.by);
    });
  for (const p of kernel.phases)
    for (const e of expressionsOf(p.accumulators.map((a) => a.value))) indicesOf(e).forEach(visit);
  const cuts = new Map<number, readonly number[]>();
  for (const [axis, divisors] of found) {
    const chain: number[] = [];
    for (const d of [...divisors].sort((a, b) => a - b)) {
      if (d > 1 && d < axis.extent && axis.extent % d === 0 && d % (chain[chain.length - 1] ?? 1) === 0) chain.push(d);
    }
    if (chain.length > 0) cuts.set(axis.id, chain);
  }
  return cuts;
}

/** Everything below `roots`. */
function expressionsOf(roots: readonly Expr[]): Expr[] {
  const seen = new Set<Expr>();
  const stack = [...roots];
  while (stack.length > 0) {
    const e = stack.pop()!;
    if (seen.has(e)) continue;
    seen.add(e);
    if (e.kind === "map") stack.push(...e.operands);
    if (e.kind === "select") stack.push(e.value);
  }
  return [...seen];
}

function indicesOf(e: Expr): Index[] {
  const conditions = e.kind === "load" || e.kind === "select" ? e.valid : [];
  const own = e.kind === "load" ? e.at : e.kind === "index" ? [e.index] : [];
  return [...own, ...conditions.map(conditionIndex).filter((i) => i !== null)];
}

/** Ids of the parts of cut axes start here, so that other axes keep the ids of the first lowering. */
const PART_IDS = 1000;

class Lowering {
  private readonly input: LowerInput;
  private readonly memo = new Map<string, Expr>();
  private readonly spelled = new Map<string, Expr>();
  private readonly loads: BufferSlot[] = [];
  private readonly numbers: NumberSlot[] = [];
  private readonly numberOf = new Map<Node, number>();
  private readonly accumulators: { accumulator: Accumulator; level: number; axes: readonly Axis[] }[] = [];
  private readonly accumulatorOf = new Map<string, Expr>();
  private readonly reduceAxes = new Map<string, ReduceAxes>();
  /** Divisors at which reduce axes are cut, by axis id. */
  private readonly cuts: ReadonlyMap<number, readonly number[]>;
  /** How many phases must have ended before an expression has a value. */
  private readonly levels = new Map<Expr, number>();
  private nextAxis = 0;
  private nextExpr = 0;
  private nextPart = PART_IDS;

  constructor(input: LowerInput, cuts: ReadonlyMap<number, readonly number[]>) {
    this.input = input;
    this.cuts = cuts;
  }

  kernel(): Kernel {
    const { targets, layoutOf, reason } = this.input;
    const first = this.input.stores[0]!;
    const layout = layoutOf(targets(first)[0]!);
    const rows = layout.rows.map((d, i) => this.axis(d.extent, i === 0 ? Infinity : d.extent, "row"));
    const cols = layout.cols.map((d) => this.axis(d.extent, d.extent, "col"));
    // All nodes of a group have one form of layout, so each writes its own axes by the same digits.
    const indexOf = (n: Node): Index[] => {
      const at: Index[] = n.shape.map(() => constant(0));
      const own = layoutOf(targets(n)[0]!);
      own.rows.forEach((d, i) => (at[d.dim] = add(at[d.dim]!, scale(axisIndex(rows[i]!), d.div))));
      own.cols.forEach((d, i) => (at[d.dim] = add(at[d.dim]!, scale(axisIndex(cols[i]!), d.div))));
      return at;
    };
    const stores = this.input.stores.flatMap((n) => {
      const value = this.compute(n, indexOf(n));
      return targets(n).map((buffer) => ({ buffer, dtype: n.dtype, value, label: labelOf(n) }));
    });
    const isAlone = layout.place === null;
    return {
      rows,
      cols,
      layout,
      at: indexOf(first),
      shape: first.shape,
      phases: this.phases(),
      stores: stores.map((s, i) => ({ ...s, target: isAlone ? i * layout.R : layoutOf(s.buffer).place!.z })),
      loads: this.loads,
      numbers: this.numbers,
      reason,
    };
  }

  private axis(extent: number, bound: number, role: Axis["role"]): Axis {
    const id = this.nextAxis++;
    return { id, name: `${role[0]}${id}`, extent, bound, role };
  }

  private phases(): Phase[] {
    const groups = new Map<string, { level: number; axes: readonly Axis[]; accumulators: Accumulator[] }>();
    for (const { accumulator, level, axes } of this.accumulators) {
      const key = `${level}:${axes.map((a) => a.id).join(",")}`;
      let g = groups.get(key);
      if (g === undefined) groups.set(key, (g = { level, axes, accumulators: [] }));
      g.accumulators.push(accumulator);
    }
    return [...groups.values()]
      .sort((a, b) => a.level - b.level)
      .map(({ axes, accumulators }) => ({ axes, accumulators }));
  }

  /** The value of `n` at `at`: loaded where it is stored, computed otherwise. */
  private value(n: Node, at: readonly Index[]): Expr {
    const buffer = this.input.nodes.includes(n) ? null : this.input.bufferOf(n);
    return buffer === null ? this.compute(n, at) : this.load(n, buffer, at);
  }

  private load(n: Node, buffer: number, at: readonly Index[]): Expr {
    const key = `load ${buffer} ${keys(at)}`;
    return this.remember(
      key,
      () => ({
        kind: "load",
        id: this.nextExpr++,
        dtype: n.dtype,
        buffer: this.slot(buffer, n.dtype),
        at,
        valid: [],
        fill: 0,
      }),
      this.levelOf(at),
    );
  }

  /** Indices computed from an earlier phase's result have a value only after it. */
  private levelOf(indices: readonly Index[]): number {
    let level = 0;
    for (const i of indices) {
      visitAtoms(i, (a) => {
        if (a.kind === "dynamic") level = Math.max(level, this.levels.get(a.expr as Expr)!);
      });
    }
    return level;
  }

  private slot(buffer: number, dtype: DType): number {
    const known = this.loads.findIndex((l) => l.buffer === buffer);
    return known >= 0 ? known : this.loads.push({ buffer, dtype, layout: this.input.layoutOf(buffer) }) - 1;
  }

  /** Expressions of one spelling are one object. */
  private remember(key: string, make: () => Expr, level: number): Expr {
    let known = this.spelled.get(key);
    if (known === undefined) {
      known = make();
      this.spelled.set(key, known);
      this.levels.set(known, level);
    }
    return known;
  }

  private compute(n: Node, at: readonly Index[]): Expr {
    const key = `${n.id} ${keys(at)}`;
    let made = this.memo.get(key);
    if (made === undefined) this.memo.set(key, (made = this.spell(n, at)));
    return made;
  }

  private spell(n: Node, at: readonly Index[]): Expr {
    const { op } = n;
    switch (op.kind) {
      case "leaf":
        return this.spellLeaf(n, op.role, at);
      case "map":
        return this.map(
          op,
          n,
          n.inputs.map((e) => this.value(e, at)),
        );
      case "view": {
        const x = n.inputs[0]!;
        const pulled = op.pull(symbolic, at, n.attrs, x.shape);
        const fill = (n.attrs["fill"] as number | undefined) ?? 0;
        const valid = conjunction(pulled.valid);
        if (valid[0]?.kind === "never") return this.literal(fill, n.dtype);
        const value = this.value(x, pulled.at);
        return valid.length === 0 ? value : this.select(value, valid, fill);
      }
      case "reduce":
        return this.reduce(op, n, at);
      case "gather": {
        const [x, index] = n.inputs as readonly [Node, Node];
        if (numel(x.shape) === 0) return this.literal(0, n.dtype);
        const axis = n.attrs["axis"] as number;
        const extent = x.shape[axis]!;
        const expr = this.value(index, at);
        const dynamic = (from: number, bound: number): Index =>
          dynamicIndex({ kind: "dynamic", key: `d${expr.id}`, from, bound, expr });
        const inRange = dynamic(0, extent);
        const value = this.value(
          x,
          at.map((i, d) => (d === axis ? inRange : i)),
        );
        // It is in range only where the select below takes it.
        const any = dynamic(-Infinity, Infinity);
        return this.select(value, conjunction([symbolic.atLeastZero(any), symbolic.below(any, extent)]), 0);
      }
      default:
        throw new InvariantError(`lower: ${op.name} is still folded`);
    }
  }

  private spellLeaf(n: Node, role: string, at: readonly Index[]): Expr {
    switch (role) {
      case "literal":
        return this.literal(n.attrs["value"] as number, n.dtype);
      case "count":
      case "uniform": {
        let slot = this.numberOf.get(n);
        if (slot === undefined) {
          slot =
            this.numbers.push(
              role === "count"
                ? { kind: "count", value: n.attrs["value"] as number, dtype: n.dtype }
                : { kind: "uniform", uniform: this.input.uniformOf(n), dtype: n.dtype },
            ) - 1;
          this.numberOf.set(n, slot);
        }
        const s = slot;
        return this.remember(
          `number ${s}`,
          () => ({ kind: "uniform", id: this.nextExpr++, dtype: n.dtype, slot: s }),
          0,
        );
      }
      case "iota":
        return this.remember(
          `index ${at[0]!.key}`,
          () => ({ kind: "index", id: this.nextExpr++, dtype: n.dtype, index: at[0]! }),
          this.levelOf(at),
        );
      default: {
        // A leaf that is asked for itself: its kernel copies it.
        const buffer = this.input.bufferOf(n);
        if (buffer === null) throw new InvariantError(`lower: leaf ${n.op.name} is bound to no buffer`);
        return this.load(n, buffer, at);
      }
    }
  }

  private literal(value: number, dtype: DType): Expr {
    return this.remember(
      `literal ${Object.is(value, -0) ? "-0" : value} ${dtype}`,
      () => ({ kind: "literal", id: this.nextExpr++, dtype, value }),
      0,
    );
  }

  private map(op: MapDefinition, n: Node, operands: readonly Expr[]): Expr {
    const attrs = Object.entries(n.attrs)
      .map(([k, v]) => `${k}=${String(v)}`)
      .join(";");
    const key = `${op.name} ${attrs} ${n.dtype} ${operands.map((e) => e.id).join(",")}`;
    const level = Math.max(0, ...operands.map((e) => this.levels.get(e)!));
    return this.remember(
      key,
      () => ({ kind: "map", id: this.nextExpr++, dtype: n.dtype, op, attrs: n.attrs, operands }),
      level,
    );
  }

  /** Where a load is the value, its own validity takes the conditions. */
  private select(value: Expr, valid: readonly Condition[], fill: number): Expr {
    const text = valid.map((c) => c.key).join("&");
    const level = Math.max(this.levels.get(value)!, this.levelOf(valid.map(conditionIndex).filter((i) => i !== null)));
    if (value.kind === "load" && (value.valid.length === 0 || Object.is(value.fill, fill))) {
      const all = conjunction([...value.valid, ...valid]);
      const key = `load ${this.loads[value.buffer]!.buffer} ${keys(value.at)} if ${all.map((c) => c.key).join("&")} else ${fill}`;
      return this.remember(key, () => ({ ...value, id: this.nextExpr++, valid: all, fill }), level);
    }
    return this.remember(
      `select ${value.id} if ${text} else ${fill}`,
      () => ({ kind: "select", id: this.nextExpr++, dtype: value.dtype, value, valid, fill }),
      level,
    );
  }

  private reduce(op: ReduceDefinition, n: Node, at: readonly Index[]): Expr {
    const x = n.inputs[0]!;
    const axes = n.attrs["axes"] as readonly number[];
    const loops = this.loopAxes(axes.map((a) => x.shape[a]!));
    const full: Index[] = [];
    for (let d = 0, outer = 0, inner = 0; d < x.shape.length; d++) {
      full.push(axes.includes(d) ? loops.at[inner++]! : at[outer++]!);
    }
    const value = this.value(x, full);
    const level = this.levels.get(value)! + 1;
    const position = op.form === "index" ? loops.at[0]! : null;
    const key = `${op.name} ${value.id} ${loops.axes.map((a) => a.id).join(",")}`;
    let result = this.accumulatorOf.get(key);
    if (result === undefined) {
      const id = this.accumulators.length;
      this.accumulators.push({
        accumulator: { id, op, dtype: n.dtype, value, position, label: op.name },
        level,
        axes: loops.axes,
      });
      result = { kind: "result", id: this.nextExpr++, dtype: n.dtype, accumulator: id };
      this.levels.set(result, level);
      this.accumulatorOf.set(key, result);
    }
    return result;
  }

  /** Reductions over equal extents share their loops. The outermost extent is a uniform, so it bounds nothing. */
  private loopAxes(extents: readonly number[]): ReduceAxes {
    const key = extents.join("x");
    let known = this.reduceAxes.get(key);
    if (known === undefined) {
      const axes: Axis[] = [];
      const at = extents.map((extent, i) => {
        const whole = this.axis(extent, i === 0 ? Infinity : extent, "reduce");
        let index = constant(0);
        for (const { axis, weight } of this.parts(whole)) {
          axes.push(axis);
          index = add(index, scale(axisIndex(axis), weight));
        }
        return index;
      });
      this.reduceAxes.set(key, (known = { axes, at }));
    }
    return known;
  }

  /** A reduce axis as the axes it is cut into, outer to inner, each with its weight in the whole. */
  private parts(whole: Axis): readonly { axis: Axis; weight: number }[] {
    const divisors = this.cuts.get(whole.id);
    if (divisors === undefined) return [{ axis: whole, weight: 1 }];
    const weights = [1, ...divisors];
    return weights
      .map((weight, i) => {
        const outermost = i === weights.length - 1;
        const extent = (outermost ? whole.extent : weights[i + 1]!) / weight;
        const id = this.nextPart++;
        return {
          axis: {
            id,
            name: `r${id}`,
            extent,
            bound: outermost ? whole.bound / weight : extent,
            role: "reduce" as const,
          },
          weight,
        };
      })
      .reverse();
  }
}

/** What a value is, however it is viewed: a view by itself only where nothing is computed below it. */
function labelOf(n: Node): string {
  let at = n;
  while (at.op.kind === "view") at = at.inputs[0]!;
  return at.op.kind === "leaf" ? n.op.name : at.op.name;
}

/** The loops of one or more reductions, and the position of each reduced axis in terms of them. */
interface ReduceAxes {
  readonly axes: readonly Axis[];
  readonly at: readonly Index[];
}

const keys = (at: readonly Index[]): string => at.map((i) => i.key).join(",");

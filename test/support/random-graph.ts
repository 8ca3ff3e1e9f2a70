/**
 * Random graphs whose numbers are well conditioned by construction.
 *
 * A recipe is a short list of small numbers, which fast-check makes and shrinks; `build` turns any recipe into a graph.
 * While building, every value is known (by the evaluator, in f64 and f32), so that each op gets operands inside its
 * domain: an affine map brings them there where they are not. A value is `exact` while every way of computing it in f32
 * gives the same bits: multiples of 2^-10 below 2^12. What jumps (comparisons, floor, positions of the largest) takes
 * only exact operands, so no rounding can switch a branch.
 */
import fc from "fast-check";
import { gradientItems } from "../../src/autodiff/gradient.ts";
import { gradients } from "../../src/autodiff/vjp.ts";
import * as c from "../../src/ir/compose/index.ts";
import { hostArray, isFloat, isInteger, type DType, type HostArray } from "../../src/ir/dtype.ts";
import { TexgradError } from "../../src/ir/errors.ts";
import { evaluate } from "../../src/ir/eval.ts";
import { topologicalOrder } from "../../src/ir/graph.ts";
import { map, noAttrs, reduce, type MapDefinition, type Node, type ReduceDefinition } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { broadcastShapes, numel, sameShape, type Shape } from "../../src/ir/shape.ts";
import { canonicaliseRules } from "../../src/passes/canonicalise.ts";
import { simplifyRules } from "../../src/passes/simplify.ts";
import { bound } from "./run-graph.ts";

/** Elements a tensor may have, and the points a contraction may visit. */
const MAX_ELEMENTS = 20_000;
const MAX_POINTS = 100_000;
/** Nodes a graph may have before gradients are added. */
const MAX_NODES = 40;
const MAX_RANK = 5;
/** Where the f32 and f64 evaluators differ by more than this of the largest value, a value is not kept. */
const MAX_SPREAD = 1e-6;

export interface Step {
  readonly family: number;
  /** Which operands; counted back from the youngest that fits. */
  readonly a: number;
  readonly b: number;
  /** Of everything else: axes, extents, values. */
  readonly seed: number;
}

export interface Recipe {
  readonly leaves: readonly Step[];
  readonly steps: readonly Step[];
  readonly roots: readonly number[];
  /** 0: none; 1: by autodiff at once; 2: by the macro; 3: of the second order. */
  readonly derivative: number;
  readonly seed: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  family: fc.nat(9999),
  a: fc.nat(15),
  b: fc.nat(15),
  seed: fc.nat(0x7fffffff),
});

export const recipes: fc.Arbitrary<Recipe> = fc.record({
  leaves: fc.array(step, { minLength: 1, maxLength: 4 }),
  steps: fc.array(step, { minLength: 4, maxLength: 24, size: "max" }),
  roots: fc.array(fc.nat(15), { minLength: 1, maxLength: 4 }),
  derivative: fc.nat(3),
  seed: fc.nat(0x7fffffff),
});

/** A value of the graph so far. */
interface Entry {
  readonly node: Node;
  /** A leaf with the same value: what later steps are computed from. */
  readonly standIn: Node;
  readonly exact: boolean;
  readonly lowest: number;
  readonly highest: number;
  /** The least distance from zero. */
  readonly nearest: number;
}

export interface RandomGraph {
  readonly roots: readonly Node[];
  /** Whether each root is the same whatever the order of f32 operations. */
  readonly exact: readonly boolean[];
  /** The leaf that a root is the next version of, or null. */
  readonly assigns: readonly (Node | null)[];
}

/** Numbers from a seed (mulberry32). */
export class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  /** Whole, from `low` to `high`. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  pick<T>(all: readonly T[]): T {
    return all[this.whole(0, all.length - 1)]!;
  }
  odds(p: number): boolean {
    return this.next() < p;
  }
}

const dtypes: readonly DType[] = ["f32", "f32", "f32", "i32", "u32", "bool"];
const extents = [1, 2, 3, 4, 5, 7, 16, 33, 130];

export function build(recipe: Recipe): RandomGraph {
  return new Builder().graph(recipe);
}

/** Mostly an input; else what an earlier submit left. */
function leafOf(chance: Chance, array: HostArray, dtype: DType, shape: Shape): Node {
  if (chance.odds(0.85)) return o.input({ kind: "input", array }, dtype, shape);
  const leaf = chance.odds(0.5)
    ? o.cell({ kind: "cell", cell: { id: 0, label: "cell", shape, dtype }, version: 0 })
    : o.carried({ kind: "carried", value: {} }, dtype, shape);
  return bound(leaf, array);
}

class Builder {
  readonly #entries: Entry[] = [];
  readonly #inputs: Node[] = [];
  readonly #values = new Map<Node, ArrayLike<number>>();
  readonly #rough = new Map<Node, ArrayLike<number>>();

  graph(recipe: Recipe): RandomGraph {
    for (const s of recipe.leaves) this.#leaf(new Chance(s.seed), this.#shape(new Chance(s.seed ^ s.family)));
    for (const s of recipe.steps) {
      const used = topologicalOrder(this.#entries.map((e) => e.node)).length;
      if (used >= MAX_NODES) break;
      const chance = new Chance(s.seed);
      const family = families[s.family % families.length]!;
      try {
        family({ step: s, chance, builder: this });
      } catch (error) {
        // Axes that do not fit: the step is left out.
        if (!(error instanceof TexgradError)) throw error;
      }
    }
    return this.#choose(recipe);
  }

  // Leaves.

  #shape(chance: Chance): Shape {
    const rank = chance.pick([0, 1, 1, 2, 2, 2, 3, 3, 4, 5]);
    const shape: number[] = [];
    for (let i = 0; i < rank; i++) {
      const room = MAX_ELEMENTS / 4 / Math.max(1, numel(shape));
      const fitting = extents.filter((e) => e <= room);
      shape.push(chance.odds(0.03) ? 0 : chance.pick(fitting.length === 0 ? [1] : fitting));
    }
    return shape;
  }

  #leaf(chance: Chance, shape: Shape): void {
    const form = chance.next();
    if (form < 0.1) this.number(chance, chance.pick(dtypes));
    else if (form < 0.2) this.add(o.iota(chance.pick(extents)), true);
    else this.input(chance, chance.pick(dtypes), shape);
  }

  /** Values of a dtype; floats are multiples of 1/8 (with ties) or 1/1024, in [-2, 2]. */
  static values(chance: Chance, dtype: DType, n: number): number[] {
    const wide = chance.odds(0.2);
    const grid = chance.odds(0.5) ? 8 : 1024;
    return Array.from({ length: n }, () => {
      if (dtype === "f32") return chance.whole(-2 * grid, 2 * grid) / grid;
      if (dtype === "bool") return chance.whole(0, 1);
      const word = Math.floor(chance.next() * 2 ** 32);
      if (dtype === "u32") return wide ? word : chance.whole(0, 9);
      return wide ? word | 0 : chance.whole(-9, 9);
    });
  }

  input(chance: Chance, dtype: DType, shape: Shape, values = Builder.values(chance, dtype, numel(shape))): Entry {
    const array = hostArray(dtype, numel(shape));
    array.set(values);
    const node = leafOf(chance, array, dtype, shape);
    this.#inputs.push(node);
    this.#values.set(node, array);
    this.#rough.set(node, array);
    return this.add(node, true)!;
  }

  /** A scalar: the user's, of the library, or from an extent. */
  number(chance: Chance, dtype: DType, value = Builder.values(chance, dtype, 1)[0]!): Entry {
    const node = chance.pick([
      () => o.uniform({ kind: "uniform", read: () => value }, dtype),
      () => o.literal(value, dtype),
      () => o.count(value, dtype),
    ])();
    return this.add(node, true)!;
  }

  // Entries.

  /** The youngest entries first. */
  entries(fits: (e: Entry) => boolean = () => true): Entry[] {
    return this.#entries.filter(fits).reverse();
  }

  find(at: number, fits: (e: Entry) => boolean): Entry | undefined {
    const all = this.entries(fits);
    return all[at % Math.max(1, all.length)];
  }

  /** Keeps f(operands); null where it is not well conditioned. */
  make(
    operands: readonly Entry[],
    f: (...x: Node[]) => Node,
    exactOp: boolean | ((e: Node) => boolean) = true,
  ): Entry | null {
    const node = f(...operands.map((e) => e.node));
    if (numel(node.shape) > MAX_ELEMENTS || node.shape.length > MAX_RANK) return null;
    const known = this.#entries.find((e) => e.node === node);
    if (known !== undefined) return known;
    const exact = operands.every((e) => e.exact) && (typeof exactOp === "boolean" ? exactOp : exactOp(node));
    return this.add(node, exact, f(...operands.map((e) => e.standIn)));
  }

  add(node: Node, mayBeExact: boolean, computed: Node = node): Entry | null {
    const fine = evaluate([computed], { mode: "f64", bind: (n) => this.#values.get(n) })[0]!;
    const rough = evaluate([computed], { mode: "f32", bind: (n) => this.#rough.get(n) })[0]!;
    let [lowest, highest, nearest, spread] = [Infinity, -Infinity, Infinity, 0];
    let exact = mayBeExact;
    for (let i = 0; i < fine.length; i++) {
      const v = fine[i]!;
      if (!Number.isFinite(v)) return null;
      lowest = Math.min(lowest, v);
      highest = Math.max(highest, v);
      nearest = Math.min(nearest, Math.abs(v));
      spread = Math.max(spread, Math.abs(v - rough[i]!));
      if (isFloat(node.dtype) && !(Number.isInteger(v * 1024) && Math.abs(v) <= 4096)) exact = false;
    }
    if (!isFloat(node.dtype)) exact = true;
    const largest = Math.max(-lowest, highest);
    if (spread > (exact ? 0 : MAX_SPREAD * largest)) return null;
    const standIn = o.carried({ kind: "carried", value: {} }, node.dtype, node.shape);
    this.#values.set(standIn, fine);
    this.#rough.set(standIn, rough);
    const entry = { node, standIn, exact, lowest, highest, nearest };
    this.#entries.push(entry);
    // What grows or fades is brought back, so that chains stay within f32.
    if (isFloat(node.dtype) && largest > 256) return this.scaled(entry, 2 ** -Math.ceil(Math.log2(largest / 16)));
    if (isFloat(node.dtype) && largest > 0 && largest < 2 ** -10) return this.scaled(entry, 2 ** 8);
    return entry;
  }

  scaled(x: Entry, by: number): Entry | null {
    return this.make([x], (e) => o.mul(e, by));
  }

  /** x brought into [low, high] by a power of two and a shift, if it is not there. */
  within(chance: Chance, x: Entry, low: number, high: number, nearest: number): Entry | null {
    if (numel(x.node.shape) === 0 || (x.lowest >= low && x.highest <= high && x.nearest >= nearest)) return x;
    const from = nearest > 0 && low < nearest ? nearest : low;
    const room = high - from;
    const spread = Math.max(x.highest - x.lowest, 2 ** -8);
    const factor = Math.min(1, 2 ** Math.floor(Math.log2(room / spread)));
    const shift = Math.ceil((from - x.lowest * factor) * 8) / 8;
    if (x.highest * factor + shift > high) return null;
    const number = (v: number): Entry => this.number(chance, "f32", v);
    const [f, s] = [number(factor), number(shift)];
    const product = factor === 1 ? x : this.make([x, f], o.mul);
    return product === null ? null : this.make([product, s], o.add);
  }

  // Roots.

  #choose({ roots, derivative, seed }: Recipe): RandomGraph {
    const chance = new Chance(seed);
    const all = this.entries();
    const chosen: Node[] = [];
    const exact: boolean[] = [];
    for (const r of roots) {
      const e = all[r % all.length]!;
      chosen.push(e.node);
      exact.push(e.exact);
    }
    if (derivative > 0) {
      for (const g of this.#derivatives(chance, derivative)) {
        chosen.push(g);
        exact.push(false);
      }
    }
    const free = new Set(this.#inputs);
    const assigns = chosen.map((n) => {
      const leaf = [...free].find((e) => e.dtype === n.dtype && sameShape(e.shape, n.shape));
      if (leaf === undefined || leaf === n || !chance.odds(0.15)) return null;
      // Two roots of one node have one layout: where the cell's is fixed, the passes cannot give the other its own.
      if (chosen.filter((e) => e === n).length > 1) return null;
      free.delete(leaf);
      return leaf;
    });
    return { roots: chosen, exact, assigns };
  }

  #derivatives(chance: Chance, derivative: number): Node[] {
    const floats = this.entries((e) => isFloat(e.node.dtype) && e.node.op.kind !== "leaf");
    const targets = this.#inputs.filter((n) => isFloat(n.dtype));
    const y = floats[chance.whole(0, Math.min(3, floats.length - 1))];
    if (y === undefined || targets.length === 0) return [];
    const by = targets.slice(0, 3);
    // Also by a value in the middle of the graph.
    const inner = chance.pick(floats);
    if (derivative !== 2 && chance.odds(0.3) && inner !== y) by.push(inner.node);
    const cotangent = this.input(chance, "f32", y.node.shape).node;
    try {
      if (derivative === 2) return gradientItems(y.node, cotangent, by);
      const first = gradients(y.node, cotangent, by).filter((g) => g !== null);
      if (derivative === 1 || first.length === 0) return first;
      const weighted = first.map((g) => {
        const w = this.input(chance, "f32", g.shape).node;
        const product = o.mul(g, w);
        return o.sum(
          product,
          product.shape.map((_, i) => i),
        );
      });
      const total = weighted.reduce((a, b) => o.add(a, b));
      const second = gradients(total, null, by).filter((g) => g !== null);
      return topologicalOrder(second).length > 400 ? first : second;
    } catch (error) {
      if (!(error instanceof TexgradError)) throw error;
      return [];
    }
  }
}

// Families of steps. Each adds entries, or nothing where no operand fits.

interface Turn {
  readonly step: Step;
  readonly chance: Chance;
  readonly builder: Builder;
}
type Family = (turn: Turn) => void;

const full = (e: Entry): boolean => numel(e.node.shape) > 0;
const shapeOf = (e: Entry): Shape => e.node.shape;

const maps = o.definitions.filter((d): d is MapDefinition => d.kind === "map");
const reduces = o.definitions.filter((d): d is ReduceDefinition => d.kind === "reduce");

/** Jump, or have a kink: where an inexact operand could fall on either side. */
const kinked: ReadonlySet<string> = new Set(["maximum", "minimum", "abs", "relu"]);
const smooth: ReadonlySet<string> = new Set(["detach", "where"]);
/** Their results are exact where their operands are and the result lies on the grid. */
const exactMaps: ReadonlySet<string> = new Set(
  "add sub mul neg abs sign floor ceil round relu maximum minimum eq ne lt le gt ge and or not where cast detach".split(
    " ",
  ),
);

function mustBeExact(op: MapDefinition, to: unknown, operand: DType): boolean {
  if (!isFloat(operand) || smooth.has(op.name)) return false;
  return kinked.has(op.name) || op.vjp === null || (to !== undefined && to !== "f32");
}

function domain(op: MapDefinition, operand: number): { low: number; high: number; nearest: number } {
  const s = op.samples[operand]!;
  const values = "from" in s ? [s.from, s.to] : s.values.filter(Number.isFinite);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const least = "from" in s ? (s.from > 0 ? s.from : 0) : Math.min(...values.map(Math.abs));
  const nearest = poles.has(op.name) ? Math.max(least, 0.5) : least;
  return { low: Math.max(low, -8), high: Math.min(high, 8), nearest: nearest < 0.05 ? (low > 0 ? 0.05 : 0) : nearest };
}

/** Their gradient is NaN at 0, where compilers that fold x - x give 0. */
const poles: ReadonlySet<string> = new Set(["atan2"]);

const unbounded: ReadonlySet<string> = new Set(
  "add sub neg abs sign floor ceil round relu maximum minimum eq ne lt le gt ge where cast detach tanh sigmoid".split(
    " ",
  ),
);

/** An entry that broadcasts with `shape`, of a dtype; a new leaf where none is at hand. */
function partner({ step: s, chance, builder }: Turn, dtype: DType, shape: Shape, fits: (e: Entry) => boolean): Entry {
  const found = chance.odds(0.75)
    ? builder.find(s.b, (e) => e.node.dtype === dtype && fits(e) && joins(shape, shapeOf(e)))
    : undefined;
  if (found !== undefined) return found;
  if (chance.odds(0.3)) return builder.number(chance, dtype);
  const part = shape.slice(chance.odds(0.7) ? 0 : chance.whole(0, shape.length)).map((e) => (chance.odds(0.2) ? 1 : e));
  return builder.input(chance, dtype, part);
}

function joins(a: Shape, b: Shape): boolean {
  try {
    return numel(broadcastShapes("", a, b)) <= MAX_ELEMENTS;
  } catch {
    return false;
  }
}

const applyMap: Family = (turn) => {
  const { step: s, chance, builder } = turn;
  const op = chance.pick(maps);
  const attrs = op.probeAttrs === undefined ? noAttrs : chance.pick(op.probeAttrs);
  const to = attrs["to"];
  const probe = chance.pick(op.probes ?? [Array<DType>(op.arity).fill("f32")]);
  const fits = (i: number) => (e: Entry) => e.exact || !mustBeExact(op, to, probe[i]!);
  const first =
    builder.find(s.a, (e) => e.node.dtype === probe[0] && fits(0)(e)) ??
    builder.input(chance, probe[0]!, [chance.pick(extents)]);
  const operands: Entry[] = [first];
  let shape = shapeOf(first);
  for (let i = 1; i < op.arity; i++) {
    const e = partner(turn, probe[i]!, shape, fits(i));
    shape = broadcastShapes("", shape, shapeOf(e));
    operands.push(e);
  }
  const bounded: Entry[] = [];
  for (const [i, e] of operands.entries()) {
    const { low, high, nearest } = domain(op, i);
    const fitted = isFloat(probe[i]!) && !unbounded.has(op.name) ? builder.within(chance, e, low, high, nearest) : e;
    if (fitted === null) return;
    bounded.push(fitted);
  }
  builder.make(
    bounded,
    (...x) =>
      map(
        op,
        x.map((e) => o.expand(e, shape)),
        attrs,
      ),
    exactMaps.has(op.name),
  );
};

/** Sorted distinct axes, at least one. */
function someAxes(chance: Chance, rank: number): number[] {
  const axes = Array.from({ length: rank }, (_, i) => i).filter(() => chance.odds(0.45));
  return axes.length > 0 ? axes : [chance.whole(0, rank - 1)];
}

const applyReduce: Family = ({ step: s, chance, builder }) => {
  const op = chance.pick(reduces);
  const dtype = chance.pick(op.probes ?? (["f32"] as const));
  const jumps = op.form === "index" || op === o.amaxReduce || op === o.aminReduce;
  const x = builder.find(s.a, (e) => e.node.dtype === dtype && shapeOf(e).length > 0 && (e.exact || !jumps));
  if (x === undefined) return;
  const shape = shapeOf(x);
  const axes = op.form === "index" ? [chance.whole(0, shape.length - 1)] : someAxes(chance, shape.length);
  const n = numel(axes.map((a) => shape[a]!));
  const product = op === o.prodReduce && isFloat(dtype);
  // The gradient of a product multiplies all the others.
  if (product && (n > 16 || numel(shape) * n > MAX_POINTS)) return;
  const operand = product ? builder.within(chance, x, -1.5, 1.5, 0.5) : x;
  if (operand === null) return;
  const largest = Math.max(Math.abs(operand.lowest), Math.abs(operand.highest));
  builder.make([operand], (e) => reduce(op, e, axes), !product && (jumps || largest * n <= 4096));
};

/** Another way of cutting the same elements into axes. */
function otherShape(chance: Chance, shape: Shape): Shape {
  if (numel(shape) === 0) return [...shape].reverse();
  const parts: number[] = [];
  for (const e of shape) {
    const divisors = [2, 3, 4, 5, 7, 10, 11, 13, 16, 26].filter((d) => d < e && e % d === 0);
    if (divisors.length > 0 && chance.odds(0.5)) {
      const d = chance.pick(divisors);
      parts.push(e / d, d);
    } else parts.push(e);
  }
  const out: number[] = [];
  for (const e of parts) {
    if (out.length > 0 && (chance.odds(0.4) || parts.length > MAX_RANK)) out[out.length - 1]! *= e;
    else out.push(e);
    if (chance.odds(0.1)) out.push(1);
  }
  return out.length > MAX_RANK ? [numel(shape)] : out;
}

/** A window over one axis: of copies along a new last axis, or along the last axis there is. */
function windowOf(chance: Chance, x: Node, fill: number): Node {
  const copies = x.shape.length < 2 || (x.shape.length < MAX_RANK && chance.odds(0.6));
  const kernel = copies ? chance.whole(1, 5) : x.shape[x.shape.length - 1]!;
  const y = copies ? o.expand(o.reshape(x, [...x.shape, 1]), [...x.shape, kernel]) : x;
  const axis = chance.whole(0, y.shape.length - 2);
  const [stride, dilation, padding] = [chance.whole(1, 3), chance.whole(1, 2), chance.whole(0, 3)];
  const reach = dilation * (kernel - 1) + 1;
  const most = Math.floor((y.shape[axis]! + 2 * padding - reach) / stride) + 1;
  const size = Math.max(
    1,
    Math.min(most, Math.floor((MAX_ELEMENTS / Math.max(1, numel(y.shape))) * Math.max(1, y.shape[axis]!))),
  );
  return o.window(y, { axis, stride, dilation, padding, size, fill });
}

function unwindowOf(chance: Chance, x: Node): Node {
  const axis = chance.whole(0, x.shape.length - 2);
  const kernel = x.shape[x.shape.length - 1]!;
  const [stride, dilation, padding] = [chance.whole(1, 3), chance.whole(1, 2), chance.whole(0, 3)];
  const size = Math.max(
    1,
    stride * (x.shape[axis]! - 1) + dilation * (kernel - 1) + 1 - 2 * padding + chance.whole(-2, 2),
  );
  return o.unwindow(x, { axis, stride, dilation, padding, size });
}

const perAxis = (x: Node, f: (extent: number) => number): number[] => x.shape.map(f);

function sliceOf(chance: Chance, x: Node): Node {
  const start = perAxis(x, (e) => (chance.odds(0.5) ? 0 : chance.whole(0, Math.max(0, e - 1))));
  const step = perAxis(x, () => (chance.odds(0.6) ? 1 : chance.whole(1, 3)));
  const size = perAxis(x, (e) => e).map((e, i) => {
    const most = Math.ceil((e - start[i]!) / step[i]!);
    return chance.odds(0.5) ? most : chance.whole(chance.odds(0.1) ? 0 : Math.min(1, most), most);
  });
  return o.slice(x, start, size, step);
}

function expandOf(chance: Chance, x: Node): Node {
  const shape = perAxis(x, (e) => (e === 1 ? chance.pick([2, 3, 4, 5, 7, 16]) : e));
  while (shape.length < MAX_RANK && chance.odds(0.4)) shape.unshift(chance.pick([1, 2, 3, 5]));
  return o.expand(x, shape);
}

/** A random view of each kind; x has at least one axis. */
export const views: Readonly<Record<string, (chance: Chance, x: Node) => Node>> = {
  reshape: (chance, x) => o.reshape(x, otherShape(chance, x.shape)),
  permute: (chance, x) => {
    const axes = x.shape.map((_, i) => i);
    for (let i = axes.length - 1; i > 0; i--) {
      const j = chance.whole(0, i);
      [axes[i], axes[j]] = [axes[j]!, axes[i]!];
    }
    return o.permute(x, axes);
  },
  expand: expandOf,
  pad: (chance, x) =>
    o.pad(
      x,
      perAxis(x, () => (chance.odds(0.5) ? 0 : chance.whole(1, 3))),
      perAxis(x, () => (chance.odds(0.5) ? 0 : chance.whole(1, 3))),
      chance.pick([0, 0, 0, 1]),
    ),
  slice: sliceOf,
  flip: (chance, x) => o.flip(x, someAxes(chance, x.shape.length)),
  dilate: (chance, x) =>
    o.dilate(
      x,
      perAxis(x, () => chance.whole(1, 3)),
    ),
  window: (chance, x) => windowOf(chance, x, 0),
  unwindow: (chance, x) => (x.shape.length < 2 ? x : unwindowOf(chance, x)),
};

const applyView: Family = ({ step: s, chance, builder }) => {
  const f = chance.pick(Object.values(views));
  const x = builder.find(s.a, (e) => shapeOf(e).length > 0);
  if (x === undefined) return;
  const seed = chance.whole(0, 2 ** 30);
  builder.make([x], (e) => f(new Chance(seed), e));
};

/** x with a permuted, flipped or reshaped self: several ways to one value. */
const applySelf: Family = ({ step: s, chance, builder }) => {
  const x = builder.find(s.a, (e) => isFloat(e.node.dtype) && shapeOf(e).length > 0);
  if (x === undefined) return;
  const shape = shapeOf(x);
  const axes = someAxes(chance, shape.length);
  const square = shape.length >= 2 && shape[0] === shape[1];
  const turn = (e: Node): Node => (square ? o.permute(e, [1, 0, ...shape.map((_, i) => i).slice(2)]) : o.flip(e, axes));
  builder.make([x], (e) => o.add(e, turn(e)));
};

const applyConcat: Family = ({ step: s, chance, builder }) => {
  const first = builder.find(s.a, (e) => shapeOf(e).length > 0);
  if (first === undefined) return;
  const axis = chance.whole(0, shapeOf(first).length - 1);
  const fits = (e: Entry): boolean =>
    e.node.dtype === first.node.dtype &&
    shapeOf(e).length === shapeOf(first).length &&
    shapeOf(e).every((n, i) => i === axis || n === shapeOf(first)[i]);
  const parts = [first, builder.find(s.b, fits)!];
  if (chance.odds(0.3)) {
    const shape = shapeOf(first).map((e, i) => (i === axis ? chance.pick([0, 1, 2, 5]) : e));
    parts.push(builder.input(chance, first.node.dtype, shape));
  }
  builder.make(parts, (...x) => c.concat(x, axis));
};

const applyGather: Family = ({ step: s, chance, builder }) => {
  const x = builder.find(s.a, (e) => shapeOf(e).length > 0);
  if (x === undefined) return;
  const shape = shapeOf(x);
  const axis = chance.whole(0, shape.length - 1);
  const n = shape[axis]!;
  const made = builder.find(
    s.b,
    (e) =>
      isInteger(e.node.dtype) &&
      shapeOf(e).length === shape.length &&
      shapeOf(e).every((v, i) => i === axis || v <= shape[i]!),
  );
  let index = chance.odds(0.5) ? made : undefined;
  if (index === undefined) {
    const m = chance.pick([1, 2, 3, 5, 7]);
    const own = shape.map((e, i) => (i === axis ? m : chance.odds(0.8) ? e : chance.whole(0, e)));
    const dtype = chance.pick(["i32", "u32"] as const);
    const reach = chance.odds(0.2) ? 2 : 0;
    const values = Array.from({ length: numel(own) }, () => chance.whole(dtype === "i32" ? -reach : 0, n - 1 + reach));
    index = builder.input(chance, dtype, own, values);
  }
  if (numel(shapeOf(index)) * n > MAX_POINTS) return;
  builder.make([x, index], (e, i) => o.gather(e, axis, i));
};

/** An index made on the device, of an exact value. */
const applyIndex: Family = ({ step: s, chance, builder }) => {
  const x = builder.find(s.a, (e) => e.exact && isFloat(e.node.dtype) && full(e));
  if (x === undefined) return;
  const high = chance.pick([1, 3, 6]);
  const dtype = chance.pick(["i32", "u32"] as const);
  const placed = builder.within(chance, x, 0, high, 0);
  if (placed !== null) builder.make([placed], (e) => o.cast(o.floor(e), dtype));
};

const isMatrix = (e: Entry): boolean => isFloat(e.node.dtype) && shapeOf(e).length >= 1;

const applyMatmul: Family = ({ step: s, chance, builder }) => {
  const a = builder.find(s.a, isMatrix);
  if (a === undefined) return;
  const left = shapeOf(a);
  const k = left[left.length - 1]!;
  const inner = (e: Entry): number => (shapeOf(e).length === 1 ? shapeOf(e)[0]! : shapeOf(e)[shapeOf(e).length - 2]!);
  let b = chance.odds(0.5) ? builder.find(s.b, (e) => isMatrix(e) && inner(e) === k) : undefined;
  if (b === undefined) {
    const n = chance.pick(extents);
    const batch = left.length > 2 && chance.odds(0.5) ? left.slice(0, -2).map((e) => (chance.odds(0.3) ? 1 : e)) : [];
    b = builder.input(chance, "f32", chance.odds(0.15) ? [k] : [...batch, k, n]);
  }
  const points = (numel(left) * numel(shapeOf(b))) / Math.max(1, k);
  if (points > MAX_POINTS) return;
  const largest = Math.max(-a.lowest, a.highest) * Math.max(-b.lowest, b.highest) * k;
  const transposed = shapeOf(b).length === 2 && shapeOf(b)[0] === shapeOf(b)[1] && chance.odds(0.5);
  builder.make([a, b], (x, y) => c.matmul(x, transposed ? o.permute(y, [1, 0]) : y), largest <= 4096);
};

const applyConv: Family = ({ step: s, chance, builder }) => {
  const found = builder.find(
    s.a,
    (e) => isFloat(e.node.dtype) && shapeOf(e).length === 4 && full(e) && Math.max(...shapeOf(e)) <= 33,
  );
  const x =
    found ??
    builder.input(chance, "f32", [chance.whole(1, 3), chance.whole(1, 4), chance.whole(3, 8), chance.whole(3, 8)]);
  const [n, channels, height, width] = shapeOf(x) as [number, number, number, number];
  const padding = chance.whole(0, 2);
  const dilation = chance.whole(1, 2);
  const most = (e: number): number => Math.max(1, Math.floor((e + 2 * padding - 1) / dilation) + 1);
  const kernel = [Math.min(chance.whole(1, 3), most(height)), Math.min(chance.whole(1, 3), most(width))] as const;
  const stride = chance.whole(1, 2);
  if (chance.odds(0.3)) {
    // At most half a window, as torch has it.
    const around = [Math.min(padding, kernel[0] >> 1), Math.min(padding, kernel[1] >> 1)] as const;
    if (kernel.some((k, i) => k > [height, width][i]! + 2 * around[i]!)) return;
    builder.make([x], (e) => c.avgPool2d(e, kernel, { stride, padding: around }), false);
    return;
  }
  const out = chance.whole(1, 5);
  if (
    (n * out * channels * kernel[0] * kernel[1] * (height + 2 * padding) * (width + 2 * padding)) / stride ** 2 >
    MAX_POINTS
  )
    return;
  const w = builder.input(chance, "f32", [out, channels, ...kernel]);
  const b = builder.input(chance, "f32", [out]);
  const largest = Math.max(-x.lowest, x.highest) * channels * kernel[0] * kernel[1] * 2;
  builder.make([x, w, b], (e, f, g) => c.conv2d(e, f, g, { stride, padding, dilation }), largest <= 2048);
};

const applySoftmax: Family = ({ step: s, chance, builder }) => {
  const x = builder.find(s.a, (e) => isFloat(e.node.dtype) && e.exact && shapeOf(e).length > 0 && full(e));
  if (x === undefined) return;
  const bounded = builder.within(chance, x, -6, 6, 0);
  if (bounded === null) return;
  const shape = shapeOf(bounded);
  const axis = chance.whole(0, shape.length - 1);
  const form = chance.whole(0, 4);
  if (form === 3 && shape.length >= 2) {
    const want = shape.filter((_, i) => i !== 1);
    const y = builder.input(
      chance,
      "i32",
      want,
      Array.from({ length: numel(want) }, () => chance.whole(0, shape[1]! - 1)),
    );
    const reduction = chance.pick(["mean", "sum", "none"] as const);
    builder.make([bounded, y], (e, f) => c.crossEntropy(e, f, reduction), false);
  } else if (form === 2)
    builder.make([bounded], (e) => c.logsumexp(e, someAxes(new Chance(s.seed), shape.length)), false);
  else builder.make([bounded], (e) => (form === 0 ? c.softmax : c.logSoftmax)(e, axis), false);
};

/** Pooling by the largest: windows filled with -inf. */
const applyPool: Family = ({ step: s, chance, builder }) => {
  const x = builder.find(
    s.a,
    (e) => isFloat(e.node.dtype) && e.exact && full(e) && shapeOf(e).length > 0 && shapeOf(e).length < MAX_RANK,
  );
  if (x === undefined) return;
  const largest = chance.odds(0.5);
  const seed = chance.whole(0, 2 ** 30);
  builder.make([x], (e) => {
    const seen = windowOf(new Chance(seed), e, largest ? -Infinity : Infinity);
    const y = (largest ? o.amax : o.amin)(seen, [seen.shape.length - 1]);
    // A window wholly outside has no largest.
    return o.where(o.lt(o.abs(y), 1000), y, 0);
  });
};

const applyMean: Family = ({ step: s, chance, builder }) => {
  const x = builder.find(s.a, (e) => isFloat(e.node.dtype) && full(e) && shapeOf(e).length > 0);
  if (x === undefined) return;
  const axes = someAxes(chance, shapeOf(x).length);
  const mean = builder.make([x], (e) => c.keeping(c.mean, e, axes), false);
  // Normalised: two statistics of one row.
  if (mean === null || !chance.odds(0.6)) return;
  const centred = builder.make([x, mean], o.sub, false);
  if (centred === null) return;
  const variance = builder.make([centred], (e) => c.keeping(c.mean, o.mul(e, e), axes), false);
  if (variance === null) return;
  builder.make([centred, variance], (e, v) => o.mul(e, o.rsqrt(o.add(v, 0.25))), false);
};

const applyExtreme: Family = ({ step: s, chance, builder }) => {
  const x = builder.find(s.a, (e) => isFloat(e.node.dtype) && e.exact && full(e) && shapeOf(e).length > 0);
  if (x === undefined) return;
  const axis = chance.whole(0, shapeOf(x).length - 1);
  const f = chance.odds(0.5) ? c.maxAlong : c.minAlong;
  builder.make([x], (e) => f(e, axis).values);
  builder.make([x], (e) => f(e, axis).indices);
};

const applyRandom: Family = ({ chance, builder }) => {
  const shape = chance.pick([[7], [3, 5], [130], [2, 3, 4], []]);
  const word = (): Entry => builder.number(chance, "u32", Math.floor(chance.next() * 2 ** 32));
  const keys = [word(), word(), word()];
  const stream = ([stream, key0, key1]: readonly Node[]): c.Stream => ({ stream: stream!, key0: key0!, key1: key1! });
  const kind = chance.whole(0, 4);
  if (kind === 0) builder.make(keys, (...k) => c.randomBits(shape, stream(k), 1));
  if (kind === 1) builder.make(keys, (...k) => c.randomUniform(shape, stream(k)), false);
  if (kind === 2) builder.make(keys, (...k) => c.randomBernoulli(shape, 0.4, stream(k)));
  if (kind === 3) builder.make(keys, (...k) => c.randomIntegers(shape, -3, 5, stream(k)));
  if (kind === 4) builder.make(keys, (...k) => c.randomNormal(shape, stream(k)), false);
};

const applySelect: Family = (turn) => {
  const { step: s, chance, builder } = turn;
  const index = builder.find(s.a, (e) => isInteger(e.node.dtype) && shapeOf(e).length < MAX_RANK);
  if (chance.odds(0.5) && index !== undefined) {
    builder.make([index], (e) => c.oneHot(e, 5, "i32"));
    return;
  }
  const x = builder.find(s.a, (e) => isFloat(e.node.dtype) && e.exact);
  if (x !== undefined) builder.make([x], (e) => c.clamp(e, -1, 1.5));
};

const applyGelu: Family = ({ step: s, chance, builder }) => {
  const x = builder.find(s.a, (e) => isFloat(e.node.dtype));
  const bounded = x === undefined ? null : builder.within(chance, x, -4, 4, 0);
  if (bounded !== null) builder.make([bounded], c.gelu, false);
};

/** An image or a sequence of the graph, or a new one: [n, c, ..d extents]. */
function imageOf({ step: s, chance, builder }: Turn, d: number, fits: (e: Entry) => boolean = () => true): Entry {
  const isImage = (e: Entry): boolean =>
    isFloat(e.node.dtype) && shapeOf(e).length === d + 2 && full(e) && Math.max(...shapeOf(e)) <= 16 && fits(e);
  const found = builder.find(s.a, isImage);
  if (found !== undefined) return found;
  const shape = [chance.whole(1, 3), chance.whole(1, 4), ...Array.from({ length: d }, () => chance.whole(3, 7))];
  return builder.input(chance, "f32", shape);
}

const divisorsOf = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1).filter((e) => n % e === 0);

/** Convolutions in one and three dimensions, grouped or transposed. */
const applyConvolution: Family = (turn) => {
  const { chance, builder } = turn;
  const d = chance.pick([1, 2, 3]);
  const x = imageOf(turn, d);
  const [, channels, ...extents] = shapeOf(x) as [number, number, ...number[]];
  const groups = chance.pick(divisorsOf(channels));
  const sizes = (f: () => number): [number, number, number] => Array.from({ length: d }, f) as [number, number, number];
  const kernel = sizes(() => chance.whole(1, 2));
  const [stride, dilation, padding] = [
    sizes(() => chance.whole(1, 2)),
    sizes(() => chance.whole(1, 2)),
    sizes(() => chance.whole(0, 1)),
  ];
  if (extents.some((e, i) => e + 2 * padding[i]! < dilation[i]! * (kernel[i]! - 1) + 1)) return;
  const out = chance.whole(1, 3);
  if (numel(shapeOf(x)) * out * numel(kernel) * 2 ** d > MAX_POINTS) return;
  const options = { stride, dilation, padding, groups };
  const isTransposed = chance.odds(0.4);
  const w = builder.input(
    chance,
    "f32",
    isTransposed ? [channels, out, ...kernel] : [out * groups, channels / groups, ...kernel],
  );
  const b = builder.input(chance, "f32", [out * groups]);
  const f = isTransposed
    ? [c.convTranspose1d, c.convTranspose2d, c.convTranspose3d][d - 1]!
    : [c.conv1d, c.conv2d, c.conv3d][d - 1]!;
  const largest = Math.max(-x.lowest, x.highest) * channels * numel(kernel) * 2;
  builder.make([x, w, b], (e, v, bias) => (f as typeof c.conv3d)(e, v, bias, options), largest <= 2048);
};

/** The largest of each window, and where it is. */
const applyMaxPool: Family = (turn) => {
  const { chance, builder } = turn;
  const x = imageOf(turn, 2, (e) => e.exact);
  const kernel = [chance.whole(1, 3), chance.whole(1, 3)] as const;
  const padding = [chance.whole(0, kernel[0] >> 1), chance.whole(0, kernel[1] >> 1)] as const;
  const stride = chance.whole(1, 2);
  if (!x.exact || kernel.some((k, i) => k > shapeOf(x)[i + 2]! + 2 * padding[i]!)) return;
  const options = { stride: [stride, stride] as const, padding, ceilMode: chance.odds(0.3) };
  builder.make([x], (e) => c.maxPool2d(e, kernel, options));
  builder.make([x], (e) => c.maxPool2dIndices(e, kernel, options));
};

/** Layer, group, instance and batch norm. eps is large, so that rows of one value do not blow up. */
const applyNorm: Family = (turn) => {
  const { step: s, chance, builder } = turn;
  const eps = o.literal(0.25);
  if (chance.odds(0.4)) {
    const x = builder.find(s.a, (e) => isFloat(e.node.dtype) && shapeOf(e).length > 0 && full(e));
    if (x === undefined) return;
    const n = shapeOf(x).at(-1)!;
    const [w, b] = [builder.input(chance, "f32", [n]), builder.input(chance, "f32", [n])];
    builder.make([x, w, b], (e, v, bias) => c.layerNorm(e, [n], v, bias, eps), false);
    return;
  }
  const x = imageOf(turn, chance.pick([1, 2]));
  const channels = shapeOf(x)[1]!;
  const [w, b] = [builder.input(chance, "f32", [channels]), builder.input(chance, "f32", [channels])];
  const groups = chance.pick(divisorsOf(channels));
  const form = chance.pick([
    (e: Node, v: Node, bias: Node) => c.groupNorm(e, groups, v, bias, eps),
    (e: Node, v: Node, bias: Node) => c.instanceNorm(e, v, bias, eps),
    (e: Node, v: Node, bias: Node) => c.batchNorm(e, v, bias, eps),
  ]);
  builder.make([x, w, b], form, false);
};

/** Attention with a mask, of which some rows may see nothing, causal, or neither. */
const applyAttention: Family = ({ step: s, chance, builder }) => {
  const found = builder.find(
    s.a,
    (e) =>
      isFloat(e.node.dtype) &&
      shapeOf(e).length >= 2 &&
      shapeOf(e).length <= 3 &&
      full(e) &&
      e.exact &&
      Math.max(...shapeOf(e)) <= 16,
  );
  const bounded =
    found === undefined ? builder.input(chance, "f32", [2, 3, 4]) : builder.within(chance, found, -2, 2, 0);
  if (bounded === null) return;
  const shape = shapeOf(bounded);
  const [l, e] = shape.slice(-2) as [number, number];
  const batch = shape.slice(0, -2);
  const keys = chance.whole(1, 6);
  const [k, v] = [builder.input(chance, "f32", [...batch, keys, e]), builder.input(chance, "f32", [...batch, keys, 3])];
  const form = chance.whole(0, 2);
  const mask = form === 0 ? builder.input(chance, "bool", [l, keys]) : null;
  const weights = builder.make(
    mask === null ? [bounded, k] : [bounded, k, mask],
    (q, w, m) => c.attentionWeights(q, w, o.literal(0.5), m ?? null, form === 1),
    false,
  );
  if (weights !== null) builder.make([weights, v], (a, b) => c.matmul(a, b), false);
};

/** Rows of a table by their number. */
const applyEmbedding: Family = ({ chance, builder }) => {
  const rows = chance.whole(1, 9);
  const shape = chance.pick([[4], [2, 3]]);
  const numbers = Array.from({ length: numel(shape) }, () => chance.whole(0, rows - 1));
  const index = builder.input(chance, "i32", shape, numbers);
  const w = builder.input(chance, "f32", [rows, chance.whole(1, 5)]);
  const padding = chance.odds(0.3) ? chance.whole(0, rows - 1) : null;
  builder.make([index, w], (i, table) => c.embedding(i, table, padding));
};

const laws = [...new Set([...canonicaliseRules, ...simplifyRules])];

/** Something a law applies to, as it says itself. */
const applyLaw: Family = ({ chance, builder }) => {
  const examples = chance.pick(laws).examples();
  if (examples.length > 0) builder.add(chance.pick(examples), false);
};

/** The simplest first: fast-check shrinks towards 0. */
const families: readonly Family[] = [
  ...Array<Family>(12).fill(applyMap),
  ...Array<Family>(10).fill(applyView),
  ...Array<Family>(6).fill(applyReduce),
  ...Array<Family>(2).fill(applySelf),
  ...Array<Family>(2).fill(applyGather),
  applyIndex,
  applyConcat,
  ...Array<Family>(3).fill(applyMatmul),
  applyConv,
  ...Array<Family>(2).fill(applySoftmax),
  applyPool,
  applyMean,
  applyExtreme,
  applyRandom,
  applySelect,
  applyGelu,
  applyConvolution,
  applyMaxPool,
  applyNorm,
  applyAttention,
  applyEmbedding,
  ...Array<Family>(2).fill(applyLaw),
];

/**
 * A kernel as a JavaScript function over flat row-major arrays: the layout says which points there are and in which
 * order, not where they lie.
 *
 * Every value is named once, in the outermost loop that knows all it depends on; a reduction stands in the loop of the
 * axes it depends on, so what a whole row shares is reduced once a row. Where a reduction depends on the innermost
 * axis, LANES neighbouring points are computed side by side: they share the loads that do not depend on that axis, and
 * their sums do not wait for each other. Each sum still adds in the order of its axes, so no bit depends on this.
 *
 * f32 values are rounded after every operation: the same bits in every engine, as far as its Math functions agree.
 */
import { add, axisIndex, constant, scale, type Axis, type Condition, type Index, type Term } from "../../ir/affine.ts";
import { InvariantError } from "../../ir/errors.ts";
import type { Accumulator, Expr, Kernel, Phase } from "../../ir/kernel.ts";
import type { JsFunction } from "../../ir/node.ts";
import { strides, type Shape } from "../../ir/shape.ts";
import { Dependences, type Dependence } from "./depends.ts";
import { condition, number, quotient, remainder, rounded, times } from "./spell.ts";

/**
 * The text of `(numbers, loads, stores) => void`'s maker: a function body that returns the kernel's function.
 * Deterministic: the text is the key of the cache.
 */
export function generateJs(kernel: Kernel): string {
  return new Generator(kernel).text();
}

/** Points of the innermost axis computed side by side. */
const LANES = 4;

/** One body: the function's, or a loop's. `axis` is null for the function's own. */
interface Scope {
  readonly axis: Axis | null;
  readonly lines: string[];
  /** Names of what is computed in it, by key. */
  readonly names: Map<string, string>;
}

class Generator {
  readonly #kernel: Kernel;
  readonly #depends = new Dependences();
  /** Open scopes: the function, the parallel loops, then the loops of a phase. */
  readonly #scopes: Scope[] = [];
  /** Depth of the scope an accumulator's result belongs to. */
  readonly #resultDepth = new Map<number, number>();
  readonly #helpers = new Map<string, JsFunction>();
  /** The axis whose points are computed side by side; null if there is no loop at all. */
  readonly #lane: Axis | null;
  readonly #parallel: readonly Axis[];
  #names = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#parallel = [...kernel.rows, ...kernel.cols].filter((a) => a.extent !== 1);
    this.#lane = this.#parallel.at(-1) ?? null;
  }

  text(): string {
    const { loads, stores, numbers } = this.#kernel;
    this.#open(null);
    numbers.forEach((_, i) => this.#line(0, `const n${i} = numbers[${i}];`));
    loads.forEach((_, i) => this.#line(0, `const b${i} = loads[${i}];`));
    stores.forEach((_, i) => this.#line(0, `const s${i} = stores[${i}];`));
    for (const axis of this.#parallel.slice(0, -1)) this.#open(axis);
    this.#loops();
    for (let depth = this.#parallel.length - 1; depth > 0; depth--) {
      const { axis, lines } = this.#scopes.pop()!;
      this.#block(
        depth - 1,
        `for (let ${name(axis!)} = 0; ${name(axis!)} < ${axis!.extent}; ${name(axis!)}++) {`,
        lines,
      );
    }
    const helpers = [...this.#helpers.values()].map((h) => `const ${h.name} = ${h.source};\n`).join("");
    const body = this.#scopes[0]!.lines.map((l) => `  ${l}\n`).join("");
    return `"use strict";\n${helpers}return function (numbers, loads, stores) {\n${body}};\n`;
  }

  /** The innermost parallel loop, in lanes and then one by one, inside the open scopes. */
  #loops(): void {
    const end = this.#bounds();
    const outer = this.#scopes.length - 1;
    const inner: Phase[] = [];
    for (const phase of this.#kernel.phases) {
      const depth = Math.max(0, ...phase.accumulators.map((a) => this.#phaseDepth(phase, a)));
      for (const a of phase.accumulators) this.#resultDepth.set(a.id, depth);
      if (depth > outer) inner.push(phase);
      else this.#phase(phase, depth, 1);
    }
    const axis = this.#lane;
    if (axis === null) {
      this.#stores(1);
      return;
    }
    const body = (lanes: number): readonly string[] => {
      this.#open(axis);
      for (const phase of inner) this.#phase(phase, outer + 1, lanes);
      this.#stores(lanes);
      return this.#scopes.pop()!.lines;
    };
    const c = name(axis);
    if (inner.length === 0 || axis.extent < LANES) {
      this.#block(outer, `for (let ${c} = 0; ${c} < ${end}; ${c}++) {`, body(1));
      return;
    }
    const wide = body(LANES);
    const narrow = body(1);
    this.#line(outer, `let ${c} = 0;`);
    this.#block(outer, `for (; ${c} <= ${end} - ${LANES}; ${c} += ${LANES}) {`, wide);
    this.#block(outer, `for (; ${c} < ${end}; ${c}++) {`, narrow);
  }

  /**
   * Leaves out points outside the shape, which a vector stored in two digits has; gives the end of the innermost loop.
   */
  #bounds(): string {
    const { at, shape } = this.#kernel;
    const axis = this.#lane;
    const ends = axis === null ? [] : [String(axis.extent)];
    at.forEach((index, dim) => {
      const extent = shape[dim]!;
      if (largest(index) < extent) return;
      const own = index.terms.find((t) => t.atom.kind === "axis" && t.atom.axis === axis);
      if (own === undefined) {
        const depth = this.#depth(this.#depends.ofIndex(index));
        this.#line(depth, `if (${this.#index(index, 0)} >= ${extent}) continue;`);
      } else {
        if (own.coef !== 1) throw new InvariantError(`js: the innermost axis moves by ${own.coef} in dim ${dim}`);
        const rest = add(index, scale(axisIndex(axis!), -1));
        ends.push(`${extent} - ${this.#index(rest, 0)}`);
      }
    });
    if (ends.length <= 1) return ends[0] ?? "";
    const depth = this.#scopes.length - 1;
    return this.#name(depth, "end", () => `Math.min(${ends.join(", ")})`);
  }

  /** How deep a phase must stand: what its values depend on, apart from its own loops. */
  #phaseDepth(phase: Phase, a: Accumulator): number {
    const { axes, results } = this.#depends.of(a.value);
    let depth = 0;
    for (const axis of axes) if (!phase.axes.includes(axis)) depth = Math.max(depth, this.#parallel.indexOf(axis) + 1);
    for (const r of results) depth = Math.max(depth, this.#resultDepth.get(r)!);
    return depth;
  }

  /** `depth` is that of a scope that is open and innermost, or of one further out. */
  #phase({ axes, accumulators }: Phase, depth: number, lanes: number): void {
    const hidden = this.#scopes.splice(depth + 1);
    for (const a of accumulators) {
      const start = number(a.op.identity(a.value.dtype), a.op.form === "index" ? a.value.dtype : a.dtype);
      for (let lane = 0; lane < lanes; lane++) {
        if (a.op.form === "index") this.#line(depth, `let ${best(a, lane)} = ${start};`);
        this.#line(depth, `let ${result(a.id, lane)} = ${a.op.form === "index" ? "0" : start};`);
      }
    }
    const loops = axes.filter((axis) => axis.extent !== 1);
    for (const axis of loops) this.#open(axis);
    const inside = this.#scopes.length - 1;
    for (const a of accumulators) {
      for (let lane = 0; lane < lanes; lane++) this.#line(inside, this.#accumulate(a, lane));
    }
    for (let d = inside; d > depth; d--) {
      const { axis, lines } = this.#scopes.pop()!;
      this.#block(d - 1, `for (let ${name(axis!)} = 0; ${name(axis!)} < ${axis!.extent}; ${name(axis!)}++) {`, lines);
    }
    this.#scopes.push(...hidden);
  }

  #accumulate(a: Accumulator, lane: number): string {
    const x = this.#value(a.value, lane);
    const r = result(a.id, lane);
    if (a.op.form === "fold") return `${r} = ${rounded(a.dtype, a.op.js(r, x, a.value.dtype))};`;
    if (a.position === null) throw new InvariantError(`js: ${a.op.name} carries no position`);
    const b = best(a, lane);
    return `if (${a.op.js(b, x, a.value.dtype)}) { ${b} = ${x}; ${r} = ${this.#index(a.position, lane)}; }`;
  }

  #stores(lanes: number): void {
    const { stores, at, shape } = this.#kernel;
    const depth = this.#scopes.length - 1;
    for (let lane = 0; lane < lanes; lane++) {
      const place = this.#index(flat(at, shape), lane);
      stores.forEach((s, i) => this.#line(depth, `s${i}[${place}] = ${this.#value(s.value, lane)};`));
    }
  }

  /** An atom that has the value of `e` at the current point of lane `lane`. */
  #value(e: Expr, lane: number): string {
    switch (e.kind) {
      case "literal":
        return number(e.value, e.dtype);
      case "uniform":
        return `n${e.slot}`;
      case "result":
        return result(e.accumulator, this.#resultDepth.get(e.accumulator)! === this.#parallel.length ? lane : 0);
      case "index":
        return this.#index(e.index, lane);
      case "load":
      case "select":
      case "map": {
        const depends = this.#depends.of(e);
        const own = this.#laneOf(depends, lane);
        return this.#name(this.#depth(depends), `e${e.id}@${own}`, () => this.#spell(e, own));
      }
    }
  }

  #spell(e: Extract<Expr, { kind: "load" | "select" | "map" }>, lane: number): string {
    switch (e.kind) {
      case "load": {
        const place = this.#index(flat(e.at, this.#kernel.loads[e.buffer]!.layout.shape), lane);
        return this.#where(e.valid, `b${e.buffer}[${place}]`, number(e.fill, e.dtype), lane);
      }
      case "select":
        return this.#where(e.valid, this.#value(e.value, lane), number(e.fill, e.dtype), lane);
      case "map": {
        for (const h of e.op.helpers ?? []) this.#helpers.set(h.name, h);
        const operands = e.operands.map((x) => primary(this.#value(x, lane)));
        const dtypes = e.operands.map((x) => x.dtype);
        return rounded(e.dtype, e.op.js(operands, dtypes, e.attrs));
      }
    }
  }

  #where(valid: readonly Condition[], value: string, fill: string, lane: number): string {
    if (valid.length === 0) return value;
    const all = valid.map((c) => {
      if (!("index" in c)) return condition(c, "");
      const depends = this.#depends.ofCondition(c);
      const own = this.#laneOf(depends, lane);
      return this.#name(this.#depth(depends), `c${c.key}@${own}`, () => condition(c, this.#index(c.index, own)));
    });
    return `${all.join(" && ")} ? ${value} : ${fill}`;
  }

  /** An index as partial sums, each in the outermost loop that knows its terms. */
  #index(index: Index, lane: number): string {
    const byDepth = new Map<number, Term[]>();
    for (const term of index.terms) {
      if (term.atom.kind === "axis" && term.atom.axis.extent === 1) continue;
      const depth = this.#depth(this.#depends.ofIndex({ ...index, terms: [term], key: term.atom.key }));
      const known = byDepth.get(depth);
      if (known === undefined) byDepth.set(depth, [term]);
      else known.push(term);
    }
    let key = String(index.offset);
    let sum = index.offset === 0 ? "" : String(index.offset);
    let own = 0;
    for (const depth of [...byDepth.keys()].sort((a, b) => a - b)) {
      const terms = byDepth.get(depth)!;
      for (const t of terms) {
        key += `+${t.coef}*${t.atom.key}`;
        own = Math.max(own, this.#laneOf(this.#depends.ofIndex({ ...index, terms: [t], key: t.atom.key }), lane));
      }
      const before = sum;
      const parts = (): string => {
        const texts = terms.map((t) => times(this.#atom(t, lane), t.coef));
        return [...(before === "" ? [] : [before]), ...texts].join(" + ");
      };
      const { atom, coef } = terms[0]!;
      const isName = before === "" && terms.length === 1 && coef === 1 && atom.kind === "axis" && own === 0;
      sum = isName ? name(atom.axis) : this.#name(depth, `i${key}@${own}`, parts);
    }
    return sum === "" ? "0" : sum;
  }

  /** An atom's value; a name, or an expression that binds tighter than +. */
  #atom({ atom }: Term, lane: number): string {
    switch (atom.kind) {
      case "axis":
        return atom.axis === this.#lane && lane > 0 ? `(${name(atom.axis)} + ${lane})` : name(atom.axis);
      case "dynamic":
        return this.#value(atom.expr as Expr, lane);
      case "div":
      case "mod": {
        const depends = this.#depends.ofIndex(atom.of);
        const own = this.#laneOf(depends, lane);
        const spell = atom.kind === "div" ? quotient : remainder;
        const text = (): string => spell(this.#index(atom.of, own), atom.by, atom.of.lo < 0);
        return this.#name(this.#depth(depends), `a${atom.key}@${own}`, text);
      }
    }
  }

  /** Lanes share what does not depend on the innermost axis. */
  #laneOf(d: Dependence, lane: number): number {
    return lane > 0 && this.#depth(d, this.#parallel.length) === this.#parallel.length ? lane : 0;
  }

  /** Of the innermost open scope that `d` needs; scopes deeper than `upTo` are not looked at. */
  #depth({ axes, results }: Dependence, upTo = this.#scopes.length - 1): number {
    let depth = 0;
    for (const r of results) depth = Math.max(depth, this.#resultDepth.get(r)!);
    for (let i = upTo; i > depth; i--) {
      const { axis } = this.#scopes[i] ?? { axis: null };
      if (axis !== null && axes.has(axis)) return i;
    }
    return depth;
  }

  /** The name of `key` in the scope at `depth`, spelled there if it is new. */
  #name(depth: number, key: string, spell: () => string): string {
    const { names } = this.#scopes[depth]!;
    let known = names.get(key);
    if (known === undefined) {
      const text = spell();
      known = `v${this.#names++}`;
      names.set(key, known);
      this.#line(depth, `const ${known} = ${text};`);
    }
    return known;
  }

  #open(axis: Axis | null): void {
    this.#scopes.push({ axis, lines: [], names: new Map() });
  }

  #line(depth: number, text: string): void {
    this.#scopes[depth]!.lines.push(text);
  }

  #block(depth: number, head: string, lines: readonly string[]): void {
    this.#scopes[depth]!.lines.push(head, ...lines.map((l) => `  ${l}`), "}");
  }
}

const name = (axis: Axis): string => `x${axis.id}`;
const result = (id: number, lane: number): string => (lane === 0 ? `r${id}` : `r${id}_${lane}`);
const best = (a: Accumulator, lane: number): string => `m${a.id}_${lane}`;
/** Templates take primary expressions: a negative literal is none. */
const primary = (text: string): string => (text.startsWith("-") ? `(${text})` : text);

/** The place of a logical index in a row-major array. */
export function flat(at: readonly Index[], shape: Shape): Index {
  const steps = strides(shape);
  return at.reduce((sum, index, dim) => add(sum, scale(index, steps[dim]!)), constant(0));
}

/** The largest value an index takes over its axes' extents. */
function largest(index: Index): number {
  let out = index.offset;
  for (const { atom, coef } of index.terms) {
    if (atom.kind !== "axis") return Infinity;
    if (coef > 0) out += coef * (atom.axis.extent - 1);
  }
  return out;
}

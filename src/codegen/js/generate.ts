/**
 * A kernel as a JavaScript function over flat row-major arrays: the layout says which points there are and in which
 * order, not where they lie.
 *
 * Every value is named once, in the outermost loop that knows all it depends on; a reduction stands in the loop of the
 * axes it depends on, so what a whole row shares is reduced once a row. Where a reduction depends on the two innermost
 * axes, a tile of neighbouring points is computed side by side: points share what does not depend on the axis they
 * differ in, and their sums do not wait for each other. Each sum still adds in the order of its axes, so no bit
 * depends on this.
 *
 * f32 values are rounded after every operation: the same bits in every engine, as far as its Math functions agree.
 */
import { add, axisIndex, constant, scale, type Axis, type Condition, type Index, type Term } from "../../ir/affine.ts";
import { InvariantError } from "../../ir/errors.ts";
import type { Accumulator, Expr, Kernel, Phase } from "../../ir/kernel.ts";
import type { JsFunction } from "../../ir/node.ts";
import { strides, type Shape } from "../../ir/shape.ts";
import { Dependences, type Axes } from "./depends.ts";
import { condition, number, quotient, remainder, rounded, times } from "./spell.ts";

/**
 * A function body that returns the kernel's function `(numbers, loads, stores) => void`. Deterministic: the text is
 * the key of the cache.
 */
export function generateJs(kernel: Kernel): string {
  let text = "";
  for (const size of tiles) {
    text = new Generator(kernel, size).text();
    if (text.length <= LONGEST) break;
  }
  return text;
}

/** Steps of a tile along the innermost axis, and across the next one. */
interface TileSize {
  readonly along: number;
  readonly across: number;
}

/** The first whose text is short enough. Measured on 64x784x128: 0.65, 0.45 and 0.2 multiply-adds a nanosecond. */
const tiles: readonly TileSize[] = [
  { along: 4, across: 4 },
  { along: 4, across: 1 },
  { along: 1, across: 1 },
];
/** V8 does not optimise functions of more than 60 kB of bytecode, about half the length of their text. */
const LONGEST = 60_000;

/** A point of a tile, by its steps along the innermost axis and across the next one. */
interface Lane {
  readonly along: number;
  readonly across: number;
}

/** All points of a tile. */
const tile = (across: number, along: number): readonly Lane[] =>
  Array.from({ length: across * along }, (_, i) => ({ along: i % along, across: Math.floor(i / along) }));
const single = tile(1, 1);

/** One body: the function's, or a loop's. `axis` is null for the function's own. */
interface Scope {
  readonly axis: Axis | null;
  readonly lines: string[];
  /** Names of what is computed in it, by key. */
  readonly names: Map<string, string>;
}

class Generator {
  readonly #kernel: Kernel;
  readonly #depends: Dependences;
  /** Open scopes: the function, the parallel loops, then the loops of a phase. */
  readonly #scopes: Scope[] = [];
  readonly #helpers = new Map<string, JsFunction>();
  readonly #parallel: readonly Axis[];
  /** The innermost parallel axis and the next one; null where there is none. */
  readonly #along: Axis | null;
  readonly #across: Axis | null;
  readonly #size: TileSize;
  #names = 0;

  constructor(kernel: Kernel, size: TileSize) {
    this.#kernel = kernel;
    this.#size = size;
    this.#depends = new Dependences(kernel);
    this.#parallel = [...kernel.rows, ...kernel.cols].filter((a) => a.extent !== 1);
    this.#along = this.#parallel.at(-1) ?? null;
    this.#across = this.#parallel.at(-2) ?? null;
  }

  text(): string {
    const { loads, stores, numbers } = this.#kernel;
    this.#open(null);
    numbers.forEach((_, i) => this.#line(0, `const n${i} = numbers[${i}];`));
    loads.forEach((_, i) => this.#line(0, `const b${i} = loads[${i}];`));
    stores.forEach((_, i) => this.#line(0, `const s${i} = stores[${i}];`));
    this.#loop(0, this.#phases(), single);
    const helpers = [...this.#helpers.values()].map((h) => `const ${h.name} = ${h.source};\n`).join("");
    const body = this.#scopes[0]!.lines.map((l) => `  ${l}\n`).join("");
    return `"use strict";\n${helpers}return function (numbers, loads, stores) {\n${body}};\n`;
  }

  /** What stands in the scope at `depth`: the phases that belong there, then the next loop or, innermost, the stores. */
  #loop(depth: number, phases: readonly Phase[], lanes: readonly Lane[]): void {
    const axis = this.#parallel[depth];
    const inner = phases.filter((p) => this.#resultDepth(p.accumulators[0]!) > depth);
    for (const p of phases) if (!inner.includes(p)) this.#phase(p, lanes);
    if (axis === undefined) {
      this.#stores(lanes);
      return;
    }
    const end = this.#end(axis, depth);
    const step = this.#tiles(axis, end, inner);
    const body = (width: number): readonly string[] => {
      this.#open(axis);
      this.#loop(depth + 1, inner, axis === this.#along ? tile(lanes.length, width) : tile(width, 1));
      return this.#scopes.pop()!.lines;
    };
    const x = name(axis);
    if (step === 1) {
      this.#block(depth, `for (let ${x} = 0; ${x} < ${end}; ${x}++) {`, body(1));
      return;
    }
    const wide = body(step);
    const narrow = Number(end) % step === 0 ? null : body(1);
    this.#line(depth, `let ${x} = 0;`);
    this.#block(depth, `for (; ${x} <= ${end} - ${step}; ${x} += ${step}) {`, wide);
    if (narrow !== null) this.#block(depth, `for (; ${x} < ${end}; ${x}++) {`, narrow);
  }

  /** How many steps of `axis` one turn of its loop takes. */
  #tiles(axis: Axis, end: string, inner: readonly Phase[]): number {
    const step = axis === this.#along ? this.#size.along : axis === this.#across ? this.#size.across : 1;
    // An end that differs from turn to turn would do for tiles across, but never comes up.
    const isPlain = end === String(axis.extent) || axis === this.#along;
    if (step === 1 || axis.extent < step || !isPlain) return 1;
    const axes = axis === this.#along ? [axis] : [axis, this.#along!];
    const isShared = inner.some((p) => p.accumulators.some((a) => axes.every((x) => this.#depends.of(a.value).has(x))));
    return isShared ? step : 1;
  }

  /** The end of a loop: the last digit of a vector stored in two stops at the vector's end. */
  #end(axis: Axis, depth: number): string {
    const { at, shape } = this.#kernel;
    const ends: string[] = [];
    at.forEach((index, dim) => {
      const extent = shape[dim]!;
      const own = index.terms.find((t) => t.atom.kind === "axis" && t.atom.axis === axis);
      // Outer digits alone never pass it.
      if (own === undefined || own.coef !== 1 || largest(index) < extent) return;
      ends.push(`${extent} - ${this.#index(add(index, scale(axisIndex(axis), -1)), single[0]!)}`);
    });
    if (ends.length === 0) return String(axis.extent);
    return this.#name(depth, "end", () => `Math.min(${[axis.extent, ...ends].join(", ")})`);
  }

  /** The kernel's phases; accumulators that belong to different loops do not share theirs. */
  #phases(): Phase[] {
    return this.#kernel.phases.flatMap(({ axes, accumulators }) => {
      const byDepth = new Map<number, Accumulator[]>();
      for (const a of accumulators) {
        const depth = this.#resultDepth(a);
        byDepth.set(depth, [...(byDepth.get(depth) ?? []), a]);
      }
      return [...byDepth.values()].map((part) => ({ axes, accumulators: part }));
    });
  }

  /** Of the innermost parallel loop that a result depends on. */
  #resultDepth(a: Accumulator): number {
    return 1 + Math.max(-1, ...[...this.#depends.ofResult(a.id)].map((axis) => this.#parallel.indexOf(axis)));
  }

  /** The loops of a phase, in the innermost open scope. */
  #phase({ axes, accumulators }: Phase, lanes: readonly Lane[]): void {
    const depth = this.#scopes.length - 1;
    const each = accumulators.flatMap((a) =>
      this.#distinct(this.#depends.ofResult(a.id), lanes).map((lane) => ({ a, lane })),
    );
    for (const { a, lane } of each) {
      const start = number(a.op.identity(a.value.dtype), a.op.form === "index" ? a.value.dtype : a.dtype);
      if (a.op.form === "index") this.#line(depth, `let ${best(a, lane)} = ${start};`);
      this.#line(depth, `let ${result(a.id, lane)} = ${a.op.form === "index" ? "0" : start};`);
    }
    for (const axis of axes) if (axis.extent !== 1) this.#open(axis);
    const inside = this.#scopes.length - 1;
    for (const { a, lane } of each) {
      const text = this.#accumulate(a, lane);
      this.#line(inside, text);
    }
    for (let d = inside; d > depth; d--) {
      const { axis, lines } = this.#scopes.pop()!;
      const x = name(axis!);
      this.#block(d - 1, `for (let ${x} = 0; ${x} < ${axis!.extent}; ${x}++) {`, lines);
    }
  }

  #accumulate(a: Accumulator, lane: Lane): string {
    const x = this.#value(a.value, lane);
    const r = result(a.id, lane);
    if (a.op.form === "fold") return `${r} = ${rounded(a.dtype, a.op.js(r, x, a.value.dtype))};`;
    if (a.position === null) throw new InvariantError(`js: ${a.op.name} carries no position`);
    const b = best(a, lane);
    return `if (${a.op.js(b, x, a.value.dtype)}) { ${b} = ${x}; ${r} = ${this.#index(a.position, lane)}; }`;
  }

  #stores(lanes: readonly Lane[]): void {
    const { stores, at, shape } = this.#kernel;
    const depth = this.#scopes.length - 1;
    for (const lane of lanes) {
      const place = this.#index(flat(at, shape), lane);
      stores.forEach((s, i) => {
        const value = this.#value(s.value, lane);
        this.#line(depth, `s${i}[${place}] = ${value};`);
      });
    }
  }

  /** An atom that has the value of `e` at the point `lane` of the tile. */
  #value(e: Expr, lane: Lane): string {
    const axes = this.#depends.of(e);
    const own = this.#laneOf(axes, lane);
    switch (e.kind) {
      case "literal":
        return number(e.value, e.dtype);
      case "uniform":
        return `n${e.slot}`;
      case "result":
        return result(e.accumulator, own);
      case "index":
        return this.#index(e.index, own);
      case "load":
      case "select":
      case "map":
        return this.#name(this.#depth(axes), `e${e.id}${suffix(own)}`, () => this.#spell(e, own));
    }
  }

  #spell(e: Extract<Expr, { kind: "load" | "select" | "map" }>, lane: Lane): string {
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

  #where(valid: readonly Condition[], value: string, fill: string, lane: Lane): string {
    if (valid.length === 0) return value;
    const all = valid.map((c) => {
      if (!("index" in c)) return condition(c, "");
      const axes = this.#depends.ofCondition(c);
      const own = this.#laneOf(axes, lane);
      return this.#name(this.#depth(axes), `c${c.key}${suffix(own)}`, () => condition(c, this.#index(c.index, own)));
    });
    return `${all.join(" && ")} ? ${value} : ${fill}`;
  }

  /** An index as partial sums, each in the outermost loop that knows its terms. */
  #index(index: Index, lane: Lane): string {
    const byDepth = new Map<number, { term: Term; axes: Axes }[]>();
    for (const term of index.terms) {
      if (term.atom.kind === "axis" && term.atom.axis.extent === 1) continue;
      const axes = this.#depends.ofIndex({ ...index, terms: [term], key: term.atom.key });
      const depth = this.#depth(axes);
      const known = byDepth.get(depth);
      if (known === undefined) byDepth.set(depth, [{ term, axes }]);
      else known.push({ term, axes });
    }
    let key = String(index.offset);
    let sum = index.offset === 0 ? "" : String(index.offset);
    let own: Lane = single[0]!;
    for (const depth of [...byDepth.keys()].sort((a, b) => a - b)) {
      const terms = byDepth.get(depth)!;
      for (const { term, axes } of terms) {
        key += `+${term.coef}*${term.atom.key}`;
        const { along, across } = this.#laneOf(axes, lane);
        own = { along: Math.max(own.along, along), across: Math.max(own.across, across) };
      }
      const before = sum;
      const spell = (): string => {
        const texts = terms.map(({ term }) => times(this.#atom(term, lane), term.coef));
        return [...(before === "" ? [] : [before]), ...texts].join(" + ");
      };
      const { atom, coef } = terms[0]!.term;
      const isName = before === "" && terms.length === 1 && coef === 1 && atom.kind === "axis" && isFirst(own);
      sum = isName ? name(atom.axis) : this.#name(depth, `i${key}${suffix(own)}`, spell);
    }
    return sum === "" ? "0" : sum;
  }

  /** An atom's value: a name, or an expression that binds tighter than +. */
  #atom({ atom }: Term, lane: Lane): string {
    switch (atom.kind) {
      case "axis": {
        const step = atom.axis === this.#along ? lane.along : atom.axis === this.#across ? lane.across : 0;
        return step > 0 ? `(${name(atom.axis)} + ${step})` : name(atom.axis);
      }
      case "dynamic":
        return this.#value(atom.expr as Expr, lane);
      case "div":
      case "mod": {
        const axes = this.#depends.ofIndex(atom.of);
        const own = this.#laneOf(axes, lane);
        const spell = atom.kind === "div" ? quotient : remainder;
        const text = (): string => spell(this.#index(atom.of, own), atom.by, atom.of.lo < 0);
        return this.#name(this.#depth(axes), `a${atom.key}${suffix(own)}`, text);
      }
    }
  }

  /** Points of a tile share what does not depend on the axis they differ in. */
  #laneOf(axes: Axes, { along, across }: Lane): Lane {
    return {
      along: this.#along !== null && axes.has(this.#along) ? along : 0,
      across: this.#across !== null && axes.has(this.#across) ? across : 0,
    };
  }

  /** The points of a tile at which something differs, in order. */
  #distinct(axes: Axes, lanes: readonly Lane[]): readonly Lane[] {
    return [...new Map(lanes.map((lane) => [suffix(this.#laneOf(axes, lane)), this.#laneOf(axes, lane)])).values()];
  }

  /** Of the innermost open scope whose axis is among `axes`. */
  #depth(axes: Axes): number {
    for (let i = this.#scopes.length - 1; i > 0; i--) if (axes.has(this.#scopes[i]!.axis!)) return i;
    return 0;
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

const isFirst = ({ along, across }: Lane): boolean => along === 0 && across === 0;
const suffix = (lane: Lane): string => (isFirst(lane) ? "" : `_${lane.across}_${lane.along}`);
const name = (axis: Axis): string => `x${axis.id}`;
const result = (id: number, lane: Lane): string => `r${id}${suffix(lane)}`;
const best = (a: Accumulator, lane: Lane): string => `m${a.id}${suffix(lane)}`;
/** Templates take primary expressions: a negative literal is none. */
const primary = (text: string): string => (text.startsWith("-") ? `(${text})` : text);

/** The place of a logical index in a row-major array. */
function flat(at: readonly Index[], shape: Shape): Index {
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

/**
 * Spells a kernel as a GLSL ES 3.00 fragment shader. Byte-deterministic, and free of every outermost extent, so that
 * a new batch is the same text.
 *
 * A fragment computes four columns (lanes) of R rows of the split axis. Every value is spelled per tile row and per
 * unrolled step as a scalar or a vec4 over the lanes; a load is four addresses, and equal texels are fetched once.
 * That one rule gives the vector, splat, transposed and gathered forms.
 */
import {
  add,
  axisIndex,
  conditionIndex,
  constant,
  isConstant,
  scale,
  substitute,
  substituteCondition,
  symbolic,
  div,
  mod,
  visitAtoms,
  type Atom,
  type Axis,
  type Condition,
  type Index,
} from "../../ir/affine.ts";
import type { DType } from "../../ir/dtype.ts";
import { InvariantError } from "../../ir/errors.ts";
import type { Accumulator, Expr, Kernel, Phase } from "../../ir/kernel.ts";
import { addressOf, textureOf, type Address } from "../../ir/layout.ts";
import type { GlslType } from "../../ir/node.ts";
import type { DeviceProfile } from "../../ir/plan.ts";
import { Declarations } from "./declarations.ts";
import { dependence, type Depends } from "./depends.ts";
import { guardsOf } from "./guards.ts";
import { planLoops } from "./loops.ts";
import type { ShaderProgram } from "./program.ts";
import { conditionText, indexText, literal, typeOf, type AtomText } from "./spell.ts";

/** When lines run: in which loops, and where which conditions on rows and loops hold. */
export interface When {
  readonly loops: readonly { readonly axis: Axis; readonly from: number; readonly to: number }[];
  readonly guards: readonly Condition[];
}

/** Is told of what costs time as it is spelled; see count.ts. */
export interface Observer {
  fetches(buffer: number, at: Address<Index>, when: When): void;
  /** An accumulator takes in a number, or one in each lane. */
  accumulates(lanes: 1 | 4, when: When): void;
}

/**
 * The program of a draw. Kernels that share one write parts of one texture: which part a fragment is in tells which
 * kernel it runs, and what lies between the parts is never read.
 */
export function generate(kernels: readonly Kernel[], profile: DeviceProfile): ShaderProgram {
  const [first] = kernels as readonly [Kernel];
  const program = first.layout.place === null ? alone(first, profile) : together(kernels, profile);
  if (program.targets.length <= profile.maxDrawBuffers) return program;
  throw new InvariantError(
    `a kernel of ${program.targets.length} targets on a device of ${profile.maxDrawBuffers}`,
    program.source,
  );
}

/** Spells a kernel for `observer` alone. */
export function observe(kernel: Kernel, profile: DeviceProfile, observer: Observer): ShaderProgram["counts"] {
  return new Generator(kernel, profile, new Declarations(), observer).write().counts;
}

function alone(kernel: Kernel, profile: DeviceProfile): ShaderProgram {
  const declared = new Declarations();
  const written = new Generator(kernel, profile, declared, null).write();
  const { width, height } = kernel.layout;
  const targets = targetsOf(kernel);
  const source = [
    ...declared.header(
      written.summary,
      kernel.stores.flatMap((s) => Array<DType>(kernel.layout.R).fill(s.dtype)),
    ),
    "void main() {",
    ...written.body.map((l) => `  ${l}`),
    "}",
    "",
  ].join("\n");
  return { source, ...declared.bindings(), targets, width, height, counts: written.counts };
}

const targetsOf = ({ stores, layout }: Kernel): ShaderProgram["targets"] =>
  stores.flatMap(({ buffer }) => Array.from({ length: layout.R }, (_, layer) => ({ buffer, layer })));

/** The program of a kernel for another of the same key (key.ts): it differs in which buffers and numbers it takes. */
export const boundTo = (kernel: Kernel, program: ShaderProgram): ShaderProgram => ({
  ...program,
  loads: kernel.loads.map((l) => l.buffer),
  numbers: kernel.numbers,
  targets: targetsOf(kernel),
});

function together(kernels: readonly Kernel[], profile: DeviceProfile): ShaderProgram {
  const declared = new Declarations();
  const [first] = kernels as readonly [Kernel];
  const summary: string[] = [];
  const body: string[] = ["ivec2 q = ivec2(gl_FragCoord.xy);"];
  const counts = { gathers: 0, fetches: 0 };
  let targets = 0;
  kernels.forEach((kernel, ordinal) => {
    const { place, width, height, R } = kernel.layout;
    if (place === null) throw new InvariantError("a kernel that shares a draw has no place in its texture");
    const from = declared.whole(`first row ${ordinal}`, place.y);
    const end = declared.whole(`last row ${ordinal}`, place.y + height);
    const written = new Generator(kernel, profile, declared, null).write();
    summary.push(...written.summary);
    counts.gathers += written.counts.gathers;
    counts.fetches = Math.max(counts.fetches, written.counts.fetches);
    targets = Math.max(targets, ...kernel.stores.map((s) => s.target + R));
    body.push(
      `if (q.x < ${width} && q.y >= ${from} && q.y < ${end}) {`,
      `  ivec2 p = ivec2(q.x, q.y - ${from});`,
      ...written.body.map((l) => `  ${l}`),
      "}",
    );
  });
  const { buffer, dtype } = first.stores[0]!;
  const { width, height } = textureOf(first.layout);
  const source = [
    ...declared.header(summary, Array<DType>(targets).fill(dtype)),
    "void main() {",
    ...Array.from({ length: targets }, (_, i) => `  o${i} = ${typeOf(dtype, 4).value}(${literal(0, dtype)});`),
    ...body.map((l) => `  ${l}`),
    "}",
    "",
  ].join("\n");
  const all = Array.from({ length: targets }, (_, layer) => ({ buffer, layer }));
  return { source, ...declared.bindings(), targets: all, width, height, counts };
}

/** What a kernel's part of `main` says. */
interface Written {
  readonly summary: readonly string[];
  readonly body: readonly string[];
  readonly counts: ShaderProgram["counts"];
}

const LANES = [0, 1, 2, 3] as const;
const COMPONENTS = "xyzw";

/** A spelled value: the same in all lanes, or one per lane. `primary` needs no parentheses. */
interface Value {
  readonly text: string;
  readonly lanes: 1 | 4;
}

/** Statements at one nesting of loops, and what they have already spelled. */
interface Scope {
  readonly lines: string[];
  readonly memo: Map<string, Value>;
  readonly when: When;
}

const always: When = { loops: [], guards: [] };

const within = ({ loops, guards }: When, axis: Axis, from: number, to: number, more: readonly Condition[]): When => ({
  loops: [...loops, { axis, from, to }],
  guards: [...guards, ...more],
});

/** How often a fragment runs lines whose guards hold. */
const trips = ({ loops }: When): number => loops.reduce((n, { from, to }) => n * (to - from), 1);

/** Where in a tile and an unrolled loop an expression is spelled. */
interface Place {
  /** Row of the tile. */
  readonly row: number;
  /** What the innermost reduce axis is, at this step; null outside loops. */
  readonly step: { readonly axis: Axis; readonly index: Index } | null;
}

class Generator {
  private readonly kernel: Kernel;
  private readonly profile: DeviceProfile;
  private readonly observer: Observer | null;
  private readonly depends: Depends;
  private readonly names = new Map<Axis, string>();
  private readonly declared: Declarations;
  /** Sampler of each load. */
  private readonly samplers: readonly number[];
  /** What the kernel's first number is among the program's. */
  private readonly firstNumber: number;
  private readonly split: Axis | null;
  /** The split axis' high part: a fragment's tile. */
  private readonly tile: Axis | null;
  /** Texel column of a fragment. */
  private readonly column: Axis;
  private readonly rows: number;
  private scopes: Scope[] = [];
  /** Reduce axes of the loops that are open, outer to inner. */
  private loops: readonly Axis[] = [];
  /** Keys of conditions that hold where the lines being written run. */
  private readonly assumed = new Set<string>();
  private counter = 0;
  private gathers = 0;
  private fetches = 0;
  private readonly widths = new Map<number, 1 | 4>();

  constructor(kernel: Kernel, profile: DeviceProfile, declared: Declarations, observer: Observer | null) {
    this.kernel = kernel;
    this.profile = profile;
    this.observer = observer;
    this.declared = declared;
    this.samplers = kernel.loads.map((l) => declared.sampler(l));
    this.firstNumber = declared.take(kernel.numbers);
    this.depends = dependence(kernel);
    const { layout } = kernel;
    this.split = layout.split < 0 ? null : kernel.rows[layout.split]!;
    this.rows = layout.R;
    this.tile =
      this.split === null
        ? null
        : {
            ...this.split,
            id: -2,
            extent: Math.ceil(this.split.extent / layout.R),
            bound: this.split.bound === Infinity ? Infinity : Math.ceil(this.split.bound / layout.R),
          };
    this.column = { id: -1, name: "c", extent: layout.W, bound: layout.W, role: "col" };
  }

  write(): Written {
    const { kernel } = this;
    this.scopes = [{ lines: [], memo: new Map(), when: always }];
    kernel.phases.forEach((p, i) => this.phase(p, i));
    const results: string[] = [];
    for (const s of kernel.stores) {
      for (let row = 0; row < this.rows; row++) {
        const value = this.wide(this.spell(s.value, { row, step: null }), s.dtype);
        results.push(`o${s.target + row} = ${value};`);
      }
    }
    return {
      summary: this.summary(),
      body: [...this.coordinates(), ...this.scopes[0]!.lines, ...results],
      counts: { gathers: this.gathers, fetches: this.fetches },
    };
  }

  /**
   * Which parts of the graph the program is, in words that no batch size changes. Not why it is a draw of its own: the
   * text is the program's key, and a value that is asked for one day is computed as before.
   */
  private summary(): string[] {
    const { kernel } = this;
    const out = [`// stores ${kernel.stores.map((s) => s.label).join(", ")}`];
    for (const p of kernel.phases)
      out.push(
        `// ${p.accumulators.map((a) => a.label).join(", ")} over ${p.axes.map((a) => (a.bound === Infinity ? "n" : String(a.extent))).join(" x ")}`,
      );
    return out;
  }

  /** From the fragment to the row and column axes. Only what is used is declared. */
  private coordinates(): string[] {
    const { layout, rows } = this.kernel;
    const out: string[] = [];
    const rowNames = rows.map((a) => this.names.get(a === this.split ? this.tile! : a));
    const usesRows = rowNames.some((n) => n !== undefined);
    const columnName = this.names.get(this.column);
    if (!usesRows && columnName === undefined) return out;
    if (layout.place === null) out.push("ivec2 p = ivec2(gl_FragCoord.xy);");
    const panels = layout.P > 1;
    const shift = Math.log2(layout.P);
    const width: Axis = { ...this.column, id: -3, bound: Infinity };
    const px = (): string => "p.x";
    if (columnName !== undefined)
      out.push(`int ${columnName} = ${panels ? indexText(mod(axisIndex(width), layout.W), px) : "p.x"};`);
    if (!usesRows) return out;
    const row = panels ? `(p.y << ${shift}) + ${indexText(div(axisIndex(width), layout.W), px)}` : "p.y";
    // Mixed radix, innermost digit first; the outermost digit is never divided.
    const last = rowNames.findIndex((n) => n !== undefined);
    out.push(`int r = ${row};`);
    for (let i = rows.length - 1; i >= last; i--) {
      const extent = i === layout.split ? this.tile!.extent : rows[i]!.extent;
      const name = rowNames[i];
      if (i === 0) {
        if (name !== undefined) out.push(`int ${name} = r;`);
        continue;
      }
      if (name !== undefined) out.push(`int ${name} = r % ${extent};`);
      if (i > last) out.push(`r /= ${extent};`);
    }
    return out;
  }

  // Names, numbers, helper functions.

  private readonly nameOf: AtomText = (atom) => {
    if (atom.kind === "dynamic") return (atom.expr as { readonly text: string }).text;
    const { axis } = atom;
    let name = this.names.get(axis);
    if (name === undefined) {
      const rank = this.kernel.rows.indexOf(axis);
      name = axis === this.column ? "c" : axis === this.tile ? "i" : rank >= 0 ? `i${rank}` : `k${axis.id}`;
      this.names.set(axis, name);
    }
    return name;
  };

  private number(slot: number): string {
    return this.declared.number(this.firstNumber + slot);
  }

  private fresh(prefix: string): string {
    return `${prefix}${this.counter++}`;
  }

  // Phases.

  private phase(phase: Phase, ordinal: number): void {
    const plan = planLoops(this.kernel, phase, this.profile.unroll);
    const top = this.scopes[0]!;
    for (const a of phase.accumulators) this.declare(a, top);
    const inner = plan.axes[plan.axes.length - 1]!;
    const outer = plan.axes.slice(0, -1);
    this.loops = plan.axes;
    top.lines.push(`// phase ${ordinal + 1}: ${phase.accumulators.map((a) => a.label).join(", ")}`);
    // Unrolled steps are in one block; each would need a guard of its own.
    const guards = this.guards(phase, plan.unroll === 1 ? plan.axes : outer);
    for (const axis of outer) {
      const { when } = this.scopes[this.scopes.length - 1]!;
      this.scopes.push({
        lines: [],
        memo: new Map(),
        when: within(when, axis, 0, axis.extent, guards.get(axis) ?? []),
      });
    }
    this.innermost(phase, inner, plan.unroll, guards.get(inner) ?? []);
    for (const axis of [...outer].reverse()) {
      const scope = this.scopes.pop()!;
      const name = this.nameOf({ kind: "axis", axis, key: "" });
      const guard = guards.get(axis);
      const lines = guard === undefined ? scope.lines : guarded(this.allOf(guard), scope.lines);
      this.scopes[this.scopes.length - 1]!.lines.push(
        `for (int ${name} = 0; ${name} < ${this.bound(axis)}; ${name}++) {`,
        ...lines.map((l) => `  ${l}`),
        "}",
      );
    }
    this.loops = [];
    this.assumed.clear();
  }

  /** What the body of each loop is guarded by. Inside, these conditions hold and are not spelled again. */
  private guards(phase: Phase, outer: readonly Axis[]): ReadonlyMap<Axis, readonly Condition[]> {
    const found = new Map<Axis, Condition[]>();
    for (const c of this.profile.off.includes("guards") ? [] : guardsOf(phase)) {
      const axes = new Set<Axis>();
      visitAtoms(conditionIndex(c) ?? constant(0), (a) => {
        // What is made on the device is not known out here.
        if (a.kind === "axis") axes.add(a.axis);
        else if (a.kind === "dynamic") axes.add(this.column);
      });
      const innermost = [...outer].reverse().find((axis) => axes.has(axis));
      const isOutside = [...axes].every((a) => outer.includes(a) || (this.kernel.rows.includes(a) && a !== this.split));
      if (innermost === undefined || !isOutside) continue;
      const known = found.get(innermost);
      if (known === undefined) found.set(innermost, [c]);
      else known.push(c);
      this.assumed.add(c.key);
    }
    return found;
  }

  private allOf(conditions: readonly Condition[]): string {
    return conditions.map((c) => conditionText(c, this.nameOf)).join(" && ");
  }

  private bound(axis: Axis): string {
    return axis.bound === Infinity ? this.declared.extent(axis) : String(axis.extent);
  }

  /** Whole trips of `unroll` steps, then what is left: step by step if the extent is a uniform, spelled out if not. */
  private innermost(phase: Phase, axis: Axis, unroll: number, guard: readonly Condition[]): void {
    const parent = this.scopes[this.scopes.length - 1]!;
    const name = this.nameOf({ kind: "axis", axis, key: "" });
    if (unroll === 1) {
      const when = within(parent.when, axis, 0, axis.extent, guard);
      const lines = this.steps(phase, [{ axis, index: axisIndex(axis) }], when);
      const body = guard.length === 0 ? lines : [`  if (${this.allOf(guard)}) {`, ...lines.map((l) => `  ${l}`), "  }"];
      parent.lines.push(`for (int ${name} = 0; ${name} < ${this.bound(axis)}; ${name}++) {`, ...body, "}");
      return;
    }
    const quarter: Axis = { ...axis, id: -10 - axis.id, extent: Math.floor(axis.extent / unroll), bound: Infinity };
    this.names.set(quarter, `q${axis.id}`);
    const range = [...Array(unroll).keys()];
    const literalExtent = axis.bound === Infinity ? null : axis.extent;
    if (literalExtent === null || literalExtent >= unroll) {
      const lines = this.steps(
        phase,
        range.map((s) => ({ axis, index: add(scale(axisIndex(quarter), unroll), constant(s)) })),
        within(parent.when, quarter, 0, quarter.extent, []),
      );
      const trips = literalExtent === null ? `(${this.bound(axis)} >> ${Math.log2(unroll)})` : String(quarter.extent);
      parent.lines.push(`for (int q${axis.id} = 0; q${axis.id} < ${trips}; q${axis.id}++) {`, ...lines, "}");
    }
    if (literalExtent === null) {
      const when = within(parent.when, axis, axis.extent - (axis.extent % unroll), axis.extent, []);
      const lines = this.steps(phase, [{ axis, index: axisIndex(axis) }], when);
      parent.lines.push(
        `for (int ${name} = ${this.bound(axis)} & ~${unroll - 1}; ${name} < ${this.bound(axis)}; ${name}++) {`,
        ...lines,
        "}",
      );
    } else if (literalExtent % unroll > 0) {
      const from = literalExtent - (literalExtent % unroll);
      const rest = range.slice(0, literalExtent % unroll).map((s) => ({ axis, index: constant(from + s) }));
      parent.lines.push("{", ...this.steps(phase, rest, parent.when), "}");
    }
  }

  /** The innermost body: every accumulator, every step, every row of the tile. */
  private steps(phase: Phase, steps: readonly NonNullable<Place["step"]>[], when: When): string[] {
    const scope: Scope = { lines: [], memo: new Map(), when };
    this.scopes.push(scope);
    for (const step of steps) {
      for (const a of phase.accumulators) {
        for (const row of this.rowsOf(this.depends(a.value))) this.accumulate(a, { row, step }, scope);
      }
    }
    this.scopes.pop();
    return scope.lines.map((l) => `  ${l}`);
  }

  /** The tile's rows, or just the first where a value is the same in all. */
  private rowsOf(depends: ReadonlySet<Axis>): readonly number[] {
    return this.split !== null && depends.has(this.split) ? [...Array(this.rows).keys()] : [0];
  }

  private declare(a: Accumulator, scope: Scope): void {
    const depends = this.depends(a.value);
    const lanes = this.lanesOf(depends);
    this.widths.set(a.id, lanes);
    const dtype = a.op.form === "index" ? a.value.dtype : a.dtype;
    const t = typeOf(dtype, lanes);
    const identity = literal(a.op.identity(a.value.dtype), dtype);
    for (const row of this.rowsOf(depends)) {
      scope.lines.push(
        `${t.value} ${this.accumulatorName(a.id, row, a.op.form === "index" ? "b" : "s")} = ${lanes === 4 ? `${t.value}(${identity})` : identity};`,
      );
      if (a.op.form === "index") {
        const index = typeOf(a.dtype, lanes);
        scope.lines.push(`${index.value} ${this.accumulatorName(a.id, row, "s")} = ${index.value}(0);`);
      }
    }
  }

  private accumulatorName(id: number, row: number, prefix: "s" | "b"): string {
    return this.rows > 1 ? `${prefix}${id}_${row}` : `${prefix}${id}`;
  }

  private accumulate(a: Accumulator, place: Place, scope: Scope): void {
    const lanes = this.widths.get(a.id)!;
    this.observer?.accumulates(lanes, scope.when);
    const value = this.spell(a.value, place);
    const name = this.accumulatorName(a.id, place.row, "s");
    for (const f of a.op.needs ?? []) this.declared.need(f, typeOf(a.value.dtype, lanes));
    if (a.op.form === "fold") {
      const t = typeOf(a.dtype, lanes);
      const x = this.convert(this.widen(value, a.value.dtype, lanes), a.value.dtype, a.dtype, lanes);
      scope.lines.push(`${name} = ${a.op.glsl(name, primary(x), t)};`);
      return;
    }
    const t = typeOf(a.value.dtype, lanes);
    const best = this.accumulatorName(a.id, place.row, "b");
    const x = this.bind(this.widen(value, a.value.dtype, lanes), t.value, scope);
    const position = this.textOf(this.at(a.position!, place, 0));
    // Lane by lane: the position is taken exactly where the best is.
    const scalar = typeOf(a.value.dtype, 1);
    for (const dot of lanes === 4 ? [...COMPONENTS].map((c) => `.${c}`) : [""]) {
      const better = a.op.glsl(`${best}${dot}`, `${x}${dot}`, scalar);
      scope.lines.push(`if (${better}) { ${best}${dot} = ${x}${dot}; ${name}${dot} = ${position}; }`);
    }
  }

  // Expressions.

  private lanesOf(depends: ReadonlySet<Axis>): 1 | 4 {
    return this.kernel.cols.some((a) => depends.has(a)) ? 4 : 1;
  }

  /** The scope of the innermost loop a value depends on. */
  private scopeOf(depends: ReadonlySet<Axis>): Scope {
    let level = 0;
    this.loops.forEach((a, i) => {
      if (depends.has(a)) level = i + 1;
    });
    return this.scopes[Math.min(level, this.scopes.length - 1)]!;
  }

  private spell(e: Expr, place: Place): Value {
    switch (e.kind) {
      case "literal":
        return { text: literal(e.value, e.dtype), lanes: 1 };
      case "uniform":
        return { text: this.number(e.slot), lanes: 1 };
      case "result": {
        const depends = this.depends(e);
        const row = this.split !== null && depends.has(this.split) ? place.row : 0;
        return { text: this.accumulatorName(e.accumulator, row, "s"), lanes: this.widths.get(e.accumulator)! };
      }
      default:
        break;
    }
    const depends = this.depends(e);
    const scope = this.scopeOf(depends);
    const row = this.split !== null && depends.has(this.split) ? place.row : 0;
    const inStep = place.step !== null && depends.has(place.step.axis);
    const key = `${e.id} ${row} ${inStep ? place.step.index.key : ""}`;
    let known = scope.memo.get(key);
    if (known === undefined)
      scope.memo.set(key, (known = this.spellNew(e, { row, step: inStep ? place.step : null }, depends, scope)));
    return known;
  }

  private spellNew(
    e: Exclude<Expr, { kind: "literal" | "uniform" | "result" }>,
    place: Place,
    depends: ReadonlySet<Axis>,
    scope: Scope,
  ): Value {
    const lanes = this.lanesOf(depends);
    switch (e.kind) {
      case "map": {
        const operands = e.operands.map((x) => this.spell(x, place));
        const last = e.operands[e.operands.length - 1]!.dtype;
        const t = typeOf(last, lanes);
        for (const f of e.op.needs ?? []) this.declared.need(f, t);
        const text = e.op.glsl(
          operands.map((x, i) => primary(this.widen(x, e.operands[i]!.dtype, lanes))),
          t,
          e.attrs,
        );
        return { text: this.bind(text, typeOf(e.dtype, lanes).value, scope), lanes };
      }
      case "index": {
        const texts = (lanes === 4 ? LANES : [0]).map((lane) => this.textOf(this.at(e.index, place, lane)));
        const t = typeOf(e.dtype, lanes);
        return { text: this.bind(lanes === 4 ? `${t.value}(${texts.join(", ")})` : texts[0]!, t.value, scope), lanes };
      }
      case "select": {
        const value = this.spell(e.value, place);
        const conditions = (lanes === 4 ? LANES : [0]).map((lane) => this.conditions(e.valid, place, lane));
        const fill = literal(e.fill, e.dtype);
        return {
          text: this.bind(this.chosen(conditions, value, fill, e.dtype, lanes), typeOf(e.dtype, lanes).value, scope),
          lanes,
        };
      }
      case "load":
        return this.load(e, place, lanes, scope);
    }
  }

  /** Per lane, the value where its condition holds; null conditions always hold, "" never. */
  private chosen(
    conditions: readonly (string | null)[],
    value: Value,
    fill: string,
    dtype: DType,
    lanes: 1 | 4,
  ): string {
    const t = typeOf(dtype, lanes);
    if (conditions.every((c) => c === conditions[0])) {
      const c = conditions[0]!;
      if (c === null) return this.widen(value, dtype, lanes);
      const other = lanes === 4 ? `${t.value}(${fill})` : fill;
      return c === "" ? other : `${c} ? ${this.widen(value, dtype, lanes)} : ${other}`;
    }
    const parts = conditions.map((c, lane) => {
      const x = value.lanes === 4 ? `${primary(value.text)}.${COMPONENTS[lane]}` : value.text;
      return c === null ? x : c === "" ? fill : `${c} ? ${x} : ${fill}`;
    });
    return `${t.value}(${parts.join(", ")})`;
  }

  /** The conjunction as a bool expression; null if it always holds, "" if it never does. */
  private conditions(valid: readonly Condition[], place: Place, lane: number): string | null {
    const texts: string[] = [];
    for (const c of valid) {
      if (this.assumed.has(c.key)) continue;
      const here = substituteCondition(c, this.placed(place, lane));
      if (here.kind === "never") return "";
      if (here.kind !== "always") texts.push(conditionText(here, this.nameOf));
    }
    return texts.length === 0 ? null : texts.join(" && ");
  }

  private load(e: Extract<Expr, { kind: "load" }>, place: Place, lanes: 1 | 4, scope: Scope): Value {
    const slot = this.kernel.loads[e.buffer]!;
    const t = typeOf(e.dtype, lanes);
    const fill = literal(e.fill, e.dtype);
    const all = (lanes === 4 ? LANES : [0]).map((lane) => {
      const at = e.at.map((i) => this.at(i, place, lane));
      return { address: addressOf(symbolic, slot.layout, at), condition: this.conditions(e.valid, place, lane) };
    });
    const texel = (a: Address<Index>): string => `${a.x.key} ${a.y.key} ${a.layer.key}`;
    const first = all[0]!;
    const oneTexel = all.every((a) => texel(a.address) === texel(first.address));
    const inOrder = all.every((a, lane) => isConstant(a.address.lane) && a.address.lane.offset === lane);
    if (lanes === 4 && oneTexel && inOrder) {
      if (all.every((a) => a.condition === "")) return { text: `${t.value}(${fill})`, lanes };
      const f = this.fetch(e.buffer, first.address, t);
      const text = this.chosen(
        all.map((a) => a.condition),
        { text: f, lanes: 4 },
        fill,
        e.dtype,
        4,
      );
      return { text: text === f ? f : this.bind(text, t.value, scope), lanes };
    }
    const scalars = all.map(({ address, condition }) => {
      if (condition === "") return fill;
      const f = this.fetch(e.buffer, address, typeOf(e.dtype, 4));
      const x = isConstant(address.lane)
        ? `${f}.${COMPONENTS[address.lane.offset]}`
        : this.pick(f, address.lane, e.dtype);
      return condition === null ? x : `${condition} ? ${x} : ${fill}`;
    });
    if (lanes === 1)
      return {
        text:
          first.condition === null && isConstant(first.address.lane)
            ? scalars[0]!
            : this.bind(scalars[0]!, t.value, scope),
        lanes,
      };
    this.gathers++;
    return { text: this.bind(`${t.value}(${scalars.join(", ")})`, t.value, scope), lanes };
  }

  /** One component of a texel by a lane known only on the device; never by dynamic indexing, which drivers get wrong. */
  private pick(texel: string, lane: Index, dtype: DType): string {
    const t = typeOf(dtype, 4);
    this.declared.define(
      `pick ${t.value}`,
      `${t.element} pick(${t.value} v, int i) { return i < 2 ? (i < 1 ? v.x : v.y) : (i < 3 ? v.z : v.w); }`,
    );
    return `pick(${texel}, ${indexText(lane, this.nameOf)})`;
  }

  /** Fetches a texel once per scope. */
  private fetch(buffer: number, a: Address<Index>, t: GlslType): string {
    const key = `fetch ${buffer} ${a.x.key} ${a.y.key} ${a.layer.key}`;
    const scope = this.scopeOfIndices([a.x, a.y, a.layer]);
    const known = scope.memo.get(key);
    if (known !== undefined) return known.text;
    const name = this.fresh("f");
    const vector = typeOf(t.element === "float" ? "f32" : t.element === "int" ? "i32" : "u32", 4);
    const isSampled = this.profile.fetch === "textureLod" && scope !== this.scopes[0];
    scope.lines.push(`${vector.value} ${name} = ${isSampled ? this.sampled(buffer, a) : this.texel(buffer, a)};`);
    scope.memo.set(key, { text: name, lanes: 4 });
    this.fetches += trips(scope.when);
    this.observer?.fetches(buffer, a, scope.when);
    return name;
  }

  private texel(buffer: number, address: Address<Index>): string {
    const { x, y, layer } = this.inTexture(buffer, address);
    return `texelFetch(t${this.samplers[buffer]!}, ivec3(${this.textOf(x)}, ${y}, ${this.textOf(layer)}), 0)`;
  }

  /** Nearest sampling at a texel's centre; what it costs outside loops is the same. */
  private sampled(buffer: number, address: Address<Index>): string {
    const { layout } = this.kernel.loads[buffer]!;
    const { width, height } = textureOf(layout);
    const { x, y, layer } = this.inTexture(buffer, address);
    const centre = (i: Index, size: number): string =>
      isConstant(i)
        ? literal((i.offset + 0.5) / size, "f32")
        : `(float(${this.textOf(i)}) + 0.5) * ${literal(1 / size, "f32")}`;
    const isFixed = layout.rows.length === 0 && layout.place === null;
    const row = isFixed
      ? centre(address.y, height)
      : `(float(${y}) + 0.5) * ${this.declared.inverseHeight(this.samplers[buffer]!)}`;
    const z = isConstant(layer) ? literal(layer.offset, "f32") : `float(${this.textOf(layer)})`;
    return `textureLod(t${this.samplers[buffer]!}, vec3(${centre(x, width)}, ${row}, ${z}), 0.0)`;
  }

  /** An address within a value as one within its texture; the row is text. */
  private inTexture(buffer: number, { x, y, layer }: Address<Index>): { x: Index; y: string; layer: Index } {
    const first = this.declared.firstRow(this.samplers[buffer]!);
    const row = this.textOf(y);
    const z = this.kernel.loads[buffer]!.layout.place?.z ?? 0;
    return {
      x,
      y: first === null ? row : isConstant(y) && y.offset === 0 ? first : `${row} + ${first}`,
      layer: z === 0 ? layer : add(layer, constant(z)),
    };
  }

  /** The scope of the innermost loop that placed indices run in. */
  private scopeOfIndices(indices: readonly Index[]): Scope {
    let level = 0;
    const visit = (atom: Atom): void => {
      if (atom.kind === "dynamic") level = Math.max(level, (atom.expr as { readonly level: number }).level);
      if (atom.kind !== "axis") return;
      this.loops.forEach((axis, i) => {
        if (atom.axis.id === axis.id || atom.axis.id === -10 - axis.id) level = Math.max(level, i + 1);
      });
    };
    for (const i of indices) visitAtoms(i, visit);
    return this.scopes[Math.min(level, this.scopes.length - 1)]!;
  }

  private textOf(i: Index): string {
    return indexText(i, this.nameOf);
  }

  /** An index of the kernel's axes as one of the fragment's: lanes, tile rows and steps put in. */
  private at(i: Index, place: Place, lane: number): Index {
    return substitute(i, this.placed(place, lane));
  }

  private placed(place: Place, lane: number): (atom: Atom) => Index | null {
    return (atom) => {
      if (atom.kind === "dynamic") return this.placedDynamic(atom, place, lane);
      if (atom.kind !== "axis") return null;
      const { axis } = atom;
      const col = this.kernel.cols.indexOf(axis);
      if (col >= 0) return this.columnIndex(col, lane);
      if (axis === this.split) return add(scale(axisIndex(this.tile!), this.rows), constant(place.row));
      if (place.step !== null && axis === place.step.axis) return place.step.index;
      return null;
    };
  }

  /** Column axis `col` of lane `lane`: a digit of 4 * c + lane. */
  private columnIndex(col: number, lane: number): Index {
    const { cols } = this.kernel;
    let i = add(scale(axisIndex(this.column), 4), constant(lane));
    for (let j = cols.length - 1; j > col; j--) i = div(i, cols[j]!.extent);
    return col === 0 ? i : mod(i, cols[col]!.extent);
  }

  private placedDynamic(atom: Extract<Atom, { kind: "dynamic" }>, place: Place, lane: number): Index {
    const e = atom.expr as Expr;
    const value = this.spell(e, place);
    const text = value.lanes === 4 ? `${primary(value.text)}.${COMPONENTS[lane]}` : primary(value.text);
    const depends = this.depends(e);
    let level = 0;
    this.loops.forEach((a, i) => {
      if (depends.has(a)) level = i + 1;
    });
    const int = e.dtype === "i32" ? text : `int(${text})`;
    return {
      offset: 0,
      terms: [{ atom: { ...atom, key: int, expr: { text: int, level } }, coef: 1 }],
      key: int,
      lo: atom.from,
      hi: Math.max(atom.bound - 1, 0),
    };
  }

  // Shapes of text.

  private bind(text: string, type: string, scope: Scope): string {
    if (/^[a-z]\w*$/.test(text)) return text;
    const name = this.fresh("v");
    scope.lines.push(`${type} ${name} = ${text};`);
    return name;
  }

  private widen(v: Value, dtype: DType, lanes: 1 | 4): string {
    return lanes === 4 && v.lanes === 1 ? `${typeOf(dtype, 4).value}(${v.text})` : v.text;
  }

  private wide(v: Value, dtype: DType): string {
    return this.widen(v, dtype, 4);
  }

  /** A value in another dtype's GLSL type: what a sum of bools adds up. */
  private convert(text: string, from: DType, to: DType, lanes: 1 | 4): string {
    const a = typeOf(from, lanes).value;
    const b = typeOf(to, lanes).value;
    return a === b ? text : `${b}(${text})`;
  }
}

const guarded = (condition: string, lines: readonly string[]): string[] => [
  `if (${condition}) {`,
  ...lines.map((l) => `  ${l}`),
  "}",
];

/** A name, a call, a swizzle or something in parentheses, as templates want their operands. */
function primary(text: string): string {
  if (/^[A-Za-z_]\w*(\[\d+\])?(\.\w+)?$/.test(text) || /^\d[\w.]*$/.test(text)) return text;
  if (/^[A-Za-z_]\w*\(/.test(text) || text.startsWith("(")) {
    let depth = 0;
    for (let i = 0; i < text.length; i++) {
      if (text[i] === "(") depth++;
      if (text[i] === ")" && --depth === 0)
        return i === text.length - 1 || /^\.\w+$/.test(text.slice(i + 1)) ? text : `(${text})`;
    }
  }
  return `(${text})`;
}

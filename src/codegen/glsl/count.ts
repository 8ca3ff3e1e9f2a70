/**
 * What a kernel's draw costs, counted from the kernel without drawing it: what the generator spells, times how often it
 * runs. tools/glsl, running the same text, counts the same (test/passes/count.test.ts).
 *
 * Not here: how long it takes; caches, drivers and guards that diverge are another matter.
 */
import { evaluateIndex, visitAtoms, conditionIndex, type Axis, type Condition, type Index } from "../../ir/affine.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Address } from "../../ir/layout.ts";
import type { DeviceProfile } from "../../ir/plan.ts";
import { generate, type When } from "./generate.ts";

/** Of one draw or of many. */
export interface Work {
  readonly fragments: number;
  /** Texels of all render targets. */
  readonly texelsWritten: number;
  /** Texels of all textures that are read at least once; no more than that where it is known only on the device. */
  readonly texelsRead: number;
  /** Texel fetches, each as often as it runs. */
  readonly fetches: number;
  /** Loads that no texel holds whole and that take four scalar fetches (G), in the text. */
  readonly gathers: number;
  /** Numbers that accumulators take in, lanes one by one, padded ones too: in a contraction its multiply-adds. */
  readonly macs: number;
}

export const noWork: Work = { fragments: 0, texelsWritten: 0, texelsRead: 0, fetches: 0, gathers: 0, macs: 0 };

/** `times` times b, added to a. */
export const addWork = (a: Work, b: Work, times = 1): Work => ({
  fragments: a.fragments + times * b.fragments,
  texelsWritten: a.texelsWritten + times * b.texelsWritten,
  texelsRead: a.texelsRead + times * b.texelsRead,
  fetches: a.fetches + times * b.fetches,
  gathers: a.gathers + times * b.gathers,
  macs: a.macs + times * b.macs,
});

export function countDraw(kernel: Kernel, profile: DeviceProfile): Work {
  const fragments = new Fragments(kernel);
  const known = new Map<When, number>();
  const runs = (when: When): number => {
    let n = known.get(when);
    if (n === undefined) known.set(when, (n = fragments.runs(when)));
    return n;
  };
  let [fetches, macs] = [0, 0];
  const read = kernel.loads.map(({ layout: { width, height, R } }) => new Marks(width, height, R));
  const { targets, counts } = generate(kernel, profile, {
    fetches(buffer, at, when) {
      fetches += runs(when);
      fragments.mark(read[buffer]!, at, when, runs(when));
    },
    accumulates(lanes, when) {
      macs += lanes * runs(when);
    },
  });
  return {
    fragments: fragments.count,
    texelsWritten: fragments.count * targets.length,
    texelsRead: read.reduce((n, m) => n + m.count, 0),
    fetches,
    gathers: counts.gathers,
    macs,
  };
}

/** Points at which an index or a condition is looked at before texels are no longer told apart. */
const MOST_POINTS = 1 << 22;

/** Texels of a texture that were read. */
class Marks {
  readonly width: number;
  readonly height: number;
  readonly layers: number;
  readonly #seen: Uint8Array;
  /** Of texels nobody can name: at most so many. */
  #unknown = 0;
  #count = 0;

  constructor(width: number, height: number, layers: number) {
    [this.width, this.height, this.layers] = [width, height, layers];
    this.#seen = new Uint8Array(width * height * layers);
  }

  get count(): number {
    return Math.min(this.#count + this.#unknown, this.#seen.length);
  }

  add(texel: number): void {
    this.#count += 1 - this.#seen[texel]!;
    this.#seen[texel] = 1;
  }

  addUnknown(most: number): void {
    this.#unknown += most;
  }
}

/** Something that takes each whole number of a range in turn. */
interface Variable {
  readonly key: Axis | "row";
  readonly from: number;
  readonly to: number;
}

/** The fragments of a draw: columns, and rows whose digits are the kernel's row axes. Rows past the last one run too. */
class Fragments {
  readonly count: number;
  readonly #kernel: Kernel;
  readonly #columns: number;
  readonly #rows: number;

  constructor(kernel: Kernel) {
    const { width, height, W, P } = kernel.layout;
    this.#kernel = kernel;
    this.#columns = W;
    this.#rows = height * P;
    this.count = width * height;
  }

  /** How often all of them together run lines. */
  runs({ loops, guards }: When): number {
    const all = this.count * loops.reduce((n, { from, to }) => n * (to - from), 1);
    if (guards.length === 0 || all === 0) return all;
    const variables = this.#variablesOf(guards.flatMap(indexOf), loops);
    if (variables === null) return all;
    let [points, passed] = [0, 0];
    this.#each(variables, (value) => {
      points++;
      if (guards.every((c) => holds(c, value))) passed++;
    });
    return Math.round((all * passed) / Math.max(points, 1));
  }

  /** Marks the texels at `address`. Parts of it that share no variable are looked at one after the other. */
  mark(texels: Marks, { x, y, layer }: Address<Index>, { loops, guards }: When, runs: number): void {
    if (runs === 0) return;
    const parts = [
      { index: x, scale: 1, extent: texels.width },
      { index: y, scale: texels.width, extent: texels.height },
      { index: layer, scale: texels.width * texels.height, extent: texels.layers },
    ];
    let groups: { readonly parts: typeof parts; readonly variables: readonly Variable[] }[] = [];
    for (const part of parts) {
      const variables = this.#variablesOf([part.index], loops);
      if (variables === null) return texels.addUnknown(runs);
      const joined = groups.filter((g) => g.variables.some((v) => variables.some((w) => w.key === v.key)));
      const all = [...new Map([...joined.flatMap((g) => g.variables), ...variables].map((v) => [v.key, v])).values()];
      groups = [
        ...groups.filter((g) => !joined.includes(g)),
        { parts: [...joined.flatMap((g) => g.parts), part], variables: all },
      ];
    }
    let sums = [0];
    for (const group of groups) {
      if (pointsOf(group.variables) > MOST_POINTS) return texels.addUnknown(runs);
      const inGroup = new Set(group.variables.map((v) => v.key));
      const own = guards.filter((c) => this.#variablesOf(indexOf(c), loops)?.every((v) => inGroup.has(v.key)) ?? false);
      const found = new Set<number>();
      this.#each(group.variables, (value) => {
        if (!own.every((c) => holds(c, value))) return;
        let sum = 0;
        for (const { index, scale, extent } of group.parts) {
          const at = evaluateIndex(index, value);
          if (at < 0 || at >= extent) return;
          sum += scale * at;
        }
        found.add(sum);
      });
      sums = sums.flatMap((a) => [...found].map((b) => a + b));
    }
    for (const texel of sums) texels.add(texel);
  }

  /** What the indices depend on; null where a number made on the device is among it. */
  #variablesOf(indices: readonly Index[], loops: When["loops"]): readonly Variable[] | null {
    const found = new Map<Variable["key"], Variable>();
    let isKnown = true;
    for (const i of indices) {
      visitAtoms(i, (atom) => {
        if (atom.kind === "dynamic") isKnown = false;
        if (atom.kind !== "axis") return;
        const loop = loops.find(({ axis }) => axis.id === atom.axis.id);
        const { id } = atom.axis;
        if (loop !== undefined) found.set(loop.axis, { key: loop.axis, from: loop.from, to: loop.to });
        else if (id === COLUMN) found.set(atom.axis, { key: atom.axis, from: 0, to: this.#columns });
        else found.set("row", { key: "row", from: 0, to: this.#rows });
      });
    }
    return isKnown ? [...found.values()] : null;
  }

  /** Visits every point; `value` is that of an axis there. */
  #each(variables: readonly Variable[], visit: (value: (axis: Axis) => number) => void): void {
    const point = new Map<Variable["key"], number>();
    const digits = new Map<number, number>();
    const value = (axis: Axis): number => point.get(axis) ?? digits.get(axis.id)!;
    const step = (depth: number): void => {
      const v = variables[depth];
      if (v === undefined) return visit(value);
      for (let i = v.from; i < v.to; i++) {
        point.set(v.key, i);
        if (v.key === "row") this.#digits(i, digits);
        step(depth + 1);
      }
    };
    step(0);
  }

  /** A row's digits, innermost first; the outermost one is never cut. */
  #digits(row: number, out: Map<number, number>): void {
    const { rows, layout } = this.#kernel;
    let rest = row;
    for (let i = rows.length - 1; i >= 0; i--) {
      const isTile = i === layout.split;
      const extent = isTile ? Math.ceil(rows[i]!.extent / layout.R) : rows[i]!.extent;
      out.set(isTile ? TILE : rows[i]!.id, i === 0 ? rest : rest % extent);
      rest = Math.floor(rest / extent);
    }
  }
}

/** Ids of the generator's axes: a fragment's texel column, and its tile of the split axis. */
const COLUMN = -1;
const TILE = -2;

const pointsOf = (variables: readonly Variable[]): number => variables.reduce((n, { from, to }) => n * (to - from), 1);

const indexOf = (c: Condition): Index[] => {
  const i = conditionIndex(c);
  return i === null ? [] : [i];
};

function holds(c: Condition, value: (axis: Axis) => number): boolean {
  switch (c.kind) {
    case "atLeastZero":
      return evaluateIndex(c.index, value) >= 0;
    case "below":
      return evaluateIndex(c.index, value) < c.bound;
    case "divisible":
      return evaluateIndex(c.index, value) % c.by === 0;
    case "always":
      return true;
    case "never":
      return false;
  }
}

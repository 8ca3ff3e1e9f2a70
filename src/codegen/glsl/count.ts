/**
 * What a kernel's draw costs, counted from the kernel without drawing it: what the generator spells, times how often it
 * runs. tools/glsl, running the same text, counts the same (test/passes/count.test.ts).
 *
 * Not here: how long it takes; caches, drivers and guards that diverge are another matter.
 */
import { conditionIndex, visitAtoms, type Atom, type Condition, type Index } from "../../ir/affine.ts";
import { InvariantError } from "../../ir/errors.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Address } from "../../ir/layout.ts";
import type { DeviceProfile } from "../../ir/plan.ts";
import { observe, type When } from "./generate.ts";

/** Of one draw or of many. */
export interface Work {
  readonly fragments: number;
  /** Texels of all render targets. */
  readonly texelsWritten: number;
  /**
   * Texels of all textures that are read at least once. What is read at coordinates known only on the device, and at
   * more than 65,536 of them by windows that overlap, counts as all that could be.
   */
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
  const counts = observe(kernel, profile, {
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
    texelsWritten: fragments.count * kernel.stores.length * kernel.layout.R,
    texelsRead: read.reduce((n, m) => n + m.count, 0),
    fetches,
    gathers: counts.gathers,
    macs,
  };
}

/** Where an address takes more points than this, all texels it could name count as read. */
const MOST_POINTS = 1 << 16;

const zero: readonly number[] = [0];

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

  get isFull(): boolean {
    return this.count === this.#seen.length;
  }

  /** Every sum of one number of each list. */
  add(lists: readonly (readonly number[])[]): void {
    const [a = zero, b = zero, c = zero] = lists;
    const seen = this.#seen;
    let count = this.#count;
    for (const i of c) {
      for (const j of b) {
        const rest = i + j;
        for (const k of a) {
          count += 1 - seen[rest + k]!;
          seen[rest + k] = 1;
        }
      }
    }
    this.#count = count;
  }

  addUnknown(most: number): void {
    this.#unknown += most;
  }
}

/** Something that takes each whole number of a range in turn: a loop, a fragment's texel column, its row. */
interface Variable {
  readonly slot: number;
  readonly from: number;
  readonly to: number;
}

/** An index where each axis has its value in a slot. */
type At = (values: Int32Array) => number;

/** Ids of the generator's axes: a fragment's texel column, and its tile of the split axis. */
const COLUMN = -1;
const TILE = -2;

/** Slots: the column, the row, the digits of the row, then loops. */
const COLUMN_SLOT = 0;
const ROW_SLOT = 1;

/** The fragments of a draw: columns, and rows whose digits are the kernel's row axes. Rows past the last one run too. */
class Fragments {
  readonly count: number;
  readonly #columns: number;
  readonly #rows: number;
  /** Axis id and extent of each digit of a row, outer to inner; the outermost one is never cut. */
  readonly #digits: readonly { readonly id: number; readonly extent: number }[];
  readonly #values: Int32Array;

  constructor({ layout, rows }: Kernel) {
    this.#columns = layout.W;
    this.#rows = layout.height * layout.P;
    this.count = layout.width * layout.height;
    this.#digits = rows.map(({ id, extent }, i) =>
      i === layout.split ? { id: TILE, extent: Math.ceil(extent / layout.R) } : { id, extent },
    );
    this.#values = new Int32Array(MOST_SLOTS);
  }

  /** How often all of them together run lines. */
  runs({ loops, guards }: When): number {
    const all = this.count * loops.reduce((n, { from, to }) => n * (to - from), 1);
    const variables = this.#variablesOf(guards.flatMap(indexOf), loops);
    if (guards.length === 0 || all === 0 || variables === null) return all;
    const holds = this.#conjunction(guards, loops);
    let passed = 0;
    this.#each(variables, (values) => (passed += Number(holds(values))));
    return Math.round((all * passed) / pointsOf(variables));
  }

  /** Marks the texels at `address`. Parts of it that share no variable are looked at one after the other. */
  mark(texels: Marks, { x, y, layer }: Address<Index>, { loops, guards }: When, runs: number): void {
    if (runs === 0 || texels.isFull) return;
    const parts = [
      { index: x, scale: 1, extent: texels.width },
      { index: y, scale: texels.width, extent: texels.height },
      { index: layer, scale: texels.width * texels.height, extent: texels.layers },
    ];
    let groups: { readonly parts: typeof parts; readonly variables: readonly Variable[] }[] = [];
    for (const part of parts) {
      const variables = this.#variablesOf([part.index], loops);
      if (variables === null) return texels.addUnknown(runs);
      const joined = groups.filter((g) => g.variables.some((v) => variables.some((w) => w.slot === v.slot)));
      const all = [...new Map([...joined.flatMap((g) => g.variables), ...variables].map((v) => [v.slot, v])).values()];
      groups = [
        ...groups.filter((g) => !joined.includes(g)),
        { parts: [...joined.flatMap((g) => g.parts), part], variables: all },
      ];
    }
    const found = groups.flatMap((group) => {
      const own = guards.filter((c) =>
        this.#variablesOf(indexOf(c), loops)?.every((v) => group.variables.some((w) => w.slot === v.slot)),
      );
      return this.#found(group.parts, group.variables, this.#conjunction(own, loops), loops);
    });
    // The longest runs innermost.
    texels.add(found.sort((p, q) => q.length - p.length));
  }

  /** Different sums of the parts, each in its range; lists whose sums they are. */
  #found(
    parts: readonly { readonly index: Index; readonly scale: number; readonly extent: number }[],
    variables: readonly Variable[],
    holds: (values: Int32Array) => boolean,
    loops: When["loops"],
  ): number[][] {
    if (pointsOf(variables) > MOST_POINTS) return everywhere(parts);
    const at = parts.map((p) => this.#compiled(p.index, loops));
    const seen = new Uint8Array(1 + parts.reduce((n, { scale, extent }) => n + scale * (extent - 1), 0));
    const found: number[] = [];
    this.#each(variables, (values) => {
      if (!holds(values)) return;
      let sum = 0;
      for (let i = 0; i < parts.length; i++) {
        const part = at[i]!(values);
        if (part < 0 || part >= parts[i]!.extent) return;
        sum += part * parts[i]!.scale;
      }
      if (seen[sum] !== 0) return;
      seen[sum] = 1;
      found.push(sum);
    });
    return [found];
  }

  #slot(id: number, loops: When["loops"]): number {
    if (id === COLUMN) return COLUMN_SLOT;
    const digit = this.#digits.findIndex((d) => d.id === id);
    if (digit >= 0) return ROW_SLOT + 1 + digit;
    return ROW_SLOT + 1 + this.#digits.length + loops.findIndex(({ axis }) => axis.id === id);
  }

  /** What the indices depend on; null where a number made on the device is among it. */
  #variablesOf(indices: readonly Index[], loops: When["loops"]): readonly Variable[] | null {
    const found = new Map<number, Variable>();
    let isKnown = true;
    const firstLoop = ROW_SLOT + 1 + this.#digits.length;
    for (const i of indices) {
      visitAtoms(i, (atom) => {
        if (atom.kind === "dynamic") isKnown = false;
        if (atom.kind !== "axis") return;
        const slot = this.#slot(atom.axis.id, loops);
        if (slot === COLUMN_SLOT) found.set(slot, { slot, from: 0, to: this.#columns });
        else if (slot < firstLoop) found.set(ROW_SLOT, { slot: ROW_SLOT, from: 0, to: this.#rows });
        else found.set(slot, { slot, from: loops[slot - firstLoop]!.from, to: loops[slot - firstLoop]!.to });
      });
    }
    return isKnown ? [...found.values()] : null;
  }

  #compiled(i: Index, loops: When["loops"]): At {
    const { offset } = i;
    const coefs = i.terms.map((t) => t.coef);
    const parts = i.terms.map(({ atom }) => this.#compiledAtom(atom, loops));
    if (parts.length === 1) return (values) => offset + coefs[0]! * parts[0]!(values);
    return (values) => {
      let n = offset;
      for (let k = 0; k < parts.length; k++) n += coefs[k]! * parts[k]!(values);
      return n;
    };
  }

  #compiledAtom(atom: Atom, loops: When["loops"]): At {
    if (atom.kind === "dynamic") throw new InvariantError("an index that is known only on the device");
    if (atom.kind === "axis") {
      const slot = this.#slot(atom.axis.id, loops);
      return (values) => values[slot]!;
    }
    const of = this.#compiled(atom.of, loops);
    const { by } = atom;
    if (atom.kind === "div") return (values) => Math.floor(of(values) / by);
    return (values) => {
      const n = of(values);
      return n - by * Math.floor(n / by);
    };
  }

  #conjunction(conditions: readonly Condition[], loops: When["loops"]): (values: Int32Array) => boolean {
    const all = conditions.map((c): ((values: Int32Array) => boolean) => {
      if (c.kind === "always" || c.kind === "never") return () => c.kind === "always";
      const at = this.#compiled(c.index, loops);
      if (c.kind === "atLeastZero") return (values) => at(values) >= 0;
      if (c.kind === "below") return (values) => at(values) < c.bound;
      return (values) => at(values) % c.by === 0;
    });
    return (values) => all.every((holds) => holds(values));
  }

  /** Visits every point. */
  #each(variables: readonly Variable[], visit: (values: Int32Array) => void): void {
    const values = this.#values;
    const step = (depth: number): void => {
      if (depth === variables.length) return visit(values);
      const { slot, from, to } = variables[depth]!;
      for (let i = from; i < to; i++) {
        values[slot] = i;
        if (slot === ROW_SLOT) this.#setDigits(i);
        step(depth + 1);
      }
    };
    step(0);
  }

  #setDigits(row: number): void {
    let rest = row;
    for (let i = this.#digits.length - 1; i >= 0; i--) {
      const { extent } = this.#digits[i]!;
      this.#values[ROW_SLOT + 1 + i] = i === 0 ? rest : rest % extent;
      rest = Math.floor(rest / extent);
    }
  }
}

/** What each part may be, wherever it is asked for. */
const everywhere = (parts: readonly { readonly scale: number; readonly extent: number }[]): number[][] =>
  parts.map(({ scale, extent }) => Array.from({ length: extent }, (_, i) => scale * i));

/** More digits and loops than any kernel has. */
const MOST_SLOTS = 64;

const pointsOf = (variables: readonly Variable[]): number => variables.reduce((n, { from, to }) => n * (to - from), 1);

function indexOf(c: Condition): Index[] {
  const i = conditionIndex(c);
  return i === null ? [] : [i];
}

/**
 * Plans: what was compiled for a submit's graph, found again by walking the graph in step with the one it was compiled
 * for, and where its results are.
 *
 * A plan's results go round between buffers: those of the last run and of the one before are readable, an older one's
 * buffer is written again. A plan learns: a node that was read although it was no root is a root of every later run,
 * until nobody has asked for it in a hundred runs.
 */
import type { CompileRequest, Device, DeviceBuffer, Executable, RootSlot, StoredTensor } from "../ir/device.ts";
import type { HostArray } from "../ir/dtype.ts";
import { InvariantError } from "../ir/errors.ts";
import { sameAttrs, type Node } from "../ir/node.ts";
import { sameShape } from "../ir/shape.ts";
import type { Cell } from "./cell.ts";
import type { Gone } from "./gone.ts";
import type { Value } from "./value.ts";
import type { Walk } from "./walk.ts";

/** What a submit asks for: a node's value for whoever reads it, as a cell's next version, or as a snapshot. */
export interface Root {
  readonly node: Node;
  /** The cell it is assigned to. */
  readonly cell: Cell | null;
  /** Whether that is the cell's first version and not its next. */
  readonly first: boolean;
  /** The layout an assigned root must have; null where any will do. */
  readonly layout: string | null;
  /** The value whose own storage it becomes. */
  readonly snapshot: Value | null;
}

/** What a leaf is bound to; null for a cell whose first version is not computed yet. */
export type Bound = DeviceBuffer | HostArray | null;

/** What a plan's key holds besides the nodes themselves. */
export interface Signature {
  readonly walk: Walk;
  /** Walk number of each root. */
  readonly roots: readonly number[];
  /** Of each leaf: 2 * (ordinal of its cell), plus 1 if it is the previous version; -1 for other leaves. */
  readonly aliases: readonly number[];
  /** Of each root: the leaf that is the assigned cell's current version, -1 if none; -2 if nothing is assigned. */
  readonly targets: readonly number[];
}

export function signature(walk: Walk, roots: readonly Root[]): Signature {
  const cells: Cell[] = [];
  const aliases: number[] = [];
  for (const number of walk.leaves) {
    const source = walk.order[number]!.source;
    if (source?.kind !== "cell") {
      aliases.push(-1);
      continue;
    }
    const cell = source.cell as Cell;
    let ordinal = cells.indexOf(cell);
    if (ordinal < 0) ordinal = cells.push(cell) - 1;
    aliases.push(2 * ordinal + (source.version === cell.version ? 0 : 1));
  }
  const targets = roots.map((r) => {
    if (r.cell === null) return -2;
    const ordinal = cells.indexOf(r.cell);
    return ordinal < 0 ? -1 : aliases.indexOf(2 * ordinal);
  });
  return { walk, roots: roots.map((r) => walk.number.get(r.node)!), aliases, targets };
}

/** Candidates have equal hashes; a walk confirms. */
export function signatureHash(roots: readonly Root[]): number {
  let h = roots.length;
  for (const r of roots) h = Math.imul((h << 5) ^ (h >>> 27) ^ r.node.hash, 0x9e3779b1);
  return h;
}

const sameKind = (a: Node, b: Node): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A result in a buffer of the plan's; empty once a later run has taken the buffer. */
export class Slot {
  buffer: DeviceBuffer | null;
  constructor(buffer: DeviceBuffer) {
    this.buffer = buffer;
  }
  /** The buffer, unless a lost context took what was in it. */
  get live(): DeviceBuffer | null {
    return this.buffer?.loss === null ? this.buffer : null;
  }
}

/** What a run that was not traced can tell of itself. */
export interface Replayed {
  /** Why the value of a number cannot be computed any more, or null. */
  gone(number: number): Gone | null;
  /** Lets go of what the run was given. */
  forget(): void;
}

/** One run of a plan, and where what it computed can be found. */
export class Run {
  readonly plan: Plan;
  readonly variant: Variant;
  /** The graph as traced; null once two later runs of the plan have happened, and of a replay until it is asked for. */
  walk: Walk | null;
  /** Of a replay, while a value of it may need a graph: what it was given. */
  replayed: Replayed | null;
  /** Whether two later runs of the plan have happened. */
  retired = false;
  /** Tensors whose values it computed, stored or not. */
  readonly values: Value[] = [];
  /** Values of earlier submits it read. */
  carried: readonly Value[];
  /** Storage of each root of the variant: a slot, or a version of a cell. */
  outputs: readonly (Slot | { readonly cell: Cell; readonly version: number })[] = [];

  constructor(plan: Plan, variant: Variant, graph: Walk | Replayed, carried: readonly Value[]) {
    this.plan = plan;
    this.variant = variant;
    this.carried = carried;
    this.replayed = "gone" in graph ? graph : null;
    this.walk = "gone" in graph ? null : graph;
  }

  /** The buffer of the node numbered so in the walk, if it was a root and still has it. */
  root(number: number): DeviceBuffer | HostArray | null {
    const output = this.outputs[this.variant.position.get(number) ?? -1];
    if (output === undefined) return null;
    if (!(output instanceof Slot)) return output.cell.readable(output.version) ? output.cell.at(output.version) : null;
    this.plan.touch(number);
    return output.live;
  }

  /** The buffer of a result that the plan's own buffers hold. */
  result(number: number): DeviceBuffer | null {
    const output = this.outputs[this.variant.position.get(number) ?? -1];
    return output instanceof Slot ? output.live : null;
  }

  /** The buffer of a node the plan stored for itself; only the last run has them. */
  kept(number: number): DeviceBuffer | null {
    if (this.variant.last !== this) return null;
    return this.variant.executable.kept().get(this.plan.signature.walk.order[number]!) ?? null;
  }
}

/** A plan compiled with one choice of learned results. */
export interface Variant {
  readonly executable: Executable;
  /** Walk numbers of all roots, learned ones last. */
  readonly numbers: readonly number[];
  /** Index in `numbers` of a walk number; results for readers before snapshots. */
  readonly position: ReadonlyMap<number, number>;
  /** Layouts of the roots' buffers, known after a run. */
  layouts: readonly string[] | null;
  last: Run | null;
}

/** Runs a learned result may go unasked before it is forgotten; doubled each time it is learned again. */
const PATIENCE = 100;
/** Compiled choices of learned results a plan keeps. */
const VARIANTS = 3;

export class Plan {
  readonly signature: Signature;
  /** Layout of each leaf's buffer. */
  layouts: (string | null)[];
  /** Layout each assigned root must have; null where the first run chooses. */
  readonly #assigned: readonly (string | null)[];
  readonly #snapshots: readonly boolean[];
  readonly #learned = new Map<number, { asked: number; patience: number }>();
  readonly #patience = new Map<number, number>();
  readonly #variants = new Map<string, Variant>();
  /** Newest first: at most the last run's and the one's before. */
  readonly #slots = new Map<number, Slot[]>();
  #runs: Run[] = [];
  /** The variant for what is learned now; null where that may have changed. */
  #current: Variant | null = null;
  count = 0;
  /** Whether its buffers were freed: it must not run any more. */
  disposed = false;

  constructor(key: Signature, layouts: (string | null)[], roots: readonly Root[]) {
    this.signature = key;
    this.layouts = layouts;
    this.#assigned = roots.map((r) => r.layout);
    this.#snapshots = roots.map((r) => r.snapshot !== null);
  }

  /** Whether this plan computes what `key` asks for with leaves bound so. */
  fits(key: Signature, bound: readonly Bound[], roots: readonly Root[]): boolean {
    const own = this.signature;
    if (roots.length !== own.roots.length) return false;
    const { order, operands, leaves } = own.walk;
    if (key.walk.order.length !== order.length || !sameNumbers(key.walk.operands, operands)) return false;
    if (!sameNumbers(key.walk.leaves, leaves) || !sameNumbers(key.roots, own.roots)) return false;
    if (!sameNumbers(key.aliases, own.aliases) || !sameNumbers(key.targets, own.targets)) return false;
    for (let i = 0; i < order.length; i++) {
      const a = order[i]!;
      const b = key.walk.order[i]!;
      // Hashes of all below: where they agree the rest does but for a chance of 2^-32, and that is no proof.
      if (a.hash !== b.hash || a.op !== b.op || !sameAttrs(a.attrs, b.attrs)) return false;
      // Dtype and shape of the others follow from their operands, as far as those are here.
      if (a.inputs.length === 0 && !sameKind(a, b)) return false;
    }
    for (const i of leaves) if (!sameKind(order[i]!, key.walk.order[i]!)) return false;
    for (let i = 0; i < bound.length; i++) {
      const x = bound[i]!;
      // A host array is uploaded as the plan likes it.
      if (x !== null && !ArrayBuffer.isView(x) && x.layout !== this.layouts[i]) return false;
    }
    for (let i = 0; i < roots.length; i++) {
      const r = roots[i]!;
      if ((r.snapshot !== null) !== this.#snapshots[i]) return false;
      if (r.layout !== null && r.layout !== this.#assigned[i] && r.layout !== this.#chosen(i)) return false;
    }
    return true;
  }

  /** The layout the compiled plan gives root i, where its first run was free to choose. */
  #chosen(i: number): string | null {
    if (this.#assigned[i] !== null) return null;
    for (const v of this.#variants.values()) if (v.layouts !== null) return v.layouts[i]!;
    return null;
  }

  /** The executable for what is learned now; compiles it where that has changed. */
  variant(device: Device): Variant {
    if (this.#learned.size > 0) this.#forget();
    if (this.#current !== null) return this.#current;
    const extra = [...this.#learned.keys()].sort((a, b) => a - b);
    const key = extra.join(",");
    let found = this.#variants.get(key);
    if (found === undefined) {
      found = this.#compile(device, extra);
      const oldest = this.#variants.keys().next();
      if (this.#variants.size >= VARIANTS && oldest.done !== true) {
        this.#variants.get(oldest.value)!.executable.dispose();
        this.#variants.delete(oldest.value);
      }
    }
    this.#variants.delete(key);
    this.#variants.set(key, found);
    return (this.#current = found);
  }

  #compile(device: Device, extra: readonly number[]): Variant {
    const { walk, roots, targets } = this.signature;
    const slots: RootSlot[] = roots.map((number, i) => ({
      node: walk.order[number]!,
      assigns: targets[i]! === -2 ? null : { leaf: targets[i]!, layout: this.#assigned[i] ?? this.#chosen(i) },
    }));
    for (const number of extra) slots.push({ node: walk.order[number]!, assigns: null });
    const request: CompileRequest = {
      order: walk.order,
      leaves: walk.leaves.map((number, i) => ({ node: walk.order[number]!, layout: this.layouts[i]! })),
      uniforms: walk.uniforms.map((number) => walk.order[number]!),
      roots: slots,
    };
    const executable = device.compile(request);
    if (executable.leafLayouts.length !== walk.leaves.length) {
      throw new InvariantError(
        `${device.name}: ${executable.leafLayouts.length} layouts for ${walk.leaves.length} leaves`,
      );
    }
    this.layouts = this.layouts.map((own, i) => own ?? executable.leafLayouts[i]!);
    const numbers = [...roots, ...extra];
    const position = new Map<number, number>();
    numbers.forEach((number, i) => {
      if (!position.has(number) && this.#snapshots[i] !== true) position.set(number, i);
    });
    return { executable, numbers, position, layouts: null, last: null };
  }

  /**
   * A buffer that result i of the variant may overwrite, or null. Never one that `busy` holds: a run may read the
   * results of the one before.
   */
  spare(variant: Variant, i: number, busy: ReadonlySet<unknown>): Slot | null {
    const slots = this.#slots.get(variant.numbers[i]!);
    if (slots === undefined || slots.length < 2 || variant.layouts === null) return null;
    const oldest = slots[slots.length - 1]!;
    const { live } = oldest;
    if (live === null || busy.has(live) || live.layout !== variant.layouts[i]) return null;
    return oldest;
  }

  /** Takes the slot of a finished run, and frees what is older than the last two and not `busy`. */
  push(number: number, slot: Slot, busy: ReadonlySet<unknown>): void {
    const kept = [slot];
    for (const s of this.#slots.get(number) ?? []) {
      if (s.buffer === null) continue;
      if (kept.length < 2 || busy.has(s.buffer)) {
        kept.push(s);
        continue;
      }
      s.buffer.release();
      s.buffer = null;
    }
    this.#slots.set(number, kept);
  }

  /** Notes a run; gives those that are history now. */
  record(run: Run): Run[] {
    this.count += 1;
    this.#runs.unshift(run);
    return this.#runs.splice(2);
  }

  /** From the next run on, the node numbered so is a result. */
  learn(number: number): void {
    const known = this.#learned.get(number);
    if (known !== undefined) {
      known.asked = this.count;
      return;
    }
    const patience = this.#patience.get(number) ?? PATIENCE;
    this.#patience.set(number, patience * 2);
    this.#current = null;
    this.#learned.set(number, { asked: this.count, patience });
  }

  /** A result was asked for. */
  touch(number: number): void {
    const known = this.#learned.get(number);
    if (known !== undefined) known.asked = this.count;
  }

  get learned(): readonly number[] {
    return [...this.#learned.keys()];
  }

  #forget(): void {
    for (const [number, l] of this.#learned) {
      if (this.count - l.asked <= l.patience) continue;
      this.#learned.delete(number);
      this.#current = null;
    }
  }

  /** Whether a buffer of its own is among `busy`. */
  isBusy(busy: ReadonlySet<unknown>): boolean {
    for (const slots of this.#slots.values()) if (slots.some((s) => busy.has(s.buffer))) return true;
    return false;
  }

  /** What the choice of results that ran last stores. */
  tensors(): readonly StoredTensor[] {
    return [...this.#variants.values()].at(-1)?.executable.tensors() ?? [];
  }

  /** Whether root i is a cell's next version. */
  assigns(i: number): boolean {
    return (this.signature.targets[i] ?? -2) !== -2;
  }

  /** The last run and the one before it. */
  get runs(): readonly Run[] {
    return this.#runs;
  }

  /** Frees everything; gives its runs, whose values are where they are or nowhere. */
  dispose(): Run[] {
    this.disposed = true;
    this.#current = null;
    for (const v of this.#variants.values()) v.executable.dispose();
    this.#variants.clear();
    for (const slots of this.#slots.values()) {
      for (const s of slots) {
        s.buffer?.release();
        s.buffer = null;
      }
    }
    this.#slots.clear();
    return this.#runs.splice(0);
  }
}

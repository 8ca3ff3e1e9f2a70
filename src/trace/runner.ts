/**
 * Runs a graph: finds or makes its plan, binds its leaves, chooses the buffers it may write, and publishes what it
 * computed once the run has succeeded. It knows what is asked, not why.
 */
import type { Device, DeviceBuffer } from "../ir/device.ts";
import type { HostArray } from "../ir/dtype.ts";
import { InvariantError, OutOfMemoryError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { isHost, unloadCells, type Cell } from "./cell.ts";
import type { Gone } from "./gone.ts";
import { Outputs } from "./outputs.ts";
import { Run, Slot, signature, type Bound, type Plan, type Replayed, type Root, type Variant } from "./plan.ts";
import { Plans } from "./plans.ts";
import { snapshots, type Value } from "./value.ts";
import { walk, type Walk } from "./walk.ts";

/** Runs over carried values whose graphs are kept for a recomputation, oldest dropped first. */
const HISTORY = 64;
/** Runs whose results are looked for when something is computed again. */
const LATEST = 4;
/** What happened so far, for tests and for the summary of a training. */
export interface Counters {
  /** Runs of plans. */
  runs: number;
  /** Runs whose plan was known. */
  hits: number;
  /** Values computed again because their buffers were gone. */
  recomputed: number;
}

const noRuns: ReadonlySet<Run> = new Set();

/** Of one device: plans are found among those made for it, with the optimisations it was made with. */
export class Runner {
  readonly device: Device;
  readonly #history: Run[] = [];
  /** The last few runs, whose results need not be computed again. */
  #latest: Run[] = [];
  /** Buffers that a run in progress reads, its own and those of runs it waits for. */
  readonly #busy = new Set<DeviceBuffer>();
  readonly #plans: Plans;
  #depth = 0;
  #runs = 0;
  #recomputed = 0;

  constructor(device: Device) {
    this.device = device;
    this.#plans = new Plans(device, this.#busy, (run) => this.#retire(run));
  }

  /** All plans, the one run last at the end. */
  get plans(): readonly Plan[] {
    return this.#plans.all;
  }

  get counters(): Counters {
    return { runs: this.#runs, hits: this.#plans.hits, recomputed: this.#recomputed };
  }

  /** Computes the roots. Results that the runs `from` left in buffers are used instead of computed again. */
  execute(roots: readonly Root[], from: ReadonlySet<Run> = noRuns): Run {
    this.#depth += 1;
    try {
      const graph = walk(
        roots.map((r) => r.node),
        from.size === 0 ? null : (n) => atHand(n, from) !== null,
      );
      const carried = this.#carried(graph);
      const key = signature(graph, roots);
      const bound: Bound[] = [];
      for (const number of graph.leaves) {
        const at = bindingOf(graph.order[number]!, from);
        // What was at hand may have gone while carried values were computed.
        if (at === undefined) return this.execute(roots);
        bound.push(at);
      }
      for (const b of bound) if (b !== null && !isHost(b)) this.#busy.add(b);
      const [plan, variant] = this.#plans.find(key, bound, roots);
      // A run may not read what its own executable keeps and is about to overwrite.
      if (from.size > 0 && readsOwn(graph, bound, variant, from)) return this.execute(roots);
      this.#initialise(graph, bound, plan);
      const uniforms = graph.uniforms.map((number) => {
        const source = graph.order[number]!.source;
        if (source?.kind !== "uniform") throw new InvariantError("a uniform leaf without a source");
        return source.read();
      });
      const run = new Run(plan, variant, graph, carried);
      this.#run(run, roots, bound as readonly (DeviceBuffer | HostArray)[], uniforms);
      return run;
    } finally {
      this.#depth -= 1;
      if (this.#depth === 0) this.#busy.clear();
    }
  }

  /** Computes submitted values whose buffers are gone, from their leaves, and has their plans keep them from now on. */
  recompute(values: readonly Value[]): void {
    const from = new Set(this.#latest);
    const roots = values.map((v): Root => ({
      node: v.expression(),
      cell: null,
      first: false,
      layout: null,
      snapshot: null,
    }));
    for (const v of values) {
      if (v.run === null || v.run.walk === null) continue;
      from.add(v.run);
      v.run.plan.learn(v.number);
    }
    this.#recomputed += values.length;
    const run = this.execute(roots, from);
    for (const v of values) place(v, run);
  }

  /** Whether one of the last runs computed a part of the expression. */
  overlaps(root: Node): boolean {
    const seen = new Set<Node>();
    const stack = [root];
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (n.inputs.length === 0 || seen.has(n)) continue;
      seen.add(n);
      for (const run of this.#latest) if (run.walk?.number.has(n) === true) return true;
      stack.push(...n.inputs);
    }
    return false;
  }

  /** Makes the first versions of cells that nothing has read yet. */
  materialise(cell: Cell): void {
    if (cell.initial !== null) this.execute([firstVersion(cell, null)]);
  }

  /** The values of earlier submits the graph reads, all of them stored. */
  #carried(graph: Walk): Value[] {
    const values: Value[] = [];
    for (const number of graph.leaves) {
      const source = graph.order[number]!.source;
      if (source?.kind === "carried") values.push(source.value as Value);
    }
    const missing: Value[] = [];
    for (const v of values) {
      const at = v.stored();
      if (at === null && !missing.includes(v)) missing.push(v);
      if (at !== null && !isHost(at)) this.#busy.add(at);
    }
    if (missing.length > 0) this.recompute(missing);
    return values;
  }

  /** Computes the first versions of cells that the graph reads, in the layouts the plan wants them in. */
  #initialise(graph: Walk, bound: Bound[], plan: Plan): void {
    const roots: Root[] = [];
    graph.leaves.forEach((number, i) => {
      const source = graph.order[number]!.source;
      if (bound[i] === null && source?.kind === "cell") roots.push(firstVersion(source.cell as Cell, plan.layouts[i]!));
    });
    if (roots.length === 0) return;
    this.execute(roots);
    graph.leaves.forEach((number, i) => (bound[i] ??= bindingOf(graph.order[number]!, noRuns) ?? null));
    for (const b of bound) if (b !== null && !isHost(b)) this.#busy.add(b);
  }

  /** Runs a plan that was found before, on leaves and numbers as its graph had them. The plan is not disposed of. */
  replay(
    plan: Plan,
    roots: readonly Root[],
    leaves: readonly (DeviceBuffer | HostArray)[],
    uniforms: readonly number[],
    replayed: Replayed,
    carried: readonly Value[],
  ): Run {
    this.#depth += 1;
    try {
      for (const b of leaves) if (!isHost(b)) this.#busy.add(b);
      const run = new Run(plan, this.#plans.again(plan), replayed, carried);
      this.#run(run, roots, leaves, uniforms);
      return run;
    } finally {
      this.#depth -= 1;
      if (this.#depth === 0) this.#busy.clear();
    }
  }

  #run(
    run: Run,
    roots: readonly Root[],
    leaves: readonly (DeviceBuffer | HostArray)[],
    uniforms: readonly number[],
  ): void {
    const { plan, variant } = run;
    const buffers = this.#plans.withRoom(plan, () => {
      const outputs = new Outputs(plan, variant, roots, this.#busy);
      try {
        const made = variant.executable.run({ leaves, uniforms, outputs: outputs.buffers });
        outputs.written(made);
        return made;
      } catch (error) {
        // Devices make room before they draw.
        if (!(error instanceof OutOfMemoryError)) outputs.spoilt();
        throw error;
      }
    });
    this.#runs += 1;
    run.outputs = buffers.map((buffer, i) => this.#publish(plan, variant.numbers[i]!, roots[i], buffer));
    variant.layouts = buffers.map((b) => b.layout);
    variant.last = run;
    for (const old of plan.record(run)) this.#retire(old);
    this.#latest = [run, ...this.#latest.filter((r) => !r.retired)].slice(0, LATEST);
  }

  /** Puts a finished result where it belongs. */
  #publish(plan: Plan, number: number, root: Root | undefined, buffer: DeviceBuffer): Run["outputs"][number] {
    if (root?.cell != null) {
      const { cell } = root;
      if (root.first) {
        cell.storage.current = buffer;
        cell.initial = null;
        return { cell, version: 0 };
      }
      cell.layout = buffer.layout;
      const free = cell.publish(buffer);
      // A plan that reads the previous version needs a third buffer every time.
      if (free !== null && this.#busy.has(free) && cell.storage.spare === null) cell.storage.spare = free;
      else free?.release();
      return { cell, version: cell.version };
    }
    if (root?.snapshot != null) {
      root.snapshot.take(buffer);
      return new Slot(buffer);
    }
    const slot = new Slot(buffer);
    plan.push(number, slot, this.#busy);
    return slot;
  }

  /** A run whose results are overwritten: what can no longer be computed lets go of its graph. */
  #retire(run: Run): void {
    if (run.retired) return;
    const graph = run.walk;
    run.retired = true;
    run.walk = null;
    const stale = graph === null || run.values.length === 0 ? null : staleNodes(graph);
    const known: (Gone | undefined)[] = [];
    const why = (leaf: number): Gone => (known[leaf] ??= goneLeaf(graph!.order[leaf]!));
    for (const v of run.values) {
      if (v.run !== run) continue;
      const leaf = stale?.[v.number] ?? -1;
      const gone = leaf >= 0 ? why(leaf) : (run.replayed?.gone(v.number) ?? null);
      if (gone !== null) v.forget(gone);
    }
    if (!run.values.some((v) => v.run === run && v.isDeferred)) run.replayed = null;
    if (run.carried.length === 0 || this.#history.push(run) <= HISTORY) return;
    const oldest = this.#history.shift()!;
    oldest.carried = [];
    oldest.replayed?.forget();
    for (const v of oldest.values) {
      if (v.run === oldest && v.carries) {
        v.forget(`the value was carried over more than ${HISTORY} submits; read it earlier, or keep it with clone()`);
      }
    }
  }

  /** A host array as the next version of a cell: on the device if the cell has a layout there. */
  upload(cell: Cell, array: HostArray): DeviceBuffer | HostArray {
    const { layout } = cell;
    if (layout === null) return array;
    return this.#plans.withRoom(null, () => this.device.upload(array, cell.dtype, cell.shape, layout));
  }

  /** Frees every plan, and brings cells and snapshots to the host. */
  dispose(): void {
    this.#plans.dispose();
    unloadCells();
    for (const v of snapshots()) v.unload();
    this.#latest = [];
  }
}

/** Notes that `run` computed the value. */
export function place(v: Value, run: Run): boolean {
  if (v.isDeferred) return false;
  const number = v.node === null ? undefined : run.walk?.number.get(v.node);
  if (number === undefined) return false;
  if (v.run === run) return true;
  v.run = run;
  v.number = number;
  run.values.push(v);
  return true;
}

/** The root that makes the first version of a cell. */
export const firstVersion = (cell: Cell, layout: string | null): Root => ({
  node: cell.initial!,
  cell,
  first: true,
  layout,
  snapshot: null,
});

/** Where one of the runs left the value of `n`. */
function atHand(n: Node, from: ReadonlySet<Run>): DeviceBuffer | HostArray | null {
  for (const run of from) {
    const number = run.walk?.number.get(n);
    if (number === undefined) continue;
    const at = run.root(number) ?? run.kept(number);
    if (at !== null) return at;
  }
  return null;
}

/** Whether a leaf is bound to a buffer that the variant keeps for itself. */
function readsOwn(graph: Walk, bound: readonly Bound[], variant: Variant, from: ReadonlySet<Run>): boolean {
  const { last } = variant;
  if (last === null || !from.has(last)) return false;
  return graph.leaves.some((leaf, i) => {
    const number = last.walk?.number.get(graph.order[leaf]!);
    return number !== undefined && bound[i] !== null && last.kept(number) === bound[i];
  });
}

/** What a leaf is bound to; undefined for a computed node that is at hand no more. */
function bindingOf(n: Node, from: ReadonlySet<Run>): Bound | undefined {
  const { source } = n;
  switch (source?.kind) {
    case "input":
      return source.array;
    case "cell":
      return (source.cell as Cell).at(source.version);
    case "carried": {
      const at = (source.value as Value).stored();
      if (at === null) throw new InvariantError("a carried value has no storage when its plan runs");
      return at;
    }
    default:
      return atHand(n, from) ?? undefined;
  }
}

/** For every node the number of a cell leaf below it that cannot be read any more, or -1. */
function staleNodes({ order, operands }: Walk): Int32Array {
  const stale = new Int32Array(order.length).fill(-1);
  let next = 0;
  order.forEach((n, i) => {
    const source = n.source;
    if (source?.kind === "cell" && !(source.cell as Cell).readable(source.version)) stale[i] = i;
    for (let k = 0; k < n.inputs.length; k++) {
      const below = stale[operands[next++]!] ?? -1;
      if (below >= 0) stale[i] = below;
    }
  });
  return stale;
}

function goneLeaf(leaf: Node): Gone {
  const source = leaf.source;
  if (source?.kind !== "cell") throw new InvariantError("stale leaves are cells");
  return (source.cell as Cell).gone(source.version);
}

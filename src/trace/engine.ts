/**
 * What is traced and not yet submitted, and when it is.
 *
 * Roots of a submit: what is asked for, every pending assignment, every loss differentiated since the last submit, each
 * pending gradient that no step consumes, pending expressions over values of earlier submits (whose storage goes round),
 * and snapshots. Nothing is published before the run is done, so an error leaves every cell as it was and the call may
 * be repeated.
 */
import { defaultDevice } from "../compose.ts";
import type { Device, DeviceBuffer } from "../ir/device.ts";
import { BYTES_PER_ELEMENT, type HostArray } from "../ir/dtype.ts";
import { ContextLostError, DisposedError, GradError, StaleTensorError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { detach } from "../ir/ops/compare.ts";
import { numel } from "../ir/shape.ts";
import { isHost, type Cell } from "./cell.ts";
import { callerLine, noteLine } from "./lines.ts";
import { lost } from "./lost.ts";
import type { Root, Run } from "./plan.ts";
import { noteChange, recorder, refuseToRecord, type Step } from "./recorder.ts";
import { Reads } from "./reads.ts";
import { firstVersion, place, Runner } from "./runner.ts";
import { Value } from "./value.ts";

/** Pending nodes after which everything that waits is submitted. */
const PENDING_NODES = 20_000;
/** Part of the device's budget that pending inputs may reach before everything that waits is submitted. */
const PENDING_SHARE = 1 / 4;
/** Results smaller than this fit every device. */
const SMALL = 1 << 16;

/** A tensor that accumulates a gradient, as far as submits care. */
export interface GradientHolder {
  readonly gradient: Value | null;
  /** Somebody looked at it: it is a result. */
  gradientSeen: boolean;
}

export class Engine {
  #runner: Runner | null = null;
  #pending: Value[] = [];
  readonly #assigned = new Set<Cell>();
  readonly #snapshots = new Set<Value>();
  /** Cells whose first version must be made before what it is made of changes. */
  readonly #fresh = new Set<Cell>();
  readonly #differentiated = new Set<Value>();
  readonly #holders = new Set<GradientHolder>();
  /** Those whose gradient the step being submitted consumes: it need not be stored. */
  readonly #taken = new Set<GradientHolder>();
  readonly reads: Reads = new Reads(this);
  /** Earlier runs whose stored intermediates the next submit may use (`item()` before `backward()`). */
  readonly #borrowed = new Set<Run>();
  /** Assignments of the step being built, with what was pending before. */
  #undo: Map<Cell, Node | null> | null = null;
  /** Id of the youngest node when nothing was pending. */
  #base = 0;
  #inputBytes = 0;
  /** Submits so far, and those that assigned cells: what is pending for two of these may have become unreadable. */
  #submits = 0;
  #steps = 0;

  get runner(): Runner {
    return (this.#runner ??= new Runner(defaultDevice()));
  }
  get device(): Device {
    return this.runner.device;
  }

  /** Takes another device. What is pending stays pending; values and cells move by way of the host. */
  setDevice(device: Device): void {
    if (device === this.#runner?.device) return;
    noteChange();
    this.#runner?.dispose();
    this.#runner = new Runner(device);
    this.#borrowed.clear();
  }

  // Tracing.

  /** A new tensor's value. `carries`: whether the expression reads a value of an earlier submit. */
  trace(node: Node, requiresGrad: boolean, carries: boolean): Value {
    // Views and maps may never be stored (the product of a contraction): the device looks at those that are.
    if (node.op.kind !== "view" && node.op.kind !== "map") this.checkFits(node);
    const v = new Value(node, requiresGrad);
    v.carries = carries;
    v.bornSubmit = this.#submits;
    v.bornStep = this.#steps;
    v.line = callerLine();
    noteLine(node, v.line);
    recorder()?.traced(v);
    if (node.inputs.length === 0) {
      if (node.source?.kind === "input") this.#inputBytes += numel(node.shape) * BYTES_PER_ELEMENT;
      return v;
    }
    this.#pending.push(v);
    if (node.id - this.#base > PENDING_NODES || this.#pending.length > PENDING_NODES || this.#inputsAreMany()) {
      this.#flush();
    }
    return v;
  }

  #inputsAreMany(): boolean {
    return this.#inputBytes > 1e6 && this.#inputBytes > this.device.memory().budget * PENDING_SHARE;
  }

  /** Throws DeviceError if no buffer could hold the node's value. */
  checkFits(n: Node): void {
    if (numel(n.shape) > SMALL) this.device.checkFits(n.op.name, n.dtype, n.shape);
  }

  /** Runs `f` as if it had not been: what it traces is not pending afterwards. For graphs that are only looked at. */
  scratch<T>(f: () => T): T {
    const pending = this.#pending;
    const losses = [...this.#differentiated];
    this.#pending = [];
    try {
      return f();
    } finally {
      this.#pending = pending;
      for (const v of this.#differentiated) if (!losses.includes(v)) this.#differentiated.delete(v);
    }
  }

  /** What a cell's handle means now. Host values assigned to cells are published by this: they need no plan. */
  expression(cell: Cell): Node {
    cell.checkAlive();
    if (cell.pending !== null && hostValue(cell.pending) !== null) {
      this.#publish(this.#uploads());
      this.#steps += 1;
    }
    return cell.expression;
  }

  assign(cell: Cell, value: Node): void {
    const array = hostValue(value);
    if (array !== null) {
      refuseToRecord(`${cell.label} is assigned values of the host`, "assign them before or after the call");
    }
    if (array !== null && cell.isUntouched) {
      cell.begin(array);
      return;
    }
    if (this.#undo !== null && !this.#undo.has(cell)) this.#undo.set(cell, cell.pending);
    cell.assign(value);
    this.#assigned.add(cell);
  }

  snapshot(v: Value): void {
    v.snapshot = true;
    this.#snapshots.add(v);
  }

  /** Has the next submit make the cell's first version. */
  materialise(cell: Cell): void {
    this.#fresh.add(cell);
  }

  /** Notes that `loss` was differentiated, its gradients are in `holders`, and `from` are the runs that computed parts. */
  differentiated(loss: Value | null, holders: readonly GradientHolder[], from: Iterable<Run>): void {
    // A loss that is a leaf is known already: nothing will compute it.
    const isPending = loss !== null && loss.run === null && loss.node !== null && loss.node.inputs.length > 0;
    if (isPending) this.#differentiated.add(loss);
    for (const h of holders) this.#holders.add(h);
    for (const run of from) this.#borrowed.add(run);
  }

  /** Notes that the step being built consumes the gradient. */
  take(h: GradientHolder): void {
    this.#taken.add(h);
  }

  /**
   * Whether later traces read the value through a leaf: it was computed, or it waits since before the last submit and
   * either reads cells as they were then or contains what that submit computed.
   */
  isHistory(v: Value): boolean {
    if (v.own !== null) return true;
    if (v.isComputed) return v.isDeferred || !isLeafView(v.node);
    if (v.bornSubmit === this.#submits || v.node === null || isLeafView(v.node)) return false;
    return v.bornStep !== this.#steps || this.runner.overlaps(v.node);
  }

  // Submitting.

  /**
   * Submits everything that is due, and `asked`. What is due but cannot be computed any more is dropped on the way: it
   * fails for whoever asks for it, not for everybody else.
   */
  submit(asked: readonly Value[] = []): void {
    try {
      this.#attempt(asked);
    } catch (error) {
      if (!mayBeOthers(error) || !this.#dropLost()) throw error;
      this.#attempt(asked);
    }
  }

  #attempt(asked: readonly Value[]): void {
    for (const cell of this.#assigned) if (cell.pending === null) this.#assigned.delete(cell);
    const roots = this.#roots(asked);
    for (const run of this.#borrowed) if (run.walk === null) this.#borrowed.delete(run);
    const uploads = this.#uploads();
    let run: Run | null = null;
    try {
      if (roots.length > 0) {
        run = this.runner.execute(roots, this.#borrowed);
        recorder()?.submitted(run, roots);
      }
    } catch (error) {
      drop(uploads);
      throw error;
    }
    if (this.#assigned.size > 0) this.#steps += 1;
    this.#publish(uploads);
    this.#assigned.clear();
    this.#fresh.clear();
    this.#borrowed.clear();
    if (run !== null) this.#settle(run, asked);
    this.#snapshots.clear();
    this.reads.answer();
  }

  /** Drops what nobody asked for by name and what reads values that are gone; whether there was any. */
  #dropLost(): boolean {
    let found = false;
    const isLost = (v: Value | null): boolean => {
      const gone = v?.node == null ? null : lost(v.node);
      if (gone !== null) v!.forget(gone);
      found ||= gone !== null;
      return gone !== null;
    };
    this.#pending = this.#pending.filter((v) => !v.carries || v.used || !isLost(v));
    for (const v of this.#snapshots) if (isLost(v)) this.#snapshots.delete(v);
    for (const v of this.#differentiated) if (isLost(v)) this.#differentiated.delete(v);
    for (const h of this.#holders) if (isLost(h.gradient)) this.#holders.delete(h);
    this.reads.drop(isLost);
    let taken: Error | null = null;
    for (const cell of this.#assigned) {
      const gone = lost(cell.pending!);
      if (gone === null) continue;
      cell.pending = null;
      this.#assigned.delete(cell);
      if (typeof gone === "string") {
        throw new StaleTensorError(`${cell.label} was assigned a value that cannot be computed any more: ${gone}`);
      }
      // A context takes everything at once: one error says it.
      taken ??= gone;
    }
    if (taken !== null) throw taken;
    return found;
  }

  /** Traces a step by `build`, submits it with all that is due, and counts it once it has happened. */
  step(build: () => void, step: Step): void {
    if (this.#undo !== null) throw new GradError("step: called from within another optimizer's step");
    const undo = (this.#undo = new Map<Cell, Node | null>());
    try {
      try {
        build();
      } finally {
        this.#undo = null;
      }
      this.submit();
    } catch (error) {
      for (const [cell, before] of undo) {
        cell.pending = before;
        if (before === null) this.#assigned.delete(cell);
        else this.#assigned.add(cell);
      }
      throw error;
    } finally {
      this.#taken.clear();
    }
    step.commit();
    recorder()?.stepped(step);
  }

  /** Submits what waits to be submitted with whatever comes next, so that what comes next can be run as it is. */
  settle(): void {
    let isDue = this.#assigned.size + this.#snapshots.size + this.#fresh.size + this.#differentiated.size > 0;
    isDue ||= this.reads.isWaiting;
    for (const h of this.#holders) isDue ||= h.gradient !== null && h.gradient.run === null;
    for (const v of this.#pending) isDue ||= v.carries && !v.used;
    if (isDue) this.submit();
  }

  /** Notes a submit that traced nothing, and whether it assigned cells. */
  noteReplay(assigned: boolean): void {
    this.#submits += 1;
    if (assigned) this.#steps += 1;
  }

  /** Cells that were assigned a host array, with that as storage in their layout. */
  #uploads(): [Cell, DeviceBuffer | HostArray][] {
    const all: [Cell, DeviceBuffer | HostArray][] = [];
    try {
      for (const cell of this.#assigned) {
        const array = cell.pending === null ? null : hostValue(cell.pending);
        if (array !== null) all.push([cell, this.runner.upload(cell, array)]);
      }
    } catch (error) {
      drop(all);
      throw error;
    }
    return all;
  }

  #publish(uploads: readonly (readonly [Cell, DeviceBuffer | HostArray])[]): void {
    for (const [cell, content] of uploads) {
      cell.publish(content)?.release();
      this.#assigned.delete(cell);
    }
  }

  /** What the next submit must compute. */
  #roots(asked: readonly Value[]): Root[] {
    const roots: Root[] = [];
    const seen = new Set<Node>();
    for (const cell of this.#fresh) if (cell.initial !== null) roots.push(firstVersion(cell, null));
    for (const cell of this.#assigned) {
      if (hostValue(cell.pending!) !== null) continue;
      seen.add(cell.pending!);
      roots.push({ node: cell.pending!, cell, first: false, layout: cell.layout, snapshot: null });
    }
    const want = (v: Value): void => {
      if (v.run !== null || v.node === null || seen.has(v.node)) return;
      seen.add(v.node);
      roots.push({ node: v.node, cell: null, first: false, layout: null, snapshot: null });
    };
    for (const v of asked) want(v);
    for (const v of this.reads.values) want(v);
    for (const v of this.#differentiated) want(v);
    for (const h of this.#holders) {
      const g = h.gradient;
      if (g !== null && (h.gradientSeen || !this.#taken.has(h) || g.carries)) want(g);
    }
    for (const v of this.#pending) if (v.carries && !v.used) want(v);
    for (const v of this.#snapshots) {
      if (v.node !== null) roots.push({ node: v.node, cell: null, first: false, layout: null, snapshot: v });
    }
    return roots;
  }

  /** What the run computed is pending no more. */
  #settle(run: Run, asked: readonly Value[]): void {
    this.#submits += 1;
    for (const v of [...asked, ...this.reads.values, ...this.#snapshots]) place(v, run);
    const left: Value[] = [];
    let youngest = this.#base;
    for (const v of this.#pending) {
      if (v.node === null) continue;
      youngest = Math.max(youngest, v.node.id);
      if (v.run === null && !place(v, run)) left.push(v);
    }
    this.#pending = this.#steps === 0 ? left : left.filter((v) => !this.#isForgotten(v));
    this.#base = youngest - this.#pending.length;
    this.#inputBytes = 0;
    for (const v of this.#differentiated) if (v.node === null || v.run !== null) this.#differentiated.delete(v);
    for (const h of this.#holders) {
      if (h.gradient === null || h.gradient.run !== null) this.#holders.delete(h);
    }
  }

  /**
   * Whether a value that no submit computed depends on a version that is gone. Looked at two steps after it was traced,
   * and then at doubling distances: most are gone at once, and those that never go should cost nothing.
   */
  #isForgotten(v: Value): boolean {
    const age = this.#steps - v.bornStep;
    if (v.node === null || age < v.nextLook) return false;
    v.nextLook = 2 * age;
    const gone = lost(v.node);
    if (gone !== null) v.forget(gone);
    return gone !== null;
  }

  /** Computes every pending expression that nothing uses, so that what waits stays bounded. */
  #flush(): void {
    this.#pending = this.#pending.filter((v) => {
      const gone = v.used || v.node === null ? null : lost(v.node);
      if (gone !== null) v.forget(gone);
      return gone === null;
    });
    this.submit(this.#pending.filter((v) => !v.used));
    // What is left is used by nothing that can still be computed.
    this.#base = this.#pending.reduce((id, v) => Math.max(id, v.node?.id ?? 0), this.#base);
    this.#pending = [];
    this.#inputBytes = 0;
  }
}

/** Errors that may come of what was due besides what was asked for. */
const mayBeOthers = (error: unknown): boolean =>
  error instanceof StaleTensorError || error instanceof DisposedError || error instanceof ContextLostError;

/** Whether a node is a number or a host value seen through a few views: cheaper to read again than to carry. */
function isLeafView(root: Node | null): boolean {
  let n = root;
  for (let depth = 0; n !== null && depth < 8; depth++) {
    if (n.inputs.length === 0) return n.source?.kind !== "cell" && n.source?.kind !== "carried";
    if (n.op.kind !== "view" && n.op !== detach.definition) return false;
    n = n.inputs[0]!;
  }
  return false;
}

/** Frees uploads that will not be published. */
function drop(uploads: readonly (readonly [Cell, DeviceBuffer | HostArray])[]): void {
  for (const [, content] of uploads) if (!isHost(content)) content.release();
}

/** The array of an assigned host value; `detach` around it changes nothing. */
function hostValue(n: Node): HostArray | null {
  let at = n;
  while (at.op === detach.definition) at = at.inputs[0]!;
  return at.source?.kind === "input" ? at.source.array : null;
}

export const engine = new Engine();

/**
 * Recorded calls that are run again without being traced (replayed-call.ts), and when that would do what a trace would:
 * for as long as nothing has changed that the library can see, and with a look from time to time at what it cannot.
 */
import { isHost, type Cell } from "./cell.ts";
import { engine } from "./engine.ts";
import { wrap, type Handle } from "./handle.ts";
import type { Plan } from "./plan.ts";
import { changeCount } from "./recorder.ts";
import { isPlace, type Recording } from "./recording.ts";
import { ReplayedCall, valueOf, type Argument } from "./replayed-call.ts";
import { putTogether } from "./structure.ts";
import type { Value } from "./value.ts";

/** What could not be replayed, because a value it reads is out of reach: the call must be traced. */
export const notReplayed = Symbol("not replayed");

export class Replay {
  readonly recording: Recording;
  /** `changeCount` for which it is known to be what a trace would do. */
  #confirmed: number;
  /** Values from around the function that it reads. */
  readonly #captured: readonly Value[];
  readonly #before: readonly Handle[];
  /** Cells that it reads as they are when it begins, with the place of their leaf in a plan. */
  readonly #cells: readonly Seat[];
  #isBroken = false;
  /** Calls since it was recorded, and at which of them it is checked against a trace. */
  count = 0;
  nextCheck = FIRST_CHECK;

  constructor(recording: Recording) {
    this.recording = recording;
    this.#confirmed = recording.changesAfter;
    const leaves = recording.submits.flatMap((s) => s.leaves);
    this.#captured = [...new Set(leaves.flatMap((l) => (l.kind === "value" ? [l.value] : [])))];
    this.#before = [...new Set(leaves.flatMap((l) => (l.kind === "gradient" ? [l.holder] : [])))];
    this.#cells = seats(recording);
  }

  /** Notes that a trace has just done the same. */
  confirm(): void {
    this.#confirmed = changeCount();
  }

  /** Whether a trace now would do the same, for all the library can see. Throws for settings that are out of range. */
  get stays(): boolean {
    const { runner, gradients, steps } = this.recording;
    if (this.#isBroken || this.#confirmed !== changeCount() || runner !== engine.runner) return false;
    for (const [holder, { had, wasSeen }] of gradients) {
      if (had !== null && (holder.hasGrad() !== had || holder.gradientSeen !== wasSeen)) return false;
    }
    for (const { cell, back, plan, leaf } of this.#cells) {
      if (plan.disposed || !cell.readable(cell.version - back)) return false;
      const at = cell.at(cell.version - back);
      if (at !== null && !isHost(at) && at.layout !== plan.layouts[leaf]) return false;
    }
    for (const { step } of steps) if (!step.stays()) return false;
    return true;
  }

  /** Whether this call is to be traced, to see that nothing changed that the library cannot see. */
  isDue(): boolean {
    this.count += 1;
    if (this.count < this.nextCheck) return false;
    this.nextCheck += Math.min(this.nextCheck, LONGEST_CHECK);
    return true;
  }

  run(given: readonly Argument[]): unknown {
    const { recording } = this;
    const before = this.#before.map((holder) => holder.gradientTensor!);
    // Everything is stored before anything runs.
    const read = [...this.#captured, ...before.map((g) => valueOf(g)!)];
    for (const v of read) if (v.stored() === null) engine.reads.fetch(v);
    if (read.some((v) => v.stored() === null)) return notReplayed;
    const call = new ReplayedCall(
      recording,
      given,
      new Map(this.#before.map((holder, i) => [holder, valueOf(before[i])!])),
    );
    let counted = 0;
    for (let s = 0; s <= recording.submits.length; s++) {
      while (recording.steps[counted]?.after === s) recording.steps[counted++]!.step.commit();
      if (s < recording.submits.length && !call.submit(s)) this.#isBroken = true;
    }
    for (const [holder, { exit, seen }] of recording.gradients) {
      holder.gradientSeen = seen;
      if (exit === "same") continue;
      if (exit === "none") holder.gradientTensor = null;
      else if (exit.kind === "result") holder.deferGradient(() => wrap(call.value(exit.submit, exit.number)));
      else holder.gradientTensor = call.tensor(exit);
    }
    return putTogether(recording.output, isPlace, (p) => call.tensor(p.at));
  }
}

interface Seat {
  readonly cell: Cell;
  readonly back: number;
  readonly plan: Plan;
  readonly leaf: number;
}

/** Cell leaves that no earlier submit of the call assigns. */
function seats({ submits }: Recording): Seat[] {
  const assigned = new Set<Cell>();
  return submits.flatMap(({ plan, leaves, roots }) => {
    const found = leaves.flatMap((l, leaf) =>
      l.kind === "cell" && !assigned.has(l.cell) ? [{ cell: l.cell, back: l.back, plan, leaf }] : [],
    );
    for (const { cell } of roots) if (cell !== null) assigned.add(cell);
    return found;
  });
}

/** Calls after which a replay is first checked against a trace; then at twice as many, until every so many. */
const FIRST_CHECK = 16;
const LONGEST_CHECK = 1024;

/** Schedules made of schedules, with PyTorch's arguments and numbers. */
import { TexgradError } from "../ir/errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkState, initialLr, setLrs, type LRScheduler, type Scheduler, type SchedulerState } from "./scheduler.ts";

/** One after the other: schedule i until milestone i. */
export class SequentialLR implements Scheduler {
  readonly optimizer: Optimizer;
  readonly #schedulers: readonly LRScheduler[];
  readonly #milestones: readonly number[];
  #lastEpoch = 0;

  constructor(optimizer: Optimizer, schedulers: readonly LRScheduler[], milestones: readonly number[]) {
    const stranger = schedulers.findIndex((s) => s.optimizer !== optimizer);
    if (stranger >= 0) throw new TexgradError(`SequentialLR: schedule ${stranger} is of another optimizer`);
    if (schedulers.length === 0 || milestones.length !== schedulers.length - 1) {
      throw new TexgradError(
        `SequentialLR: ${schedulers.length} schedules and ${milestones.length} milestones; it takes one between each two`,
      );
    }
    this.optimizer = optimizer;
    this.#schedulers = schedulers;
    this.#milestones = milestones;
    // Each of them has made its step 0 when it was made; only the first one's shall have happened.
    for (const group of optimizer.paramGroups) group.lr = initialLr(group);
    for (const s of schedulers) s.undo();
    schedulers[0]!.step();
  }

  step(): void {
    this.#lastEpoch += 1;
    const i = this.#milestones.filter((m) => m <= this.#lastEpoch).length;
    const current = this.#schedulers[i]!;
    if (i > 0 && this.#milestones[i - 1] === this.#lastEpoch) current.step(0);
    else current.step();
  }

  getLastLr(): readonly number[] {
    return this.optimizer.paramGroups.map((g) => g.lr);
  }

  stateDict(): SchedulerState {
    const parts = this.#schedulers.map((s) => s.stateDict());
    return { lastEpoch: this.#lastEpoch, baseLrs: [], lastLr: this.getLastLr(), own: {}, parts };
  }

  loadStateDict(state: SchedulerState): void {
    checkState("SequentialLR", state, this.optimizer.paramGroups.length, this.#schedulers.length);
    this.#lastEpoch = state.lastEpoch;
    for (const [i, s] of this.#schedulers.entries()) s.loadStateDict(state.parts[i]!);
    setLrs(this.optimizer.paramGroups, state.lastLr);
  }
}

/** All at once: each multiplies the rate that the one before it left. */
export class ChainedScheduler implements Scheduler {
  readonly optimizer: Optimizer;
  readonly #schedulers: readonly LRScheduler[];

  constructor(schedulers: readonly LRScheduler[]) {
    const [first] = schedulers;
    if (first === undefined) throw new TexgradError("ChainedScheduler: no schedules; takes at least one");
    const stranger = schedulers.findIndex((s) => s.optimizer !== first.optimizer);
    if (stranger >= 0) throw new TexgradError(`ChainedScheduler: schedule ${stranger} is of another optimizer`);
    this.optimizer = first.optimizer;
    this.#schedulers = schedulers;
  }

  step(): void {
    for (const s of this.#schedulers) s.step();
  }

  getLastLr(): readonly number[] {
    return this.optimizer.paramGroups.map((g) => g.lr);
  }

  stateDict(): SchedulerState {
    const parts = this.#schedulers.map((s) => s.stateDict());
    return { lastEpoch: parts[0]!.lastEpoch, baseLrs: [], lastLr: this.getLastLr(), own: {}, parts };
  }

  loadStateDict(state: SchedulerState): void {
    checkState("ChainedScheduler", state, this.optimizer.paramGroups.length, this.#schedulers.length);
    for (const [i, s] of this.#schedulers.entries()) s.loadStateDict(state.parts[i]!);
    setLrs(this.optimizer.paramGroups, state.lastLr);
  }
}

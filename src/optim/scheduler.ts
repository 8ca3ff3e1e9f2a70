/**
 * What all learning rate schedules share: base rates, the count of steps, state dicts. PyTorch's names and numbers: most
 * of them multiply the rate there is, so that several may work on one optimizer. A rate is only ever assigned to a
 * group, which compiles nothing. Not here: the schedules (schedules.ts, cycles.ts, plateau.ts, sequence.ts).
 */
import { TexgradError } from "../ir/errors.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Settings } from "./rules.ts";

/** What `stateDict` gives: plain numbers, fit for JSON. */
export interface SchedulerState {
  /** Steps made since the first. */
  readonly lastEpoch: number;
  /** One a group, as those below. */
  readonly baseLrs: readonly number[];
  readonly lastLr: readonly number[];
  /** What a schedule keeps beside these. */
  readonly own: Readonly<Record<string, number>>;
  /** Of the schedules it is made of. */
  readonly parts: readonly SchedulerState[];
}

/** What schedules are to those who hold several. */
export interface Scheduler {
  step(epoch?: number): void;
  getLastLr(): readonly number[];
  stateDict(): SchedulerState;
  loadStateDict(state: SchedulerState): void;
}

/** Where a schedule is. */
export interface Point {
  /** The group's rate now. */
  readonly lr: number;
  /** The rate it started with. */
  readonly base: number;
  /** Steps made, this one counted; 0 at the start. */
  readonly epoch: number;
  readonly group: number;
}

export interface Schedule {
  /** The rate of the step just begun. */
  readonly next: (at: Point) => number;
  /** The same from the base rate alone, for a jump to an epoch; where it is absent `next` serves. */
  readonly from?: (at: Point) => number;
  /** Called once before the groups' rates of an epoch are asked for. */
  readonly advance?: (epoch: number, isJump: boolean) => void;
  /** Numbers kept between steps, by name. */
  readonly own?: Record<string, number>;
}

export type Group = Optimizer["paramGroups"][number];

/** The rate each group had before any schedule touched it. */
const initial = new WeakMap<Group, number>();

/** That rate; the one now if there was no schedule yet. */
export function initialLr(group: Group): number {
  const lr = initial.get(group) ?? group.lr;
  initial.set(group, lr);
  return lr;
}

/** Throws TexgradError unless the state is one of as many groups and parts. */
export function checkState(owner: string, state: SchedulerState, groups: number, parts: number): void {
  if (state.lastLr.length === groups && state.parts.length === parts) return;
  throw new TexgradError(
    `${owner}.loadStateDict: the state is of ${state.lastLr.length} groups and ${state.parts.length} parts, ` +
      `this schedule has ${groups} and ${parts}`,
  );
}

/** Assigns each group its rate. */
export function setLrs(groups: readonly Settings[], lrs: readonly number[]): void {
  for (const [i, group] of groups.entries()) group.lr = lrs[i]!;
}

/** A schedule of the learning rate, from the first rate on: making one is its step 0. */
export abstract class LRScheduler implements Scheduler {
  readonly optimizer: Optimizer;
  #baseLrs: readonly number[];
  readonly #schedule: Schedule;
  #lastEpoch = -1;

  protected constructor(optimizer: Optimizer, schedule: Schedule, baseLrs?: readonly number[]) {
    this.optimizer = optimizer;
    this.#schedule = schedule;
    for (const group of optimizer.paramGroups) initialLr(group);
    this.#baseLrs = baseLrs ?? optimizer.paramGroups.map(initialLr);
    this.step();
  }

  get lastEpoch(): number {
    return this.#lastEpoch;
  }
  get baseLrs(): readonly number[] {
    return this.#baseLrs;
  }

  /** Call it once an epoch (or a batch, if that is what the schedule counts), after `optimizer.step()`; or jump to `epoch`. */
  step(epoch?: number): void {
    const { next, from = next, advance } = this.#schedule;
    const isJump = epoch !== undefined;
    this.#lastEpoch = epoch ?? this.#lastEpoch + 1;
    advance?.(this.#lastEpoch, isJump);
    for (const [group, g] of this.optimizer.paramGroups.entries()) {
      const base = this.#baseLrs[group] ?? initialLr(g);
      g.lr = (isJump ? from : next)({ lr: g.lr, base, epoch: this.#lastEpoch, group });
    }
  }

  /** @internal Takes the last step back; SequentialLR starts its parts one by one. */
  undo(): void {
    this.#lastEpoch -= 1;
  }

  /** The rates, one a group. */
  getLastLr(): readonly number[] {
    return this.optimizer.paramGroups.map((g) => g.lr);
  }

  stateDict(): SchedulerState {
    const own = { ...this.#schedule.own };
    return { lastEpoch: this.#lastEpoch, baseLrs: this.#baseLrs, lastLr: this.getLastLr(), own, parts: [] };
  }

  /**
   * Goes on where the schedule of the state was, for one made with the same arguments; the rates are assigned to the
   * optimizer's groups too.
   */
  loadStateDict(state: SchedulerState): void {
    const { paramGroups } = this.optimizer;
    checkState(this.constructor.name, state, paramGroups.length, 0);
    this.#lastEpoch = state.lastEpoch;
    this.#baseLrs = [...state.baseLrs];
    if (this.#schedule.own !== undefined) Object.assign(this.#schedule.own, state.own);
    setLrs(paramGroups, state.lastLr);
  }
}

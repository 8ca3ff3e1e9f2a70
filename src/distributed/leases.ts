/**
 * Which samples are still to be trained on this epoch. A lease is handed out with a step; it is committed with the step
 * or given back, so that every sample is counted exactly once an epoch, whoever leaves.
 *
 * Samples are ranges of positions in the epoch's order, which only workers know (sampler.ts).
 */
import type { DataPlan } from "./messages.ts";

/** [from, to) of positions. */
export type Range = readonly [from: number, to: number];

export const countOf = (ranges: readonly Range[]): number => ranges.reduce((n, [from, to]) => n + to - from, 0);

/** What is left of which epoch: all there is to know between two steps. */
export interface Left {
  readonly epoch: number;
  readonly ranges: readonly Range[];
}

export class Leases {
  readonly #plan: DataPlan;
  #epoch: number;
  /** Ascending and apart from each other. */
  #free: Range[];
  #out = 0;

  constructor(plan: DataPlan, left: Left | null = null) {
    this.#plan = plan;
    this.#epoch = left?.epoch ?? 0;
    this.#free = left === null ? wholeEpoch(plan) : [...left.ranges];
    this.#turn();
  }

  get epoch(): number {
    return this.#epoch;
  }
  get isOver(): boolean {
    return this.#epoch >= this.#plan.epochs;
  }
  /** What has neither been committed nor is out. */
  get left(): Left {
    return { epoch: this.#epoch, ranges: this.#free };
  }

  /** At most `count` samples, the first ones that are free. */
  take(count: number): Range[] {
    const taken: Range[] = [];
    let wanted = this.isOver ? 0 : count;
    while (wanted > 0) {
      const first = this.#free.shift();
      if (first === undefined) break;
      const [from, to] = first;
      const end = Math.min(to, from + wanted);
      taken.push([from, end]);
      if (end < to) this.#free.unshift([end, to]);
      wanted -= end - from;
    }
    this.#out += countOf(taken);
    return taken;
  }

  /** The samples were trained on. */
  commit(ranges: readonly Range[]): void {
    this.#out -= countOf(ranges);
    this.#turn();
  }

  /** The samples were not trained on: they are the next ones again. */
  giveBack(ranges: readonly Range[]): void {
    this.#out -= countOf(ranges);
    const all = [...this.#free, ...ranges].sort(([a], [b]) => a - b);
    this.#free = [];
    for (const range of all) {
      const last = this.#free.at(-1);
      if (last?.[1] === range[0]) this.#free[this.#free.length - 1] = [last[0], range[1]];
      else this.#free.push(range);
    }
  }

  /** Begins the next epoch where this one is used up. */
  #turn(): void {
    if (this.#out > 0 || this.#free.length > 0 || this.isOver) return;
    this.#epoch += 1;
    if (!this.isOver) this.#free = wholeEpoch(this.#plan);
  }
}

const wholeEpoch = ({ length }: DataPlan): Range[] => (length === 0 ? [] : [[0, length]]);

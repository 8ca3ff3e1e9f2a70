/** What a run counts of itself, for /metrics, the dashboard and tests. */

/** Upper edges in ms of the step histogram's bins; the last bin has none. */
export const stepBins: readonly number[] = [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000];

export class Histogram {
  readonly counts: number[] = Array.from({ length: stepBins.length + 1 }, () => 0);
  sum = 0;
  count = 0;

  add(x: number): void {
    const bin = stepBins.findIndex((edge) => x <= edge);
    const at = bin < 0 ? stepBins.length : bin;
    this.counts[at] = this.counts[at]! + 1;
    this.sum += x;
    this.count += 1;
  }
}

export interface RoomMetrics {
  committed: number;
  /** Rosters that were cut, and steps nobody was left of. */
  aborted: number;
  joins: number;
  leaves: number;
  resumes: number;
  heals: number;
  /** Members taken out of a step, and of these the late ones. */
  dropped: number;
  stragglers: number;
  notFinite: number;
  hashMismatches: number;
  staleFrames: number;
  repeatedFrames: number;
  refused: number;
  bytesIn: number;
  samples: number;
  loss: number | null;
  medianStepMs: number;
  readonly stepMs: Histogram;
  /** The last 500 commits. */
  readonly losses: {
    readonly step: number;
    readonly loss: number | null;
    readonly ms: number;
    readonly workers: number;
  }[];
}

export const newRoomMetrics = (): RoomMetrics => ({
  committed: 0,
  aborted: 0,
  joins: 0,
  leaves: 0,
  resumes: 0,
  heals: 0,
  dropped: 0,
  stragglers: 0,
  notFinite: 0,
  hashMismatches: 0,
  staleFrames: 0,
  repeatedFrames: 0,
  refused: 0,
  bytesIn: 0,
  samples: 0,
  loss: null,
  medianStepMs: 0,
  stepMs: new Histogram(),
  losses: [],
});

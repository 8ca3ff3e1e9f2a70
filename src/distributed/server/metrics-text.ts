/** What rooms count, as Prometheus reads it and as the dashboard does. */
import { stepBins } from "../room-metrics.ts";
import type { Room } from "../room.ts";

const help = {
  texgrad_steps_committed_total: "Steps committed.",
  texgrad_rosters_cut_total: "Times a step went on without one of its members.",
  texgrad_joins_total: "Workers that came.",
  texgrad_leaves_total: "Workers that left, of themselves or not.",
  texgrad_resumes_total: "Connections that came back to their session.",
  texgrad_heals_total: "States that were sent to a worker.",
  texgrad_stragglers_total: "Workers left out of a step because they were late.",
  texgrad_not_finite_total: "Contributions with a value that is no number.",
  texgrad_hash_mismatches_total: "Workers whose state had drifted.",
  texgrad_stale_frames_total: "Frames of an earlier step, term or roster.",
  texgrad_repeated_frames_total: "Chunks that had been taken already.",
  texgrad_refused_total: "Connections closed for a violation of the protocol.",
  texgrad_received_bytes_total: "Bytes of frames received.",
  texgrad_samples_total: "Samples of committed steps.",
} as const;

const counters = {
  texgrad_steps_committed_total: "committed",
  texgrad_rosters_cut_total: "aborted",
  texgrad_joins_total: "joins",
  texgrad_leaves_total: "leaves",
  texgrad_resumes_total: "resumes",
  texgrad_heals_total: "heals",
  texgrad_stragglers_total: "stragglers",
  texgrad_not_finite_total: "notFinite",
  texgrad_hash_mismatches_total: "hashMismatches",
  texgrad_stale_frames_total: "staleFrames",
  texgrad_repeated_frames_total: "repeatedFrames",
  texgrad_refused_total: "refused",
  texgrad_received_bytes_total: "bytesIn",
  texgrad_samples_total: "samples",
} as const satisfies Readonly<Record<keyof typeof help, keyof Room["metrics"]>>;

/** Prometheus' text format, version 0.0.4. */
export function metricsText(rooms: ReadonlyMap<string, Room>, process: Readonly<Record<string, number>>): string {
  const lines: string[] = [];
  for (const [name, key] of Object.entries(counters)) {
    lines.push(`# HELP ${name} ${help[name as keyof typeof help]}`, `# TYPE ${name} counter`);
    for (const [run, room] of rooms) lines.push(`${name}{run="${run}"} ${room.metrics[key]}`);
  }
  lines.push("# HELP texgrad_workers Workers of the run.", "# TYPE texgrad_workers gauge");
  for (const [run, room] of rooms) lines.push(`texgrad_workers{run="${run}"} ${room.members.size}`);
  lines.push("# HELP texgrad_step_seconds How long steps took.", "# TYPE texgrad_step_seconds histogram");
  for (const [run, room] of rooms) {
    const { counts, sum, count } = room.metrics.stepMs;
    let below = 0;
    stepBins.forEach((edge, i) => {
      below += counts[i]!;
      lines.push(`texgrad_step_seconds_bucket{run="${run}",le="${edge / 1000}"} ${below}`);
    });
    lines.push(`texgrad_step_seconds_bucket{run="${run}",le="+Inf"} ${count}`);
    lines.push(
      `texgrad_step_seconds_sum{run="${run}"} ${sum / 1000}`,
      `texgrad_step_seconds_count{run="${run}"} ${count}`,
    );
  }
  for (const [name, value] of Object.entries(process)) lines.push(`# TYPE ${name} gauge`, `${name} ${value}`);
  return `${lines.join("\n")}\n`;
}

/** A run at a glance. */
export interface RunStatus {
  readonly run: string;
  readonly step: number;
  readonly epoch: number;
  readonly samplesLeft: number;
  readonly isFinished: boolean;
  readonly loss: number | null;
  readonly medianStepMs: number;
  readonly samples: number;
  readonly bytesIn: number;
  readonly cuts: number;
  readonly stragglers: number;
  readonly workers: readonly {
    readonly slot: number;
    readonly name: string;
    readonly stage: string;
    readonly isConnected: boolean;
    readonly steps: number;
    readonly samples: number;
    readonly loss: number | null;
    readonly bytesIn: number;
  }[];
  /** The last commits, oldest first. */
  readonly history: Room["metrics"]["losses"];
}

export function runStatus(run: string, room: Room): RunStatus {
  const { metrics, members, progress } = room;
  return {
    run,
    step: room.step,
    epoch: progress.epoch,
    samplesLeft: progress.left,
    isFinished: room.isFinished,
    loss: metrics.loss,
    medianStepMs: metrics.medianStepMs,
    samples: metrics.samples,
    bytesIn: metrics.bytesIn,
    cuts: metrics.aborted,
    stragglers: metrics.stragglers,
    workers: members.all.map(({ slot, name, stage, peer, steps, samples, loss, bytesIn }) => {
      return { slot, name, stage, isConnected: peer !== null, steps, samples, loss, bytesIn };
    }),
    history: metrics.losses,
  };
}

/** Whether two workers train the same thing. */
import { show } from "../ir/shape.ts";
import type { DataPlan, ModelInfo, TensorInfo } from "./messages.ts";
import type { CodecName } from "./wire.ts";

/** What all workers of a run must agree on. */
export interface Plan {
  readonly model: ModelInfo;
  readonly data: DataPlan | null;
  readonly codec: CodecName;
}

const nameOf = (t: TensorInfo | undefined): string => (t === undefined ? "nothing" : `${t.name} ${show(t.shape)}`);

function firstDifference(kind: string, ours: readonly TensorInfo[], theirs: readonly TensorInfo[]): string | null {
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
    const [a, b] = [nameOf(ours[i]), nameOf(theirs[i])];
    if (a !== b) return `${kind} ${i} is ${a} in this run and ${b} in the worker`;
  }
  return null;
}

/** What differs first between the run's plan and a worker's; null if nothing does. */
export function planDifference(run: Plan, worker: Plan): string | null {
  const model =
    firstDifference("parameter", run.model.params, worker.model.params) ??
    firstDifference("buffer", run.model.buffers, worker.model.buffers) ??
    firstDifference("frozen parameter", run.model.fixed, worker.model.fixed);
  if (model !== null) return `the worker has another model: ${model}`;
  if (run.codec !== worker.codec) return `this run's codec is ${run.codec}, the worker's ${worker.codec}`;
  const [ours, theirs] = [run.data, worker.data].map((data) => JSON.stringify(data));
  return ours === theirs ? null : `this run's data are ${ours}, the worker's ${theirs}`;
}

/**
 * What is measured, what each engine must compute there, and what TensorFlow.js was seen to draw: check values and
 * draws as workloads/README.md and issue 3 state them, by which a run is refused that measures something else.
 */
import type { SEQUENCES } from "../sequences/inputs.js";
import type { WORKLOADS } from "../workloads/inputs.js";

/** The key of its inputs. */
export type WorkloadId = keyof typeof WORKLOADS | keyof typeof SEQUENCES;

export interface WorkloadInfo {
  readonly id: WorkloadId;
  /** What the command line calls it. */
  readonly name: string;
  /** Mean of |output|, or the losses at steps 1 and 3. */
  readonly expected: readonly number[];
  /** tfjs's draws of a step and its ms with one readback, in issue 3's table; the sequences are not in it. */
  readonly tfjs?: { readonly draws: number; readonly ms: number };
}

export const workloads: readonly WorkloadInfo[] = [
  { id: "w1", name: "W1", expected: [0.90554], tfjs: { draws: 15, ms: 13.8 } },
  { id: "w2", name: "W2", expected: [0.00097656], tfjs: { draws: 13, ms: 10.5 } },
  { id: "w3", name: "W3", expected: [0.65471], tfjs: { draws: 18, ms: 9.8 } },
  { id: "w4_256", name: "W4", expected: [4.2289], tfjs: { draws: 1, ms: 2.8 } },
  { id: "w4_512", name: "W4", expected: [6.0148], tfjs: { draws: 1, ms: 15.9 } },
  { id: "w4_1024", name: "W4", expected: [8.5091], tfjs: { draws: 1, ms: 117 } },
  { id: "w5", name: "W5", expected: [0.63792], tfjs: { draws: 2, ms: 70 } },
  { id: "w6", name: "W6", expected: [2.3711, 2.2428], tfjs: { draws: 83, ms: 14.1 } },
  { id: "w7", name: "W7", expected: [2.6984, 3.6464], tfjs: { draws: 113, ms: 98 } },
  { id: "w8", name: "W8", expected: [2.6569, 0.4445], tfjs: { draws: 2178, ms: 491 } },
  // What tfjs and jax-js agree on.
  { id: "gpt", name: "GPT", expected: [1.1781, 0.99288] },
  { id: "lstm", name: "LSTM", expected: [0.3381, 0.32999] },
];

/** The values have five digits, W8's last one four; sums of a thousand f32 in another order differ by less. */
const RELATIVE = 1e-3;
/** After two steps: in W7, where the loss rises by a third, they let differences in the last bits of f32 grow. */
const RELATIVE_AFTER_STEPS = 4e-3;

/** What is wrong with the values, or null. */
export function complaintOf({ expected }: WorkloadInfo, values: readonly number[]): string | null {
  const isRight = expected.every(
    (want, i) => Math.abs(values[i]! - want) <= (i === 0 ? RELATIVE : RELATIVE_AFTER_STEPS) * Math.abs(want),
  );
  const show = (list: readonly number[]): string => list.map((v) => v.toPrecision(5)).join(", ");
  return isRight ? null : `computed ${show(values)}, must be ${show(expected)}`;
}

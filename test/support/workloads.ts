/** The workloads of the bench, as steps whose draws are counted without a context. */
import { setDevice } from "texgrad";
import { countingDevice, type Counts, type DeviceKind } from "texgrad/debug";
import { SEQUENCES } from "../../bench/sequences/inputs.js";
import { WORKLOADS } from "../../bench/workloads/inputs.js";
import * as texgrad from "../../bench/workloads-texgrad/index.ts";
import type { Workload } from "../../bench/workloads-texgrad/run.ts";

/** Inputs are JavaScript: each set-up takes what is made for it. */
const setUps = texgrad as unknown as Readonly<Record<string, (inputs: unknown) => Workload>>;
const bench = ({ fn, make }: { readonly fn: string; readonly make: () => object }, more = {}) => ({
  setUp: (): Workload => setUps[fn]!({ ...make(), ...more }),
});

export const workloads = {
  W1: bench(WORKLOADS.w1),
  W2: bench(WORKLOADS.w2),
  W3: bench(WORKLOADS.w3),
  W4: bench(WORKLOADS.w4_512),
  W5: bench(WORKLOADS.w5),
  W6: bench(WORKLOADS.w6),
  W7: bench(WORKLOADS.w7),
  W8: bench(WORKLOADS.w8),
  "ResNet-18 with Adam": bench(WORKLOADS.w8, { optimizer: "adam" }),
  "GPT block": bench(SEQUENCES.gpt),
  LSTM: bench(SEQUENCES.lstm),
} as const;

export type WorkloadName = keyof typeof workloads;

export interface StepCounts {
  /** What making the parameters and the first step compile and draw. */
  readonly first: Counts;
  /** A step once everything is known. */
  readonly steady: Counts;
}

/** Steps of a workload on a device of this kind. */
export function stepsOf(name: WorkloadName, kind: DeviceKind): StepCounts {
  const device = countingDevice(kind);
  setDevice(device);
  const workload = workloads[name].setUp();
  const step = (): void => workload.step();
  step();
  const first = device.take();
  for (let i = 0; i < 3; i++) step();
  device.take();
  step();
  return { first, steady: device.take() };
}

/**
 * What one step of each workload of the bench costs, counted without a context on both kinds of device, and the page that
 * says so draw by draw.
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { Counts, DeviceKind } from "texgrad/debug";
import { stepsOf, workloads, type StepCounts, type WorkloadName } from "../support/workloads.ts";
import { countPage, type AllCounts } from "./count-page.ts";

/**
 * One repeated step of each workload of the bench, on both kinds of device: draws, programs, and the most MiB of
 * textures. Exact, so that every gain and every loss is an edit of this table; docs/counts.md tells draw by draw, and is
 * written from the same counts (`npm run docs`).
 */
const counted: Readonly<
  Record<WorkloadName, Readonly<Record<DeviceKind, readonly [draws: number, programs: number, mebibytes: number]>>>
> = {
  W1: { software: [1, 1, 12], gpu: [1, 1, 12] },
  W2: { software: [2, 2, 12], gpu: [2, 2, 12] },
  W3: { software: [2, 2, 12], gpu: [2, 2, 12] },
  W4: { software: [1, 1, 4], gpu: [1, 1, 4] },
  W5: { software: [1, 1, 6.1], gpu: [1, 1, 6.1] },
  W6: { software: [14, 14, 3.5], gpu: [14, 13, 3.5] },
  W7: { software: [24, 24, 13.2], gpu: [26, 26, 16.2] },
  W8: { software: [143, 84, 133.4], gpu: [166, 114, 181] },
  "ResNet-18 with Adam": { software: [182, 89, 353.4], gpu: [205, 121, 394.5] },
  "GPT block": { software: [38, 37, 60.2], gpu: [39, 38, 60.2] },
  LSTM: { software: [93, 58, 37.4], gpu: [94, 59, 37.5] },
};

describe("the workloads of the bench", () => {
  const kinds: readonly DeviceKind[] = ["software", "gpu"];
  const names = Object.keys(workloads) as WorkloadName[];
  const all: Record<string, Record<string, StepCounts>> = {};
  beforeAll(() => {
    for (const name of names) all[name] = Object.fromEntries(kinds.map((kind) => [kind, stepsOf(name, kind)]));
  }, 300_000);

  test.each(names.flatMap((name) => kinds.map((kind) => [name, kind] as const)))("%s on %s", (name, kind) => {
    const { steady } = all[name]![kind]!;
    expect(steady.plans).toHaveLength(1);
    const [{ plan }] = steady.plans as [Counts["plans"][number]];
    expect([steady.draws, plan.programs, Number((steady.peakBytes / 2 ** 20).toFixed(1))]).toEqual(counted[name][kind]);
    // A step that is repeated makes nothing, sends nothing and reads nothing.
    expect(steady).toMatchObject({ programs: { made: 0 }, allocations: 0, uploads: 0, readbacks: 0 });
    expect(plan.draws).toHaveLength(steady.draws);
  });

  test("docs/counts.md is fresh (npm run docs)", async () => {
    await expect(await countPage(all as AllCounts)).toMatchFileSnapshot("../../docs/counts.md");
  });
});

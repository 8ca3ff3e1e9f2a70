/**
 * What one step of each workload of the bench costs, counted without a context on both kinds of device, and the page that
 * says so draw by draw.
 */
import { beforeAll, expect, test } from "vitest";
import type { DeviceKind } from "texgrad/debug";
import { stepsOf, workloads, type StepCounts, type WorkloadName } from "../support/workloads.ts";
import { countPage, type AllCounts } from "./count-page.ts";

const kinds: readonly DeviceKind[] = ["software", "gpu"];
const names = Object.keys(workloads) as WorkloadName[];
const all: Record<string, Record<string, StepCounts>> = {};
beforeAll(() => {
  for (const name of names) all[name] = Object.fromEntries(kinds.map((kind) => [kind, stepsOf(name, kind)]));
}, 300_000);

test.each(names.flatMap((name) => kinds.map((kind) => [name, kind] as const)))(
  "a repeated step of %s on %s is one plan, makes nothing, sends nothing and reads nothing",
  (name, kind) => {
    const { steady } = all[name]![kind]!;
    expect(steady).toMatchObject({ programs: { made: 0 }, allocations: 0, uploads: 0, readbacks: 0 });
    expect(steady.plans).toMatchObject([{ runs: 1 }]);
    expect(steady.plans[0]!.plan.draws).toHaveLength(steady.draws);
  },
);

/**
 * On `software`, then on `gpu`. Exact, so that every gain and every loss is in a diff: `npm run docs` edits this table and
 * docs/counts.md, which tells draw by draw.
 */
test("draws, programs and the most MiB of textures", () => {
  const columns = (cells: readonly string[]): string => cells.map((c, i) => (i === 0 ? c.padEnd(19) : c.padStart(6))).join(" "); // prettier-ignore
  const row = ({ steady }: StepCounts): string[] => [
    String(steady.draws),
    String(steady.plans[0]!.plan.programs),
    (steady.peakBytes / 2 ** 20).toFixed(1),
  ];
  const table = names.map((name) => columns([name, ...kinds.flatMap((kind) => row(all[name]![kind]!))]));
  expect(table.join("\n")).toMatchInlineSnapshot(`
    "W1                       1      1   12.0      1      1   12.0
    W2                       2      2   12.0      2      2   12.0
    W3                       2      2   12.0      2      2   12.0
    W4                       1      1    4.0      1      1    4.0
    W5                       1      1    6.1      1      1    6.1
    W6                      10     10    2.4     10     10    2.4
    W7                      16     16   10.9     18     18   18.2
    W8                     138     79   89.8    138     79   89.8
    ResNet-18 with Adam    177     87  284.5    177     87  284.5
    GPT block               33     33   32.2     34     34   32.2
    LSTM                    91     56   36.4     92     57   36.5"
  `);
});

test("docs/counts.md is fresh (npm run docs)", async () => {
  await expect(await countPage(all as AllCounts)).toMatchFileSnapshot("../../docs/counts.md");
});

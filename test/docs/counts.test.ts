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
    W6                      14     14    3.1     14     13    3.1
    W7                      24     24    6.8     26     26    8.3
    W8                     143     84  130.8    166    108  153.5
    ResNet-18 with Adam    182     91  326.1    205    117  348.9
    GPT block               38     37   34.6     39     38   34.6
    LSTM                    93     58   37.4     94     59   37.5"
  `);
});

test("docs/counts.md is fresh (npm run docs)", async () => {
  await expect(await countPage(all as AllCounts)).toMatchFileSnapshot("../../docs/counts.md");
});

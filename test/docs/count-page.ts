/** docs/counts.md: what the bench's workloads cost, draw by draw, as counts.test.ts counts them. */
import type { Counts, DeviceKind, DrawCounts } from "texgrad/debug";
import { format, resolveConfig } from "prettier";
import type { StepCounts, WorkloadName } from "../support/workloads.ts";

export type AllCounts = Readonly<Record<WorkloadName, Readonly<Record<DeviceKind, StepCounts>>>>;

const titles: Readonly<Record<WorkloadName, string>> = {
  W1: "ten elementwise ops on 1M",
  W2: "softmax of rows, 1024 x 1024",
  W3: "layer norm of rows, 1024 x 1024, from primitives",
  W4: "matmul of 512",
  W5: "convolution 3 x 3, pad 1, 8 x 64 x 32 x 32 to 64 channels",
  W6: "MLP 784-256-128-10, batch 64, cross entropy, SGD",
  W7: "CNN conv16-pool-conv32-pool-fc10, 28 x 28, batch 32, SGD",
  W8: "ResNet-18, 3 x 32 x 32, batch 4, SGD",
  "ResNet-18 with Adam": "the same network with Adam",
  "GPT block": "B 4, T 128, D 256, 8 heads, causal, MLP 4D, SGD",
  LSTM: "B 32, T 16, 128 to 256, SGD",
};

/**
 * What a draw is, read off what it stores and what it sums; the first that fits. Where several are meant, they are one
 * kind of kernel: what decides is the structure, as in the compiler.
 */
const meanings: readonly (readonly [RegExp, string])[] = [
  [/^copy/, "a copy"],
  [/^argmax/, "a max pool: where each window's largest is; the gradient compares with it"],
  [
    /amax.*sum/,
    "statistics of rows of logits: the largest, then what its exponentials sum to, and what follows of each row",
  ],
  [/^\w+(, \w+)* <- sum.* then sum/, "statistics of a norm: the mean, then the centred squares, as two phases"],
  [
    /^(sum|sub|div|add|mul)(, \w+)+ <- sum, sum/,
    "sums over the same axes in one draw: a norm's two gradient sums, or a weight and its bias",
  ],
  [/assigned:.* <- sum/, "a parameter's next value: SGD where the sum of its gradient ends"],
  [/assigned:/, "next values of parameters and optimizer state, elementwise"],
  [/^relu <- sum/, "a contraction, its bias and relu where its sum ends"],
  [/^where <- sum/, "an input gradient, masked by the activation's where its sum ends"],
  [/^(add|sub|mul|neg|div) <- sum/, "a contraction, or a sum, with what is elementwise where it ends"],
  [/^sum <- sum/, "a contraction or a sum, as it is; of a split one the first part"],
  [/^(tanh|sigmoid|mul|add|where|sub|div|relu|neg|exp)\b/, "elementwise"],
];

const signature = (d: DrawCounts): string => {
  const phases = d.phases.map((p) => p.accumulates.join(", ")).join(" then ");
  return `${d.stores.join(", ")}${phases === "" ? "" : ` <- ${phases}`}`;
};

const meaningOf = (d: DrawCounts): string => {
  const text = signature(d);
  return meanings.find(([r]) => r.test(text) || r.test(`${d.reason}:${text}`))?.[1] ?? "elementwise";
};

/** Extents but for the outermost, which no program knows. */
const over = (d: DrawCounts): string =>
  d.phases.map((p) => ["n", ...p.over.slice(1)].join(" x ")).join(", then ") || "-";

interface Group {
  readonly draw: DrawCounts;
  readonly count: number;
}

function groupsOf(counts: Counts): Group[] {
  const groups = new Map<string, { draw: DrawCounts; count: number }>();
  for (const { plan, runs } of counts.plans) {
    for (const draw of plan.draws) {
      const key = `${meaningOf(draw)} ${draw.stores.join(", ")} ${over(draw)} ${draw.reason}`;
      const known = groups.get(key);
      if (known === undefined) groups.set(key, { draw, count: runs });
      else known.count += runs;
    }
  }
  return [...groups.values()];
}

const millions = (n: number): string => (n / 1e6).toPrecision(3);
const mebibytes = (n: number): string => (n / 2 ** 20).toFixed(1);

function summary(all: AllCounts): string[] {
  const head =
    "workload|device|draws|programs|M fragments|M texels written|M texels read|M fetches|G loads|M MACs|uploads|readbacks|allocations|MiB at most";
  const rows = Object.entries(all).flatMap(([name, kinds]) =>
    Object.entries(kinds).map(([kind, { steady: s }]) =>
      [
        name,
        kind,
        s.draws,
        s.plans.reduce((n, { plan }) => n + plan.programs, 0),
        ...[s.fragments, s.texelsWritten, s.texelsRead, s.fetches].map(millions),
        s.gathers,
        millions(s.macs),
        s.uploads,
        s.readbacks,
        s.allocations,
        mebibytes(s.peakBytes),
      ].join("|"),
    ),
  );
  return [head, "---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:", ...rows].map((r) => `|${r}|`);
}

function section(name: WorkloadName, { software, gpu }: Readonly<Record<DeviceKind, StepCounts>>): string[] {
  const groups = groupsOf(software.steady);
  const rows = groups.map(
    ({ draw, count }) => `|${count}|${draw.stores.join(", ")}|${over(draw)}|${meaningOf(draw)}|${draw.why}|`,
  );
  const same = gpu.steady.draws === software.steady.draws;
  return [
    `## ${name}: ${titles[name]}`,
    "",
    `${software.steady.draws} ${software.steady.draws === 1 ? "draw" : "draws"} on \`software\`${same ? ", as many on `gpu`" : `, ${gpu.steady.draws} on \`gpu\`, where more sums are split`}.`,
    "",
    "|draws|stores|sums over|what it is|why it is a draw of its own|",
    "|--:|---|---|---|---|",
    ...rows,
    "",
  ];
}

export async function countPage(all: AllCounts): Promise<string> {
  const page = [
    "# What a step costs",
    "",
    "Draws, programs, texels and multiply-adds of one repeated step of the bench's workloads, counted from the compiler's",
    "kernels, without a GPU. Written by `npm run docs`; `test/docs/counts.test.ts` holds it. Two kinds of device:",
    "`software` (a rasteriser on a few cores: sums are split where fewer than 128 fragments would run) and `gpu` (fewer than",
    "16,384). Every count is checked against an interpreter that runs the same GLSL (`test/passes/count.test.ts`).",
    "",
    "Count your own program the same way:",
    "",
    "```ts",
    'import { nn, randn, realize, setDevice } from "texgrad";',
    'import { countingDevice } from "texgrad/debug";',
    "",
    'const device = countingDevice("gpu"); // compiles and never draws; every number reads as NaN',
    "setDevice(device);",
    "const layer = new nn.Linear(784, 128);",
    "const x = randn([64, 784]);",
    "realize(layer.forward(x).relu());",
    "const { draws, programs, fetches, macs, peakBytes, plans } = device.take(); // since the last take",
    "console.log(draws, programs.made, fetches, macs, peakBytes);",
    "for (const { plan } of plans) for (const d of plan.draws) console.log(d.stores, d.why, d.macs);",
    "```",
    "",
    ...summary(all),
    "",
    "Fragments that are padding count; so do padded lanes. G loads are those that take four scalar fetches, in the text. What",
    "follows are the draws of a step on `software`; those of one kind are one row.",
    "",
    ...Object.entries(all).flatMap(([name, kinds]) => section(name as WorkloadName, kinds)),
  ].join("\n");
  const config = await resolveConfig(new URL("../../docs/counts.md", import.meta.url));
  return format(page, { ...config, parser: "markdown" });
}

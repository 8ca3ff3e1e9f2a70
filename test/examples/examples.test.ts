/**
 * The examples, a few steps each. On a stub context, where every call is counted and no driver is in it: from the third
 * or fourth step on each draws as often, makes no plan, program or texture, and reads nothing back. On the cpu device: they
 * learn.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { setDevice, type Tensor } from "texgrad";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { selectDevice } from "../../src/runtime/select.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";
import * as charGru from "../../examples/char-gru.ts";
import * as diffusion from "../../examples/diffusion.ts";
import * as gpt from "../../examples/gpt.ts";
import * as lenet from "../../examples/lenet.ts";
import * as resnet from "../../examples/resnet.ts";
import * as resnet18 from "../../examples/resnet18.ts";
import type { Run } from "../../examples/shared.ts";
import * as vae from "../../examples/vae.ts";
import * as vit from "../../examples/vit.ts";

type Example = (run: Required<Pick<Run, "steps" | "report">>) => Promise<unknown>;

const gptSize = { width: 16, heads: 2, layers: 2, batch: 2, length: 16 };
const gruSize = { batch: 4, length: 4, width: 16 };

/** Each example, and how often its loss is looked at until it must have fallen. */
const examples: Readonly<Record<string, Example>> = {
  "char-gru": (run) => charGru.main({ ...run, ...gruSize }),
  diffusion: (run) => diffusion.main({ ...run, batch: 16 }),
  gpt: (run) => gpt.main({ ...run, ...gptSize }),
  lenet: lenet.main,
  resnet: resnet.main,
  resnet18: (run) => resnet18.main({ ...run, batch: 2 }),
  vae: vae.main,
  vit: vit.main,
};

/**
 * Steps until all buffers are there, where it is not two: the second plan of these is not the first (a hidden state is
 * handed on, averages begin), and outputs have two buffers in turn.
 */
const settled: Readonly<Record<string, number>> = { "char-gru": 3, diffusion: 3, vae: 3 };

const folder = fileURLToPath(new URL("../../examples", import.meta.url));
const sources = readdirSync(folder).filter((f) => f.endsWith(".ts") && f !== "shared.ts" && f !== "train.ts");

beforeEach(() => {
  vi.spyOn(console, "log").mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

test("every example is tried here, and is under 120 lines", () => {
  expect(sources.map((f) => f.slice(0, -3)).sort()).toEqual(Object.keys(examples).sort());
  for (const file of sources) expect(readFileSync(`${folder}/${file}`, "utf8").split("\n").length).toBeLessThan(120);
});

describe("a repeated step of", () => {
  test.each(Object.entries(examples))(
    "%s draws as often, allocates nothing and reads nothing",
    async (name, main) => {
      const device = createWebglDevice(stubGl().gl, { capabilities: stubCapabilities, readsSynchronously: true });
      setDevice(device);
      const seen: { draws: number; readbacks: number; plans: number; programs: number; memory: object }[] = [];
      const report = (): void => {
        const { draws, readbacks, plans, programs } = device.counters;
        seen.push({ draws, readbacks, plans, programs, memory: device.memory() });
      };
      await main({ steps: 6, report });
      expect(seen).toHaveLength(6);
      const draws = seen[5]!.draws - seen[4]!.draws;
      expect(draws).toBeGreaterThan(0);
      for (const [i, now] of seen.entries()) {
        if (i < (settled[name] ?? 2)) continue;
        const before = seen[i - 1]!;
        expect(now, `step ${i + 1}`).toEqual({ ...before, draws: before.draws + draws });
      }
      expect(seen[5]!.readbacks - seen[0]!.readbacks).toBe(0);
    },
    60_000,
  );
});

describe("on the cpu device the loss falls:", () => {
  const steps: Readonly<Record<string, number>> = { "char-gru": 60, diffusion: 100, gpt: 40, vae: 20 };
  test.each(Object.entries(steps))(
    "%s",
    async (name, count) => {
      setDevice(selectDevice({ device: "cpu" }));
      const losses: number[] = [];
      const report = async (_: number, loss: Tensor): Promise<void> => void losses.push(await loss.item());
      await examples[name]!({ steps: count, report });
      const mean = (part: readonly number[]): number => part.reduce((a, b) => a + b, 0) / part.length;
      const tenth = Math.ceil(count / 10);
      expect(mean(losses.slice(-tenth))).toBeLessThan(0.9 * mean(losses.slice(0, tenth)));
    },
    60_000,
  );
});

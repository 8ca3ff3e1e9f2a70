/**
 * The dump of the main job's step: every traced node is accounted for, and what is said agrees with the plan.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { setDevice } from "texgrad";
import { describePlan, observePlans, type DescribedPlan } from "texgrad/debug";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";
import { noise, trainer } from "../train/mlp.ts";

/** The plan of the main job's training step. */
function stepPlan(): DescribedPlan {
  setDevice(createWebglDevice(stubGl().gl, { capabilities: stubCapabilities, readsSynchronously: true }));
  const plans: DescribedPlan[] = [];
  const stop = observePlans((info) => plans.push(describePlan(info)));
  trainer("adam").step(noise(64));
  stop();
  return plans.reduce((a, b) => (a.index.kernels.length > b.index.kernels.length ? a : b));
}

describe("the dump of the main job's step", () => {
  const { index, files } = stepPlan();

  it("has a file for each pass and each draw", () => {
    expect(index.stages.map((s) => s.name)).toEqual([
      "traced",
      "canonicalise",
      "expand macros",
      "bind leaves",
      "simplify",
      "split reductions",
    ]);
    expect(index.kernels).toHaveLength(12);
    for (const kernel of index.kernels) expect(files.get(kernel.glsl!)).toMatch(/^#version 300 es/);
  });

  it("has every traced node in exactly one kernel, or given, folded, or recomputed, with its reason", () => {
    expect(index.nodes.length).toBeGreaterThan(30);
    for (const { op, fate, kernels } of index.nodes) {
      if (kernels.length === 1) expect(kernels[0], op).toBeLessThan(12);
      else if (kernels.length > 1)
        expect(fate, op).toMatch(/: (view|trivial|refetched at most four times|expanding|leaf|epilogue)$/);
      else
        expect(fate, op).toMatch(
          /, given$|^a law made|^it stands for several|^only its gradient|^what needs it|^no element/,
        );
    }
  });

  it("says what each draw costs, and all of them", () => {
    const { counts, kernels } = index;
    const sum = (of: "fetches" | "texelsWritten" | "macs"): number =>
      kernels.reduce((n, k) => n + (k.work?.[of] ?? 0), 0);
    expect(counts).toMatchObject({ draws: 9, fetches: sum("fetches"), texelsWritten: sum("texelsWritten") });
    // Of the step's multiply-adds most are those of 64 x 784 x 128, forward and in the weight's gradient.
    expect(sum("macs")).toBeGreaterThan(2 * 64 * 784 * 128);
    expect(sum("macs")).toBeLessThan(2.5 * 64 * 784 * 128);
  });

  it("gives each stored value a reason", () => {
    for (const { stores } of index.kernels) for (const s of stores) expect(s.why).not.toBe("");
  });
});

describe("texgrad dump FILE", () => {
  const cli = fileURLToPath(new URL("../../dist/tools/cli.js", import.meta.url));
  const out = mkdtempSync(join(tmpdir(), "texgrad-dump-"));

  it("writes the plans of a script", { timeout: 120_000 }, async () => {
    try {
      const script = fileURLToPath(new URL("script.mjs", import.meta.url));
      const { stderr } = await promisify(execFile)(process.execPath, [cli, "dump", script, "--out", out]);
      expect(stderr).toContain("1 plans written");
      const index = JSON.parse(readFileSync(join(out, "index.json"), "utf8")) as { folder: string; files: string[] }[];
      expect(index).toHaveLength(1);
      expect(readdirSync(join(out, "plan-01")).sort()).toEqual([...index[0]!.files].sort());
      expect(readFileSync(join(out, "plan-01", "kernel-00.glsl"), "utf8")).toContain("void main()");
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  it("compiles for a device that is not here", { timeout: 120_000 }, async () => {
    try {
      const script = fileURLToPath(new URL("script.mjs", import.meta.url));
      await promisify(execFile)(process.execPath, [cli, "dump", script, "--out", out, "--device", "gpu"]);
      const [plan] = JSON.parse(readFileSync(join(out, "index.json"), "utf8")) as { counts: { draws: number } }[];
      expect(plan!.counts.draws).toBeGreaterThan(0);
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  it("says what is wrong with its arguments", async () => {
    await expect(promisify(execFile)(process.execPath, [cli, "dump"])).rejects.toThrow(/takes one file/);
    await expect(promisify(execFile)(process.execPath, [cli, "dump", "x.mjs", "--device", "tpu"])).rejects.toThrow(
      /takes software or gpu/,
    );
    await expect(promisify(execFile)(process.execPath, [cli, "dump", "/no/such.js", "--out", out])).rejects.toThrow(
      /no\/such/,
    );
  });
});

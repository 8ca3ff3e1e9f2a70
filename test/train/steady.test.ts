/**
 * What a repeated step costs: draws, programs, textures and host time. Counts come from the plan; host time is measured
 * on a stub context, so that no driver is in it.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { beforeEach, describe, expect, it } from "vitest";
import { compile, setDevice } from "texgrad";
import { createWebglDevice, type WebglDevice } from "../../src/runtime/device.ts";
import { selectDevice } from "../../src/runtime/select.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";
import { noise, trainer, type Rule, type Trainer } from "./mlp.ts";

describe.each<[Rule, number]>([
  // Forward 2, row statistics with the row losses 1, logit gradient 1, hidden gradient 1, the first weight 1, and one
  // for all that is small: the second weight, both biases, the mean loss.
  ["sgd", 7],
  // The two weights' gradients are stored, since an update of three results would shrink their tiles: 2 draws more.
  ["adam", 9],
])("a step of the MLP with %s, on headless GL", (rule, draws) => {
  let device: WebglDevice;
  beforeEach(() => {
    device = selectDevice({ device: "webgl" }) as WebglDevice;
    setDevice(device);
  });

  it(`is ${draws} draws, and from step 3 on makes no plan, no program and no texture`, async () => {
    const { step } = trainer(rule);
    const batch = noise(64);
    for (let i = 0; i < 2; i++) await step(batch).item();
    const before = { ...device.counters };
    const memory = device.memory();
    for (let i = 0; i < 10; i++) step(noise(64, i + 2));
    await step(batch).item();
    expect(device.counters.draws - before.draws).toBe(11 * draws);
    expect(device.counters.plans).toBe(before.plans);
    expect(device.counters.programs).toBe(before.programs);
    expect(device.memory()).toEqual(memory);
  });

  it("makes no program for another batch size of the class, nor for another learning rate", async () => {
    const { step, optimizer } = trainer(rule);
    for (let i = 0; i < 3; i++) step(noise(64));
    const { programs } = device.counters;
    for (const [i, size] of [64, 50, 37, 64, 50, 37, 64].entries()) {
      optimizer.paramGroups[0].lr = 0.1 / (i + 1);
      await step(noise(size)).item();
    }
    expect(device.counters.programs).toBe(programs);
  });
});

describe.each([
  ["traced", (f: Trainer["step"]) => f],
  ["compiled", (f: Trainer["step"]) => compile(f)],
] as const)("a %s step of the MLP with Adam, on a stub context", (_, wrap) => {
  it("tells GL the same as two steps before, makes no object, and asks for no error", () => {
    const stub = stubGl();
    const device = createWebglDevice(stub.gl, { capabilities: stubCapabilities, readsSynchronously: true });
    setDevice(device);
    const { step, optimizer } = trainer("adam");
    const run = wrap(step);
    const batch = noise(64);
    for (let i = 0; i < 6; i++) run(batch);
    const memory = device.memory();
    const { plans, programs } = device.counters;
    stub.recording = true;
    const calls = Array.from({ length: 6 }, (__, i) => {
      stub.calls.length = 0;
      optimizer.paramGroups[0].lr = 0.01 / (i + 1);
      run(batch);
      return [...stub.calls];
    });
    for (let i = 2; i < 6; i++) expect(calls[i]).toEqual(calls[i - 2]);
    const forbidden = /^(create|delete|getError|check|getUniform|getProgram|tex)/;
    expect(calls.flat().filter((c) => forbidden.test(c))).toEqual([]);
    expect(calls[0]!.filter((c) => c.startsWith("drawArrays")).length).toBeGreaterThan(5);
    expect(device.memory()).toEqual(memory);
    expect([device.counters.plans, device.counters.programs]).toEqual([plans, programs]);
  });
});

describe("host time of a repeated step (trace, lookup, replay on a stub context)", () => {
  // In a process of its own, bundled as a user's program would be: the test runner's module proxies cost more than
  // the step does.
  it.each([
    ["the MLP with SGD", "sgd", 0.5],
    ["the MLP with Adam", "adam", 0.5],
    // 992 nodes and 166 draws: 1.5 ms looked up, 0.10 ms compiled, on the 2 busy cores this was written on.
    ["ResNet-18", "resnet", 5],
    ["ResNet-18, compiled", "resnet-compiled", 0.5],
  ] as const)("of %s (%s) is under %f ms, and runs no pass", { timeout: 120_000 }, async (_, subject, bound) => {
    const folder = await mkdtemp(join(tmpdir(), "texgrad-host-"));
    try {
      const outfile = join(folder, "host.mjs");
      await build({
        entryPoints: [fileURLToPath(new URL("host-time.ts", import.meta.url))],
        outfile,
        bundle: true,
        platform: "node",
        format: "esm",
        external: ["gl"],
        alias: {
          "#platform": fileURLToPath(new URL("../../src/platform/node.ts", import.meta.url)),
          texgrad: fileURLToPath(new URL("../../src/index.ts", import.meta.url)),
        },
      });
      const { stdout } = await promisify(execFile)(process.execPath, [outfile, subject]);
      const { ms, plans } = JSON.parse(stdout) as { ms: number; plans: number };
      console.log(`host time of a step, ${subject}: ${ms.toFixed(3)} ms, best of 5`);
      expect(plans).toBe(0);
      expect(ms).toBeLessThan(bound);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

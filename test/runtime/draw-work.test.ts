/**
 * Draws that ask too much of a device at once are drawn in parts: every texel once, no part above the bound, the same
 * bits as the whole. Forced by a low bound; that GPUs have one and software rasterisers none is the profile's.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { conv2d, matmul, softmax } from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import { countDraw } from "../../src/codegen/glsl/count.ts";
import { generate } from "../../src/codegen/glsl/generate.ts";
import { mul, relu, sum } from "../../src/ir/ops/index.ts";
import { createWebglDevice, type WebglDevice } from "../../src/runtime/device.ts";
import { cutDraw, drawWork } from "../../src/runtime/draw-work.ts";
import { webglProfile } from "../../src/runtime/webgl-profile.ts";
import { leaf } from "../passes/plans.ts";
import { headlessGl } from "../support/gl.ts";
import { recordingGl, stubCapabilities } from "../support/recording-gl.ts";
import { planOf, runOn } from "../support/run-graph.ts";

const recording = recordingGl(headlessGl());
const deviceWith = (drawWork: number, maxDrawBuffers: 1 | 8 = 8): WebglDevice =>
  createWebglDevice(recording.gl, { readsSynchronously: true, poison: true, drawWork, maxDrawBuffers });

/** Contractions of every kind, phases that depend on each other, and elementwise work of several targets. */
const graphs: Readonly<Record<string, () => readonly Node[]>> = {
  "a matmul": () => [matmul(leaf([67, 130]), leaf([130, 45]))],
  "a convolution": () => [conv2d(leaf([3, 5, 13, 11]), leaf([7, 5, 3, 3]), undefined, { padding: [1, 1] })],
  "a softmax": () => [softmax(leaf([37, 29]), 1)],
  "the sum of all": () => [sum(leaf([70, 310]), [0, 1])],
  "elementwise work": () => {
    const [x, y] = [leaf([33, 130]), leaf([33, 130])];
    return [mul(x, y), relu(x)];
  },
};

describe.each(Object.keys(graphs))("%s", (name) => {
  test.each([8, 1] as const)("in parts is bit for bit what it is at once, on %i targets", (targets) => {
    const roots = graphs[name]!();
    const [whole, cut] = [deviceWith(Infinity, targets), deviceWith(2000, targets)];
    const wanted = runOn(whole, roots);
    recording.calls.length = 0;
    recording.recording = true;
    expect(runOn(cut, roots)).toEqual(wanted);
    recording.recording = false;
    const drawn = recording.calls.filter((c) => c.startsWith("drawArrays")).length;
    const plan = planOf(roots, cut.profile);
    const counted = plan.kernels.map((k) => {
      const program = generate([k], cut.profile);
      return cutDraw(program.width, program.height, drawWork([k], program), 2000).length;
    });
    expect(drawn).toBe(counted.reduce((a, b) => a + b));
    expect(drawn).toBeGreaterThan(plan.kernels.length);
    expect(cut.counters.draws).toBe(drawn);
    expect(whole.counters.draws).toBe(plan.kernels.length);
    // The next draw is whole again.
    expect(recording.calls.filter((c) => c === "enable(3089)").length).toBe(
      recording.calls.filter((c) => c === "disable(3089)").length,
    );
    for (const device of [whole, cut]) device.dispose();
  });
});

test("the estimate is no less than what is counted", () => {
  const profile = webglProfile(stubCapabilities);
  for (const make of Object.values(graphs)) {
    for (const kernel of planOf(make(), profile).kernels) {
      const { macs, fetches } = countDraw(kernel, profile);
      expect(drawWork([kernel], generate([kernel], profile))).toBeGreaterThanOrEqual(Math.max(macs, fetches));
    }
  }
});

test("parts cover every texel once, none above the bound", () => {
  const sizes = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(
      sizes,
      sizes,
      fc.integer({ min: 0, max: 1e6 }),
      fc.integer({ min: 1, max: 1e6 }),
      (w, h, work, most) => {
        const seen = new Uint8Array(w * h);
        for (const { x, y, width, height } of cutDraw(w, h, work, most)) {
          const texels = width * height;
          if (texels > 1 && (work / (w * h)) * texels > most * (1 + 1e-12)) return false;
          for (let i = 0; i < texels; i++) seen[(y + Math.floor(i / width)) * w + x + (i % width)]!++;
        }
        return seen.every((n) => n === 1);
      },
    ),
    { seed: 3, numRuns: 500 },
  );
});

test("GPUs are watched, software rasterisers are not, and the option has the last word", () => {
  const soft = { ...stubCapabilities, isSoftware: true };
  expect(webglProfile(stubCapabilities).drawWork).toBe(2e9);
  expect(webglProfile(soft).drawWork).toBe(Infinity);
  expect(webglProfile(soft, { drawWork: 5e8 }).drawWork).toBe(5e8);
  // Two parts for a product of 2e9 < 2048 * 1024 * 1024 multiply-adds, one for half of it.
  const parts = (rows: number): number => {
    const profile = webglProfile(stubCapabilities);
    const [kernel] = planOf([matmul(leaf([rows, 1024]), leaf([1024, 1024]))], profile).kernels;
    const program = generate([kernel!], profile);
    return cutDraw(program.width, program.height, drawWork([kernel!], program), profile.drawWork).length;
  };
  expect([parts(1024), parts(2048)]).toEqual([1, 2]);
});

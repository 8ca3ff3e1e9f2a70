/**
 * Plans for contexts of every kind (fewer render targets, small textures, optimisations switched off) compute what the
 * evaluator computes: their GLSL is run by the interpreter of tools/glsl.
 */
import { describe, expect, test } from "vitest";
import * as c from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { DeviceProfile } from "../../src/ir/plan.ts";
import { bitChanges } from "../../src/passes/bits.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { difference, interpretPlan, requestOf, runPlan, truth } from "../support/run-graph.ts";
import { glsl, leaf, planFor, profile } from "./plans.ts";
import { on, programs } from "./programs.ts";

/** Sums of some hundred numbers of the same size, in any order: the largest counts, not the element, which may cancel. */
const tolerance = { ofLargest: 1e-5, relative: 1, awayFrom: 0 };

const profiles: Readonly<Record<string, Partial<DeviceProfile>>> = {
  "one target": { maxDrawBuffers: 1 },
  "two targets": { maxDrawBuffers: 2 },
  "four targets": { maxDrawBuffers: 4 },
  "eight targets": {},
  "textures of 64": { maxTextureSize: 64 },
  "textures of 64 and one target": { maxTextureSize: 64, maxDrawBuffers: 1 },
  "four texture units": { maxTextureUnits: 6 },
  "everything switched off": { off: Object.keys(bitChanges) },
};

describe.each(Object.entries(profiles))("%s", (_, special) => {
  const own: DeviceProfile = { ...profile, ...special };
  test.each(Object.entries(programs))("%s", (_, program) => {
    const roots = program();
    const plan = planFor(requestOf(roots), own);
    for (const k of plan.kernels) {
      expect(k.stores.length * k.layout.R).toBeLessThanOrEqual(own.maxDrawBuffers);
      expect(Math.max(k.layout.width, k.layout.height)).toBeLessThanOrEqual(own.maxTextureSize);
    }
    const { values } = interpretPlan(plan, own, roots);
    const want = truth(roots);
    roots.forEach((r, i) => expect(difference(r, values[i]!, want[i]!, tolerance), `result ${i}`).toBeNull());
  });
});

/** A bias, less a tenth of what x sums to. */
const next = (bias: Node, x: Node): Node => o.sub(bias, o.mul(o.sum(x, [0]), 0.1));

describe("what may change bits is on one list (passes/bits.ts)", () => {
  const switches = Object.entries(bitChanges).flatMap(([name, { switched }]) => (switched ? [name] : []));

  /** Of each switch, programs whose plans it changes. */
  const shown: Readonly<Record<string, readonly (keyof typeof programs)[]>> = {
    softmax: ["hand-written softmax"],
    law2: ["law 2", "conv2d"],
    outputs: ["several results", "softmax"],
    tiles: ["matmul NN", "conv2d"],
    lanes: ["conv2d"],
    guards: ["conv2d"],
    split: ["sums of thousands"],
    linear: ["layer norm"],
    packs: ["next biases"],
  };
  const all: Readonly<Record<string, () => Node[]>> = {
    ...programs,
    "sums of thousands": () => on([[2, 1500]], (x) => o.sum(o.mul(x, x), [0, 1])),
    "next biases": () => [next(leaf([6]), leaf([9, 6])), next(leaf([10]), leaf([9, 10]))],
    "hand-written softmax": () => on([[5, 6]], (x) => o.div(o.exp(x), c.keeping(o.sum, o.exp(x), [1]))),
  };

  /** What a root is the next version of, where it is one. */
  const assignsOf = (roots: readonly Node[]): (Node | null)[] =>
    roots.map((r) => (r.op === o.sub.definition && r.inputs[0]!.op.kind === "leaf" ? r.inputs[0]! : null));

  test("every switch is shown", () => expect(Object.keys(shown).sort()).toEqual([...switches].sort()));

  for (const name of switches) {
    test.each(shown[name]!)(`${name} off: another plan of %s, the same numbers`, (program) => {
      const roots = all[program]!();
      const on = { ...profile, fragments: 128 };
      const off = { ...on, off: [name] };
      const request = requestOf(roots, { assigns: assignsOf(roots) });
      const plan = planFor(request, off);
      expect(glsl(plan, off)).not.toEqual(glsl(planFor(request, on), on));
      const { values } = interpretPlan(plan, off, roots);
      const want = truth(roots);
      roots.forEach((r, i) => expect(difference(r, values[i]!, want[i]!, tolerance), `result ${i}`).toBeNull());
    });
  }

  /** The cpu device runs loops in their order and rounds each operation, so only what is on the list could differ. */
  test.each(Object.entries(programs))(
    "all off, on the cpu device: %s is the evaluator's f32, bit for bit",
    (_, program) => {
      const roots = program();
      const device = createCpuDevice({ off: switches });
      const got = runPlan(device, planFor(requestOf(roots), device.profile), roots);
      const want = truth(roots, "f32");
      roots.forEach((_, i) => expect([...got[i]!].map(Number), `result ${i}`).toEqual([...want[i]!].map((v) => v + 0)));
    },
  );
});

/**
 * Plans for contexts of every kind (fewer render targets, small textures, optimisations switched off) compute what the
 * evaluator computes: their GLSL is run by the interpreter of tools/glsl.
 */
import { describe, expect, test } from "vitest";
import { gradients } from "../../src/autodiff/vjp.ts";
import * as c from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { DeviceProfile } from "../../src/ir/plan.ts";
import { bitChanges } from "../../src/passes/bits.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { difference, interpretPlan, requestOf, runPlan, truth } from "../support/run-graph.ts";
import { glsl, leaf, number, planFor, profile } from "./plans.ts";

const t = (x: Node): Node => o.permute(x, [1, 0]);
const withGradients = (y: Node, x: readonly Node[]): Node[] => [
  y,
  ...gradients(y, leaf(y.shape), x).filter((g) => g !== null),
];
const on = (shapes: readonly (readonly number[])[], f: (...x: Node[]) => Node): Node[] => {
  const x = shapes.map((s) => leaf(s));
  return withGradients(f(...x), x);
};

/** Sums of some hundred numbers of the same size, in any order: the largest counts, not the element, which may cancel. */
const tolerance = { ofLargest: 1e-5, relative: 1, awayFrom: 0 };

/** Small programs that between them use tiles, panels, phases, several results, digits of wide axes, opaque indices. */
const programs: Readonly<Record<string, () => Node[]>> = {
  "matmul NN": () =>
    on(
      [
        [9, 6],
        [6, 11],
      ],
      c.matmul,
    ),
  "matmul NT": () =>
    on(
      [
        [9, 6],
        [11, 6],
      ],
      (a, b) => c.matmul(a, t(b)),
    ),
  "matmul TN": () =>
    on(
      [
        [6, 9],
        [6, 11],
      ],
      (a, b) => c.matmul(t(a), b),
    ),
  "matmul TT": () =>
    on(
      [
        [6, 9],
        [11, 6],
      ],
      (a, b) => c.matmul(t(a), t(b)),
    ),
  "batched matmul": () =>
    on(
      [
        [3, 4, 5],
        [3, 5, 6],
      ],
      c.matmul,
    ),
  linear: () => on([[5, 7], [6, 7], [6]], (x, w, b) => o.relu(c.linear(x, w, b))),
  conv2d: () => on([[2, 2, 5, 6], [3, 2, 3, 2], [3]], (x, w, b) => c.conv2d(x, w, b, { stride: [2, 1], padding: 1 })),
  "avgPool2d of conv2d": () =>
    on(
      [
        [1, 2, 6, 6],
        [2, 2, 3, 3],
      ],
      (x, w) => c.avgPool2d(c.conv2d(x, w, undefined, { padding: 1 }), 2),
    ),
  softmax: () => on([[7, 9]], (x) => c.softmax(x, 1)),
  "softmax of columns": () => on([[7, 9]], (x) => c.softmax(x, 0)),
  "layer norm": () =>
    on([[6, 10], [10]], (x, g) => {
      const d = o.sub(x, c.keeping(c.mean, x, [1]));
      return o.mul(o.mul(d, o.rsqrt(o.add(c.keeping(c.mean, o.mul(d, d), [1]), 1e-5))), g);
    }),
  crossEntropy: () => {
    const x = leaf([6, 4]);
    const y = c.crossEntropy(x, leaf([6], "i32"));
    return [y, gradients(y, null, [x])[0]!];
  },
  views: () =>
    on([[4, 6]], (x) => o.flip(o.pad(o.permute(o.slice(x, [1, 0], [3, 3], [1, 2]), [1, 0]), [1, 0], [0, 2], 0), [1])),
  "flattened images": () =>
    on(
      [
        [2, 3, 4, 4],
        [5, 48],
      ],
      (x, w) => c.linear(o.reshape(x, [2, 48]), w),
    ),
  "a row of 300": () => on([[3, 300]], (x) => o.sum(o.sin(x), [0])),
  "300 rows": () => on([[300, 3]], (x) => o.mul(x, o.expand(o.reshape(o.sum(x, [0]), [1, 3]), [300, 3]))),
  "a vector of 600": () => on([[600]], (x) => o.exp(x)),
  "integers and gather": () => [
    o.gather(leaf([5, 4]), 1, leaf([5, 3], "i32")),
    o.argmax(leaf([5, 4]), 1),
    o.sum(o.gt(leaf([6, 7]), 0), [1]),
  ],
  "several results": () => {
    const x = leaf([8, 5]);
    return [o.exp(x), o.sin(x), o.mul(x, number(0.3)), o.sum(x, [1]), o.amax(x, [1]), o.sum(o.mul(x, x), [0, 1])];
  },
  "law 2": () => [o.sum(o.pad(o.sum(leaf([4, 5, 6]), [1]), [0, 1], [0, 2], 0), [0])],
};

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
  };
  const all: Readonly<Record<string, () => Node[]>> = {
    ...programs,
    "sums of thousands": () => on([[2, 1500]], (x) => o.sum(o.mul(x, x), [0, 1])),
    "hand-written softmax": () => on([[5, 6]], (x) => o.div(o.exp(x), c.keeping(o.sum, o.exp(x), [1]))),
  };

  test("every switch is shown", () => expect(Object.keys(shown).sort()).toEqual([...switches].sort()));

  for (const name of switches) {
    test.each(shown[name]!)(`${name} off: another plan of %s, the same numbers`, (program) => {
      const roots = all[program]!();
      const on = { ...profile, fragments: 128 };
      const off = { ...on, off: [name] };
      const plan = planFor(requestOf(roots), off);
      expect(glsl(plan, off)).not.toEqual(glsl(planFor(requestOf(roots), on), on));
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

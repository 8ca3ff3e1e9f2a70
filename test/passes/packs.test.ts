/**
 * Small results of a step lie in one texture, which one draw writes. The interpreter of the emitted GLSL says that each
 * lands in its place, and that the next step finds it there.
 */
import { describe, expect, test } from "vitest";
import type { Layout } from "../../src/ir/layout.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { DeviceProfile, KernelPlan } from "../../src/ir/plan.ts";
import { difference, interpretPlan, requestOf, truth } from "../support/run-graph.ts";
import { glsl, leaf, planFor, profile } from "./plans.ts";

const tolerance = { ofLargest: 1e-5, relative: 1, awayFrom: 0 };

/** A parameter, and its next version: less a tenth of what x sums to, seen as the parameter is. */
function next(shape: readonly number[], batch = 9): { readonly p: Node; readonly root: Node } {
  const p = leaf(shape);
  return { p, root: o.sub(p, o.mul(o.sum(leaf([batch, ...shape]), [0]), 0.1)) };
}

/** A weight's next version: its gradient is a contraction, so it is tiled over render targets. */
function nextWeight(rows: number, columns: number, batch = 9): { readonly p: Node; readonly root: Node } {
  const p = leaf([rows, columns]);
  const [g, x] = [leaf([batch, rows, 1]), leaf([batch, 1, columns])];
  const product = o.mul(o.expand(g, [batch, rows, columns]), o.expand(x, [batch, rows, columns]));
  return { p, root: o.sub(p, o.mul(o.sum(product, [0]), 0.1)) };
}

type Step = readonly { readonly p: Node | null; readonly root: Node }[];

const request = (step: Step, layoutOf: (p: Node) => Layout | null = () => null): ReturnType<typeof requestOf> =>
  requestOf(
    step.map((s) => s.root),
    { assigns: step.map((s) => s.p), layoutOf },
  );

/** How many groups of several kernels share a draw, by their sizes. */
const shared = (plan: KernelPlan): number[] => plan.draws.map((d) => d.length).filter((n) => n > 1);
const layoutsOf = (plan: KernelPlan): Layout[] => plan.roots.map((b) => plan.buffers[b]!.layout);

function expectTruth(plan: KernelPlan, step: Step, on: DeviceProfile = profile): void {
  const roots = step.map((s) => s.root);
  const { values } = interpretPlan(plan, on, roots);
  const want = truth(roots);
  roots.forEach((r, i) => expect(difference(r, values[i]!, want[i]!, tolerance), `result ${i}`).toBeNull());
}

function expectApart(all: readonly Layout[]): void {
  // With one target a kernel may read what elsewhere is another result of its own.
  const layouts = all.filter((l) => l.place !== null);
  expect(layouts.length).toBeGreaterThan(1);
  for (const [i, a] of layouts.entries()) {
    expect(a.place!.y + a.height, a.text).toBeLessThanOrEqual(a.place!.height);
    expect(a.place!.z + a.R, a.text).toBeLessThanOrEqual(a.place!.layers);
    for (const b of layouts.slice(i + 1)) {
      const rows = a.place!.y + a.height <= b.place!.y || b.place!.y + b.height <= a.place!.y;
      const layers = a.place!.z + a.R <= b.place!.z || b.place!.z + b.R <= a.place!.z;
      expect(rows || layers, `${a.text} and ${b.text}`).toBe(true);
    }
  }
}

function loss(): Step[number] {
  const x = leaf([9]);
  return { p: null, root: o.sum(o.mul(x, x), [0]) };
}

describe("results of a step that share a draw", () => {
  const steps: Readonly<Record<string, () => Step>> = {
    "biases of many sizes": () => [next([10]), next([300]), next([1]), next([7])],
    "a weight, a bias and a loss": () => [nextWeight(12, 21), next([12]), loss()],
    "weights in panels": () => [nextWeight(40, 3), nextWeight(5, 5), nextWeight(1, 9)],
    "four axes": () => [next([5, 3, 3, 3]), next([5])],
    // One draw with three results becomes part of another.
    "several results of one kernel": () => {
      const [p, m] = [leaf([6]), leaf([6])];
      const momentum = o.add(o.mul(m, 0.9), o.sum(leaf([9, 6]), [0]));
      return [{ p: m, root: momentum }, { p, root: o.sub(p, momentum) }, next([11])];
    },
  };

  describe.each(Object.entries(steps))("%s", (_, make) => {
    test.each([8, 4, 1])("%i targets", (maxDrawBuffers) => {
      const on = { ...profile, maxDrawBuffers };
      const step = make();
      const plan = planFor(request(step), on);
      expect(shared(plan)).toHaveLength(1);
      expectApart(layoutsOf(plan));
      expectTruth(plan, step, on);
    });

    test("the next step, whose parameters lie where this one put them", () => {
      const step = make();
      const first = planFor(request(step));
      const places = new Map(step.map((s, i) => [s.p, layoutsOf(first)[i]!]));
      const second = planFor(request(step, (p) => places.get(p) ?? null));
      expect(second.draws).toHaveLength(first.draws.length);
      expect(layoutsOf(second).map((l) => l.text)).toEqual(layoutsOf(first).map((l) => l.text));
      expectTruth(second, step);
    });
  });

  test("a parameter that a later plan leaves alone leaves its place empty; the others keep theirs", () => {
    const step = [next([10]), next([20]), next([30])];
    const first = planFor(request(step));
    const places = new Map(step.map((s, i) => [s.p, layoutsOf(first)[i]!]));
    for (const some of [[step[0]!, step[2]!], [step[1]!]]) {
      const plan = planFor(request(some, (p) => places.get(p) ?? null));
      expect(plan.draws).toHaveLength(1);
      expect(layoutsOf(plan)).toEqual(some.map((s) => places.get(s.p)));
      expectTruth(plan, some);
    }
  });

  test("another batch is the same program", () => {
    const step = (batch: number): Step => [next([10], batch), nextWeight(12, 8, batch), next([12], batch)];
    expect(glsl(planFor(request(step(30))))).toEqual(glsl(planFor(request(step(17)))));
  });
});

describe("results that have a draw for themselves", () => {
  const isAlone = (step: Step, on: Partial<DeviceProfile> = {}): void => {
    const plan = planFor(request(step), { ...profile, ...on });
    expect(shared(plan)).toEqual([]);
    for (const l of layoutsOf(plan)) expect(l.place).toBeNull();
  };
  test("large ones", () => isAlone([next([200, 200]), next([300, 100])]));
  test("a single small one", () => isAlone([next([10])]));
  test("results that are no next version of anything", () => isAlone([loss(), loss()]));
  test("where it is switched off", () => isAlone([next([10]), next([20])], { off: ["packs"] }));
  test("one that a kernel of the plan reads", () => {
    const a = next([10]);
    isAlone([a, { p: null, root: o.sum(o.mul(o.expand(o.reshape(a.root, [10, 1]), [10, 4]), leaf([10, 4])), [0]) }]);
  });
  test("integers, which lie in textures of their own", () => {
    const count = leaf([10], "i32");
    isAlone([{ p: count, root: o.add(count, o.literal(1, "i32")) }, next([10])]);
  });
});

/**
 * Which axis lies in the columns: channels where a convolution is about, the last one everywhere else; and the steps of
 * a loop that read outside the image, which are left out.
 */
import { describe, expect, it, test } from "vitest";
import { conv2d, matmul, mean } from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import { add, relu } from "../../src/ir/ops/index.ts";
import { topologicalOrder } from "../../src/ir/graph.ts";
import type { DeviceProfile } from "../../src/ir/plan.ts";
import { glsl, leaf, planFor, profile } from "./plans.ts";

/** The axis in the columns of each buffer of the plan for `root`, by what the buffer holds. */
function columns(root: Node, on: DeviceProfile = profile): readonly (number | undefined)[] {
  const order = topologicalOrder([root]);
  const leaves = order.filter((n) => n.op.kind === "leaf" && n.op.role === "buffer");
  const plan = planFor(
    {
      order,
      leaves: leaves.map((node) => ({ node, layout: null })),
      uniforms: [],
      roots: [{ node: root, assigns: null }],
    },
    on,
  );
  sources = glsl(plan, on);
  return plan.buffers.map((b) => b.layout.cols[0]?.dim);
}
let sources: readonly string[] = [];

const image = (): Node => leaf([2, 8, 6, 5]);
const weight = (): Node => leaf([12, 8, 3, 3]);

describe("a convolution", () => {
  test("has its channels in the columns, of the image, the weight and the result", () => {
    expect(columns(conv2d(image(), weight(), undefined, { padding: 1 }))).toEqual([1, 1, 1]);
  });

  test("and what is made of its result follows", () => {
    const y = relu(add(mean(conv2d(image(), weight(), undefined, { padding: 1 }), [3]), 1));
    expect(columns(y).every((d) => d === 1)).toBe(true);
  });

  test("is as it is spelled where the optimisation is off", () => {
    const on = { ...profile, off: ["lanes"] };
    expect(columns(conv2d(image(), weight(), undefined, { padding: 1 }), on)).toEqual([3, 3, 3]);
  });
});

it.each<[string, () => Node]>([
  ["NN", () => matmul(leaf([20, 24]), leaf([24, 28]))],
  ["in batches", () => matmul(leaf([3, 20, 24]), leaf([3, 24, 28]))],
])("a matmul %s keeps its last axes", (_, f) => {
  const n = f();
  expect(columns(n).every((d) => d === n.shape.length - 1)).toBe(true);
});

test("taps outside the image are left out of the loops, unless that is off", () => {
  const y = conv2d(image(), weight(), undefined, { padding: 1 });
  columns(y);
  expect(sources.join()).toMatch(/if \(i1 \+ k\d+ - 1 < 6 && i1 \+ k\d+ - 1 >= 0\) \{/);
  expect(sources.join()).not.toMatch(/\? f\d/);
  columns(y, { ...profile, off: ["guards"] });
  expect(sources.join()).not.toContain("if (");
  expect(sources.join()).toMatch(/\? f\d/);
});

/**
 * Graphs at the ends of what a submit may be: long chains, many inputs, many ways to one value, wide tensors, odd roots.
 * Values agree with the evaluator, and plans grow no faster than the graph.
 */
import { describe, expect, it } from "vitest";
import * as c from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice, type WebglOptions } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";
import { difference, planOf, runPlan, truth, type PlanDevice } from "../support/run-graph.ts";

const gl = (options: WebglOptions = {}): PlanDevice =>
  createWebglDevice(headlessGl(), { poison: true, readsSynchronously: true, ...options });
const devices: Readonly<Record<string, () => PlanDevice>> = { cpu: createCpuDevice, gl };

/** Eighths in [-2, 2]. */
function input(shape: Shape, seed = 1): Node {
  const array = Float32Array.from({ length: numel(shape) }, (_, i) => (((i * 7 + seed * 5) % 33) - 16) / 8);
  return o.input({ kind: "input", array }, "f32", shape);
}

/** Runs the roots and compares; gives the number of kernels. */
function check(device: PlanDevice, roots: readonly Node[]): number {
  const plan = planOf(roots, device.profile);
  const got = runPlan(device, plan, roots);
  const want = truth(roots, "f32");
  roots.forEach((n, i) => expect(difference(n, got[i]!, want[i]!), `root ${i}`).toBeNull());
  return plan.kernels.length;
}

function repeat(n: number, x: Node, f: (x: Node, i: number) => Node): Node {
  for (let i = 0; i < n; i++) x = f(x, i);
  return x;
}

describe.each(Object.keys(devices))("%s", (name) => {
  const device = devices[name]!;

  it("a chain of 20,000 elementwise nodes is cut into kernels of bounded size", { timeout: 120_000 }, () => {
    const y = input([37], 2);
    const chain = repeat(20_000, input([37]), (x, i) =>
      i % 3 === 0 ? o.add(x, y) : o.mul(x, i % 3 === 1 ? 0.5 : 0.75),
    );
    const kernels = check(device(), [chain]);
    expect(kernels).toBeGreaterThan(100);
    expect(kernels).toBeLessThan(200);
  });

  it.each([99, 240])("a sum of %i tensors is cut where the context has no more units", (n) => {
    const parts = Array.from({ length: n }, (_, i) => input([20, 7], i));
    expect(check(device(), [parts.reduce((a, b) => o.add(a, b))])).toBeLessThan(n / 4);
  });

  it.each<[string, Shape, (x: Node) => Node]>([
    ["x + flip x", [37, 5], (x) => o.mul(o.add(x, o.flip(x, [0])), 0.5)],
    ["x + transposed x", [37, 37], (x) => o.mul(o.add(x, o.permute(x, [1, 0])), 0.5)],
    ["x + shifted x", [64], (x) => o.add(o.mul(x, 0.5), o.pad(o.slice(x, [1], [63]), [0], [1], 0))],
    [
      "x + shuffled x",
      [64],
      (x) => o.add(o.mul(x, 0.5), o.mul(o.reshape(o.permute(o.reshape(x, [8, 8]), [1, 0]), [64]), 0.25)),
    ],
    ["shuffled x", [77], (x) => o.reshape(o.permute(o.reshape(x, [7, 11]), [1, 0]), [77])],
    ["tanh x + x", [37, 5], (x) => o.add(o.tanh(x), o.mul(x, 0.5))],
    ["x minus its mean", [6, 5], (x) => o.sub(x, o.mul(c.keeping(c.mean, x, [1]), 0.5))],
    ["x minus its transposed sums", [6, 6], (x) => o.mul(o.sub(x, o.sum(x, [1])), 0.25)],
  ])("%s, twenty times: as many programs as steps, not as paths", (_, shape, f) => {
    expect(check(device(), [repeat(20, input(shape), f)])).toBeLessThanOrEqual(41);
  });

  it("600 numbers of the user's need several kernels", () => {
    const number = (i: number): Node => o.uniform({ kind: "uniform", read: () => (i % 7) / 8 });
    expect(check(device(), [repeat(600, input([33]), (x, i) => o.add(o.mul(x, 0.75), number(i)))])).toBeGreaterThan(3);
  });

  it("a sum over 70 stored values, each in its place: the gradient of a sequence's weights", () => {
    const n = 70;
    const parts = Array.from({ length: n }, (_, t) => {
      const stored = o.sum(input([4, 6], t), [1]);
      return o.pad(o.reshape(o.mul(stored, stored), [1, 4]), [t, 0], [n - 1 - t, 0], 0);
    });
    const all = parts.reduce((a, b) => o.add(a, b));
    check(device(), [o.sum(o.mul(all, o.expand(input([1, 4]), [n, 4])), [0])]);
  });

  it("a row wider than the largest texture", () => {
    const [a, b] = [input([3, 20_000]), input([20_000], 2)];
    check(device(), [
      o.add(a, b),
      o.sum(a, [1]),
      o.sum(a, [0]),
      o.flip(b, [0]),
      o.reshape(a, [60_000]),
      o.permute(a, [1, 0]),
      o.slice(a, [0, 5], [3, 17_000]),
    ]);
  });

  it("roots that are leaves, literals, numbers and views, and one node many times", () => {
    const a = input([5, 7]);
    const three = o.literal(3);
    const number = o.uniform({ kind: "uniform", read: () => 2.5 });
    const whole = o.uniform({ kind: "uniform", read: () => -3 }, "i32");
    const word = o.uniform({ kind: "uniform", read: () => 4e9 }, "u32");
    const bit = o.uniform({ kind: "uniform", read: () => 1 }, "bool");
    check(device(), [a, a, three, o.expand(three, [4, 5]), o.permute(a, [1, 0]), o.iota(7), number, o.count(4), a]);
    check(device(), [whole, o.expand(whole, [3]), word, bit, o.expand(word, [2, 2]), o.sum(a, [0]), o.sum(a, [0])]);
    check(device(), [...Array<Node>(9).fill(o.expand(three, [128])), a]);
    check(device(), Array<Node>(9).fill(o.sum(a, [1])));
  });

  it("nothing at all: shapes with a 0, and reductions over them", () => {
    const [none, rows] = [input([0]), input([7, 33, 7, 0])];
    check(device(), [none, rows, o.sum(rows, [3]), o.sum(rows, [0, 1, 2, 3]), o.prod(rows, [3]), o.relu(rows)]);
    check(device(), [
      c.matmul(input([5, 0]), input([0, 6])),
      c.matmul(input([0, 5]), input([5, 6])),
      c.mean(none, [0]),
    ]);
    check(device(), [o.any(o.gt(rows, 0), [3]), o.all(o.gt(rows, 0), [3]), c.concat([none, input([3]), none], 0)]);
    check(device(), [o.pad(none, [2], [1], 0.5), o.reshape(rows, [0, 5]), o.expand(input([1, 1]), [0, 4])]);
  });
});

describe("plans grow as the graph does", () => {
  it.each<[string, (n: number) => Node]>([
    ["an elementwise chain", (n) => repeat(n, input([37]), (x, i) => o.add(x, i % 2))],
    ["rows less their means", (n) => repeat(n / 5, input([6, 5]), (x) => o.relu(o.sub(x, c.keeping(c.mean, x, [1]))))],
    ["residual blocks", (n) => repeat(n / 4, input([8, 8]), (x) => o.add(x, o.tanh(c.matmul(x, x))))],
  ])("%s: four times the nodes take less than ten times as long", { timeout: 120_000 }, (_, f) => {
    const { profile } = createCpuDevice();
    const time = (n: number): number => {
      const roots = [f(n)];
      const start = performance.now();
      planOf(roots, profile);
      return performance.now() - start;
    };
    time(2000);
    const [small, large] = [time(2000), time(8000)];
    // Twenty times as long would be quadratic and a bit; the machine may be busy.
    expect(large / Math.max(small, 20)).toBeLessThan(10);
  });
});

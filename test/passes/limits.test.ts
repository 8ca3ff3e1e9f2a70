/**
 * What one kernel may hold: textures, numbers, operations, render targets. Graphs that want more are cut, with the
 * reason, and what was cut is not joined again.
 */
import { describe, expect, test } from "vitest";
import { cutReasons, type CutReason, type Expr, type Kernel } from "../../src/ir/kernel.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { DeviceProfile, KernelPlan } from "../../src/ir/plan.ts";
import { MAX_NUMBERS, MAX_OPERATIONS } from "../../src/passes/oversized.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { difference, requestOf, runPlan, truth } from "../support/run-graph.ts";
import { leaf, number, planFor, profile } from "./plans.ts";

function check(roots: readonly Node[], on: DeviceProfile): KernelPlan {
  const plan = planFor(requestOf(roots), on);
  for (const k of plan.kernels) {
    expect(k.loads.length).toBeLessThanOrEqual(on.maxTextureUnits - 2);
    expect(k.numbers.length).toBeLessThanOrEqual(MAX_NUMBERS);
    expect(operationsOf(k)).toBeLessThanOrEqual(MAX_OPERATIONS);
    expect(k.stores.length * k.layout.R).toBeLessThanOrEqual(on.maxDrawBuffers);
  }
  const got = runPlan(createCpuDevice(), plan, roots);
  const want = truth(roots);
  roots.forEach((r, i) => expect(difference(r, got[i]!, want[i]!)).toBeNull());
  return plan;
}

const reasons = (plan: KernelPlan): (CutReason | null)[] =>
  plan.buffers.flatMap((b) => (b.reason === null || b.reason === "output" ? [] : [b.reason]));

function operationsOf(kernel: Kernel): number {
  const seen = new Set<Expr>();
  const stack = [
    ...kernel.phases.flatMap((p) => p.accumulators.map((a) => a.value)),
    ...kernel.stores.map((s) => s.value),
  ];
  while (stack.length > 0) {
    const e = stack.pop()!;
    if (seen.has(e)) continue;
    seen.add(e);
    if (e.kind === "map") stack.push(...e.operands);
    if (e.kind === "select") stack.push(e.value);
  }
  return [...seen].filter((e) => e.kind === "map").length;
}

describe("a graph that wants more than a kernel may hold is cut", () => {
  test("textures", () => {
    const many = Array.from({ length: 40 }, () => leaf([4, 6]));
    const plan = check([many.reduce((a, b) => o.add(o.sin(a), b))], profile);
    expect(reasons(plan)).toContain("inputs");
    expect(reasons(plan).every((r) => r === "inputs")).toBe(true);
    // 14 textures a kernel, one of them the kernel's before: 14 + 13 + 13 = 40.
    expect(plan.kernels).toHaveLength(3);
  });

  test("numbers", () => {
    const x = leaf([4, 6]);
    let y = x;
    for (let i = 0; i < MAX_NUMBERS + 2; i++) y = o.add(y, number(i / 7));
    const plan = check([y], profile);
    expect(reasons(plan)).toEqual(["numbers"]);
    expect(plan.kernels).toHaveLength(2);
  });

  test("operations", () => {
    let y = leaf([4, 6]);
    for (let i = 0; i < 2 * MAX_OPERATIONS + 10; i++) y = i % 2 === 0 ? o.sin(y) : o.mul(y, y);
    const plan = check([y], profile);
    expect(reasons(plan)).toEqual(["size", "size"]);
    expect(plan.kernels).toHaveLength(3);
  });

  test("several results that would share a draw", () => {
    // Each reads the one before in place: alone they fit, together they read 6 textures of 4.
    const x = Array.from({ length: 6 }, () => leaf([4, 6]));
    const results: Node[] = [];
    x.forEach((e, i) => results.push(i === 0 ? o.sin(e) : o.add(results[i - 1]!, e)));
    check(results, { ...profile, maxTextureUnits: 6 });
  });

  test("a long chain ends in bounded kernels", () => {
    let y = leaf([3]);
    for (let i = 0; i < 2000; i++) y = i % 3 === 0 ? o.sin(y) : o.add(y, 0.25);
    check([y], profile);
  });
});

test("every reason has words", () => {
  for (const text of Object.values(cutReasons)) expect(text).toMatch(/^[a-z]/);
});

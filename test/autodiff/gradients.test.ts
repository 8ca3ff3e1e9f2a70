/**
 * Gradients of traced tensors: backward, grad to any order, hooks, retained gradients, grad mode, gradcheck.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { enableGrad, grad, gradcheck, GradError, isGradEnabled, noGrad, Parameter, tensor, type Tensor } from "texgrad";
import { mismatches } from "../../src/autodiff/check.ts";
import { expandMacros } from "../../src/autodiff/expand.ts";
import { gradientItems } from "../../src/autodiff/gradient.ts";
import { evaluate } from "../../src/ir/eval.ts";
import { map, type Node } from "../../src/ir/node.ts";
import * as ops from "../../src/ir/ops/index.ts";
import { fresh } from "../trace/training.ts";

beforeEach(() => void fresh());

const values = async (t: Tensor | null): Promise<number[]> => Array.from(await t!.data());
const leaf = (data: number[]): Tensor => tensor(data, { requiresGrad: true });

describe("gradient macros", () => {
  const x = ops.input({ kind: "input", array: new Float32Array([1, 2, 3]) }, "f32", [3]);
  const other = ops.input({ kind: "input", array: new Float32Array([5]) }, "f32", [1]);

  test("expand to the gradient graph, zeros for what is not reached", () => {
    const y = ops.sum(ops.mul(x, ops.mul(x, x)), [0]);
    const [g, none] = expandMacros(gradientItems(y, null, [x, other]));
    expect(Array.from(evaluate([g!])[0]!)).toEqual([3, 12, 27]);
    expect(Array.from(evaluate([none!])[0]!)).toEqual([0]);
  });

  test("nest: a macro over what a macro gave", () => {
    const y = ops.sum(ops.exp(x), [0]);
    const [g] = gradientItems(y, null, [x]);
    const all = expandMacros([ops.add(g!, g!), g!]);
    expect(all[1]).toBe(expandMacros([g!])[0]);
    expect(evaluate([all[0]!])[0]![2]).toBeCloseTo(2 * Math.exp(3), 4);
  });

  test("are as deep as the graph", () => {
    let y: Node = x;
    for (let i = 0; i < 20_000; i++) y = ops.add(y, x);
    const [g] = expandMacros(gradientItems(ops.sum(y, [0]), null, [x]));
    expect(Array.from(evaluate([g!])[0]!)).toEqual([20_001, 20_001, 20_001]);
  });
});

describe("backward", () => {
  test("sums over paths and over calls", async () => {
    const x = leaf([2, 3]);
    x.mul(x).add(x).sum().backward();
    expect(await values(x.grad)).toEqual([5, 7]);
    x.sum().backward();
    expect(await values(x.grad)).toEqual([6, 8]);
    x.zeroGrad();
    expect(x.grad).toBeNull();
  });

  test("takes the gradient of a tensor that is not one number", async () => {
    const x = leaf([1, 2]);
    x.mul(x).backward(tensor([10, 100]));
    expect(await values(x.grad)).toEqual([20, 400]);
    expect(() => x.mul(2).backward()).toThrow(/one number.*\[2\]/);
    expect(() => x.mul(2).backward(tensor([1]))).toThrow(/\[2\].*\[1\]/);
  });

  test("stops at detach, integers and noGrad", async () => {
    const x = leaf([1.5, 2.5]);
    expect(x.detach().requiresGrad).toBe(false);
    expect(x.floor().cast("i32").requiresGrad).toBe(false);
    const y = noGrad(() => x.mul(3));
    expect(y.requiresGrad).toBe(false);
    expect(() => y.sum().backward()).toThrow(GradError);
    x.mul(x.detach()).sum().backward();
    expect(await values(x.grad)).toEqual([1.5, 2.5]);
    x.zeroGrad();
    // What was traced without gradients stays without, inside a graph that has them.
    const inside = noGrad(() => x.mul(x));
    x.mul(inside).sum().backward();
    expect(await values(x.grad)).toEqual([2.25, 6.25]);
  });

  test("skips frozen parameters, also those frozen only while the graph was traced", async () => {
    const [a, b] = [new Parameter(tensor([2])), new Parameter(tensor([3]))];
    b.requiresGrad_(false);
    const y = a.mul(b);
    b.requiresGrad_(true);
    y.sum().backward();
    expect(await values(a.grad)).toEqual([3]);
    expect(b.grad).toBeNull();
    a.mul(b).sum().backward();
    expect(await values(b.grad)).toEqual([2]);
  });

  test("may be called twice on one graph", async () => {
    const x = leaf([3]);
    const y = x.mul(x).sum();
    y.backward();
    y.backward();
    expect(await values(x.grad)).toEqual([12]);
  });

  test("on a leaf is one", async () => {
    const x = leaf([3]);
    x.backward();
    expect(await values(x.grad)).toEqual([1]);
  });

  test("through a leaf made from a detached parameter leaves the parameter alone", async () => {
    const p = new Parameter(tensor([2]));
    const own = p.detach().requiresGrad_();
    p.mul(own).sum().backward();
    expect(await values(p.grad)).toEqual([2]);
    expect(await values(own.grad)).toEqual([2]);
    p.zeroGrad();
    own.mul(5).sum().backward();
    expect(p.grad).toBeNull();
  });
});

describe("higher orders", () => {
  test("grad of grad of grad", async () => {
    const x = leaf([2, -1]);
    const y = x.pow(4).sum();
    const [g1] = grad(y, [x], { createGraph: true });
    const [g2] = grad(g1!.sum(), [x], { createGraph: true });
    const [g3] = grad(g2!.sum(), [x]);
    expect(await values(g1!)).toEqual([32, -4]);
    expect(await values(g2!)).toEqual([48, 12]);
    expect(await values(g3!)).toEqual([48, -24]);
    expect(g3!.requiresGrad).toBe(false);
  });

  test("a gradient penalty reaches the parameters", async () => {
    const w = new Parameter(tensor([3]));
    const x = leaf([2]);
    const y = w.mul(x).mul(x).sum();
    const [g] = grad(y, [x], { createGraph: true });
    g!.square().sum().backward();
    // (2 w x)^2: d/dw = 8 w x^2, d/dx = 8 w^2 x.
    expect(await values(w.grad)).toEqual([96]);
    expect(await values(x.grad)).toEqual([144]);
  });

  test("backward with createGraph leaves differentiable gradients", async () => {
    const x = leaf([2]);
    x.pow(3).sum().backward(null, { createGraph: true });
    const first = x.grad!;
    x.zeroGrad();
    first.sum().backward();
    expect(await values(x.grad)).toEqual([12]);
  });

  test("after a read", async () => {
    const x = leaf([2]);
    const [g] = grad(x.pow(3).sum(), [x], { createGraph: true });
    expect(await g!.item()).toBe(12);
    const [h] = grad(g!.sum(), [x]);
    expect(await h!.item()).toBe(12);
  });
});

describe("grad()", () => {
  test("of results inside the graph", async () => {
    const x = leaf([2]);
    const h = x.mul(3);
    const y = h.mul(h).mul(x).sum();
    const [gh, gx] = grad(y, [h, x]);
    expect(await values(gh!)).toEqual([24]);
    expect(await values(gx!)).toEqual([108]);
  });

  test("of several outputs is their sum's", async () => {
    const x = leaf([2]);
    const [g] = grad([x.mul(3).sum(), x.mul(x)], [x], { gradOutputs: [null, tensor([10])] });
    expect(await values(g!)).toEqual([43]);
  });

  test("refuses what the output does not depend on, or gives null for it", () => {
    const [x, z] = [leaf([1]), leaf([1])];
    expect(() => grad(x.sum(), [x, z])).toThrow(/input 1.*allowUnused/);
    expect(grad(x.sum(), [x, z], { allowUnused: true })[1]).toBeNull();
    expect(() => grad(x.sum(), [tensor([1])])).toThrow(/input 0/);
  });
});

describe("hooks and retained gradients", () => {
  test("a hook sees the whole gradient of a result and may change what goes on", async () => {
    const x = leaf([1, 2]);
    const h = x.mul(2);
    const seen: Tensor[] = [];
    const remove = h.registerHook((g) => {
      seen.push(g);
      return g.mul(10);
    });
    h.square().sum().backward();
    expect(await values(seen[0]!)).toEqual([4, 8]);
    expect(await values(x.grad)).toEqual([80, 160]);
    remove();
    x.zeroGrad();
    h.square().sum().backward();
    expect(await values(x.grad)).toEqual([8, 16]);
    expect(seen.length).toBe(1);
  });

  test("a hook on a leaf works for every later graph", async () => {
    const p = new Parameter(tensor([3]));
    p.registerHook((g) => g.clamp(-1, 1));
    p.square().sum().backward();
    expect(await values(p.grad)).toEqual([1]);
    p.mul(-7).sum().backward();
    expect(await values(p.grad)).toEqual([0]);
  });

  test("a hook must keep the shape", () => {
    const x = leaf([1, 2]);
    x.registerHook((g) => g.sum());
    expect(() => x.sum().backward()).toThrow(/\[2\].*\[\]/);
  });

  test("retainGrad keeps the gradient of a result", async () => {
    const x = leaf([1, 2]);
    const h = x.mul(3);
    h.retainGrad();
    h.square().sum().backward();
    expect(await values(h.grad)).toEqual([6, 12]);
    expect(await values(x.grad)).toEqual([18, 36]);
    expect(() => tensor([1]).retainGrad()).toThrow(GradError);
  });
});

describe("grad mode", () => {
  test("ends with the call, also when it throws", () => {
    expect(() =>
      noGrad(() => {
        expect(isGradEnabled()).toBe(false);
        enableGrad(() => expect(isGradEnabled()).toBe(true));
        throw new Error("x");
      }),
    ).toThrow("x");
    expect(isGradEnabled()).toBe(true);
  });

  test("refuses asynchronous functions and says what to do", () => {
    expect(() => noGrad(async () => 1)).toThrow(/wrap each synchronous part/);
    expect(isGradEnabled()).toBe(true);
  });

  test("leaves and integers have their rules", () => {
    expect(() => tensor([1, 2], { dtype: "i32", requiresGrad: true })).toThrow(/only f32/);
    expect(() => leaf([1]).mul(2).requiresGrad_(false)).toThrow(/detach\(\)/);
    const x = tensor([1]);
    expect(x.isLeaf).toBe(true);
    x.requiresGrad_();
    expect(x.requiresGrad && x.isLeaf).toBe(true);
    expect(x.mul(2).isLeaf).toBe(false);
  });
});

describe("gradcheck", () => {
  test("agrees with right gradients, parameters and all", () => {
    const w = new Parameter(tensor([0.3, -0.2]));
    gradcheck((x) => x.mul(w).tanh().logSoftmax(0).exp(), [tensor([0.5, 1.5])]);
    gradcheck(
      (a, b) => a.matmul(b).sigmoid(),
      [
        tensor([
          [1, 2],
          [3, 4],
        ]),
        tensor([[0.1], [0.2]]),
      ],
    );
  });

  test("convicts a wrong rule, by element", () => {
    const wrong = { ...ops.exp.definition, name: "wrongExp", vjp: (g: Node) => [g] };
    const bad = mismatches((x) => map(wrong, [x]), [{ shape: [2], values: [1, 0] }]);
    expect(bad.map(({ input, element }) => [input, element])).toEqual([[0, 0]]);
    expect(() => gradcheck((x) => x.mul(x.detach()), [tensor([2])])).toThrow(/element 0 of input 0 \[1\]/);
  });

  test("of a gradient: second derivatives", () => {
    gradcheck((x) => grad(x.pow(3).tanh().sum(), [x], { createGraph: true })[0]!, [tensor([0.5, -0.4])]);
  });

  test("leaves nothing pending behind", async () => {
    gradcheck((x) => x.exp(), [tensor([1])]);
    expect(await tensor([1]).add(1).item()).toBe(2);
  });
});

/**
 * Compositions, where the fixtures cannot say it: the one spelling of each, statistics of random tensors, infinities,
 * and what the errors say.
 */
import { describe, expect, it } from "vitest";
import * as c from "../../src/ir/compose/index.ts";
import { evaluate } from "../../src/ir/eval.ts";
import { substitute, topologicalOrder } from "../../src/ir/graph.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";
import { checkGradients, gradientsOf, seeded, tensor, total } from "./probe.ts";

const values = (n: Node): number[] => [...evaluate([n])[0]!];
const leaf = (shape: Shape, seed = 1): Node => tensor(seeded(numel(shape), seed), shape);

describe("spelled by hand", () => {
  it("matmul is the same node", () => {
    const [a, b] = [leaf([2, 3]), leaf([3, 4], 2)];
    const product = o.mul(o.expand(o.reshape(a, [2, 3, 1]), [2, 3, 4]), o.expand(o.reshape(b, [1, 3, 4]), [2, 3, 4]));
    expect(c.matmul(a, b)).toBe(o.sum(product, [1]));
  });

  it.each([
    ["ij,jk->ik", [2, 3], [3, 4]],
    ["bij,bjk->bik", [2, 3, 4], [2, 4, 5]],
    ["i,i->", [3], [3]],
  ] as const)("einsum %s is matmul or as cheap", (spec, p, q) => {
    const [a, b] = [leaf(p), leaf(q, 2)];
    const y = c.einsum(spec, [a, b]);
    // One product, one sum: what the scheduler knows as a contraction.
    expect(topologicalOrder([y]).filter(({ op }) => op.kind === "reduce")).toHaveLength(1);
    if (spec === "ij,jk->ik") expect(y).toBe(c.matmul(a, b));
    const [got, want] = evaluate([y, c.matmul(a, b)]);
    expect([...got!]).toEqual([...want!]);
  });

  it("tensordot over one pair of axes is matmul", () => {
    const [a, b] = [leaf([2, 3]), leaf([3, 4], 2)];
    const [got, want] = evaluate([c.tensordot(a, b, [1], [0]), c.matmul(a, b)]);
    expect([...got!]).toEqual([...want!]);
    expect(c.tensordot(a, b, [1], [0])).toBe(c.matmul(a, b));
  });

  it("conv2d is the same node", () => {
    const [x, w] = [leaf([2, 3, 5, 6]), leaf([4, 3, 2, 3], 2)];
    const rows = o.window(o.expand(o.reshape(x, [2, 3, 5, 6, 1]), [2, 3, 5, 6, 2]), {
      axis: 2,
      stride: 1,
      dilation: 1,
      padding: 1,
      size: 6,
      fill: 0,
    });
    const both = o.window(o.expand(o.reshape(rows, [2, 3, 6, 6, 2, 1]), [2, 3, 6, 6, 2, 3]), {
      axis: 3,
      stride: 1,
      dilation: 1,
      padding: 1,
      size: 6,
      fill: 0,
    });
    const product = o.mul(o.reshape(both, [2, 1, 3, 6, 6, 2, 3]), o.reshape(w, [1, 4, 3, 1, 1, 2, 3]));
    expect(c.conv2d(x, w, undefined, { padding: 1 })).toBe(o.sum(product, [2, 5, 6]));
  });

  it("crossEntropy is the same node", () => {
    const x = leaf([4, 5]);
    const y = tensor([0, 4, 2, 2], [4], "i32");
    const m = o.detach(o.maximum(o.reshape(o.amax(x, [1]), [4, 1]), -3.4028234663852886e38));
    const shifted = o.sub(x, m);
    const l = o.reshape(o.sum(o.exp(shifted), [1]), [4, 1]);
    const picked = o.sum(o.where(o.eq(o.iota(5), o.reshape(y, [4, 1])), shifted, 0), [1]);
    const each = o.sub(o.reshape(o.log(l), [4]), picked);
    expect(c.crossEntropy(x, y)).toBe(o.div(o.sum(each, [0]), o.count(4)));
  });
});

describe("softmax and its kin", () => {
  it("bear -inf, alone and among others", () => {
    const x = tensor([-Infinity, 0, Math.log(3), -Infinity, -Infinity, -Infinity], [2, 3]);
    expect(
      values(c.softmax(x, 1))
        .slice(0, 3)
        .map((v) => Math.round(v * 1e6)),
    ).toEqual([0, 250000, 750000]);
    expect(values(c.logsumexp(x, [1]))[1]).toBe(-Infinity);
  });

  it("bear large logits in f32", () => {
    const x = tensor([1e30, 0, -1e30, 88, 89, 90], [2, 3]);
    expect(values(c.softmax(x, 1)).slice(0, 3)).toEqual([1, 0, 0]);
    expect(values(c.crossEntropy(x, tensor([0, 2], [2], "i32"))).every(Number.isFinite)).toBe(true);
  });

  it("differentiate, to second order", () => {
    const x = leaf([3, 4]);
    const y = tensor([1, 3, 0], [3], "i32");
    checkGradients(([e]) => c.softmax(e!, 1), [x]);
    checkGradients(([e]) => c.logSoftmax(e!, 0), [x]);
    checkGradients(([e]) => c.logsumexp(e!, [0, 1]), [x]);
    checkGradients(([e]) => c.crossEntropy(e!, y), [x]);
  });
});

describe("concat", () => {
  it("keeps an infinity or NaN to its own part", () => {
    const y = c.concat([tensor([NaN, 1]), tensor([Infinity]), tensor([2, 3])], 0);
    expect(values(y)).toEqual([NaN, 1, Infinity, 2, 3]);
  });

  it("differentiates along the last and the first axis", () => {
    checkGradients(([a, b]) => c.concat([a!, b!, a!], -1), [leaf([2, 3]), leaf([2, 1], 2)]);
    checkGradients(([a, b]) => c.concat([a!, b!], 0), [leaf([2, 3]), leaf([1, 3], 2)]);
  });
});

describe("products and images", () => {
  it("differentiate, to second order", () => {
    checkGradients(([a, b]) => c.matmul(a!, b!), [leaf([2, 1, 2, 3]), leaf([2, 3, 2], 2)]);
    checkGradients(([x, w, b]) => c.linear(x!, w!, b), [leaf([2, 3]), leaf([2, 3], 2), leaf([2], 3)]);
    const options = { stride: [2, 1], padding: [1, 0], dilation: [1, 2] } as const;
    checkGradients(([x, w]) => c.conv2d(x!, w!, undefined, options), [leaf([1, 2, 4, 5]), leaf([2, 2, 2, 2], 2)]);
    checkGradients(([x]) => c.avgPool2d(x!, 2, { stride: 1, padding: 1 }), [leaf([1, 1, 3, 3])]);
    checkGradients(([x]) => c.gelu(x!), [leaf([6])]);
    checkGradients(([x]) => c.clamp(x!, -1, 0.5), [leaf([6])]);
  });
});

describe("random tensors", () => {
  const stream = (n: number): c.Stream => ({
    stream: o.literal(n, "u32"),
    key0: o.literal(7, "u32"),
    key1: o.literal(0, "u32"),
  });
  const n = 4000;
  /** Five standard errors of the mean of n values with standard deviation s. */
  const bound = (s: number): number => (5 * s) / Math.sqrt(n);
  const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
  const variance = (x: readonly number[]): number => mean(x.map((v) => v * v)) - mean(x) ** 2;

  it("uniform: in [0, 1), mean 1/2, variance 1/12", () => {
    const x = values(c.randomUniform([n], stream(1)));
    expect(x.every((v) => v >= 0 && v < 1)).toBe(true);
    expect(Math.abs(mean(x) - 1 / 2)).toBeLessThan(bound(Math.sqrt(1 / 12)));
    expect(Math.abs(variance(x) - 1 / 12)).toBeLessThan(bound(0.1));
  });

  it("normal: finite, mean 0, variance 1, and a fourth moment of 3", () => {
    const x = values(c.randomNormal([n / 4, 4], stream(2)));
    expect(x.every(Number.isFinite)).toBe(true);
    expect(Math.abs(mean(x))).toBeLessThan(bound(1));
    expect(Math.abs(variance(x) - 1)).toBeLessThan(bound(Math.SQRT2));
    expect(Math.abs(mean(x.map((v) => v ** 4)) - 3)).toBeLessThan(bound(Math.sqrt(96)));
  });

  it("normal: finite where the bits are all 0 or all 1", () => {
    const y = c.randomNormal([1], stream(2));
    const units = topologicalOrder([y]).filter((n) => n.op === o.bitsToUnit.definition);
    expect(units.length).toBe(2);
    for (const u of [0, 1 - 2 ** -24]) {
      const put = o.expand(o.literal(u), [1]);
      expect(values(substitute([y], new Map(units.map((n) => [n, put])))[0]!).every(Number.isFinite)).toBe(true);
    }
  });

  it("bernoulli: true with probability p", () => {
    const y = c.randomBernoulli([n], 0.3, stream(3));
    expect(y.dtype).toBe("bool");
    expect(Math.abs(mean(values(y)) - 0.3)).toBeLessThan(bound(0.46));
  });

  it("integers: every value of [low, high) and no other, also across 0 and as nodes", () => {
    expect([...new Set(values(c.randomIntegers([n], -2, 4, stream(4))))].sort((a, b) => a - b)).toEqual([
      -2, -1, 0, 1, 2, 3,
    ]);
    const wide = values(c.randomIntegers([n], o.literal(-2147483648, "i32"), o.literal(2147483647, "i32"), stream(5)));
    expect(Math.abs(mean(wide)) / 2 ** 31).toBeLessThan(bound(0.58));
  });

  it("of another stream or word are others, of the same the same", () => {
    const bits = (s: number, word = 0): number[] => values(c.randomBits([8], stream(s), word));
    expect(bits(1)).toEqual(bits(1));
    expect(bits(1)).not.toEqual(bits(2));
    expect(bits(1)).not.toEqual(bits(1, 1));
    expect(values(c.randomBits([2, 4], stream(1)))).toEqual(bits(1));
  });
});

describe("errors name shapes and the way out", () => {
  const cases: readonly (readonly [() => unknown, string])[] = [
    [
      () => c.matmul(leaf([2, 3]), leaf([4, 3])),
      "matmul: [2,3] x [4,3]: inner sizes differ (3 and 4); b.transpose() would fit",
    ],
    [
      () => c.matmul(leaf([3, 2]), leaf([3, 4])),
      "matmul: [3,2] x [3,4]: inner sizes differ (2 and 3); a.transpose() would fit",
    ],
    [() => c.matmul(leaf([2, 3]), leaf([5, 4])), "matmul: [2,3] x [5,4]: inner sizes differ (3 and 5)"],
    [() => c.matmul(o.literal(2), leaf([2])), "matmul: [] x [2]: takes at least one axis each; use mul for scalars"],
    [() => c.linear(leaf([2, 3]), leaf([4, 2])), "linear: x [2,3] with weight [4,2]"],
    [() => c.linear(leaf([2, 3]), leaf([4, 3]), leaf([3])), "linear: bias [3] must be [4]"],
    [() => c.conv2d(leaf([4, 4]), leaf([1, 1, 3, 3])), "x.unsqueeze(0) would fit"],
    [() => c.conv2d(leaf([1, 4, 4, 3]), leaf([1, 3, 3, 3])), "x is NCHW here: x.permute(0, 3, 1, 2) would fit"],
    [
      () => c.conv2d(leaf([1, 1, 2, 2]), leaf([1, 1, 3, 3])),
      "has 2 rows, the kernel spans 3; padding of at least 1 would fit",
    ],
    [
      () => c.conv2d(leaf([1, 1, 4, 4]), leaf([1, 1, 2, 2]), undefined, { stride: 0 }),
      "conv2d: stride is [0,0], must be whole and at least 1",
    ],
    [
      () => c.crossEntropy(leaf([2, 3]), tensor([0, 1, 2], [3], "i32")),
      "crossEntropy: logits [2,3] want class indices [2] of i32, got [3] of i32",
    ],
    [() => c.crossEntropy(leaf([2, 3]), leaf([2, 3])), "y.argmax(1) would fit one-hot rows"],
    [() => c.crossEntropy(leaf([2, 3]), leaf([2])), 'y.cast("i32") gives indices'],
    [() => c.mseLoss(leaf([3]), leaf([3, 1])), "mseLoss: [3] and [3,1] differ"],
    [() => c.concat([leaf([2, 3]), leaf([2, 2])], 0), "concat: [2,3], [2,2] must be equal but for axis 0"],
    [() => c.concat([], 0), "concat: no tensors"],
    [() => c.mean(tensor([1], [1], "i32"), [0]), 'mean: got i32, takes f32; x.cast("f32") would fit'],
    [() => c.oneHot(leaf([2]), 3), "oneHot: got f32, takes i32, u32"],
  ];
  it.each(cases)("%#", (f, message) => expect(f).toThrow(message));
});

it("a mean's divisor is a count, not a literal", () => {
  const y = c.mean(leaf([4, 5]), [0, 1]);
  expect(y.inputs[1]!.op).toBe(o.countLeaf);
});

it("detach ends a gradient", () => {
  const x = leaf([3]);
  expect(values(gradientsOf(total(o.mul(x, o.detach(x))), [x])[0]!)).toEqual(values(x));
});

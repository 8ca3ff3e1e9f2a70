/**
 * Layers: what they compute from given weights, what they start from, what they refuse. Ops have their own tests.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { F, Generator, manualSeed, nn, ones, tensor, zeros, type Tensor } from "texgrad";
import { useTestDevice } from "../support/device.ts";

beforeEach(useTestDevice);

const values = async (t: Tensor): Promise<number[]> => [...(await t.data())];

/** A module with weights set by name. */
function given<M extends nn.Module>(net: M, weights: Record<string, Tensor>): M {
  net.loadStateDict(weights);
  return net;
}

describe("layers", () => {
  const x = tensor([
    [1, 2],
    [-3, 4],
  ]);

  test("Linear", async () => {
    const w = tensor([
      [1, 0],
      [2, -1],
      [0.5, 0.5],
    ]);
    const withBias = given(new nn.Linear(2, 3), { weight: w, bias: tensor([10, 20, 30]) });
    expect(await values(withBias.forward(x))).toEqual([11, 20, 31.5, 7, 10, 30.5]);
    const without = given(new nn.Linear(2, 3, { bias: false }), { weight: w });
    expect(await values(without.forward(x))).toEqual([1, 0, 1.5, -3, -10, 0.5]);
    expect(without.bias).toBeNull();
  });

  test("Conv2d and AvgPool2d", async () => {
    const image = tensor(
      Float32Array.from({ length: 16 }, (_, i) => i),
      { shape: [1, 1, 4, 4] },
    );
    const conv = given(new nn.Conv2d(1, 1, 2, { stride: 2 }), { weight: ones([1, 1, 2, 2]), bias: tensor([100]) });
    expect(await values(conv.forward(image))).toEqual([110, 118, 142, 150]);
    const pool = new nn.AvgPool2d(2);
    expect(await values(pool.forward(image))).toEqual([2.5, 4.5, 10.5, 12.5]);
    expect(new nn.Conv2d(3, 8, [3, 5], { padding: [1, 2], dilation: 1 }).forward(zeros([2, 3, 7, 9])).shape).toEqual([
      2, 8, 7, 9,
    ]);
  });

  test.each<[nn.TensorModule, (x: number) => number]>([
    [new nn.ReLU(), (v) => Math.max(v, 0)],
    [new nn.Tanh(), Math.tanh],
    [new nn.Sigmoid(), (v) => 1 / (1 + Math.exp(-v))],
    [new nn.Softplus(), (v) => Math.log1p(Math.exp(v))],
    [
      new nn.GELU({ approximate: "tanh" }),
      (v) => (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ],
    [new nn.Identity(), (v) => v],
  ])("%s", async (layer, f) => {
    const inputs = [-2, -0.5, 0, 0.25, 3];
    const got = await values(layer.forward(tensor(inputs)));
    // 1e-6: one rounding to f32 of values below 4.
    for (const [i, v] of inputs.entries()) expect(got[i]).toBeCloseTo(f(v), 6);
  });

  test("Softmax and LogSoftmax", async () => {
    const p = await values(new nn.Softmax(1).forward(x));
    expect(p[0]! + p[1]!).toBeCloseTo(1, 6);
    expect(p[0]).toBeCloseTo(1 / (1 + Math.E), 6);
    const log = await values(new nn.LogSoftmax(-1).forward(x));
    expect(log[2]).toBeCloseTo(-7 - Math.log1p(Math.exp(-7)), 5);
  });

  test("Flatten", () => {
    const t = zeros([2, 3, 4, 5]);
    expect(new nn.Flatten().forward(t).shape).toEqual([2, 60]);
    expect(new nn.Flatten(0, 1).forward(t).shape).toEqual([6, 4, 5]);
  });

  test("losses", async () => {
    const logits = tensor([
      [2, 0, -1],
      [0, 3, 0],
    ]);
    const target = tensor([0, 2], { dtype: "i32" });
    const each = [0, 1].map((i) => {
      const row = [
        [2, 0, -1],
        [0, 3, 0],
      ][i]!;
      return Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) - row[[0, 2][i]!]!;
    });
    expect(await new nn.CrossEntropyLoss().forward(logits, target).item()).toBeCloseTo((each[0]! + each[1]!) / 2, 6);
    const summed = new nn.CrossEntropyLoss({ reduction: "sum" }).forward(logits, target);
    expect(await summed.item()).toBeCloseTo(each[0]! + each[1]!, 5);
    const squares = new nn.MSELoss({ reduction: "none" }).forward(x, zeros([2, 2]));
    expect(await values(squares)).toEqual([1, 4, 9, 16]);
    expect(await new nn.MSELoss().forward(x, zeros([2, 2])).item()).toBe(7.5);
  });

  test("Sequential passes on", async () => {
    const net = new nn.Sequential(
      given(new nn.Linear(2, 1), { weight: tensor([[1, 1]]), bias: zeros([1]) }),
      new nn.ReLU(),
    );
    expect(
      await values(
        net.forward(
          tensor([
            [1, 2],
            [-3, 1],
          ]),
        ),
      ),
    ).toEqual([3, 0]);
  });
});

describe("Dropout", () => {
  const x = ones([100, 100]);

  test("in training drops a part p and scales the rest", async () => {
    const layer = new nn.Dropout(0.25, { generator: new Generator(7) });
    const got = await values(layer.forward(x));
    const kept = got.filter((v) => v !== 0);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.75)]));
    // 10,000 draws: standard deviation 0.0043 of the part kept; five of them.
    expect(Math.abs(kept.length / got.length - 0.75)).toBeLessThan(0.022);
    expect(await values(layer.forward(x))).not.toEqual(got);
  });

  test("the same elements forward and backward", async () => {
    const t = new nn.Parameter(ones([50]));
    const y = new nn.Dropout(0.5).forward(t);
    y.sum().backward();
    expect(await values(t.grad!)).toEqual(await values(y));
  });

  test("is nothing in evaluation, with p = 0, and everything with p = 1", async () => {
    expect(new nn.Dropout().eval().forward(x)).toBe(x);
    expect(new nn.Dropout(0).forward(x)).toBe(x);
    expect((await values(new nn.Dropout(1).forward(x))).every((v) => v === 0)).toBe(true);
  });

  test("two generators of one seed drop the same", async () => {
    const run = (): Promise<number[]> => values(F.dropout(x, { p: 0.3, generator: new Generator(3) }));
    expect(await run()).toEqual(await run());
  });
});

describe("initial weights", () => {
  /** Mean and variance of many values, and the largest magnitude. */
  async function moments(t: Tensor): Promise<{ mean: number; variance: number; largest: number }> {
    const v = await values(t);
    const mean = v.reduce((s, e) => s + e, 0) / v.length;
    const variance = v.reduce((s, e) => s + (e - mean) ** 2, 0) / v.length;
    return { mean, variance, largest: Math.max(...v.map(Math.abs)) };
  }

  // Within 5 standard deviations of the estimate: about 3 % for 20,000 to 100,000 values.
  const near = (got: number, want: number): void => expect(Math.abs(got / want - 1)).toBeLessThan(0.03);

  test.each<[string, nn.Linear | nn.Conv2d, number]>([
    ["Linear", new nn.Linear(784, 128), 784],
    ["Conv2d", new nn.Conv2d(10, 200, 3), 90],
  ])("of %s are U(-b, b), b = 1 / sqrt(fanIn), as PyTorch's", async (_, layer, fanIn) => {
    const bound = 1 / Math.sqrt(fanIn);
    const { mean, variance, largest } = await moments(layer.weight);
    expect(Math.abs(mean)).toBeLessThan(bound / 20);
    near(variance, bound ** 2 / 3);
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.99 * bound);
    expect((await moments(layer.bias!)).largest).toBeLessThanOrEqual(bound);
  });

  test("a seed gives the same weights, another seed others", async () => {
    const weights = (seed: number): Promise<number[]> => {
      manualSeed(seed);
      return values(new nn.Linear(5, 7).weight);
    };
    const first = await weights(1);
    expect(await weights(1)).toEqual(first);
    expect(await weights(2)).not.toEqual(first);
    manualSeed(0);
  });

  // Seed 0, the first four words of Philox4x32-10 with counter and key 0 (its known answer): (word >>> 8) / 2^24.
  test("come from Philox on the host", async () => {
    const p = nn.init.uniform(new nn.Parameter(zeros([4])), 0, 1, { generator: new Generator(0) });
    const words = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8];
    expect(await values(p)).toEqual(words.map((w) => (w >>> 8) / 2 ** 24));
  });

  test.each<[string, (p: Tensor) => Tensor, number]>([
    ["uniform", (p) => nn.init.uniform(p, -2, 2), 4 / 3],
    ["normal", (p) => nn.init.normal(p, 0, 3), 9],
    ["xavierUniform", (p) => nn.init.xavierUniform(p), 2 / 500],
    ["xavierNormal", (p) => nn.init.xavierNormal(p, { gain: 2 }), 8 / 500],
    ["kaimingUniform", (p) => nn.init.kaimingUniform(p, { nonlinearity: "relu" }), 2 / 300],
    ["kaimingNormal", (p) => nn.init.kaimingNormal(p, { mode: "fanOut" }), 2 / 200],
  ])("%s has the variance it says", async (_, fill, variance) => {
    const { mean, variance: got } = await moments(fill(new nn.Parameter(zeros([200, 300]))));
    near(got, variance);
    expect(Math.abs(mean)).toBeLessThan(Math.sqrt(variance) / 40);
  });

  test("constants", async () => {
    const p = new nn.Parameter(ones([2]));
    expect(await values(nn.init.zeros(p))).toEqual([0, 0]);
    expect(await values(nn.init.constant(p, 2.5))).toEqual([2.5, 2.5]);
    expect(await values(nn.init.ones(p))).toEqual([1, 1]);
  });

  test.each<[nn.init.Nonlinearity, number]>([
    ["linear", 1],
    ["sigmoid", 1],
    ["tanh", 5 / 3],
    ["relu", Math.SQRT2],
    ["leakyRelu", Math.sqrt(2 / 1.0001)],
  ])("gain of %s", (name, gain) => expect(nn.init.calculateGain(name)).toBeCloseTo(gain, 12));
});

describe("bad options", () => {
  test.each<[string, () => unknown, string]>([
    ["a negative size", () => new nn.Linear(3, -1), "Linear: outFeatures is -1; it must be a whole number >= 0"],
    ["half a channel", () => new nn.Conv2d(1.5, 2, 3), "Conv2d: inChannels is 1.5; it must be a whole number >= 1"],
    [
      "a stride of 0",
      () => new nn.Conv2d(1, 2, 3, { stride: [1, 0] }),
      "Conv2d: stride is 0; it must be a whole number >= 1",
    ],
    ["a kernel of 0", () => new nn.AvgPool2d(0), "AvgPool2d: kernelSize is 0"],
    ["a probability of 2", () => new nn.Dropout(2), "Dropout: p is 2; it is a probability, 0 to 1"],
    [
      "a fan of a vector",
      () => nn.init.xavierUniform(new nn.Parameter(zeros([3]))),
      "init.xavierUniform: a parameter of shape [3]",
    ],
    ["the wrong input", () => new nn.Linear(4, 2).forward(ones([3, 5])), "Linear: expected [..,4], got [3,5]"],
  ])("%s", (_, make, message) => expect(make).toThrow(message));
});

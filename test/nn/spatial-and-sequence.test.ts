/**
 * Convolutions, pools, norms, embeddings, attention and recurrent layers beyond what fixtures say of them: how weights
 * begin, state while training, dropout, names, bad options. Their numbers are in test/ops/layer-modules.test.ts.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { F, Generator, nn, noGrad, ones, optim, randn, tensor, zeros, type Tensor } from "texgrad";
import { fixture, toArray, type FixtureTensor } from "../fixtures/load.ts";
import { useTestDevice } from "../support/device.ts";

beforeEach(useTestDevice);

const values = async (t: Tensor): Promise<number[]> => [...(await t.data())];
const of = (t: FixtureTensor): Tensor => tensor(toArray(t), { shape: t.shape });

/** 1e-5 of the largest value: the same step in f32, in another order. */
async function near(got: Tensor, want: FixtureTensor | number): Promise<void> {
  const g = await values(got);
  const w = typeof want === "number" ? [want] : toArray(want);
  const largest = Math.max(...w.map(Math.abs));
  for (const [i, v] of w.entries()) expect(Math.abs(g[i]! - v)).toBeLessThanOrEqual(1e-5 * largest);
}

describe("initial weights", () => {
  // As many as it takes for the largest to be within 2 % of the bound.
  test.each<[string, Tensor, number]>([
    ["Conv1d", new nn.Conv1d(4, 50, 5).weight, 1 / Math.sqrt(20)],
    ["Conv3d, 2 groups", new nn.Conv3d(4, 50, 2, { groups: 2 }).weight, 1 / Math.sqrt(16)],
    ["ConvTranspose2d, 2 groups", new nn.ConvTranspose2d(10, 8, 3, { groups: 2 }).weight, 1 / Math.sqrt(36)],
    ["GRUCell", new nn.GRUCell(30, 16).weightIh, 1 / 4],
    ["LSTM", [...new nn.LSTM(9, 25).parameters()][0]!, 1 / 5],
    ["MultiheadAttention", new nn.MultiheadAttention(24, 2).inProjWeight!, Math.sqrt(6 / 96)],
  ])("of %s are uniform within PyTorch's bound", async (_, weight, bound) => {
    const largest = Math.max(...(await values(weight)).map(Math.abs));
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.98 * bound);
  });

  test("of Embedding are N(0, 1), the padding row 0", async () => {
    const v = await values(new nn.Embedding(100, 50, { paddingIdx: -1, generator: new Generator(5) }).weight);
    expect(v.slice(99 * 50)).toEqual(new Array<number>(50).fill(0));
    const rest = v.slice(0, 99 * 50);
    // 4,950 draws: five standard deviations of the mean and of the variance.
    expect(Math.abs(rest.reduce((a, b) => a + b, 0) / rest.length)).toBeLessThan(0.071);
    expect(Math.abs(rest.reduce((a, b) => a + b * b, 0) / rest.length - 1)).toBeLessThan(0.1);
  });

  test("of norms are ones and zeros; attention's biases are 0", async () => {
    for (const norm of [new nn.BatchNorm2d(2), new nn.LayerNorm(2), new nn.GroupNorm(1, 2)]) {
      expect(await values(norm.weight!)).toEqual([1, 1]);
      expect(await values(norm.bias!)).toEqual([0, 0]);
    }
    const attention = new nn.MultiheadAttention(2, 1);
    expect(await values(attention.inProjBias!)).toEqual(new Array<number>(6).fill(0));
    expect(await values(attention.outProj.bias!)).toEqual([0, 0]);
  });
});

describe("batch norm in a training", () => {
  test("two forwards a step, evaluation between: PyTorch's numbers", async () => {
    const s = fixture("training").scenarios.batchStatistics;
    const norm = new nn.BatchNorm1d(4, { momentum: s.momentum, eps: s.eps });
    const { w, wo, gamma, beta } = s.initial as Record<"w" | "wo" | "gamma" | "beta", FixtureTensor>;
    norm.loadStateDict({ ...norm.stateDict(), weight: of(gamma), bias: of(beta) });
    const first = new nn.Parameter(of(w));
    const last = new nn.Parameter(of(wo));
    const opt = new optim.SGD([first, ...norm.parameters(), last], {
      lr: s.optimizer.lr,
      momentum: s.optimizer.momentum ?? 0,
    });
    const loss = (x: Tensor, y: Tensor): Tensor => F.mseLoss(F.linear(norm.forward(F.linear(x, first)), last), y);
    for (const [i, want] of s.steps.entries()) {
      const x = s.x[i]!.map(of);
      const y = s.y[i]!.map(of);
      opt.zeroGrad();
      const total = loss(x[0]!, y[0]!).add(loss(x[1]!, y[1]!));
      total.backward();
      opt.step();
      norm.eval();
      const evaluated = noGrad(() => loss(x[0]!, y[0]!));
      norm.train();
      await near(total, want.loss);
      await near(norm.runningMean!, want.runningMean);
      await near(norm.runningVar!, want.runningVar);
      await near(evaluated, want.evalLoss);
      await near(norm.weight!, want.params["gamma"]!);
      await near(first, want.params["w"]!);
      expect(await norm.numBatchesTracked!.item()).toBe(2 * (i + 1));
    }
  });

  test("evaluation changes no statistics", async () => {
    const norm = new nn.BatchNorm2d(2).eval();
    await values(norm.forward(randn([3, 2, 2, 2])));
    expect(await values(norm.runningMean!)).toEqual([0, 0]);
    expect(await norm.numBatchesTracked!.item()).toBe(0);
  });

  test("one value a channel is refused in training only", () => {
    const norm = new nn.BatchNorm1d(3);
    expect(() => norm.forward(ones([1, 3]))).toThrow("batchNorm: x [1,3] has one value to normalise");
    expect(norm.eval().forward(ones([1, 3])).shape).toEqual([1, 3]);
  });
});

describe("dropout", () => {
  test("between recurrent layers in training only", async () => {
    const net = new nn.GRU(2, 3, { numLayers: 2, dropout: 0.5 });
    const x = randn([4, 2, 2], { generator: new Generator(1) });
    const out = (): Promise<number[]> => values(net.forward(x)[0]);
    expect(await out()).not.toEqual(await out());
    net.eval();
    expect(await out()).toEqual(await out());
  });

  test("of attention weights keeps their mean", async () => {
    const generator = new Generator(2);
    const weights = F.attentionWeights(zeros([200, 4]), zeros([50, 4]), { dropoutP: 0.25, generator });
    const v = await values(weights);
    expect(new Set(v)).toEqual(new Set([0, Math.fround(1 / 50 / 0.75)]));
    // 10,000 draws: five standard deviations of the part kept.
    expect(Math.abs(v.filter((e) => e > 0).length / v.length - 0.75)).toBeLessThan(0.022);
  });
});

test("attention weights nobody wants are not given", () => {
  const x = zeros([3, 2, 4]);
  const attention = new nn.MultiheadAttention(4, 2);
  expect(attention.forward(x, x, x)[1]!.shape).toEqual([2, 3, 3]);
  expect(attention.forward(x, x, x, { averageAttnWeights: false })[1]!.shape).toEqual([2, 2, 3, 3]);
  expect(attention.forward(x, x, x, { needWeights: false })[1]).toBeNull();
});

test("names are PyTorch's", () => {
  const names = (net: nn.Module): string[] => Object.keys(net.stateDict());
  expect(names(new nn.LSTM(2, 4, { numLayers: 2, bidirectional: true, projSize: 3 })).slice(0, 10)).toEqual([
    "weight_ih_l0",
    "weight_hh_l0",
    "bias_ih_l0",
    "bias_hh_l0",
    "weight_hr_l0",
    "weight_ih_l0_reverse",
    "weight_hh_l0_reverse",
    "bias_ih_l0_reverse",
    "bias_hh_l0_reverse",
    "weight_hr_l0_reverse",
  ]);
  expect(names(new nn.BatchNorm2d(1))).toEqual([
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "num_batches_tracked",
  ]);
  expect(names(new nn.MultiheadAttention(2, 1, { kdim: 3 }))).toEqual([
    "q_proj_weight",
    "k_proj_weight",
    "v_proj_weight",
    "in_proj_bias",
    "out_proj.weight",
    "out_proj.bias",
  ]);
});

test("modules print their options", () => {
  expect(String(new nn.Conv2d(4, 8, 3, { groups: 2, padding: "same" }))).toBe(
    "Conv2d(4, 8, kernelSize=[3,3], stride=[1,1], padding=same, dilation=[1,1], groups=2, bias=true)",
  );
  expect(String(new nn.MaxPool1d(2, { ceilMode: true }))).toBe(
    "MaxPool1d(kernelSize=[2], stride=[2], padding=[0], ceilMode=true)",
  );
  expect(String(new nn.AdaptiveAvgPool2d([null, 3]))).toBe("AdaptiveAvgPool2d(outputSize=[null,3])");
  expect(String(new nn.BatchNorm1d(3, { momentum: null }))).toBe(
    "BatchNorm1d(3, eps=0.00001, momentum=null, affine=true, trackRunningStats=true)",
  );
  expect(String(new nn.LSTM(2, 3))).toBe("LSTM(2, 3, numLayers=1, batchFirst=false, dropout=0, bidirectional=false)");
});

describe("bad options", () => {
  test.each<[string, () => unknown, string]>([
    ["groups", () => new nn.Conv2d(6, 8, 3, { groups: 4 }), "Conv2d: groups is 4; it must divide inChannels 6"],
    ["two sizes for one axis", () => new nn.Conv1d(1, 1, [3, 3] as never), "Conv1d: kernelSize is [3,3]; it takes one"],
    [
      "a padding row",
      () => new nn.Embedding(5, 2, { paddingIdx: 5 }),
      "Embedding: paddingIdx is 5; it must name one of 5",
    ],
    ["heads", () => new nn.MultiheadAttention(6, 4), "MultiheadAttention: numHeads is 4; it must divide embedDim 6"],
    ["norm groups", () => new nn.GroupNorm(4, 6), "GroupNorm: numGroups is 4; it must divide numChannels 6"],
    ["a projection", () => new nn.LSTM(2, 3, { projSize: 3 }), "LSTM: projSize is 3; it must be below hiddenSize 3"],
    ["a nonlinearity", () => new nn.RNNCell(2, 3, { nonlinearity: "elu" as never }), "RNNCell: nonlinearity is elu"],
    ["a rank", () => new nn.BatchNorm2d(3).forward(zeros([2, 3, 4])), "BatchNorm2d: x is [2,3,4], takes 4 axes"],
    ["channels", () => new nn.BatchNorm1d(3).forward(zeros([2, 4])), "BatchNorm1d: x is [2,4], must have 3 channels"],
    [
      "a state",
      () => new nn.GRU(2, 3).forward(zeros([4, 5, 2]), zeros([1, 4, 3])),
      "GRU: a state is [1,4,3], must be [1,5,3]",
    ],
    [
      "inputs",
      () => new nn.LSTM(2, 3).forward(zeros([4, 5, 3])),
      "LSTM: x is [4,5,3], must be [t, n, 2], or without n",
    ],
    ["float indices", () => new nn.Embedding(5, 2).forward(zeros([3])), "embedding: indices are f32, take i32 or u32"],
    [
      "mask and causal",
      () =>
        F.scaledDotProductAttention(zeros([2, 3]), zeros([2, 3]), zeros([2, 3]), {
          isCausal: true,
          attnMask: zeros([2, 2]),
        }),
      "scaledDotProductAttention: takes attnMask or isCausal, not both",
    ],
    [
      "padding",
      () => F.maxPool2d(zeros([1, 1, 4, 4]), 2, { padding: 2 }),
      "maxPool2d: padding [2,2] is more than half",
    ],
    ["integers", () => F.maxPool2d(zeros([1, 1, 4, 4], { dtype: "i32" }), 2), "maxPool2d: got i32, takes f32"],
  ])("%s", (_, make, message) => expect(make).toThrow(message));
});

/** Clipping, averages of weights, reparametrized weights, LoRA and the rest of init, against their formulas in doubles. */
import { beforeEach, describe, expect, test } from "vitest";
import { Generator, nn, noGrad, ones, optim, realize, tensor, zeros, type Tensor } from "texgrad";
import { useTestDevice } from "../support/device.ts";

beforeEach(useTestDevice);

const list = async (t: Tensor): Promise<number[]> => [...(await t.data())];
const parameter = (...values: number[]): nn.Parameter => new nn.Parameter(tensor(values));
async function near(t: Tensor, want: readonly number[], digits = 6): Promise<void> {
  const got = await list(t);
  expect(got).toHaveLength(want.length);
  for (const [i, w] of want.entries()) expect(got[i]).toBeCloseTo(w, digits);
}

describe("clipGradNorm", () => {
  /** Gradients 3 and [0, -4]: a norm of 5. */
  function pulled(): [nn.Parameter, nn.Parameter] {
    const [a, b] = [parameter(1), parameter(1, 1)];
    a.mul(3)
      .sum()
      .add(b.mul(tensor([0, -4])).sum())
      .backward();
    return [a, b];
  }

  test("scales what is too long, and gives the norm", async () => {
    const [a, b] = pulled();
    const norm = nn.clipGradNorm([a, b], 1);
    expect(await norm.item()).toBe(5);
    await near(a.grad!, [0.6]);
    await near(b.grad!, [0, -0.8]);
  });

  test("leaves what is short enough", async () => {
    const [a, b] = pulled();
    nn.clipGradNorm([a, b], 6);
    expect([await list(a.grad!), await list(b.grad!)]).toEqual([[3], [0, -4]]);
  });

  test.each([
    [1, 7],
    [3, (27 + 64) ** (1 / 3)],
    [Infinity, 4],
  ])("normType %d", async (normType, want) => {
    expect(await nn.clipGradNorm(pulled(), 1, { normType }).item()).toBeCloseTo(want, 5);
  });

  test("a step takes the clipped gradient, in one submit", async () => {
    const [a, b] = pulled();
    const opt = new optim.SGD([a, b], { lr: 1 });
    nn.clipGradNorm([a, b], 0.5);
    opt.step();
    await near(a, [0.7]);
    await near(b, [1, 1.4]);
  });

  test("gradients of 0 stay 0", async () => {
    const p = parameter(1);
    p.mul(0).sum().backward();
    nn.clipGradNorm(p, 1);
    expect(await list(p.grad!)).toEqual([0]);
  });

  test("clipGradValue", async () => {
    const [a, b] = pulled();
    nn.clipGradValue([a, b], 2);
    expect([await list(a.grad!), await list(b.grad!)]).toEqual([[2], [0, -2]]);
  });

  test("refuses what is no norm, and parameters without gradients", () => {
    expect(() => nn.clipGradNorm(pulled(), -1)).toThrow("clipGradNorm: maxNorm is -1; it must be at least 0");
    expect(() => nn.clipGradNorm([parameter(1)], 1)).toThrow("no parameter has a gradient; call backward() first");
  });
});

describe("EMA", () => {
  const net = (): nn.Linear => new nn.Linear(1, 1, { bias: false });
  const train = (opt: optim.Optimizer, p: Tensor): void => {
    opt.zeroGrad();
    p.sum().backward();
    opt.step();
  };

  test("averages after each step, swaps and swaps back", async () => {
    const m = net();
    noGrad(() => m.weight.copy_(1));
    const ema = new nn.EMA(m, { decay: 0.5 });
    const opt = new optim.SGD(m.parameters(), { lr: 1 });
    // Weights 1, 0, -1, -2.
    for (let i = 0; i < 3; i++) {
      train(opt, m.weight);
      ema.update();
    }
    const mean = ((1 * 0.5 + 0) * 0.5 - 0.5) * 0.5 - 1;
    await near(ema.stateDict()["weight"]!, [mean]);
    ema.swap();
    await near(m.weight, [mean]);
    ema.swap();
    await near(m.weight, [-2]);
    train(opt, m.weight);
    await near(m.weight, [-3]);
    await near(ema.stateDict()["weight"]!, [mean]);
  });

  test("with a warm-up the first weights fade; buffers are taken as they are", async () => {
    const m = new nn.Sequential(net(), new nn.BatchNorm1d(1));
    const ema = new nn.EMA(m, { warmup: true });
    noGrad(() => {
      for (const p of m.parameters()) p.copy_(3);
      for (const b of m.buffers()) b.copy_(7);
    });
    ema.update();
    const { "0.weight": weight, "1.running_mean": mean } = ema.stateDict();
    const first = (await list(weight!))[0]!;
    expect(first).toBeGreaterThan(2.5);
    expect(await list(mean!)).toEqual([7]);
    const other = new nn.EMA(m);
    other.loadStateDict(ema.stateDict());
    expect(await list(other.stateDict()["0.weight"]!)).toEqual([first]);
  });
});

describe("weightNorm", () => {
  test("w = g v / |v| by rows, with PyTorch's names; the forward reads it", async () => {
    const layer = new nn.Linear(2, 2);
    layer.loadStateDict({
      weight: tensor([
        [3, 4],
        [0, 2],
      ]),
      bias: zeros([2]),
    });
    nn.weightNorm(layer);
    expect(Object.keys(layer.stateDict())).toEqual(["bias", "weight_g", "weight_v"]);
    const dict = layer.stateDict();
    expect([dict["weight_g"]!.shape, await list(dict["weight_g"]!)]).toEqual([
      [2, 1],
      [5, 2],
    ]);
    layer.loadStateDict({ ...dict, weight_g: tensor([[10], [1]]) });
    await near(layer.forward(tensor([[1, 0]])), [6, 0]);
    nn.removeWeightNorm(layer);
    expect(Object.keys(layer.stateDict())).toEqual(["bias", "weight"]);
    await near(layer.weight, [6, 8, 0, 1]);
    expect(() => nn.removeWeightNorm(layer)).toThrow("Linear.weight is a plain parameter");
  });

  test("trains g and v: the gradient of v is at right angles to it", async () => {
    const layer = nn.weightNorm(new nn.Conv2d(1, 2, 2));
    layer
      .forward(ones([1, 1, 3, 3]))
      .square()
      .sum()
      .backward();
    const parameters = new Map(layer.namedParameters());
    const [v, g] = [parameters.get("weight_v")!, parameters.get("weight_g")!];
    expect(g.grad!.shape).toEqual([2, 1, 1, 1]);
    await near(v.mul(v.grad!).sum([1, 2, 3]), [0, 0], 4);
  });
});

describe("spectralNorm", () => {
  const matrix = tensor([
    [3, 0],
    [0, 1],
  ]);
  test("comes to divide by the largest singular value; evaluation moves nothing", async () => {
    const layer = new nn.Linear(2, 2, { bias: false });
    layer.loadStateDict({ weight: matrix });
    nn.spectralNorm(layer);
    expect(Object.keys(layer.stateDict())).toEqual(["weight_orig", "weight_u", "weight_v"]);
    for (let i = 0; i < 12; i++) realize(layer.forward(tensor([[1, 1]])));
    await near(layer.forward(tensor([[1, 1]])), [1, 1 / 3], 5);
    layer.eval();
    const before = await list(layer.stateDict()["weight_u"]!);
    await near(layer.forward(tensor([[1, 1]])), [1, 1 / 3], 5);
    expect(await list(layer.stateDict()["weight_u"]!)).toEqual(before);
    nn.removeSpectralNorm(layer);
    await near(layer.weight, [1, 0, 0, 1 / 3], 5);
  });

  test("one iteration, and the gradient through sigma, by the formula", async () => {
    const layer = nn.spectralNorm(new nn.Linear(2, 2, { bias: false }));
    layer.loadStateDict({ weight_orig: matrix, weight_u: tensor([0.6, 0.8]), weight_v: tensor([1, 0]) });
    const y = layer.forward(tensor([[1, 0]]));
    // v = W^T u / |.| = [1.8, 0.8] / |.|, u = W v / |.| = [5.4, 0.8] / |.|, sigma = u . W v.
    const [a, b] = [Math.hypot(1.8, 0.8), Math.hypot(5.4, 0.8)];
    const sigma = b / a;
    await near(y, [3 / sigma, 0], 5);
    y.sum().backward();
    const [u, v] = [
      [5.4 / b, 0.8 / b],
      [1.8 / a, 0.8 / a],
    ];
    // d (w00 + w10) / sigma: 1 / sigma on the first column, less 3 / sigma^2 u v^T.
    const want = u.flatMap((e) => v.map((f, c) => (c === 0 ? 1 / sigma : 0) - (3 / sigma ** 2) * e * f));
    await near(new Map(layer.namedParameters()).get("weight_orig")!.grad!, want, 5);
  });

  test("refuses what holds no such parameter", () => {
    expect(() => nn.spectralNorm(new nn.ReLU())).toThrow("spectralNorm: ReLU has no parameter in a field weight");
  });
});

describe("LoRA", () => {
  test("changes nothing at first, trains two thin matrices, and merges", async () => {
    const net = new nn.Sequential(new nn.Linear(3, 4), new nn.ReLU(), new nn.Linear(4, 2));
    const x = tensor([[1, -2, 0.5]]);
    const before = await list(net.forward(x));
    expect(nn.lora(net, { rank: 2, alpha: 4, where: (name) => name === "2" })).toEqual(["2"]);
    expect(await list(net.forward(x))).toEqual(before);
    expect([...net.parameters()].filter((p) => p.requiresGrad).map((p) => p.shape)).toEqual([
      [2, 4],
      [2, 2],
    ]);
    expect(Object.keys(nn.loraStateDict(net))).toEqual(["2.lora_A", "2.lora_B"]);
    const opt = new optim.SGD(net.parameters(), { lr: 0.1 });
    net.forward(x).sum().backward();
    opt.step();
    const after = await list(net.forward(x));
    expect(after).not.toEqual(before);
    nn.mergeLora(net);
    expect(Object.keys(net.stateDict())).toEqual(["0.weight", "0.bias", "2.weight", "2.bias"]);
    await near(net.forward(x), after);
    expect(() => nn.lora(net, { rank: 1, where: () => false })).toThrow("lora: no Linear layer is chosen");
  });
});

describe("init", () => {
  const of = (shape: readonly number[], fill: (p: Tensor) => unknown): Promise<number[]> => {
    const p = new nn.Parameter(zeros(shape));
    fill(p);
    return list(p);
  };
  const generator = (): Generator => new Generator(3);

  test("truncNormal lies within its bounds and has the spread of a cut normal", async () => {
    const v = await of([4000], (p) => nn.init.truncNormal(p, { std: 2, a: -2, b: 2, generator: generator() }));
    expect(Math.max(...v.map(Math.abs))).toBeLessThanOrEqual(2);
    const variance = v.reduce((s, e) => s + e * e, 0) / v.length;
    // 4 (1 - 2 phi(1) / (Phi(1) - Phi(-1))) = 1.164; its own spread over 4,000 draws is 0.016.
    expect(Math.abs(variance - 1.164)).toBeLessThan(0.08);
    expect(() => nn.init.truncNormal(parameter(1), { mean: 100 })).toThrow("[-2, 2] holds almost nothing of mean 100");
  });

  test.each([
    [[5, 3], 1],
    [[3, 5], 2],
    [[4, 2, 3, 3], 1],
  ])("orthogonal %j", async (shape, gain) => {
    const v = await of(shape, (p) => nn.init.orthogonal(p, { gain, generator: generator() }));
    const rows = shape[0]!;
    const columns = v.length / rows;
    const at = (i: number, k: number): number => (rows < columns ? v[i * columns + k]! : v[k * columns + i]!);
    for (let i = 0; i < Math.min(rows, columns); i++) {
      for (let j = 0; j < Math.min(rows, columns); j++) {
        let dot = 0;
        for (let k = 0; k < Math.max(rows, columns); k++) dot += at(i, k) * at(j, k);
        expect(dot).toBeCloseTo(i === j ? gain * gain : 0, 5);
      }
    }
  });

  test("sparse leaves as many zeros in each column", async () => {
    const v = await of([10, 4], (p) => nn.init.sparse(p, 0.25, { generator: generator() }));
    for (let c = 0; c < 4; c++) expect(v.filter((e, i) => i % 4 === c && e === 0)).toHaveLength(3);
  });

  test("eye and dirac", async () => {
    expect(await of([2, 3], nn.init.eye)).toEqual([1, 0, 0, 0, 1, 0]);
    const conv = new nn.Conv2d(2, 2, 3, { padding: 1, bias: false });
    nn.init.dirac(conv.weight);
    const x = tensor(
      Array.from({ length: 18 }, (_, i) => i),
      { shape: [1, 2, 3, 3] },
    );
    expect(await list(conv.forward(x))).toEqual(await list(x));
    expect(await of([4, 1, 1], (p) => nn.init.dirac(p, 2))).toEqual([1, 0, 1, 0]);
  });

  test("selu's gain is PyTorch's", () => {
    expect(nn.init.calculateGain("selu")).toBe(0.75);
    expect(() => nn.init.eye(parameter(1))).toThrow("init.eye: a parameter of shape [1]; it takes a matrix");
  });
});

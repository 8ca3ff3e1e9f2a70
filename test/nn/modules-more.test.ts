/** Containers, hooks, paths in errors, summaries, stacks of transformer layers, rotary embedding, dropouts' statistics. */
import { beforeEach, describe, expect, test } from "vitest";
import { F, Generator, manualSeed, nn, ones, optim, randn, tensor, zeros, type Tensor } from "texgrad";
import { useTestDevice } from "../support/device.ts";

beforeEach(useTestDevice);

const list = async (t: Tensor): Promise<number[]> => [...(await t.data())];

describe("containers", () => {
  test("ModuleList, ModuleDict and ParameterList name their members as PyTorch does", () => {
    class Net extends nn.Module {
      blocks = new nn.ModuleList([new nn.Linear(2, 2, { bias: false })]);
      heads = new nn.ModuleDict<nn.TensorModule>({ a: new nn.Linear(2, 1, { bias: false }) });
      scales = new nn.ParameterList([new nn.Parameter(ones([1]))]);
    }
    const net = new Net();
    net.blocks.append(new nn.Linear(2, 3, { bias: false }));
    net.heads.set("b", new nn.ReLU());
    net.scales.append(new nn.Parameter(ones([2])));
    expect(Object.keys(net.stateDict())).toEqual([
      "blocks.0.weight",
      "blocks.1.weight",
      "heads.a.weight",
      "scales.0",
      "scales.1",
    ]);
    expect([net.blocks.length, net.heads.size, net.scales.at(-1)!.shape]).toEqual([2, 2, [2]]);
    expect(net.heads.delete("a") && !net.heads.has("a")).toBe(true);
    expect(() => net.heads.set("a.b", new nn.ReLU())).toThrow('ModuleDict: "a.b" cannot be part of a path');
  });

  test("Unflatten undoes Flatten", () => {
    const x = zeros([2, 12]);
    expect(new nn.Unflatten(1, [3, -1]).forward(x).shape).toEqual([2, 3, 4]);
    expect(() => new nn.Unflatten(1, [5, -1]).forward(x)).toThrow("reshape");
  });
});

describe("hooks", () => {
  test("see and replace arguments and results, until removed", async () => {
    const layer = new nn.Identity();
    const seen: unknown[] = [];
    const removePre = layer.registerForwardPreHook((m, [x]) => {
      seen.push(m);
      return [(x as Tensor).mul(2)];
    });
    const remove = layer.registerForwardHook((_, [x], y) => {
      seen.push(x);
      return (y as Tensor).add(1);
    });
    expect(await list(layer.forward(tensor([3])))).toEqual([7]);
    expect(seen).toHaveLength(2);
    removePre();
    expect(await list(layer.forward(tensor([3])))).toEqual([4]);
    remove();
    expect(await list(layer.forward(tensor([3])))).toEqual([3]);
    expect(Object.keys(layer.stateDict())).toEqual([]);
  });

  test("fire where a container calls the module", () => {
    const net = new nn.Sequential(new nn.Linear(2, 3), new nn.ReLU());
    let calls = 0;
    net.at(0)!.registerForwardHook(() => void calls++);
    net.forward(ones([1, 2]));
    expect(calls).toBe(1);
  });
});

describe("errors name the module by its path", () => {
  class Block extends nn.Module {
    conv1 = new nn.Conv2d(128, 256, 1);
    conv2 = new nn.Conv2d(256, 256, 3);
  }
  class Net extends nn.Module {
    layer3 = [new Block(), new Block()];
    fc = new nn.Linear(4, 2);
    bn = new nn.BatchNorm1d(4);
    rnn = new nn.GRU(3, 2);
  }
  const net = new Net();
  nn.countParameters(net);
  test.each<[string, () => unknown, string]>([
    [
      "a convolution",
      () => net.layer3[1]!.conv2.forward(zeros([4, 128, 8, 8])),
      "layer3.1.conv2: expected [N,256,H,W] or [256,H,W], got [4,128,8,8]",
    ],
    ["Linear", () => net.fc.forward(zeros([2, 3])), "fc: expected [..,4], got [2,3]"],
    ["a norm", () => net.bn.forward(zeros([2, 3])), "bn: x is [2,3], must have 4 channels on axis 1"],
    ["a recurrent layer", () => net.rnn.forward(zeros([2, 2, 2])), "rnn: x is [2,2,2], must be [t, n, 3]"],
    ["one in no network", () => new nn.Linear(4, 2).forward(zeros([3])), "Linear: expected [..,4], got [3]"],
  ])("%s", (_, f, message) => expect(f).toThrow(message));

  test("the longest path holds, whoever lists it later", () => {
    nn.countParameters(net.layer3[0]!);
    expect(() => net.layer3[0]!.conv1.forward(zeros([1, 1, 1, 1]))).toThrow("layer3.0.conv1: expected");
  });
});

test("loadStateDict lists missing, unexpected and misshapen names at once, and changes nothing", async () => {
  const net = new nn.Sequential(new nn.Linear(2, 2), new nn.Linear(2, 1));
  const before = await list(net.stateDict()["0.weight"]!);
  const dict = { "0.weight": zeros([2, 2]), "0.bias": zeros([3]), "1.weights": zeros([1, 2]), "1.bias": zeros([1]) };
  expect(() => net.loadStateDict(dict)).toThrow(
    "loadStateDict: Sequential: nothing was loaded\n  missing: 1.weight\n  unexpected: 1.weights\n" +
      "  shapes differ: 0.bias is [2], given [3]",
  );
  expect(await list(net.stateDict()["0.weight"]!)).toEqual(before);
});

test("a tied weight is one parameter, and one in the optimizer", () => {
  class Tied extends nn.Module {
    embedding = new nn.Embedding(5, 3);
    head = new nn.Linear(3, 5, { bias: false });
    constructor() {
      super();
      Object.assign(this.head, { weight: this.embedding.weight });
    }
  }
  const net = new Tied();
  expect([...net.parameters()]).toHaveLength(1);
  expect(Object.keys(net.stateDict())).toEqual(["embedding.weight", "head.weight"]);
  expect(nn.countParameters(net)).toBe(15);
  expect(new optim.SGD(net.parameters(), { lr: 1 }).paramGroups[0].params).toHaveLength(1);
});

describe("summary", () => {
  test("lists layers in the order they are called, with shapes and counts, and leaves the modes as they were", () => {
    const net = new nn.Sequential(
      new nn.Conv2d(1, 4, 3),
      new nn.BatchNorm2d(4),
      new nn.Flatten(),
      new nn.Linear(144, 10),
    );
    net.at(3)!.requiresGrad_(false);
    const tracked = new Map(net.namedBuffers()).get("1.running_mean")!;
    expect(nn.summary(net, [2, 1, 8, 8])).toBe(
      [
        "layer           output     parameters",
        "0: Conv2d       [2,4,6,6]          40",
        "1: BatchNorm2d  [2,4,6,6]           8",
        "2: Flatten      [2,144]             0",
        "3: Linear       [2,10]          1,450",
        "1,498 parameters, 48 trained",
      ].join("\n"),
    );
    expect(net.at(1)!.training).toBe(true);
    expect(tracked.dataSync()).toEqual(new Float32Array(4));
  });

  test("of several inputs", () => {
    expect(
      nn.summary(new nn.Bilinear(2, 3, 4), [
        [5, 2],
        [5, 3],
      ]),
    ).toContain("Bilinear  [5,4]");
  });
});

describe("transformers", () => {
  const options = { dimFeedforward: 8, dropout: 0 };
  const layer = (): nn.TransformerEncoderLayer => new nn.TransformerEncoderLayer(4, 2, options);

  test("a stack has weights of its own for each layer, and is its layers one after the other", async () => {
    const encoder = new nn.TransformerEncoder(layer, 2, { norm: new nn.LayerNorm(4) });
    expect(Object.keys(encoder.stateDict()).filter((k) => k.endsWith("linear1.bias"))).toEqual([
      "layers.0.linear1.bias",
      "layers.1.linear1.bias",
    ]);
    const x = randn([3, 1, 4]);
    const by = encoder.norm!.forward(encoder.layers[1]!.forward(encoder.layers[0]!.forward(x)));
    expect(await list(encoder.forward(x))).toEqual(await list(by));
  });

  test("Transformer is an encoder and a decoder, with PyTorch's names", () => {
    const net = new nn.Transformer({ dModel: 4, nhead: 2, numEncoderLayers: 1, numDecoderLayers: 1, ...options });
    expect(net.forward(zeros([3, 2, 4]), zeros([5, 2, 4]), { tgtMask: nn.causalMask(5) }).shape).toEqual([5, 2, 4]);
    expect(Object.keys(net.stateDict())).toContain("decoder.layers.0.multihead_attn.in_proj_weight");
    expect(Object.keys(net.stateDict())).toContain("encoder.norm.weight");
  });

  test("a causal mask hides what comes later", async () => {
    expect(await list(nn.causalMask(3))).toEqual([0, 1, 1, 0, 0, 1, 0, 0, 0]);
    const encoder = layer().eval();
    const x = randn([3, 1, 4]);
    const changed = x.add(tensor([0, 0, 1]).reshape(3, 1, 1));
    const first = async (t: Tensor): Promise<number[]> =>
      list(encoder.forward(t, { srcMask: nn.causalMask(3) }).narrow(0, 0, 2));
    expect(await first(x)).toEqual(await first(changed));
  });

  test("refuses an activation it does not know", () => {
    expect(() => new nn.TransformerEncoderLayer(4, 2, { activation: "swish" as never })).toThrow("activation is swish");
  });
});

describe("rotary embedding", () => {
  test.each([false, true])("turns pairs by position / base^(2 i / dim), interleaved %s", async (interleaved) => {
    const rope = new nn.RotaryEmbedding(4, { base: 100, interleaved });
    const got = await list(rope.forward(tensor([[[1, 2, 3, 4]]]).expand(1, 3, 4), { offset: 5 }));
    const [first, second] = interleaved
      ? [
          [0, 1],
          [2, 3],
        ]
      : [
          [0, 2],
          [1, 3],
        ];
    const want = [5, 6, 7].flatMap((p) => {
      const row = [0, 0, 0, 0];
      for (const [i, [a, b]] of [first, second].entries()) {
        const angle = p / 100 ** (i / 2);
        const [x, y] = [a! + 1, b! + 1];
        row[a!] = x * Math.cos(angle) - y * Math.sin(angle);
        row[b!] = y * Math.cos(angle) + x * Math.sin(angle);
      }
      return row;
    });
    for (const [i, w] of want.entries()) expect(got[i]).toBeCloseTo(w, 5);
    expect(Object.keys(rope.stateDict())).toEqual([]);
  });

  test("products depend on the distance alone", async () => {
    const rope = new nn.RotaryEmbedding(8);
    const [q, k] = [randn([1, 8]), randn([1, 8])];
    const product = (a: number, b: number): Promise<number> =>
      rope
        .forward(q, { offset: a })
        .mul(rope.forward(k, { offset: b }))
        .sum()
        .item();
    expect(await product(3, 1)).toBeCloseTo(await product(103, 101), 4);
  });

  test("refuses odd widths and positions past the table", () => {
    expect(() => new nn.RotaryEmbedding(3)).toThrow("RotaryEmbedding: dim is 3; it must be even");
    expect(() => new nn.RotaryEmbedding(2, { maxPositions: 4 }).forward(zeros([5, 2]))).toThrow("maxPositions is 4");
  });
});

describe("dropouts", () => {
  const x = ones([50, 40, 5]);
  test("whole channels go, the mean stays; evaluation changes nothing", async () => {
    manualSeed(1);
    const layer = new nn.Dropout1d(0.25);
    const y = await list(layer.forward(x));
    for (let c = 0; c < 2000; c++) expect(new Set(y.slice(5 * c, 5 * c + 5)).size).toBe(1);
    const part = y.filter((e) => e === 0).length / y.length;
    // Four standard deviations of 2,000 draws.
    expect(Math.abs(part - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / 2000));
    expect(layer.eval().forward(x)).toBe(x);
    expect(() => new nn.Dropout2d(1.5)).toThrow("Dropout2d: p is 1.5");
  });

  test("AlphaDropout keeps a mean of 0 and a variance of 1", async () => {
    manualSeed(2);
    const y = await list(new nn.AlphaDropout(0.3).forward(randn([200, 100])));
    const mean = y.reduce((a, b) => a + b, 0) / y.length;
    const variance = y.reduce((a, b) => a + b * b, 0) / y.length - mean * mean;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });
});

test("Softmax2d sums to 1 over channels", async () => {
  const y = new nn.Softmax2d().forward(randn([2, 3, 2, 2])).sum(1);
  for (const e of await list(y)) expect(e).toBeCloseTo(1, 6);
  expect(() => new nn.Softmax2d().forward(zeros([3, 2]))).toThrow(
    "Softmax2d: expected [N,C,H,W] or [C,H,W], got [3,2]",
  );
});

test("max pools give their positions, and unpool them", async () => {
  const pool = new nn.MaxPool2d(2);
  const x = tensor([
    [
      [
        [1, 5],
        [3, 2],
      ],
    ],
  ]);
  const { values, indices } = pool.withIndices(x);
  expect(await list(new nn.MaxUnpool2d(2).forward(values, indices))).toEqual([0, 5, 0, 0]);
});

describe("initial weights are PyTorch's", () => {
  const generator = (): Generator => new Generator(5);
  /** Of many numbers: within [low, high), and a standard deviation within 5 % of what it shall be. */
  async function spread(p: Tensor, std: number, bound = Infinity): Promise<void> {
    const v = await list(p);
    expect(Math.max(...v.map(Math.abs))).toBeLessThanOrEqual(bound);
    const got = Math.sqrt(v.reduce((a, e) => a + e * e, 0) / v.length);
    expect(Math.abs(got / std - 1)).toBeLessThan(0.05);
  }

  test("Bilinear: U(-b, b), b = 1 / sqrt(in1Features)", async () => {
    const { weight } = new nn.Bilinear(16, 20, 30, { generator: generator() });
    await spread(weight, 0.25 / Math.sqrt(3), 0.25);
  });

  test("EmbeddingBag: N(0, 1)", async () => {
    await spread(new nn.EmbeddingBag(50, 60, { generator: generator() }).weight, 1);
  });

  test("MultiheadAttention's added key and value: N(0, 1 / embedDim)", async () => {
    const layer = new nn.MultiheadAttention(2048, 1, { addBiasKv: true, kdim: 1, vdim: 1, generator: generator() });
    await spread(layer.biasK!, 1 / Math.sqrt(2048));
  }, 30_000);

  test("PReLU: 0.25", async () => {
    expect(await list(new nn.PReLU(2).weight)).toEqual([0.25, 0.25]);
  });
});

describe("what is refused", () => {
  test.each<[string, () => unknown, string]>([
    [
      "a size no stride gives",
      () => new nn.ConvTranspose1d(1, 1, 3, { stride: 2 }).forward(zeros([1, 1, 3]), { outputSize: [9] }),
      "ConvTranspose1d: outputSize [9]: from [1,1,3] come sizes [7] to [8]",
    ],
    [
      "a mode of padding",
      () => new nn.Conv1d(1, 1, 1, { paddingMode: "wrap" as never }),
      "Conv1d: paddingMode is wrap",
    ],
    [
      "lengths of another batch",
      () => new nn.GRU(2, 2).forward(zeros([3, 2, 2]), null, { lengths: [1] }),
      "GRU: lengths are [1], must be [2]",
    ],
    [
      "bags without offsets",
      () => F.embeddingBag(zeros([3], { dtype: "i32" }), zeros([2, 2])),
      "embeddingBag: indices are [3] without offsets",
    ],
    ["Upsample without a size", () => new nn.Upsample({}), "Upsample: takes size or scaleFactor, one of them"],
    ["padding of another rank", () => new nn.ZeroPad2d([1, 2]), "ZeroPad2d: padding is [1,2]; takes one number or 4"],
  ])("%s", (_, f, message) => expect(f).toThrow(message));
});

/**
 * Losses by `F`: every call of test/fixtures/losses.json on each device, values and gradients against PyTorch's; that
 * modules are the functions; and what is refused.
 */
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { F, grad, nn, setDevice, tensor, zeros, type Tensor } from "texgrad";
import { fixture } from "../fixtures/load.ts";
import { useTestDevice } from "../support/device.ts";
import { devices } from "../support/devices.ts";
import { checkCase, type Call } from "../support/fixture-case.ts";

type Loss = (x: Tensor, y: Tensor, options: object) => Tensor;
const plain =
  (f: Loss): Call =>
  ([x, y], a) =>
    f(x!, y!, a);
/** Weights have no gradient in torch's losses; fixtures say 0. */
const weighted =
  (f: (x: Tensor, y: Tensor, options: { weight: Tensor | null; posWeight: Tensor | null }) => Tensor): Call =>
  ([x, y, weight, posWeight], a) =>
    f(x!, y!, { ...a, weight: weight?.detach() ?? null, posWeight: posWeight?.detach() ?? null });
const ofThree =
  (f: (x: Tensor, y: Tensor, z: Tensor, options: object) => Tensor): Call =>
  ([x, y, z], a) =>
    f(x!, y!, z!, a);

const calls: Readonly<Record<string, Call>> = {
  crossEntropy: weighted(F.crossEntropy),
  nllLoss: weighted(F.nllLoss),
  l1Loss: plain(F.l1Loss),
  smoothL1Loss: plain(F.smoothL1Loss),
  huberLoss: plain(F.huberLoss),
  binaryCrossEntropy: weighted(F.binaryCrossEntropy),
  binaryCrossEntropyWithLogits: weighted(F.binaryCrossEntropyWithLogits),
  klDiv: plain(F.klDiv),
  hingeEmbeddingLoss: plain(F.hingeEmbeddingLoss),
  softMarginLoss: ([x, y], a) => F.softMarginLoss(x!, y!.detach(), a),
  multilabelMarginLoss: plain(F.multilabelMarginLoss),
  multiMarginLoss: weighted(F.multiMarginLoss),
  multilabelSoftMarginLoss: weighted(F.multilabelSoftMarginLoss),
  marginRankingLoss: ofThree(F.marginRankingLoss),
  cosineEmbeddingLoss: ofThree(F.cosineEmbeddingLoss),
  cosineSimilarity: plain(F.cosineSimilarity),
  pairwiseDistance: plain(F.pairwiseDistance),
  tripletMarginLoss: ofThree(F.tripletMarginLoss),
  gaussianNllLoss: ofThree(F.gaussianNllLoss),
  poissonNllLoss: plain(F.poissonNllLoss),
  ctcLoss: ([x, y], a) =>
    F.ctcLoss(x!.logSoftmax(-1), y!, a["inputLengths"] as number[], a["targetLengths"] as number[], a),
};

const { cases } = fixture("losses");

// The evaluator is the oracle of the ops they are made of; cpu and webgl are what users run.
describe.each(devices.filter(([name]) => name !== "reference"))("on %s", (_, make) => {
  beforeAll(() => {
    setDevice(make());
  });
  test.each(cases.map((c) => [c.id, c] as const))("%s", (_id, c) => checkCase(c, calls[c.op]!));
});

describe("where PyTorch's own gradient is made up or NaN", () => {
  beforeEach(useTestDevice);
  const leaf = (...v: number[]): Tensor => tensor(v, { requiresGrad: true });
  const list = async (t: Tensor): Promise<number[]> => [...(await t.data())];

  test("binaryCrossEntropy at 0 and 1: 100 at most, as PyTorch, and no gradient out of nothing", async () => {
    const p = leaf(0, 1, 0, 1);
    const loss = F.binaryCrossEntropy(p, tensor([0, 1, 1, 0]), { reduction: "none" });
    expect(await list(loss)).toEqual([-0, -0, 100, 100]);
    expect(await list(grad(loss.sum(), [p])[0]!)).toEqual([1, -1, 0, -0]);
  });

  test("klDiv with targets of 0", async () => {
    const [x, y] = [leaf(-1, -2), leaf(0, 1)];
    const loss = F.klDiv(x, y, { reduction: "sum" });
    expect(await loss.item()).toBe(2);
    const [gx, gy] = grad(loss, [x, y]);
    // d/dy of y (log y - x) is log y - x + 1; at 0 the part of the logarithm is left out.
    expect([await list(gx!), await list(gy!)]).toEqual([
      [-0, -1],
      [1, 3],
    ]);
  });

  test("softMarginLoss far out is the margin itself", async () => {
    const x = leaf(-1e4, 1e4);
    const loss = F.softMarginLoss(x, tensor([1, 1]), { reduction: "none" });
    expect(await list(loss)).toEqual([1e4, 0]);
    expect(await list(grad(loss.sum(), [x])[0]!)).toEqual([-1, -0]);
  });

  test("ctcLoss of a target that does not fit is infinite, or 0 if asked", async () => {
    const logs = leaf(...Array.from({ length: 6 }, () => Math.log(1 / 3))).reshape(2, 1, 3);
    const loss = F.ctcLoss(logs, tensor([[1, 1]], { dtype: "i32" }), [2], [2], { reduction: "none" });
    expect(await list(loss)).toEqual([Infinity]);
  });

  test("all targets ignored: a mean over nothing", async () => {
    const x = tensor([[1, 2]], { requiresGrad: true });
    const y = tensor([-100], { dtype: "i32" });
    expect(await F.crossEntropy(x, y, { ignoreIndex: -100 }).item()).toBeNaN();
    expect(await F.crossEntropy(x, y, { ignoreIndex: -100, reduction: "sum" }).item()).toBe(0);
  });
});

describe("modules", () => {
  beforeEach(useTestDevice);
  const [x, y] = [tensor([0.2, 0.9]), tensor([1, 0])];
  test.each<[string, Tensor, Tensor]>([
    ["SmoothL1Loss", new nn.SmoothL1Loss({ beta: 0.5 }).forward(x, y), F.smoothL1Loss(x, y, { beta: 0.5 })],
    ["HuberLoss", new nn.HuberLoss({ delta: 0.5 }).forward(x, y), F.huberLoss(x, y, { delta: 0.5 })],
    ["BCELoss", new nn.BCELoss().forward(x, y), F.binaryCrossEntropy(x, y)],
    [
      "KLDivLoss",
      new nn.KLDivLoss({ reduction: "batchmean" }).forward(x, y),
      F.klDiv(x, y, { reduction: "batchmean" }),
    ],
    ["L1Loss", new nn.L1Loss({ reduction: "sum" }).forward(x, y), F.l1Loss(x, y, { reduction: "sum" })],
    ["PoissonNLLLoss", new nn.PoissonNLLLoss({ full: true }).forward(x, y), F.poissonNllLoss(x, y, { full: true })],
  ])("%s", async (_, module, f) => expect(await module.data()).toEqual(await f.data()));

  test("say their options", () => {
    expect(String(new nn.CrossEntropyLoss({ labelSmoothing: 0.1 }))).toBe(
      "CrossEntropyLoss(reduction=mean, labelSmoothing=0.1)",
    );
  });
});

describe("what is refused", () => {
  const indices = zeros([2], { dtype: "i32" });
  test.each<[string, () => unknown, string]>([
    ["shapes that would broadcast", () => F.l1Loss(zeros([3]), zeros([3, 1])), "l1Loss: [3] and [3,1] differ"],
    [
      "float classes",
      () => F.nllLoss(zeros([2, 3]), zeros([2])),
      'nllLoss: class indices are f32, must be i32; y.cast("i32")',
    ],
    [
      "too few targets",
      () => F.nllLoss(zeros([3, 3]), indices),
      "nllLoss: scores [3,3] want class indices [3], got [2]",
    ],
    [
      "a weight of other classes",
      () => F.crossEntropy(zeros([2, 3]), indices, { weight: zeros([2]) }),
      "crossEntropy: weight is [2], must be [3], one a class",
    ],
    [
      "smoothing above 1",
      () => F.crossEntropy(zeros([2, 3]), indices, { labelSmoothing: 2 }),
      "crossEntropy: labelSmoothing is 2; it must be in [0, 1]",
    ],
    [
      "an ignored class of soft targets",
      () => F.crossEntropy(zeros([2, 3]), zeros([2, 3]), { ignoreIndex: 1 }),
      "crossEntropy: ignoreIndex is of class indices, the target is probabilities",
    ],
    ["delta 0", () => F.huberLoss(zeros([1]), zeros([1]), { delta: 0 }), "huberLoss: delta is 0; it must be above 0"],
    [
      "a blank that is no class",
      () => F.ctcLoss(zeros([2, 1, 3]), zeros([1, 1], { dtype: "i32" }), [2], [1], { blank: 3 }),
      "ctcLoss: blank is 3; it must be one of the 3 classes",
    ],
    [
      "lengths of another batch",
      () => F.ctcLoss(zeros([2, 1, 3]), zeros([1, 1], { dtype: "i32" }), [2, 2], [1]),
      "ctcLoss: lengths are [2], must be [1]",
    ],
  ])("%s", (_, f, message) => expect(f).toThrow(message));
});

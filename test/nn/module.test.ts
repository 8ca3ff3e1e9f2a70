/**
 * Module: which parts it finds and what they are called, modes, state dicts. What layers compute is in layers.test.ts.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { F, nn, ones, optim, tensor, zeros, type Tensor } from "texgrad";
import { useTestDevice } from "../support/device.ts";

beforeEach(useTestDevice);

const names = (parts: Iterable<readonly [string, unknown]>): string[] => [...parts].map(([name]) => name);

class Norm extends nn.Module {
  weight = new nn.Parameter(ones([3]));
  runningMean = new nn.Buffer(zeros([3]));
  bias = new nn.Parameter(zeros([3]));
}

class Block extends nn.Module {
  norm = new Norm();
  scale = new nn.Parameter(ones([1]));
  layers = [new nn.Linear(3, 2), new nn.ReLU(), new nn.Linear(2, 3, { bias: false })];
  qkvProj = new nn.Linear(3, 9);
}

describe("names", () => {
  test("a module's own parts first, then its modules in order; fields in snake_case, arrays by position", () => {
    expect(names(new Block().namedParameters())).toEqual([
      "scale",
      "norm.weight",
      "norm.bias",
      "layers.0.weight",
      "layers.0.bias",
      "layers.2.weight",
      "qkv_proj.weight",
      "qkv_proj.bias",
    ]);
    expect(names(new Block().namedBuffers())).toEqual(["norm.running_mean"]);
    expect(names(new Block().namedParameters("model")).slice(0, 2)).toEqual(["model.scale", "model.norm.weight"]);
  });

  test("modules, with this one first under no name", () => {
    expect(names(new Block().namedModules())).toEqual(["", "norm", "layers.0", "layers.1", "layers.2", "qkv_proj"]);
    expect(names(new Block().namedChildren())).toEqual(["norm", "layers.0", "layers.1", "layers.2", "qkv_proj"]);
  });

  test("Sequential counts, also nested", () => {
    const net = new nn.Sequential(new nn.Linear(2, 3), new nn.Sequential(new nn.Tanh(), new nn.Linear(3, 1)));
    expect(names(net.namedParameters())).toEqual(["0.weight", "0.bias", "1.1.weight", "1.1.bias"]);
    expect([net.length, net.at(-1) instanceof nn.Sequential, [...net].length]).toEqual([2, true, 2]);
  });

  test("state dicts: own parameters, own buffers, then the modules'", () => {
    expect(Object.keys(new Block().stateDict()).slice(0, 4)).toEqual([
      "scale",
      "norm.weight",
      "norm.bias",
      "norm.running_mean",
    ]);
  });

  test.each([
    ["runningMean", "running_mean"],
    ["numBatchesTracked", "num_batches_tracked"],
    ["weightIhL0", "weight_ih_l0"],
    ["attnQKV", "attn_qkv"],
    ["fc1", "fc1"],
    ["running_mean", "running_mean"],
    ["W", "W"],
  ])("%s is %s", (field, name) => {
    const net = new (class extends nn.Module {})();
    Object.assign(net, { [field]: new nn.Parameter(zeros([1])) });
    expect(names(net.namedParameters())).toEqual([name]);
  });

  test("two fields of one name are an error", () => {
    const net = new (class Net extends nn.Module {
      fooBar = new nn.Parameter(zeros([1]));
      foo_bar = new nn.Parameter(zeros([1]));
    })();
    expect(() => [...net.parameters()]).toThrow("Net: fields fooBar and foo_bar are both named foo_bar");
  });
});

describe("shared parts", () => {
  class Tied extends nn.Module {
    first = new nn.Linear(2, 2);
    second = new nn.Linear(2, 2, { bias: false });
    again = this.first;
    head = { weight: this.first.weight };
    constructor() {
      super();
      Object.assign(this.second, { weight: this.first.weight });
    }
  }

  test("are listed once", () => {
    expect(names(new Tied().namedParameters())).toEqual(["first.weight", "first.bias"]);
    expect(names(new Tied().namedModules())).toEqual(["", "first", "second"]);
  });

  test("are in the state dict under each name, and an optimizer takes them", () => {
    const net = new Tied();
    expect(Object.keys(net.stateDict())).toEqual([
      "first.weight",
      "first.bias",
      "second.weight",
      "again.weight",
      "again.bias",
    ]);
    expect(new optim.SGD(net.parameters(), { lr: 0.1 }).paramGroups[0].params.length).toBe(2);
  });

  test("of two values given for one the last holds", async () => {
    const net = new Tied();
    const dict = {
      ...net.stateDict(),
      "again.weight": tensor([
        [1, 2],
        [3, 4],
      ]),
    };
    net.loadStateDict(dict);
    expect([...(await net.first.weight.data())]).toEqual([1, 2, 3, 4]);
  });

  test("a module inside itself ends", () => {
    class Loop extends nn.Module {
      weight = new nn.Parameter(zeros([1]));
      self: nn.Module = this;
    }
    expect(names(new Loop().namedParameters())).toEqual(["weight"]);
    expect(Object.keys(new Loop().stateDict())).toEqual(["weight"]);
  });
});

describe("the whole tree", () => {
  test("train and eval switch every module", () => {
    const net = new Block();
    expect(net.eval()).toBe(net);
    expect([...net.modules()].map((m) => m.training)).toEqual([false, false, false, false, false, false]);
    net.train();
    expect([...net.modules()].every((m) => m.training)).toBe(true);
  });

  test("apply goes from the leaves up", () => {
    const seen: string[] = [];
    new nn.Sequential(new nn.ReLU(), new nn.Linear(1, 1)).apply((m) => seen.push(m.constructor.name));
    expect(seen).toEqual(["ReLU", "Linear", "Sequential"]);
  });

  test("requiresGrad_ freezes, zeroGrad forgets", () => {
    const net = new nn.Linear(2, 1);
    F.mseLoss(net.forward(ones([1, 2])), zeros([1, 1])).backward();
    expect(net.weight.hasGrad()).toBe(true);
    net.zeroGrad();
    expect(net.weight.hasGrad()).toBe(false);
    net.requiresGrad_(false);
    expect(net.forward(ones([1, 2])).requiresGrad).toBe(false);
  });

  test("prints as PyTorch's", () => {
    expect(String(new nn.Sequential(new nn.Linear(2, 3, { bias: false }), new nn.Sequential(new nn.ReLU())))).toBe(
      [
        "Sequential(",
        "  (0): Linear(inFeatures=2, outFeatures=3, bias=false)",
        "  (1): Sequential(",
        "    (0): ReLU()",
        "  )",
        ")",
      ].join("\n"),
    );
  });
});

describe("loadStateDict", () => {
  const copy = (net: nn.Module): Record<string, Tensor> => ({ ...net.stateDict() });

  test("gives another net the same outputs", async () => {
    const [a, b] = [new nn.Linear(3, 2), new nn.Linear(3, 2)];
    const x = tensor([[1, -2, 0.5]]);
    const report = b.loadStateDict(a.stateDict());
    expect(report).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect([...(await b.forward(x).data())]).toEqual([...(await a.forward(x).data())]);
  });

  test("lists all that does not fit, and changes nothing", async () => {
    const net = new nn.Sequential(new nn.Linear(2, 2), new nn.Linear(2, 2));
    const before = [...(await net.forward(ones([1, 2])).data())];
    const { "0.bias": _, "1.weight": __, ...rest } = copy(net);
    const dict = { ...rest, "0.weight": zeros([2, 3]), "1.bias": zeros([3]), extra: zeros([1]), "2.bias": zeros([1]) };
    expect(() => net.loadStateDict(dict)).toThrow(
      [
        "loadStateDict: Sequential: nothing was loaded",
        "  missing: 0.bias, 1.weight",
        "  unexpected: extra, 2.bias",
        "  shapes differ: 0.weight is [2,2], given [2,3]; 1.bias is [2], given [3]",
      ].join("\n"),
    );
    expect([...(await net.forward(ones([1, 2])).data())]).toEqual(before);
  });

  test("without strict loads what both have, and reports the rest", async () => {
    const net = new nn.Linear(2, 1);
    const report = net.loadStateDict({ weight: tensor([[5, 6]]), other: zeros([1]) }, { strict: false });
    expect(report).toEqual({ missingKeys: ["bias"], unexpectedKeys: ["other"] });
    expect([...(await net.weight.data())]).toEqual([5, 6]);
    expect(() => net.loadStateDict({ weight: zeros([3]) }, { strict: false })).toThrow("weight is [1,2], given [3]");
  });

  test("snapshots do not follow the net", async () => {
    const net = new nn.Linear(1, 1, { bias: false });
    net.loadStateDict({ weight: tensor([[2]]) });
    const dict = net.stateDict();
    const opt = new optim.SGD(net.parameters(), { lr: 1 });
    for (let i = 0; i < 4; i++) {
      opt.zeroGrad();
      net
        .forward(ones([1, 1]))
        .sum()
        .backward();
      opt.step();
    }
    expect([await net.weight.item(), await dict["weight"]!.item()]).toEqual([-2, 2]);
    net.loadStateDict(dict);
    expect(await net.weight.item()).toBe(2);
  });

  test("casts", async () => {
    const net = new nn.Linear(2, 1, { bias: false });
    net.loadStateDict({ weight: tensor([[1, 2]], { dtype: "i32" }) });
    expect([...(await net.weight.data())]).toEqual([1, 2]);
    expect(net.weight.dtype).toBe("f32");
  });
});

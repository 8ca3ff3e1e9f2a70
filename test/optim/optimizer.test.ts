/**
 * Optimizers: groups, settings that change, counts that differ, state dicts, steps that fail, and what is refused.
 * Numbers against PyTorch are in test/train/scenarios.test.ts; here against the formulas in double precision.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { currentDevice, nn, optim, setDevice, tensor, type Device, type Tensor } from "texgrad";
import { useTestDevice } from "../support/device.ts";

beforeEach(useTestDevice);

const parameter = (...values: number[]): nn.Parameter => new nn.Parameter(tensor(values));
const values = async (t: Tensor): Promise<number[]> => [...(await t.data())];

/** Gives each parameter the gradient `g`, elementwise. */
function pull(g: number, ...params: Tensor[]): void {
  for (const p of params) p.mul(g).sum().backward();
}

/** One number under Adam, in double precision: Kingma & Ba, algorithm 1, with PyTorch's placement of eps. */
function adam(p: number, gradients: readonly number[], { lr = 1e-3, b1 = 0.9, b2 = 0.999, eps = 1e-8 } = {}): number {
  let [m, v] = [0, 0];
  for (const [i, g] of gradients.entries()) {
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g * g;
    p -= ((lr / (1 - b1 ** (i + 1))) * m) / (Math.sqrt(v / (1 - b2 ** (i + 1))) + eps);
  }
  return p;
}

describe("groups", () => {
  test("have settings of their own, and the optimizer's for the rest", async () => {
    const [a, b] = [parameter(1), parameter(1)];
    const opt = new optim.SGD([{ params: [a] }, { params: [b], lr: 0.5, weightDecay: 1 }], { lr: 0.1 });
    pull(1, a, b);
    opt.step();
    expect([await a.item(), await b.item()]).toEqual([Math.fround(0.9), 0]);
    expect(opt.paramGroups.map((g) => [g.lr, g.weightDecay, g.params.length])).toEqual([
      [0.1, 0, 1],
      [0.5, 1, 1],
    ]);
  });

  test("can be added later", async () => {
    const [a, b] = [parameter(1), parameter(1)];
    const opt = new optim.SGD([a], { lr: 0.5 });
    opt.addParamGroup({ params: [b], lr: 0.25 });
    pull(1, a, b);
    opt.step();
    expect([await a.item(), await b.item()]).toEqual([0.5, 0.75]);
  });
});

describe("settings are read when a step is submitted", () => {
  test("lr, momentum, weightDecay, also when one becomes or stops being 0", async () => {
    const p = parameter(1);
    const opt = new optim.SGD([p], { lr: 0.5 });
    const [group] = opt.paramGroups;
    let [want, b] = [1, 0];
    const step = async (change: Partial<optim.SGDSettings>): Promise<void> => {
      Object.assign(group, change);
      opt.zeroGrad();
      pull(1, p);
      opt.step();
      const d = 1 + group.weightDecay * want;
      b = group.momentum === 0 ? b : group.momentum * b + d;
      want -= group.lr * (group.momentum === 0 ? d : b);
      expect(await p.item()).toBeCloseTo(want, 6);
    };
    await step({});
    await step({ lr: 0.25 });
    await step({ momentum: 0.5 });
    await step({ weightDecay: 0.5, lr: 0.125 });
    await step({ momentum: 0 });
    await step({ lr: 0 });
  });

  test("betas of Adam", async () => {
    const p = parameter(1, 2);
    const opt = new optim.Adam([p], { betas: [0.5, 0.5] });
    for (let i = 0; i < 3; i++) {
      opt.zeroGrad();
      pull(i + 1, p);
      opt.step();
    }
    const want = [1, 2].map((v) => adam(v, [1, 2, 3], { b1: 0.5, b2: 0.5 }));
    for (const [i, v] of (await values(p)).entries()) expect(v).toBeCloseTo(want[i]!, 6);
  });

  test("dampening does not hold on the first step", async () => {
    const p = parameter(0);
    const opt = new optim.SGD([p], { lr: 1, momentum: 0.5, dampening: 0.75 });
    // b = 1, then 0.5 + 0.25.
    for (const want of [-1, -1.75]) {
      opt.zeroGrad();
      pull(1, p);
      opt.step();
      expect(await p.item()).toBe(want);
    }
  });
});

test("a schedule of all settings that are numbers makes one plan", () => {
  const p = parameter(1, 2);
  const others = { lr: 0.5, eps: 1e-3, alpha: 0.7, weightDecay: 0.2, momentum: 0.3 };
  const opt = new optim.RMSprop([p], { weightDecay: 0.1, momentum: 0.9 });
  const radam = new optim.RAdam([parameter(3)]);
  const step = (): void => {
    for (const o of [opt, radam] as optim.Optimizer[]) {
      o.zeroGrad();
      pull(1, ...o.paramGroups[0].params);
      o.step();
    }
  };
  let plans = 0;
  setDevice(counting(currentDevice(), () => plans++));
  step();
  step();
  const before = plans;
  // RAdam is rectified from its sixth step on.
  for (let i = 0; i < 8; i++) {
    Object.assign(opt.paramGroups[0], others, { lr: 1 / (i + 2) });
    step();
  }
  expect(plans).toBe(before);
});

describe("parameters that do not always step", () => {
  test("each count their own steps, however they mix", async () => {
    const params = [parameter(1), parameter(1), parameter(1)];
    const opt = new optim.Adam(params, { lr: 0.1 });
    const taken: number[][] = [[], [], []];
    for (const [i, who] of [[0, 1], [1, 2], [0, 1, 2], [2], [0, 1, 2], [1]].entries()) {
      opt.zeroGrad();
      for (const k of who) {
        pull(i + k + 1, params[k]!);
        taken[k]!.push(i + k + 1);
      }
      opt.step();
    }
    for (const [k, p] of params.entries()) expect(await p.item()).toBeCloseTo(adam(1, taken[k]!, { lr: 0.1 }), 5);
    const { state } = opt.stateDict();
    expect([0, 1, 2].map((k) => state[k]?.step)).toEqual([3, 5, 4]);
  });

  test("a step without any gradient is none", async () => {
    const p = parameter(1);
    const opt = new optim.AdamW([p], { lr: 0.1, weightDecay: 0.5 });
    opt.step();
    expect(await p.item()).toBe(1);
    expect(opt.stateDict().state).toEqual({});
  });

  test("zeros instead of null go on decaying", async () => {
    const p = parameter(1);
    const opt = new optim.SGD([p], { lr: 0.5, weightDecay: 0.5 });
    pull(0, p);
    opt.zeroGrad({ setToNone: false });
    opt.step();
    expect(await p.item()).toBe(0.75);
    opt.zeroGrad();
    opt.step();
    expect(await p.item()).toBe(0.75);
  });

  test("frozen ones stay", async () => {
    const [a, b] = [parameter(1), parameter(1)];
    b.requiresGrad_(false);
    const opt = new optim.SGD([a, b], { lr: 0.5 });
    a.mul(b).sum().backward();
    opt.step();
    expect([await a.item(), await b.item()]).toEqual([0.5, 1]);
  });
});

test("a closure is called first, and what it gives is given", async () => {
  const p = parameter(3);
  const opt = new optim.SGD([p], { lr: 0.5 });
  const loss = opt.step(() => {
    opt.zeroGrad();
    const square = p.mul(p).sum();
    square.backward();
    return square;
  });
  expect([await loss.item(), await p.item()]).toEqual([9, 0]);
});

test("any leaf that requires a gradient can be optimized", async () => {
  const t = tensor([2], { requiresGrad: true });
  const opt = new optim.SGD([t], { lr: 1 });
  pull(1, t);
  opt.step();
  expect(await t.item()).toBe(1);
});

test("a step that fails has not happened, and may be repeated", async () => {
  let broken = false;
  setDevice(
    failing(currentDevice(), () => {
      if (broken) throw new Error("the device failed");
    }),
  );
  const p = parameter(1);
  const opt = new optim.Adam([p], { lr: 0.1 });
  const step = (): void => {
    opt.zeroGrad();
    pull(2, p);
    opt.step();
  };
  step();
  broken = true;
  expect(step).toThrow("the device failed");
  expect(step).toThrow("the device failed");
  broken = false;
  expect(await p.item()).toBeCloseTo(adam(1, [2], { lr: 0.1 }), 6);
  expect(opt.stateDict().state[0]?.step).toBe(1);
  opt.step();
  expect(await p.item()).toBeCloseTo(adam(1, [2, 2], { lr: 0.1 }), 6);
  expect(opt.stateDict().state[0]?.step).toBe(2);
});

/** The same device, with `compiled` called for each plan. */
function counting(device: Device, compiled: () => void): Device {
  return {
    name: device.name,
    readsSynchronously: device.readsSynchronously,
    compile(request) {
      compiled();
      return device.compile(request);
    },
    upload: (...args) => device.upload(...args),
    checkFits: (...args) => device.checkFits(...args),
    memory: () => device.memory(),
  };
}

/** The same device, with `check` called before each run. */
function failing(device: Device, check: () => void): Device {
  return {
    name: device.name,
    readsSynchronously: device.readsSynchronously,
    compile(request) {
      const executable = device.compile(request);
      return {
        leafLayouts: executable.leafLayouts,
        stats: executable.stats,
        run(args) {
          check();
          return executable.run(args);
        },
        kept: () => executable.kept(),
        tensors: () => executable.tensors(),
        dispose: () => executable.dispose(),
      };
    },
    upload: (...args) => device.upload(...args),
    checkFits: (...args) => device.checkFits(...args),
    memory: () => device.memory(),
  };
}

describe("state dicts", () => {
  const train = (opt: optim.Optimizer, params: readonly Tensor[], gradients: readonly number[]): void => {
    for (const g of gradients) {
      opt.zeroGrad();
      pull(g, ...params);
      opt.step();
    }
  };

  test.each<[string, (p: Tensor[]) => optim.Optimizer, string[]]>([
    ["SGD", (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9 }), ["momentumBuffer"]],
    ["Adam", (p) => new optim.Adam(p, { lr: 0.1 }), ["expAvg", "expAvgSq"]],
    ["AdamW", (p) => new optim.AdamW(p, { lr: 0.1 }), ["expAvg", "expAvgSq"]],
    ["Adam, amsgrad", (p) => new optim.Adam(p, { amsgrad: true }), ["expAvg", "expAvgSq", "maxExpAvgSq"]],
    ["Adamax", (p) => new optim.Adamax(p), ["expAvg", "expInf"]],
    ["NAdam", (p) => new optim.NAdam(p), ["expAvg", "expAvgSq"]],
    ["RAdam", (p) => new optim.RAdam(p, { betas: [0.5, 0.9] }), ["expAvg", "expAvgSq"]],
    ["Adagrad", (p) => new optim.Adagrad(p, { lrDecay: 0.5, initialAccumulatorValue: 1 }), ["sum"]],
    ["Adadelta", (p) => new optim.Adadelta(p), ["squareAvg", "accDelta"]],
    [
      "RMSprop",
      (p) => new optim.RMSprop(p, { centered: true, momentum: 0.5 }),
      ["squareAvg", "gradAvg", "momentumBuffer"],
    ],
    ["Rprop", (p) => new optim.Rprop(p), ["prev", "stepSize"]],
    ["LAMB", (p) => new optim.LAMB(p), ["expAvg", "expAvgSq"]],
    ["Lion", (p) => new optim.Lion(p), ["expAvg"]],
  ])("%s goes on in another optimizer as it would have", async (_, make, names) => {
    const [whole, part, rest] = [parameter(1, 2), parameter(1, 2), parameter(0, 0)];
    train(make([whole]), [whole], [1, -2, 3, 4]);
    const first = make([part]);
    train(first, [part], [1, -2]);
    const dict = first.stateDict();
    expect(Object.keys(dict.state[0]!).sort()).toEqual(["step", ...names].sort());
    const second = make([rest]);
    // Steps before loading are forgotten.
    train(second, [rest], [5]);
    rest.requiresGrad_(false).copy_(part).requiresGrad_(true);
    second.loadStateDict(dict);
    train(second, [rest], [3, 4]);
    expect(await values(rest)).toEqual(await values(whole));
  });

  test("settings are taken too, and hold for later steps", async () => {
    const [a, b] = [parameter(1), parameter(1)];
    const dict = new optim.SGD([a], { lr: 0.25, momentum: 0.5 }).stateDict();
    const opt = new optim.SGD([b], { lr: 9 });
    opt.loadStateDict(dict);
    train(opt, [b], [1, 1]);
    expect(opt.paramGroups[0].momentum).toBe(0.5);
    expect(await b.item()).toBe(1 - 0.25 - 0.375);
  });

  test("one that does not fit changes nothing", async () => {
    const dict = ((): optim.OptimizerState<optim.AdamSettings> => {
      const p = parameter(1, 2, 3);
      const opt = new optim.Adam([p], { lr: 0.5 });
      train(opt, [p], [1]);
      return opt.stateDict();
    })();
    const p = parameter(1);
    const opt = new optim.Adam([p], { lr: 0.1 });
    expect(() => opt.loadStateDict(dict)).toThrow(
      "Adam.loadStateDict: nothing was loaded\n" +
        "  state 0, expAvg: is [3], the parameter is [1]\n  state 0, expAvgSq: is [3], the parameter is [1]",
    );
    expect(opt.paramGroups[0].lr).toBe(0.1);
    const lacking = { ...dict, state: { 0: { step: 1.5, expAvg: tensor([1]) } } };
    expect(() => opt.loadStateDict(lacking)).toThrow(
      "nothing was loaded\n  state 0: step is 1.5\n  state 0: no expAvgSq",
    );
    const two = new optim.Adam([p, parameter(1)]);
    expect(() => two.loadStateDict(dict)).toThrow("groups of 1 parameters, this optimizer has 2");
    train(opt, [p], [1]);
    expect(await p.item()).toBeCloseTo(adam(1, [1], { lr: 0.1 }), 6);
  });

  test("loading in the middle of training", async () => {
    const p = parameter(1);
    const opt = new optim.Adam([p], { lr: 0.1 });
    train(opt, [p], [1, 2]);
    const then = opt.stateDict();
    train(opt, [p], [3, 3, 3]);
    p.requiresGrad_(false).copy_(1).requiresGrad_(true);
    opt.loadStateDict(then);
    train(opt, [p], [4]);
    const [m, v] = [
      [1, 2, 4].reduce((s, g) => 0.9 * s + 0.1 * g, 0),
      [1, 2, 4].reduce((s, g) => 0.999 * s + 0.001 * g * g, 0),
    ];
    const want = 1 - ((0.1 / (1 - 0.9 ** 3)) * m) / (Math.sqrt(v / (1 - 0.999 ** 3)) + 1e-8);
    expect(await p.item()).toBeCloseTo(want, 6);
  });
});

describe("what is refused", () => {
  const p = parameter(1);
  test.each<[string, () => unknown, string]>([
    ["no parameters", () => new optim.SGD([], { lr: 0.1 }), "SGD: got no parameters; pass net.parameters()"],
    [
      "the network itself",
      () => new optim.Adam(new nn.Linear(1, 1) as never),
      "Adam: takes parameters or groups of them, net.parameters() say; got a Linear",
    ],
    ["an empty group", () => new optim.Adam([{ params: [] }]), "Adam: a group without parameters"],
    ["one twice", () => new optim.Adam([p, p]), "Adam: parameter 1, of shape [1], is given twice"],
    [
      "one in two groups",
      () => new optim.Adam([{ params: [p] }, { params: [p] }]),
      "Adam: parameter 0, of shape [1], is given twice",
    ],
    ["plain tensors", () => new optim.Adam([tensor([1])]), "is a tensor that requires no gradient"],
    ["results", () => new optim.Adam([p.mul(2)]), "is computed from other tensors, which no step can assign"],
    ["lr below 0", () => new optim.SGD([p], { lr: -1 }), "SGD: lr is -1; it must be a finite number >= 0"],
    ["lr NaN", () => new optim.Adam([p], { lr: NaN }), "Adam: lr is NaN"],
    ["beta of 1", () => new optim.AdamW([p], { betas: [0.9, 1] }), "AdamW: betas[1] is 1; it must be in [0, 1)"],
    ["eps below 0", () => new optim.Adam([p], { eps: -1e-8 }), "Adam: eps is -1e-8"],
    ["momentum below 0", () => new optim.SGD([p], { lr: 1, momentum: -0.1 }), "SGD: momentum is -0.1"],
    ["weightDecay below 0", () => new optim.SGD([p], { lr: 1, weightDecay: -1 }), "SGD: weightDecay is -1"],
    ["alpha of 1", () => new optim.RMSprop([p], { alpha: 1 }), "RMSprop: alpha is 1; it must be in [0, 1)"],
    ["rho below 0", () => new optim.Adadelta([p], { rho: -1 }), "Adadelta: rho is -1"],
    ["etas that do not grow", () => new optim.Rprop([p], { etas: [0.5, 1] }), "Rprop: etas are 0.5 and 1"],
    ["step sizes reversed", () => new optim.Rprop([p], { stepSizes: [1, 0.1] }), "Rprop: stepSizes are 1 and 0.1"],
    ["a vector for Muon", () => new optim.Muon([p]), "Muon: parameter 0 is [1]; Muon steps matrices only"],
    [
      "nesterov alone",
      () => new optim.SGD([p], { lr: 1, nesterov: true }),
      "SGD: nesterov takes a momentum above 0 and no dampening; they are 0 and 0",
    ],
  ])("%s", (_, make, message) => expect(make).toThrow(message));

  test("a setting spoilt later, at the step, which does nothing", async () => {
    const own = parameter(1);
    const opt = new optim.SGD([own], { lr: 0.5 });
    pull(1, own);
    opt.paramGroups[0].lr = Infinity;
    expect(() => opt.step()).toThrow("SGD: lr is Infinity");
    opt.paramGroups[0].lr = 0.5;
    opt.step();
    expect(await own.item()).toBe(0.5);
  });
});

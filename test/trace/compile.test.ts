/**
 * compile(): the numbers of a compiled loop are those of the plain one, bit for bit, and the function is not called
 * again once it is known; what cannot be frozen is an error. Host time is in test/train/steady.test.ts.
 */
import { beforeEach, describe, expect, test } from "vitest";
import {
  compile,
  F,
  full,
  manualSeed,
  nn,
  noGrad,
  ones,
  optim,
  Parameter,
  rand,
  randn,
  realize,
  setDevice,
  StateTensor,
  tensor,
  zeros,
  type Tensor,
} from "texgrad";
import { referenceDevice } from "texgrad/reference";
import { failing, testDevice } from "./training.ts";

beforeEach(() => {
  setDevice(testDevice());
  manualSeed(3);
});

/** Numbers that look like nothing, the same for the same seed. */
function noise(shape: readonly number[], seed: number): Tensor {
  let state = seed + 1;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1;
  return tensor(Float32Array.from({ length: shape.reduce((n, e) => n * e, 1) }, next), { shape });
}

const sample = (i: number, n = 4): { x: Tensor; y: Tensor } => ({ x: noise([n, 3], i), y: noise([n, 2], i + 100) });

/** Compiles, and counts how often the function itself is called. */
type Wrap = <A extends readonly unknown[], R>(f: (...args: A) => R) => (...args: A) => R;
interface Counted {
  readonly wrap: Wrap;
  calls: number;
}

function compiling(): Counted {
  const out: Counted = {
    calls: 0,
    wrap: <A extends readonly unknown[], R>(f: (...args: A) => R) =>
      compile((...args: A) => {
        out.calls += 1;
        return f(...args);
      }) as unknown as (...args: A) => R,
  };
  return out;
}

/** Runs a program as it is and compiled, and expects equal results; gives how often its functions were called. */
async function same(program: (wrap: Wrap) => Promise<unknown>): Promise<number> {
  const run = async (wrap: Wrap): Promise<unknown> => {
    setDevice(testDevice());
    manualSeed(11);
    return program(wrap);
  };
  const plain = await run((f) => f);
  const compiled = compiling();
  expect(await run(compiled.wrap)).toEqual(plain);
  return compiled.calls;
}

class Mlp extends nn.Module {
  readonly fc1 = new nn.Linear(3, 5);
  readonly norm: nn.BatchNorm1d | null;
  readonly dropout: nn.Dropout | null;
  readonly fc2 = new nn.Linear(5, 2);
  constructor({ norm = false, dropout = false } = {}) {
    super();
    this.norm = norm ? new nn.BatchNorm1d(5) : null;
    this.dropout = dropout ? new nn.Dropout(0.4) : null;
  }
  forward(x: Tensor): Tensor {
    let h = this.fc1.forward(x);
    if (this.norm !== null) h = this.norm.forward(h);
    h = h.tanh();
    if (this.dropout !== null) h = this.dropout.forward(h);
    return this.fc2.forward(h);
  }
}

interface Loop {
  readonly wrap: Wrap;
  readonly net?: Mlp;
  readonly make?: (params: Iterable<Tensor>) => optim.Optimizer;
  readonly steps?: number;
  readonly each?: (i: number, opt: optim.Optimizer, net: Mlp) => void;
  readonly size?: (i: number) => number;
}

/** Losses, then everything the net ended with. */
async function train({ wrap, net = new Mlp(), make = sgd, steps = 12, each, size = () => 4 }: Loop): Promise<unknown> {
  const opt = make(net.parameters());
  const step = wrap((x: Tensor, y: Tensor) => {
    const loss = F.mseLoss(net.forward(x), y);
    opt.zeroGrad();
    loss.backward();
    opt.step();
    return loss;
  });
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    each?.(i, opt, net);
    const { x, y } = sample(i, size(i));
    losses.push(await step(x, y).item());
  }
  const state = Object.entries(net.stateDict());
  const counts = Object.values(opt.stateDict().state).map((s) => s.step);
  return [losses, await Promise.all(state.map(async ([name, t]) => [name, await t.tolist()])), counts];
}

const sgd = (params: Iterable<Tensor>): optim.Optimizer => new optim.SGD(params, { lr: 0.1 });
const momentum = (params: Iterable<Tensor>): optim.Optimizer =>
  new optim.SGD(params, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 });
const adam = (params: Iterable<Tensor>): optim.Optimizer => new optim.Adam(params, { lr: 0.02 });

describe("a compiled training step has the numbers of the plain one", () => {
  test.each([
    ["SGD", sgd],
    ["SGD with momentum and decay", momentum],
    ["Adam", adam],
    ["RAdam", (params: Iterable<Tensor>) => new optim.RAdam(params, { lr: 0.02 })],
  ] as const)("with %s", async (_, make) => {
    const calls = await same((wrap) => train({ wrap, make }));
    expect(calls).toBeLessThanOrEqual(4);
  });

  test("with a schedule", async () => {
    const each: Loop["each"] = (i, opt) => (opt.paramGroups[0].lr = 0.1 / (1 + i));
    expect(await same((wrap) => train({ wrap, make: adam, each }))).toBeLessThanOrEqual(4);
  });

  test("with dropout and batch norm", async () => {
    const program = (wrap: Wrap) => train({ wrap, net: new Mlp({ norm: true, dropout: true }), make: adam, steps: 30 });
    // Once more for the check at the 16th.
    expect(await same(program)).toBeLessThanOrEqual(5);
  });

  test("with changing batch sizes", async () => {
    const size = (i: number): number => [4, 3, 4, 7][i % 4]!;
    expect(await same((wrap) => train({ wrap, size, steps: 40 }))).toBeLessThanOrEqual(3 * 4);
  });

  test("with generators seeded between the calls", async () => {
    const each = (i: number): unknown => i % 5 === 4 && manualSeed(i);
    await same((wrap) => train({ wrap, net: new Mlp({ dropout: true }), each }));
  });

  test("when the net is frozen in part, evaluated, or its optimizer changed, between the calls", async () => {
    const each: Loop["each"] = (i, opt, net) => {
      if (i === 6) net.eval();
      if (i === 9) net.train();
      if (i === 12) net.fc1.requiresGrad_(false);
      if (i === 15) net.fc1.requiresGrad_(true);
      if (i === 18) (opt.paramGroups[0] as unknown as optim.SGDSettings).momentum = 0.5;
      if (i === 22) net.dropout!.p = 0.2;
      if (i === 25) net.norm!.momentum = 0.3;
    };
    const make = (params: Iterable<Tensor>): optim.Optimizer => new optim.SGD(params, { lr: 0.1 });
    const program = (wrap: Wrap) => train({ wrap, net: new Mlp({ norm: true, dropout: true }), make, each, steps: 30 });
    expect(await same(program)).toBeLessThan(22);
  });

  test("when states are loaded between the calls", async () => {
    await same(async (wrap) => {
      const net = new Mlp();
      let saved: ReturnType<typeof net.stateDict>;
      let savedOpt: ReturnType<optim.Optimizer["stateDict"]>;
      const each: Loop["each"] = (i, opt) => {
        if (i === 5) [saved, savedOpt] = [net.stateDict(), opt.stateDict()];
        if (i !== 9) return;
        net.loadStateDict(saved);
        opt.loadStateDict(savedOpt);
      };
      return train({ wrap, net, make: adam, each, steps: 15 });
    });
  });

  test("over many calls", async () => {
    const program = (wrap: Wrap) => train({ wrap, net: new Mlp({ dropout: true }), steps: 150 });
    // Recorded three times, checked after 16, 32, 64 and 128.
    expect(await same(program)).toBeLessThanOrEqual(8);
  });
});

describe("a compiled function", () => {
  test("gives back several tensors, in arrays and objects", async () => {
    const calls = await same(async (wrap) => {
      const net = new Mlp();
      const opt = sgd(net.parameters());
      const step = wrap(({ x, y }: { x: Tensor; y: Tensor }) => {
        const logits = net.forward(x);
        const loss = F.mseLoss(logits, y);
        opt.zeroGrad();
        loss.backward();
        opt.step();
        return { loss, all: [logits, logits.mul(2)], name: "step", x };
      });
      const out = [];
      for (let i = 0; i < 10; i++) {
        const batch = sample(i);
        const { loss, all, name, x } = step(batch);
        out.push(await loss.item(), await all[0]!.tolist(), await all[1]!.tolist(), name, x === batch.x);
      }
      return out;
    });
    expect(calls).toBeLessThanOrEqual(4);
  });

  test("gives back arguments, numbers, parameters and constants as what they are now", async () => {
    const w = new Parameter(ones([2]));
    const f = compile((x: Tensor, k: Tensor) => {
      const half = x.mul(k);
      return {
        x,
        k,
        w,
        detached: [w.detach(), x.detach(), half.detach()],
        made: [tensor([4]), full([], 5), zeros([1])],
      };
    });
    for (let i = 0; i < 6; i++) {
      const x = tensor([i, 2]);
      const y = f(x, i);
      expect(y.x).toBe(x);
      expect(y.w).toBe(w);
      expect(await y.k.item()).toBe(i);
      const detached = await Promise.all(y.detached.map((t) => t.tolist()));
      expect(detached).toEqual([
        [i + 1, i + 1],
        [i, 2],
        [i * i, 2 * i],
      ]);
      expect(await Promise.all(y.made.map((t) => t.tolist()))).toEqual([[4], 5, [0]]);
      noGrad(() => w.copy_(w.add(1)));
    }
  });

  test("infers under noGrad, with the parameters as they are", async () => {
    const calls = await same(async (wrap) => {
      const net = new Mlp({ norm: true });
      net.eval();
      const infer = wrap((x: Tensor) => net.forward(x));
      const out = [];
      for (let i = 0; i < 8; i++) {
        if (i === 5) noGrad(() => net.fc2.bias!.copy_(ones([2])));
        const y = noGrad(() => infer(sample(i).x));
        out.push(y.requiresGrad, await y.tolist());
      }
      return out;
    });
    expect(calls).toBeLessThanOrEqual(4);
  });

  test("takes numbers as tensors, which may be others in every call", async () => {
    const compiled = compiling();
    const f = compile((x: Tensor, k: Tensor) => {
      compiled.calls += 1;
      return x.mul(k).add(1);
    });
    for (let i = 0; i < 9; i++) expect(await f(tensor([1, 2]), i / 4).tolist()).toEqual([i / 4 + 1, i / 2 + 1]);
    expect(compiled.calls).toBe(2);
    const none: (n: never) => Tensor = compile((n: number) => tensor(n));
    expect(none).toBeTypeOf("function");
  });

  test("carries a state from call to call, and goes on when it was computed long ago", async () => {
    const calls = await same(async (wrap) => {
      const cell = wrap((x: Tensor, h: Tensor) => x.add(h.mul(0.5)).tanh());
      let h = zeros([3]);
      let early = h;
      for (let i = 0; i < 40; i++) {
        h = noGrad(() => cell(noise([3], i), h));
        if (i === 30) early = h;
      }
      return [await h.tolist(), await early.tolist(), await cell(noise([3], 5), early).tolist()];
    });
    expect(calls).toBeLessThanOrEqual(5);
  });

  test("accumulates gradients that a plain step takes", async () => {
    const calls = await same(async (wrap) => {
      const net = new Mlp();
      const opt = adam(net.parameters());
      const accumulate = wrap((x: Tensor, y: Tensor) => {
        const loss = F.mseLoss(net.forward(x), y);
        loss.backward();
        return loss;
      });
      const out = [];
      for (let i = 0; i < 24; i++) {
        const { x, y } = sample(i);
        out.push(await accumulate(x, y).item());
        if (i % 3 !== 2) continue;
        opt.step();
        opt.zeroGrad();
      }
      return [out, await net.fc1.weight.tolist()];
    });
    expect(calls).toBeLessThan(24);
  });

  test("clips gradients, and goes on from a value it has realized", async () => {
    const calls = await same(async (wrap) => {
      const net = new Mlp();
      const opt = momentum(net.parameters());
      const step = wrap((x: Tensor, y: Tensor) => {
        const loss = F.mseLoss(net.forward(x), y);
        realize(loss);
        opt.zeroGrad();
        loss.backward();
        const grads = [...net.parameters()].map((p) => p.grad!);
        const norm = grads
          .map((g) => g.square().sum())
          .reduce((a, b) => a.add(b))
          .sqrt();
        for (const p of net.parameters()) p.grad = p.grad!.div(norm.add(1));
        opt.step();
        return [loss, norm];
      });
      const out = [];
      for (let i = 0; i < 12; i++) {
        const { x, y } = sample(i);
        const [loss, norm] = step(x, y);
        out.push(await loss!.item(), await norm!.item(), await net.fc1.bias!.grad!.tolist());
      }
      return out;
    });
    expect(calls).toBeLessThanOrEqual(6);
  });

  test("leaves gradients for who looks at them", async () => {
    await same(async (wrap) => {
      const net = new Mlp();
      const opt = sgd(net.parameters());
      const step = wrap((x: Tensor, y: Tensor) => {
        opt.zeroGrad();
        F.mseLoss(net.forward(x), y).backward();
        opt.step();
      });
      const out = [];
      for (let i = 0; i < 12; i++) {
        const { x, y } = sample(i);
        step(x, y);
        if (i % 3 === 0) out.push(await net.fc2.weight.grad!.tolist());
      }
      return out;
    });
  });

  test("makes two steps of two optimizers in one call, the second through the first", async () => {
    const calls = await same(async (wrap) => {
      const [g, d] = [new nn.Linear(3, 3), new nn.Linear(3, 1)];
      const [optG, optD] = [adam(g.parameters()), adam(d.parameters())];
      const step = wrap((x: Tensor, z: Tensor) => {
        const fake = g.forward(z);
        optD.zeroGrad();
        const lossD = d.forward(x).sub(d.forward(fake.detach())).mean();
        lossD.backward();
        optD.step();
        optG.zeroGrad();
        const lossG = d.forward(fake).mean();
        lossG.backward();
        optG.step();
        return [lossD, lossG];
      });
      const out = [];
      for (let i = 0; i < 12; i++) {
        const losses = step(noise([4, 3], i), noise([4, 3], i + 50));
        out.push(await losses[0]!.item(), await losses[1]!.item());
      }
      return [out, await g.weight.tolist(), await d.weight.tolist()];
    });
    expect(calls).toBeLessThan(9);
  });

  test("draws what a loop would draw, also what nobody uses", async () => {
    const calls = await same(async (wrap) => {
      const f = wrap((x: Tensor) => {
        rand([5]);
        return x.add(randn([3])).mul(rand([3]));
      });
      const out = [];
      for (let i = 0; i < 6; i++) out.push(await f(noise([3], i)).tolist(), await rand([2]).tolist());
      return out;
    });
    expect(calls).toBeLessThanOrEqual(3);
  });

  test("assigns state, and what waited before is submitted first", async () => {
    await same(async (wrap) => {
      const total = new StateTensor(zeros([2]));
      const f = wrap((x: Tensor) => {
        total.copy_(total.mul(0.5).add(x));
      });
      const out = [];
      for (let i = 0; i < 9; i++) {
        f(noise([2], i));
        if (i % 4 === 3) total.copy_(total.add(1));
        if (i % 2 === 1) out.push(await total.tolist());
      }
      return out;
    });
  });

  test("is traced as part of another compiled function", async () => {
    const inner = compile((x: Tensor) => x.mul(2));
    const outer = compile((x: Tensor) => inner(x).add(inner(x)));
    for (let i = 0; i < 4; i++) expect(await outer(tensor([i])).tolist()).toEqual([4 * i]);
  });

  test("goes on after an error as if it had not been", async () => {
    const reference = referenceDevice();
    let isFailing = false;
    const run = async (fails: boolean): Promise<unknown> => {
      setDevice(failing(reference, () => isFailing));
      manualSeed(11);
      const net = new Mlp({ norm: true });
      const opt = adam(net.parameters());
      const step = compile((x: Tensor, y: Tensor) => {
        const loss = F.mseLoss(net.forward(x), y);
        opt.zeroGrad();
        loss.backward();
        opt.step();
        return loss;
      });
      const losses = [];
      for (let i = 0; i < 10; i++) {
        const { x, y } = sample(i);
        if (fails && i >= 6) {
          isFailing = true;
          expect(() => step(x, y)).toThrow(/the device failed/);
          isFailing = false;
        }
        losses.push(await step(x, y).item());
      }
      return [losses, await net.norm!.runningMean!.tolist(), await net.norm!.numBatchesTracked!.item()];
    };
    const undisturbed = await run(false);
    expect(await run(true)).toEqual(undisturbed);
  });

  test("runs on another device when that is set", async () => {
    await same(async (wrap) => {
      const net = new Mlp();
      const each = (i: number): void => {
        if (i === 6) setDevice(referenceDevice());
      };
      return train({ wrap, net, each });
    });
  });

  test("survives its plans being dropped", async () => {
    await same(async (wrap) => {
      const f = wrap((x: Tensor) => x.mul(2).sum());
      const out = [];
      for (let i = 0; i < 6; i++) out.push(await f(noise([4], i)).item());
      // More plans than are kept.
      for (let i = 1; i < 140; i++) realize(ones([i]).sum());
      for (let i = 0; i < 6; i++) out.push(await f(noise([4], i)).item());
      return out;
    });
  });

  test("gives values that are read later, while the parameters are there", async () => {
    const f = compile((x: Tensor) => x.mul(2));
    const ys = [];
    for (let i = 0; i < 9; i++) ys.push(f(tensor([i])));
    for (const [i, y] of ys.entries()) expect(await y.tolist()).toEqual([2 * i]);
    const w = new Parameter(ones([1]));
    const opt = sgd([w]);
    const step = compile(() => {
      opt.zeroGrad();
      const loss = w.square().sum();
      loss.backward();
      opt.step();
      return loss;
    });
    const losses = [];
    for (let i = 0; i < 9; i++) losses.push(step());
    await expect(losses[5]!.item()).rejects.toThrow(/version \d of parameter, which is at version \d;/);
  });
});

describe("what cannot be frozen is an error", () => {
  test("a number of the code around that changes", async () => {
    let k = 0.5;
    const f = compile((x: Tensor) => x.mul(k));
    expect(await f(tensor([2])).tolist()).toEqual([1]);
    k = 0.25;
    expect(() => f(tensor([2]))).toThrow(/a number it computes with was 0.5, and then 0.25\..*pass what changes/);
    // Later it is found when it is looked at.
    for (let i = 0; i < 8; i++) f(tensor([2]));
    k = 0.75;
    expect(() => {
      for (let i = 0; i < 40; i++) f(tensor([2]));
    }).toThrow(/was 0.25, and then 0.75, which \d+ calls did not see/);
    f.forget();
    for (let i = 0; i < 4; i++) expect(await f(tensor([2])).tolist()).toEqual([1.5]);
  });

  test("a read inside", () => {
    const f = compile((x: Tensor) => {
      void x.sum().item();
    });
    expect(() => f(ones([2]))).toThrow(/a value is read inside the compiled function/);
    const g = compile((x: Tensor) => x.mul(x.sum().itemSync()));
    expect(() => g(ones([2]))).toThrow(/a value is read inside the compiled function; return the tensor/);
  });

  test("an asynchronous function", () => {
    const f = compile(async (x: Tensor) => Promise.resolve(x));
    expect(() => f(ones([2]))).toThrow(/asynchronous; compile what it does between two awaits/);
  });

  test("a tensor of the code around that is another one in each call", () => {
    let h = zeros([2]);
    const f = compile((x: Tensor) => (h = h.add(x)));
    expect(() => {
      for (let i = 0; i < 9; i++) f(ones([2]));
    }).toThrow(/another tensor of the code around it; pass what changes as an argument/);
  });

  test("values made anew from JavaScript", () => {
    let i = 0;
    const f = compile((x: Tensor) => x.add(tensor([i++, 1])));
    expect(() => {
      for (let k = 0; k < 9; k++) f(ones([2]));
    }).toThrow(/a tensor it makes from values of JavaScript held other values/);
  });

  test("state made anew in each call", () => {
    const f = compile((x: Tensor) => new Parameter(x).mul(2));
    expect(() => {
      for (let k = 0; k < 9; k++) f(ones([2]));
    }).toThrow(/it makes state in each call \(parameter\); make it outside/);
  });

  test("a look from outside at what it did not give back", async () => {
    let kept: Tensor | null = null;
    let mask: Tensor | null = null;
    const f = compile((x: Tensor) => {
      kept = x.mul(2);
      // What is made once and used again is a constant.
      mask ??= ones([2]).mul(3);
      return kept.add(mask);
    });
    for (let i = 0; i < 6; i++) expect(await f(tensor([i, 1])).tolist()).toEqual([2 * i + 3, 5]);
    await expect(kept!.tolist()).rejects.toThrow(/made inside a compiled function.*return it from there/);
    expect(() => kept!.add(1)).toThrow(/made inside a compiled function/);
  });

  test("hooks, clones and seeds", () => {
    const w = new Parameter(ones([2]));
    w.registerHook(() => {});
    const f = compile((x: Tensor) => x.mul(w).sum().backward());
    expect(() => f(ones([2]))).toThrow(/a hook is called inside the compiled function/);
    expect(() => compile((x: Tensor) => x.clone())(ones([2]))).toThrow(/clone\(\).*clone what it returns/);
    expect(() => compile(() => manualSeed(1))()).toThrow(/seed it before the call/);
  });

  test("an argument with a gradient, an array of numbers, a branch on a number", () => {
    const w = new Parameter(ones([2]));
    const f = compile((x: Tensor) => x.sum());
    expect(() => f(w.mul(2))).toThrow(/tensor 0 of the arguments requires a gradient/);
    const g = compile((values: Float32Array) => tensor(values));
    expect(() => g(new Float32Array(2) as never)).toThrow(/holds a Float32Array, whose contents may change unseen/);
    const h = compile((x: Tensor, k: Tensor) => ((k as unknown as number) > 1 ? x : x.mul(2)));
    expect(() => h(ones([2]), 3)).toThrow(/argument 1 is a number, which arrives in the function as a tensor/);
    expect(() => compile(3 as never)).toThrow(/takes a function, got number/);
  });

  test("a setting that the function assigns", () => {
    const w = new Parameter(ones([1]));
    const opt = sgd([w]);
    const f = compile(() => {
      opt.zeroGrad();
      w.square().sum().backward();
      opt.step();
      opt.paramGroups[0].lr *= 0.9;
    });
    expect(() => {
      for (let i = 0; i < 4; i++) f();
    }).toThrow(/assigns a setting of an optimizer/);
  });
});

/**
 * What makes two submits the same plan, and what does not.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { noGrad, Parameter, StateTensor, tensor, zeros, type Tensor } from "../../src/trace/index.ts";
import { add } from "../../src/ir/ops/index.ts";
import { applyUpdates, setting, updateRule } from "../../src/trace/index.ts";
import type { ReferenceDevice } from "../../src/reference.ts";
import { counters, differentiate, fresh, Net, sgd } from "./training.ts";

let device: ReferenceDevice;
beforeEach(() => {
  device = fresh();
});

/** How many plans the programs need, run one after the other, twice. */
async function plans(...programs: (() => Tensor)[]): Promise<number> {
  const before = device.counters.compiled;
  for (const p of [...programs, ...programs]) await p().data();
  return device.counters.compiled - before;
}

const x = (): Tensor =>
  tensor([
    [1, 2],
    [3, 4],
  ]);

describe("one plan", () => {
  test.each<[string, (() => Tensor)[]]>([
    [
      "for other inputs",
      [
        () => x().mul(x()),
        () =>
          tensor([
            [5, 6],
            [7, 8],
          ]).mul(x()),
      ],
    ],
    ["for other numbers", [() => x().mul(2), () => x().mul(3.5), () => x().mul(0)]],
    ["for other draws of a generator's numbers", [() => x().clamp(0, 2), () => x().clamp(1, 3)]],
  ])("%s", async (_, programs) => {
    expect(await plans(...programs)).toBe(1);
  });

  test("for a submit after a leaf was differentiated: nothing of it is left to compute", async () => {
    await x().mul(2).data();
    const before = device.counters.compiled;
    for (const leaf of [tensor(2, { requiresGrad: true }), new Parameter(tensor(3))]) {
      leaf.backward();
      expect(await leaf.grad!.item()).toBe(1);
    }
    const between = device.counters.compiled;
    await x().mul(2).data();
    expect(device.counters.compiled).toBe(between);
    expect(between - before).toBeLessThanOrEqual(1);
  });

  test("for other networks of one form", async () => {
    const before = device.counters.compiled;
    for (let k = 0; k < 3; k++) {
      const net = new Net();
      const opt = sgd(net.params);
      for (let i = 0; i < 3; i++) {
        opt.zeroGrad();
        differentiate(net, i);
        opt.step();
      }
    }
    expect(device.counters.compiled - before).toBe(2);
  });
});

describe("two plans", () => {
  const w = (): Parameter => new Parameter(x());
  const state = (): StateTensor => new StateTensor(x());
  test.each<[string, (() => Tensor)[]]>([
    ["for two ops", [() => x().exp(), () => x().sin()]],
    ["for two axes", [() => x().sum(0), () => x().sum(1)]],
    ["for two shapes", [() => x().exp(), () => tensor([1]).exp()]],
    ["for two dtypes", [() => x().mul(x()), () => x().cast("i32").mul(x().cast("i32"))]],
    ["for the same operand twice", [() => x().sub(x()), () => ((y) => y.sub(y))(x())]],
    [
      "for operands in another order",
      [() => ((a, b) => a.exp().sub(b))(x(), x()), () => ((a, b) => b.sub(a.exp()))(x(), x())],
    ],
    ["for a number that folds", [() => x().exp().mul(2), () => x().exp().mul(1)]],
    ["for two powers", [() => x().pow(2), () => x().pow(3)]],
    ["for an input and a cell", [() => x().exp(), () => w().detach().exp()]],
    [
      "for two cells and one cell twice",
      [() => ((a, b) => a.mul(b))(state(), state()), () => ((a) => a.mul(a.add(0)))(state())],
    ],
  ])("%s", async (_, programs) => {
    expect(await plans(...programs)).toBe(2);
  });

  test("for two formulas of one optimizer", () => {
    const rule = updateRule({
      name: "flagged",
      doc: "",
      states: 0,
      settings: 1,
      update: ({ param, grad, settings: [lr], flags }) => ({
        param: flags["twice"] === true ? add(add(param, grad), lr!) : add(param, grad),
        states: [],
      }),
    });
    const lr = setting(() => 1);
    const p = new Parameter(x());
    const { compiled } = device.counters;
    for (const twice of [true, false, true, false]) {
      p.zeroGrad();
      p.sum().backward();
      applyUpdates([{ rule, param: p, states: [], settings: [lr], flags: { twice } }]);
    }
    expect(device.counters.compiled - compiled).toBe(2);
  });
});

describe("cells in one plan", () => {
  test("are never written where they are read: swapping, rotating, shifting", async () => {
    const [a, b, c] = [1, 2, 3].map((v) => new StateTensor(tensor([v, -v])));
    for (let i = 0; i < 7; i++) {
      const [x, y, z] = [a!.add(0), b!.add(0), c!.add(0)];
      a!.copy_(y.mul(1));
      b!.copy_(z.mul(1));
      c!.copy_(x.mul(1));
      await a!.data();
    }
    expect([await a!.tolist(), await b!.tolist(), await c!.tolist()]).toEqual([
      [2, -2],
      [3, -3],
      [1, -1],
    ]);
  });

  test("may read the version before while the next is written, in three buffers", async () => {
    const s = new StateTensor(tensor([1]), { label: "s" });
    let previous = s.add(0);
    const sequence = [1, 1];
    const bytes = [];
    for (let i = 0; i < 12; i++) {
      const now = s.add(0);
      // Fibonacci: the next value reads the version before.
      s.copy_(now.add(previous));
      previous = now;
      expect(await s.item()).toBe(sequence.at(-1)! + sequence.at(-2)!);
      sequence.push(sequence.at(-1)! + sequence.at(-2)!);
      bytes.push(device.memory().bytes);
    }
    expect(new Set(bytes.slice(4)).size).toBe(1);
  });

  test("take each other's values without a computation", async () => {
    const [a, b] = [new StateTensor(tensor([1])), new StateTensor(tensor([2]))];
    await b.add(1).data();
    a.copy_(b);
    b.copy_(tensor([5]));
    expect(await a.item()).toBe(2);
    expect(await b.item()).toBe(5);
    a.copy_(a);
    expect(await a.item()).toBe(2);
  });

  test("several may be assigned one value", async () => {
    const [a, b] = [new Parameter(zeros([2])), new Parameter(zeros([2]))];
    const value = tensor([1, 2]).exp();
    noGrad(() => {
      a.copy_(value);
      b.copy_(value);
    });
    a.mul(2).add(b.mul(3)).sum().backward();
    expect(await a.grad!.tolist()).toEqual([2, 2]);
    expect(await b.grad!.tolist()).toEqual([3, 3]);
    expect(await a.data()).toEqual(await value.data());
    sgd([a], 1).step();
    expect(await b.data()).toEqual(await value.data());
  });
});

test("plans not run for long go, their results stay readable", async () => {
  const first = tensor([1]).add(1);
  const { runs } = counters();
  await first.detach().add(0).data();
  const carried = first.mul(2);
  for (let i = 0; i < 200; i++)
    await zeros([i + 1])
      .add(1)
      .data();
  expect(await carried.item()).toBe(4);
  expect(counters().runs).toBeGreaterThan(runs + 200);
  expect(device.memory().buffers).toBeLessThan(300);
});

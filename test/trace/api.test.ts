/**
 * The Tensor API besides its ops: making, printing, reading, indexing, random numbers, and what it says of misuse.
 */
import { inspect } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import {
  arange,
  bernoulli,
  captureLines,
  concat,
  eye,
  full,
  Generator,
  linspace,
  manualSeed,
  ones,
  onesLike,
  Parameter,
  rand,
  randint,
  randn,
  randperm,
  stack,
  tensor,
  where,
  zeros,
  type Tensor,
} from "../../src/trace/index.ts";
import { DisposedError, DtypeError, ShapeError, StaleTensorError } from "../../src/ir/errors.ts";
import { fresh, sgd } from "./training.ts";

beforeEach(() => void fresh());

const list = async (t: Tensor): Promise<unknown> => t.tolist();

describe("making tensors", () => {
  test("takes numbers, nested arrays, typed arrays and booleans", async () => {
    expect(await list(tensor(3))).toBe(3);
    expect(
      await list(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
    ).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(tensor([true, false]).dtype).toBe("bool");
    expect(await list(tensor([true, false]))).toEqual([true, false]);
    expect(tensor(new Int32Array([1, 2])).dtype).toBe("i32");
    expect(tensor(new Uint32Array([1])).dtype).toBe("u32");
    expect(tensor(new Uint8Array([1])).dtype).toBe("i32");
    expect(tensor(new Float64Array([0.1])).dtype).toBe("f32");
    expect(await list(tensor([1.7, -1.7], { dtype: "i32" }))).toEqual([1, -1]);
    expect(await list(tensor([0, 2], { dtype: "bool" }))).toEqual([false, true]);
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor(new Float32Array(6), { shape: [2, 3] }).shape).toEqual([2, 3]);
  });

  test("copies at once", async () => {
    const data = new Float32Array([1, 2]);
    const t = tensor(data);
    const y = t.add(0.5);
    data[0] = 99;
    expect(await list(t)).toEqual([1, 2]);
    const own = await t.data();
    own[0] = 77;
    expect(await list(y)).toEqual([1.5, 2.5]);
    expect(await list(t)).toEqual([1, 2]);
  });

  test("refuses ragged and misshapen data", () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(/regular.*\[2,2\]/);
    expect(() => tensor([[1], 2])).toThrow(/regular/);
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow(/3 values.*\[2,2\]/);
    expect(() => zeros([2, -1])).toThrow(ShapeError);
    expect(() => tensor(["1"] as unknown as number[])).toThrow(DtypeError);
  });

  test("by rule", async () => {
    expect(await list(zeros([2], { dtype: "i32" }))).toEqual([0, 0]);
    expect(await list(ones([1, 2]))).toEqual([[1, 1]]);
    expect(await list(full([2], 2.5))).toEqual([2.5, 2.5]);
    expect(await list(onesLike(tensor([true])))).toEqual([true]);
    expect(await list(arange(3))).toEqual([0, 1, 2]);
    expect(arange(3).dtype).toBe("i32");
    expect(await list(arange(1, 0, -0.5))).toEqual([1, 0.5]);
    expect(await list(linspace(0, 1, 5))).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(await list(eye(2, 3))).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
    expect(await list(where(tensor([true, false]), tensor([1, 2]), tensor([3, 4])))).toEqual([1, 4]);
    expect(await list(concat([tensor([1]), tensor([2, 3])]))).toEqual([1, 2, 3]);
    expect(await list(stack([tensor([1, 2]), tensor([3, 4])], 1))).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });
});

describe("indexing", () => {
  const t = (): Tensor => arange(24).reshape(2, 3, 4);

  test("as Python's slices", async () => {
    expect(await list(t().slice(0, [1, -1], [null, null, 2]))).toEqual([[4, 6]]);
    expect(await list(t().slice(-1, 2, -1))).toBe(23);
    expect((await list(t().slice([5, 9]))) as unknown[]).toEqual([]);
    expect(t().slice(null, [-2]).shape).toEqual([2, 2, 4]);
    expect(() => t().slice(2)).toThrow(/out of range.*2/);
    expect(() => t().slice(0, 0, 0, 0)).toThrow(/4 ranges/);
    expect(() => t().slice([null, null, -1])).toThrow(/flip\(0\)/);
  });

  test("split, chunk, unbind", async () => {
    expect(
      t()
        .split(2, 1)
        .map((p) => p.shape),
    ).toEqual([
      [2, 2, 4],
      [2, 1, 4],
    ]);
    expect(
      t()
        .split([1, 3], -1)
        .map((p) => p.shape),
    ).toEqual([
      [2, 3, 1],
      [2, 3, 3],
    ]);
    expect(
      t()
        .chunk(2, 2)
        .map((p) => p.shape),
    ).toEqual([
      [2, 3, 2],
      [2, 3, 2],
    ]);
    expect(await list(t().unbind()[1]!.select(0, 0))).toEqual([12, 13, 14, 15]);
    expect(() => t().split([1, 1], 1)).toThrow(/\[1,1\].*axis 1/);
  });
});

describe("numbers in calls", () => {
  test("that change nothing leave the graph alone, but a parameter's value is taken", async () => {
    const x = tensor([1, 2]);
    const y = x.exp();
    for (const same of [y.mul(1), y.add(0), y.sub(0), y.div(1), y.pow(1)]) {
      expect((same.state as { node: unknown }).node).toBe((y.state as { node: unknown }).node);
    }
    const p = new Parameter(tensor([1]));
    const now = p.mul(1);
    p.sum().backward();
    sgd([p], 1).step();
    expect(await now.item()).toBe(1);
    expect(await p.item()).toBe(0);
  });

  test("promote as torch does", () => {
    const i = tensor([1, 2], { dtype: "i32" });
    expect(i.add(1).dtype).toBe("i32");
    expect(i.add(1.5).dtype).toBe("f32");
    expect(i.div(2).dtype).toBe("f32");
    expect(i.mul(tensor([1.5])).dtype).toBe("f32");
    expect(tensor([true]).add(1).dtype).toBe("i32");
    expect(i.gt(1.5).dtype).toBe("bool");
  });

  test("powers of halves are products and roots", async () => {
    const x = tensor([4, 9]);
    for (const p of [-4, -2.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 3.5, 4]) {
      const got = await x.pow(p).data();
      expect(got[0]! / 4 ** p).toBeCloseTo(1, 5);
      expect(got[1]! / 9 ** p).toBeCloseTo(1, 5);
    }
  });
});

describe("what is said of misuse", () => {
  test("both shapes and a hint", () => {
    expect(() => zeros([2, 3]).add(zeros([2]))).toThrow(/\[2,3\] and \[2\].*unsqueeze/);
    expect(() => zeros([2, 3]).matmul(zeros([4, 3]))).toThrow(/\[2,3\] x \[4,3\].*transpose/);
    expect(() => zeros([2, 3]).reshape(4, -1)).toThrow(/\[2,3\].*\[4,-1\]/);
    expect(() => zeros([2]).sum(1)).toThrow(/axis 1.*rank 1/);
    expect(() => tensor([1, 2], { dtype: "i32" }).exp()).toThrow(/i32.*cast/);
    expect(() => zeros([2]).add(undefined as unknown as number)).toThrow(/takes a tensor or a number, got undefined/);
    expect(() => zeros([2]).itemSync()).toThrow(/\[2\].*tolist/);
    expect(() => zeros([2]).copy_(1)).toThrow(/only parameters/);
  });

  test("the line, where lines are captured", async () => {
    captureLines(true);
    try {
      const p = new Parameter(tensor([1]), { label: "weight" });
      const opt = sgd([p]);
      const early = p.mul(2);
      for (let i = 0; i < 3; i++) {
        p.square().sum().backward();
        opt.step();
      }
      await expect(early.item()).rejects.toThrow(StaleTensorError);
      await expect(early.item()).rejects.toThrow(/weight, which is at version 2, last assigned at .*:\d+:\d+/);
      const t = tensor([1]).add(1);
      t.dispose();
      expect(() => t.add(1)).toThrow(DisposedError);
      expect(() => t.add(1)).toThrow(/disposed at .*api\.test\.ts:\d+:\d+/);
    } finally {
      captureLines(false);
    }
  });
});

describe("printing", () => {
  test("values in numpy's manner", () => {
    expect(
      String(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
    ).toBe("tensor([[1., 2.],\n        [3., 4.]], f32[2,2])");
    expect(String(tensor([0.5, -1.25]))).toBe("tensor([ 0.5000, -1.2500], f32[2])");
    expect(String(tensor([1, NaN, Infinity]))).toBe("tensor([ 1., nan, inf], f32[3])");
    expect(String(tensor([1e-8, 1]))).toBe("tensor([1.0000e-8, 1.0000e+0], f32[2])");
    expect(String(tensor([true, false]))).toBe("tensor([ true, false], bool[2])");
    expect(String(tensor(7, { dtype: "i32" }))).toBe("tensor(7, i32[])");
    expect(String(new Parameter(tensor([2])))).toBe("tensor([2.], f32[1], requiresGrad)");
    expect(String(zeros([0, 3]))).toBe("tensor([], f32[0,3])");
    expect(inspect(tensor([1]).add(1))).toBe("tensor([2.], f32[1])");
    expect(String(arange(2000))).toBe("tensor([   0,    1,    2, ..., 1997, 1998, 1999], i32[2000])");
  });

  test("nothing is computed for it where reading could hang", async () => {
    const device = fresh({ readsSynchronously: false });
    const y = tensor([1]).add(1);
    expect(String(y)).toBe("tensor(<not computed yet; await t.print() shows the values>, f32[1])");
    expect(device.counters.runs).toBe(0);
    await y.data();
    expect(String(y)).toBe("tensor([2.], f32[1])");
  });
});

describe("random numbers", () => {
  test("follow the seed, and every draw differs", async () => {
    manualSeed(3);
    const a = await rand([5]).data();
    const b = await rand([5]).data();
    expect(a).not.toEqual(b);
    manualSeed(3);
    expect(await rand([5]).data()).toEqual(a);
    const g = new Generator(3);
    expect(await rand([5], { generator: g }).data()).toEqual(a);
    const { state } = g;
    const next = await randn([4], { generator: g }).data();
    g.state = state;
    expect(await randn([4], { generator: g }).data()).toEqual(next);
    expect(() => new Generator(-1)).toThrow(/whole number/);
  });

  test("are the same in every use of one draw", async () => {
    const p = new Parameter(ones([50]));
    const mask = bernoulli(0.5, [50]).cast("f32");
    p.mul(mask).sum().backward();
    const m = await mask.data();
    expect(await p.grad!.data()).toEqual(m);
    const kept = Array.from(m).reduce((s, e) => s + e, 0);
    expect(kept).toBeGreaterThan(10);
    expect(kept).toBeLessThan(40);
  });

  test("keep to their ranges", async () => {
    const i = await randint(-3, 4, [500]).data();
    expect(new Set(i).size).toBe(7);
    expect(Math.min(...i)).toBe(-3);
    const order = Array.from(await randperm(100).data());
    expect([...order].sort((x, y) => x - y)).toEqual([...order.keys()]);
    expect(order).not.toEqual([...order.keys()]);
    const n = await randn([4000]).data();
    const mean = Array.from(n).reduce((s, e) => s + e, 0) / n.length;
    expect(Math.abs(mean)).toBeLessThan(0.06);
    expect(() => randint(2, 2, [1])).toThrow(/\[2, 2\)/);
    expect((await bernoulli(tensor([0, 1])).data()).join()).toBe("0,1");
  });
});

test("using disposes", () => {
  const device = fresh();
  let p: Parameter;
  {
    using inner = new Parameter(tensor([1]));
    p = inner;
    inner.sum().backward();
    sgd([inner]).step();
    expect(device.memory().buffers).toBeGreaterThan(1);
  }
  expect(() => p.add(1)).toThrow(DisposedError);
});

/**
 * Reductions and gather: values against loops over plain arrays for every definition and dtype it probes, derivatives
 * against central differences, then ties, zeros, empty axes and indices out of range.
 */
import { describe, expect, it } from "vitest";
import { maxAlong } from "../../src/ir/compose/index.ts";
import { roundTo, type DType } from "../../src/ir/dtype.ts";
import { evaluate } from "../../src/ir/eval.ts";
import { reduce, type Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { verify } from "../../src/ir/verify.ts";
import { checkGradients, gradientsOf, seeded, tensor } from "./probe.ts";

const reductions = o.definitions.filter((d) => d.kind === "reduce");
const values = (n: Node): number[] => [...evaluate([n])[0]!];

/** What each reduction says of a list, in plain JavaScript. */
const meaning: Readonly<Record<string, (x: readonly number[]) => number>> = {
  sum: (x) => x.reduce((a, b) => a + b, 0),
  prod: (x) => x.reduce((a, b) => a * b, 1),
  amax: (x) => Math.max(...x),
  amin: (x) => Math.min(...x),
  any: (x) => (x.some((v) => v !== 0) ? 1 : 0),
  all: (x) => (x.every((v) => v !== 0) ? 1 : 0),
  argmax: (x) => x.indexOf(Math.max(...x)),
  argmin: (x) => x.indexOf(Math.min(...x)),
};

/** [2, 3, 4] with repeated values. */
function operand(dtype: DType): number[] {
  return seeded(24, 3).map((v, i) =>
    dtype === "bool" ? (i % 5 === 0 ? 1 : 0) : roundTo(dtype, Math.abs(v) > 1.4 ? 1 : dtype === "f32" ? v : v * 3 + 4),
  );
}

describe.each(reductions)("$name", (d) => {
  const dtypes: readonly DType[] = d.probes ?? ["f32"];
  const axesTried = d.form === "index" ? [[0], [1], [2]] : [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]];

  it.each(dtypes)("of %s is what its name says, along any axes", (dtype) => {
    const x = operand(dtype);
    const leaf = tensor(x, [2, 3, 4], dtype);
    for (const axes of axesTried) {
      const y = reduce(d, leaf, axes);
      verify([y]);
      const groups = new Map<string, number[]>();
      x.forEach((v, p) => {
        const at = [Math.floor(p / 12), Math.floor(p / 4) % 3, p % 4];
        const key = at.filter((_, i) => !axes.includes(i)).join();
        groups.set(key, [...(groups.get(key) ?? []), v]);
      });
      const want = [...groups.values()].map((g) => meaning[d.name]!(g));
      const got = values(y);
      got.forEach((v, i) =>
        expect(Math.abs(v - want[i]!), `${axes.join()}[${i}]`).toBeLessThanOrEqual(1e-5 * Math.abs(want[i]!)),
      );
    }
  });

  it("in JavaScript is what it is here", () => {
    for (const dtype of dtypes) {
      const x = operand(dtype);
      // oxlint-disable-next-line no-implied-eval -- what the cpu device does
      const js = new Function("acc", "x", `"use strict"; return ${d.js("acc", "x", dtype)};`) as (
        acc: number,
        x: number,
      ) => number | boolean;
      for (const a of x)
        for (const b of [...x, ...(dtype === "f32" ? [NaN] : [])]) {
          const [got, want] = [Number(js(a, b)), d.combine(a, b, dtype)];
          expect(d.form === "index" ? got !== 0 : got).toBe(d.form === "index" ? want !== 0 : want);
        }
    }
  });

  it("of nothing", () => {
    const x = tensor([], [2, 0], dtypes[0]);
    if (d.empty) expect(values(reduce(d, x, [1]))).toEqual([meaning[d.name]!([]), meaning[d.name]!([])]);
    else expect(() => reduce(d, x, [1])).toThrow(`${d.name}: [2,0] has no elements along axis 1`);
  });
});

it.each(reductions.filter((d) => d.vjp !== null))("$name differentiates, to second order", (d) => {
  const x = tensor(seeded(12, 7), [2, 3, 2]);
  for (const axes of [[0], [1], [0, 2], [0, 1, 2]]) checkGradients(([e]) => reduce(d, e!, axes), [x]);
});

describe("prod", () => {
  it("has the product of the others as gradient, with one zero and with two", () => {
    const one = tensor([2, 0, 5]);
    expect(values(gradientsOf(o.prod(one, [0]), [one])[0]!)).toEqual([0, 10, 0]);
    const two = tensor([0, 3, 0]);
    expect(values(gradientsOf(o.prod(two, [0]), [two])[0]!)).toEqual([0, 0, 0]);
    checkGradients(([x]) => o.prod(x!, [0]), [two]);
  });

  it("of integers wraps at 32 bits", () => {
    expect(values(o.prod(tensor([65537, 65537, 3], [3], "i32"), [0]))).toEqual([
      Number(BigInt.asIntN(32, 65537n ** 2n * 3n)),
    ]);
  });
});

describe("the largest", () => {
  const tied = (): Node => tensor([3, 1, 3, 3], [1, 4]);

  it("shares its gradient among ties (amax), or gives it to the first (maxAlong)", () => {
    const x = tied();
    expect(values(gradientsOf(o.amax(x, [1]), [x])[0]!)).toEqual([1, 0, 1, 1].map((v) => Math.fround(v / 3)));
    const { values: largest, indices } = maxAlong(x, 1);
    expect(values(largest)).toEqual([3]);
    expect(values(indices)).toEqual([0]);
    expect(values(gradientsOf(largest, [x])[0]!)).toEqual([1, 0, 0, 0]);
  });

  it("of only -inf is -inf, at position 0", () => {
    const x = tensor([-Infinity, -Infinity]);
    expect(values(o.amax(x, [0]))).toEqual([-Infinity]);
    expect(values(o.argmax(x, 0))).toEqual([0]);
    expect(values(maxAlong(x, 0).values)).toEqual([-Infinity]);
  });

  it("of integers at the ends of their range", () => {
    expect(values(o.amax(tensor([-2147483648], [1], "i32"), [0]))).toEqual([-2147483648]);
    expect(values(o.amin(tensor([4294967295], [1], "u32"), [0]))).toEqual([4294967295]);
  });

  it("NaN is it, at its first place", () => {
    const x = tensor([1, NaN, 5, NaN]);
    expect(values(o.argmax(x, 0))).toEqual([1]);
    expect(values(maxAlong(x, 0).values)).toEqual([NaN]);
  });
});

describe("gather", () => {
  const x = tensor(seeded(12), [3, 4]);

  it("reads along each axis; u32 and i32 indices alike", () => {
    const at = values(x);
    const rows = tensor([2, 0, 1, 1, 0, 2], [2, 3], "i32");
    expect(values(o.gather(x, 0, rows))).toEqual([at[8], at[1], at[6], at[4], at[1], at[10]]);
    const columns = tensor([3, 3, 0, 1, 2, 0], [3, 2], "u32");
    expect(values(o.gather(x, 1, columns))).toEqual([at[3], at[3], at[4], at[5], at[10], at[8]]);
  });

  it("reads 0 outside", () => {
    expect(values(o.gather(tensor([5, 6]), 0, tensor([-1, 2, 1], [3], "i32")))).toEqual([0, 0, 6]);
  });

  it("differentiates, repeated and outside indices included", () => {
    checkGradients(([e]) => o.gather(e!, 0, tensor([2, 0, 2, 2, 0, 3], [2, 3], "i32")), [x]);
    checkGradients(([e]) => o.gather(e!, 1, tensor([3, 3, 0, 1, 2, 0, 1], [1, 7], "i32")), [x]);
  });

  it("refuses what does not fit", () => {
    expect(() => o.gather(x, 0, tensor([1], [1], "i32"))).toThrow("gather: x [3,4] and index [1] differ in rank");
    expect(() => o.gather(x, 1, tensor(new Array(8).fill(0), [4, 2], "i32"))).toThrow(
      "gather: index [4,2] is larger than x [3,4] on axis 0",
    );
    expect(() => o.gather(x, 0, tensor([1, 1], [1, 2]))).toThrow("gather: index is f32");
  });
});

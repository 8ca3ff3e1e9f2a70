/**
 * Every elementwise definition by its own samples: the JavaScript form against the meaning, derivatives against central
 * differences. What a row cannot say of itself (bits, edges) stands below.
 */
import { describe, expect, it } from "vitest";
import { roundTo, type DType } from "../../src/ir/dtype.ts";
import { evaluate } from "../../src/ir/eval.ts";
import { map, noAttrs, type Attrs, type MapDefinition, type Samples } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { verify } from "../../src/ir/verify.ts";
import { checkGradients, expectClose, tensor } from "./probe.ts";

const maps = o.definitions.filter((d) => d.kind === "map");

function values(s: Samples, dtype: DType): number[] {
  const raw =
    "values" in s ? s.values : Array.from({ length: 7 }, (_, i) => s.from + ((i + 0.37) * (s.to - s.from)) / 7);
  return [...new Set(raw.map((v) => roundTo(dtype, v)))];
}

/** Every combination of the samples: one array per operand, all of one length. At most 512 of them. */
function operands(d: MapDefinition, dtypes: readonly DType[]): number[][] {
  let rows: number[][] = [[]];
  d.samples.forEach((s, i) => {
    rows = rows.flatMap((row) => values(s, dtypes[i]!).map((v) => [...row, v]));
  });
  const kept = rows.filter((_, i) => i % Math.ceil(rows.length / 512) === 0);
  return d.samples.map((_, i) => kept.map((row) => row[i]!));
}

const probesOf = (d: MapDefinition): readonly (readonly DType[])[] => d.probes ?? [d.samples.map((): DType => "f32")];

type Compiled = (...x: readonly number[]) => number;

function compile(d: MapDefinition, dtypes: readonly DType[], attrs: Attrs): Compiled {
  const names = d.samples.map((_, i) => `x${i}`);
  const helpers = (d.helpers ?? []).map((h) => `const ${h.name} = ${h.source};`).join("\n");
  // oxlint-disable-next-line no-implied-eval -- what the cpu device does
  return new Function(...names, `"use strict";\n${helpers}\nreturn ${d.js(names, dtypes, attrs)};`) as Compiled;
}

const cases = maps.flatMap((d) =>
  probesOf(d).flatMap((dtypes) =>
    (d.probeAttrs ?? [noAttrs]).map((attrs) => ({
      title: `${d.name}(${dtypes.join(", ")}) ${JSON.stringify(attrs)}`,
      d,
      dtypes,
      attrs,
    })),
  ),
);

describe("each map", () => {
  it.each(cases)("$title: JavaScript form and meaning agree", ({ d, dtypes, attrs }) => {
    const x = operands(d, dtypes);
    const y = map(
      d,
      x.map((v, i) => tensor(v, [v.length], dtypes[i])),
      attrs,
    );
    verify([y]);
    const js = compile(d, dtypes, attrs);
    const got = evaluate([y])[0]!;
    got.forEach((v, i) => {
      const operand = x.map((e) => e[i]!);
      expect(v, `evaluator at ${operand.join(", ")}`).toBe(roundTo(y.dtype, d.evaluate(operand, attrs, dtypes)));
      // The two may round a double differently before both become f32.
      expectClose([roundTo(y.dtype, js(...operand))], [v], `js at ${operand.join(", ")}`, 1e-7);
    });
  });

  const smooth = cases.filter(({ d, dtypes }) => d.vjp !== null && dtypes.every((t) => t !== "i32" && t !== "u32"));
  it.each(smooth)("$title: derivatives", ({ d, dtypes, attrs }) => {
    const leaves = operands(d, dtypes).map((v, i) => tensor(v, [v.length], dtypes[i]));
    const y = map(d, leaves, attrs);
    if (y.dtype !== "f32" || dtypes.at(-1) !== "f32") return;
    const free = leaves.filter((x) => x.dtype === "f32");
    checkGradients(() => y, free);
  });

  it.each(maps)("$name has samples for each operand and a sentence of documentation", (d) => {
    expect(d.samples.length).toBe(d.arity);
    expect(d.doc).toMatch(/\.$/);
    for (const dtypes of probesOf(d)) expect(dtypes.length).toBe(d.arity);
  });

  it.each(maps.filter((d) => d.commutative === true))("$name is commutative", (d) => {
    for (const dtypes of probesOf(d)) {
      const [a, b] = operands(d, dtypes) as [number[], number[]];
      a.forEach((_, i) => {
        expect(d.evaluate([a[i]!, b[i]!], noAttrs, dtypes)).toBe(d.evaluate([b[i]!, a[i]!], noAttrs, dtypes));
      });
    }
  });

  it.each(maps.filter((d) => d.neutral !== undefined))("$name has the neutral operand it says", (d) => {
    for (const x of [-2.5, 0, 1, 3]) {
      const { left, right } = d.neutral!;
      if (right !== undefined) expect(d.evaluate([x, right], noAttrs, ["f32", "f32"])).toBe(x);
      if (left !== undefined) expect(d.evaluate([left, x], noAttrs, ["f32", "f32"])).toBe(x);
    }
  });
});

describe("edges", () => {
  const at = (d: { readonly definition: MapDefinition }, ...x: readonly number[]): number =>
    d.definition.evaluate(
      x,
      noAttrs,
      d.definition.samples.map((): DType => "f32"),
    );

  it("integers wrap at 32 bits", () => {
    const big = tensor([2147483647, -2147483648, 123456789], [3], "i32");
    const [sum, product, difference] = evaluate([o.add(big, 1), o.mul(big, big), o.sub(0, big)]);
    expect([...sum!]).toEqual([-2147483648, -2147483647, 123456790]);
    expect([...product!]).toEqual([1, 0, Number(BigInt.asIntN(32, 123456789n ** 2n))]);
    expect([...difference!]).toEqual([-2147483647, -2147483648, -123456789]);
    const u = tensor([4294967295, 2147483648], [2], "u32");
    expect([...evaluate([o.add(u, 2)])[0]!]).toEqual([1, 2147483650]);
    expect([...evaluate([o.mul(u, u)])[0]!]).toEqual([1, 0]);
  });

  it("a cast truncates, clamps to the range, and makes NaN 0", () => {
    const x = tensor([2.9, -2.9, 3e9, -3e9, NaN, Infinity]);
    expect([...evaluate([o.cast(x, "i32")])[0]!]).toEqual([2, -2, 2147483520, -2147483648, 0, 2147483520]);
    expect([...evaluate([o.cast(x, "u32")])[0]!]).toEqual([2, 0, 3e9, 0, 0, 4294967040]);
    expect([...evaluate([o.cast(x, "bool")])[0]!]).toEqual([1, 1, 1, 1, 1, 1]);
    expect([...evaluate([o.cast(tensor([-1, 5], [2], "i32"), "u32")])[0]!]).toEqual([4294967295, 5]);
  });

  it("pow has the signs of C", () => {
    expect(at(o.pow, -2, 3)).toBe(-8);
    expect(at(o.pow, -2, 2)).toBe(4);
    expect(at(o.pow, -2, 0.5)).toBeNaN();
    expect(at(o.pow, 0, 0)).toBe(1);
    expect(at(o.pow, 1, Infinity)).toBe(1);
    const a = tensor([-2, -1.5, -0.5]);
    checkGradients(([x]) => o.pow(x!, 3), [a]);
  });

  it("halves round to even", () => {
    expect([-1.5, -0.5, 0.5, 1.5, 2.5].map((x) => at(o.round, x))).toEqual([-2, 0, 0, 2, 2]);
  });

  it("operands of two dtypes are refused with the way out", () => {
    expect(() => o.add(tensor([1]), tensor([1], [1], "i32"))).toThrow(
      'add: operands are f32 and i32; cast one, as in x.cast("f32")',
    );
    expect(() => o.exp(tensor([1], [1], "i32"))).toThrow('exp: got i32, takes f32; x.cast("f32") would fit');
    expect(() => o.where(tensor([1]), 1, 2)).toThrow("where: the condition is f32, must be bool");
  });
});

describe("random bits", () => {
  it("mulHigh is the upper half of the product", () => {
    const x = [0, 1, 3, 0xffff, 0x10000, 0x12345678, 0x80000000, 0xdeadbeef, 0xffffffff];
    const js = compile(o.mulHigh.definition, ["u32", "u32"], noAttrs);
    for (const a of x) for (const b of x) expect(js(a, b)).toBe(Number((BigInt(a) * BigInt(b)) >> 32n));
  });

  it("philox gives the known answer of Random123", () => {
    const u32 = (v: number) => o.literal(v, "u32");
    const words = [0, 1, 2, 3].map((w) => o.philox(u32(0), u32(0), u32(0), u32(0), w));
    expect(evaluate(words).map((v) => v[0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  });

  it("bits become the multiples of 2^-24 below 1", () => {
    const bits = tensor([0, 255, 256, 0xffffffff], [4], "u32");
    expect([...evaluate([o.bitsToUnit(bits)])[0]!]).toEqual([0, 0, 2 ** -24, 1 - 2 ** -24]);
  });
});

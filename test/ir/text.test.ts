/** Textual IR: what it looks like, that it comes back as the same nodes, and where its errors point. */
import { describe, expect, it } from "vitest";
import { gradientItems, gradientMacro } from "../../src/autodiff/gradient.ts";
import * as c from "../../src/ir/compose/index.ts";
import { map, noAttrs, reduce, type Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { DType } from "../../src/ir/dtype.ts";
import { parse, print } from "../../src/text.ts";
import { gradientsOf, seeded, tensor, total } from "./probe.ts";

const x = tensor(seeded(6), [2, 3]);
const y = tensor([0, 2], [2], "i32");

describe("print", () => {
  it("numbers values in walk order, arguments first", () => {
    const lr = o.uniform({ kind: "uniform", read: () => 0.1 });
    expect(print([o.mul(o.exp(x), o.expand(lr, [2, 3]))], { name: "scaled" }))
      .toBe(`func @scaled(%0: f32[2,3], %1: uniform f32[]) {
  %2 = exp %0 : f32[2,3]
  %3 = expand %1 {shape=[2,3]} : f32[2,3]
  %4 = mul %2, %3 : f32[2,3]
  return %4
}
`);
  });

  it("gives equal graphs over other leaves the same text", () => {
    const other = tensor(seeded(6, 9), [2, 3]);
    expect(print([c.softmax(other, 1)])).toBe(print([c.softmax(x, 1)]));
  });
});

describe("parse(print(g)) is g", () => {
  const graphs: Readonly<Record<string, readonly Node[]>> = {
    "a loss": [c.crossEntropy(x, y)],
    "its gradient, twice": gradientsOf(total(gradientsOf(c.crossEntropy(x, y), [x])[0]!), [x]),
    "several roots, one twice": [x, o.neg(x), o.neg(x)],
    "awkward numbers": [-0, NaN, Infinity, -Infinity, 1e-45, -3.4028234663852886e38, 0.1].map((v) => o.literal(v)),
    "all views": [
      o.window(o.pad(o.flip(x, [1]), [1, 0], [0, 2], -Infinity), {
        axis: 0,
        stride: 1,
        dilation: 1,
        padding: 2,
        size: 3,
        fill: 0,
      }),
      o.unwindow(x, { axis: 0, stride: 2, dilation: 1, padding: 0, size: 4 }),
      o.slice(o.dilate(o.permute(x, [1, 0]), [2, 1]), [1, 0], [2, 2], [2, 1]),
    ],
    "gather, argmax, counts": [o.gather(x, 0, o.reshape(o.argmax(x, 0), [1, 3])), o.count(7), c.oneHot(y, 3)],
    "random bits": [
      c.randomNormal([4], { stream: o.literal(1, "u32"), key0: o.literal(2, "u32"), key1: o.literal(3, "u32") }),
    ],
    nothing: [o.iota(0)],
  };
  it.each(Object.entries(graphs))("%s", (_, roots) => {
    const text = print(roots, { arguments: [x, y] });
    const again = parse(text, { arguments: [x, y] });
    expect(again.roots.every((r, i) => r === roots[i])).toBe(true);
    expect(print(parse(text).roots, { arguments: parse(text).arguments })).not.toBe("");
    const fresh = parse(text);
    expect(print(fresh.roots, { arguments: fresh.arguments })).toBe(text);
  });

  it("for every map and reduction there is", () => {
    for (const d of o.definitions) {
      if (d.kind === "map") {
        for (const dtypes of d.probes ?? [d.samples.map((): DType => "f32")]) {
          const args = dtypes.map((t) => tensor([0, 1], [2], t));
          const n = map(d, args, d.probeAttrs?.[0] ?? noAttrs);
          expect(parse(print([n], { arguments: args }), { arguments: [...new Set(args)] }).roots[0]).toBe(n);
        }
      } else if (d.kind === "reduce") {
        const arg = tensor([0, 1], [1, 2], d.probes?.[0] ?? "f32");
        const n = reduce(d, arg, [1]);
        expect(parse(print([n]), { arguments: [arg] }).roots[0]).toBe(n);
      }
    }
  });

  it("macros too, with their definition", () => {
    const roots = gradientItems(total(o.exp(x)), null, [x]);
    const lookup = (name: string) => (name === gradientMacro.name ? gradientMacro : undefined);
    expect(parse(print(roots), { arguments: [x], lookup }).roots).toEqual(roots);
  });

  it("arguments keep their role", () => {
    const text = `func @f(%0: cell f32[2], %1: uniform u32[], %2: carried bool[], %3: i32[1]) {\n  return %0\n}\n`;
    const { arguments: args, roots } = parse(text);
    expect(args.map((a) => a.source?.kind)).toEqual(["cell", "uniform", "carried", "input"]);
    expect(print(roots, { arguments: args })).toBe(text);
  });
});

describe("errors point at the place", () => {
  const body = (line: string): string => `func @f(%x: f32[4]) { // a comment\n  ${line}\n  return %x\n}`;
  const cases: readonly (readonly [string, string, string])[] = [
    ["an unknown op", body("%1 = mull %x, %x : f32[4]"), "there is no op mull"],
    ["a missing operand", body("%1 = mul %x : f32[4]"), "mul takes 2 operands, got 1"],
    ["an undefined value", body("%1 = mul %x, %y : f32[4]"), "%y is not defined above"],
    ["a wrong type", body("%1 = mul %x, %x : f32[5]"), "%1 is written f32[5], but is f32[4]"],
    ["a value defined twice", body("%x = neg %x : f32[4]"), "%x is defined twice"],
    ["a shape that does not fit", body("%1 = sum %x {axes=[]} : f32[4]"), "sum: no axes"],
    ["a missing attribute", body("%1 = sum %x : f32[]"), "sum needs axes"],
    ["a dtype not taken", body("%1 = and %x, %x : bool[4]"), "and: got f32, takes bool"],
    ["syntax", body("%1 = mul %x, %x f32[4]"), 'Expected ":", "{", or ","'],
    ["a source in the body", body("%1 = cell : f32[4]"), "cell is an argument"],
  ];
  it.each(cases)("%s", (_, text, message) => {
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).toThrow(/Line 2, col \d+:[\s\S]*> 2 \|[\s\S]*\^/);
  });

  it("the number of arguments given", () => {
    expect(() => parse(body("%1 = neg %x : f32[4]"), { arguments: [] })).toThrow("@f takes 1 arguments, got 0");
  });
});

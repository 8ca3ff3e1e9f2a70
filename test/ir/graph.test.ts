/** Walks, the evaluator's bindings, and the verifier: each invariant by a node forged to break it. */
import { describe, expect, it } from "vitest";
import { gradientItems } from "../../src/autodiff/gradient.ts";
import { evaluate } from "../../src/ir/eval.ts";
import { substitute, topologicalOrder, users } from "../../src/ir/graph.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { print } from "../../src/ir/text/print.ts";
import { verify, type Stage } from "../../src/ir/verify.ts";
import { tensor, total } from "./probe.ts";

const x = tensor([1, 2, 3]);
const deep = (n: number): Node => {
  let y: Node = x;
  for (let i = 0; i < n; i++) y = o.neg(y);
  return y;
};

describe("graphs", () => {
  it("are walked inputs first, left to right, each node once", () => {
    const a = o.exp(x);
    const b = o.neg(a);
    const c = o.add(b, a);
    expect(topologicalOrder([c, a])).toEqual([x, a, b, c]);
    const by = users([x, a, b, c]);
    expect([x, a, b, c].map((n) => by.get(n))).toEqual([[a], [b, c], [c], []]);
  });

  it("a node that reads another twice is one user", () => {
    const y = o.mul(x, x);
    expect(users([x, y]).get(x)).toEqual([y]);
  });

  it("are substituted, and a replacement is left alone", () => {
    const y = o.add(o.exp(x), x);
    expect(substitute([y], new Map([[x, o.neg(x)]]))).toEqual([o.add(o.exp(o.neg(x)), o.neg(x))]);
    expect(substitute([y, x], new Map())).toEqual([y, x]);
    expect(substitute([y], new Map([[y, x]]))).toEqual([x]);
  });

  it("of 100,000 nodes in a row are ordinary", () => {
    const y = deep(100_000);
    expect(topologicalOrder([y]).length).toBe(100_001);
    verify([y]);
    expect([...evaluate([y])[0]!]).toEqual([1, 2, 3]);
    expect(substitute([y], new Map([[x, o.exp(x)]]))[0]!.op).toBe(y.op);
    expect(print([y]).length).toBeGreaterThan(1e6);
  });
});

describe("evaluate", () => {
  it("rounds every step in f32, none in f64", () => {
    const third = o.div(o.literal(1), 3);
    const [single] = evaluate([third]);
    const [double] = evaluate([third], { mode: "f64" });
    expect([single![0], double![0]]).toEqual([Math.fround(1 / 3), 1 / 3]);
    const big = tensor([16777216, 1, 1]);
    expect(evaluate([total(big)])[0]![0]).toBe(16777216);
    expect(evaluate([total(big)], { mode: "f64" })[0]![0]).toBe(16777218);
  });

  it("reads inputs and uniforms, and what is bound", () => {
    let rate = 0.5;
    const lr = o.uniform({ kind: "uniform", read: () => rate });
    expect([...evaluate([o.mul(x, lr)])[0]!]).toEqual([0.5, 1, 1.5]);
    rate = 2;
    expect([...evaluate([o.mul(x, lr)])[0]!]).toEqual([2, 4, 6]);
    expect([...evaluate([o.mul(x, lr)], { bind: (n) => (n === x ? [1, 1, 1] : undefined) })[0]!]).toEqual([2, 2, 2]);
  });

  it("says which leaf has no value, or too many", () => {
    const w = o.cell({ kind: "cell", cell: { id: 1, label: "fc1.weight", shape: [2], dtype: "f32" }, version: 0 });
    expect(() => evaluate([w])).toThrow('evaluate: cell "fc1.weight" of shape [2] has no value on the host; bind one');
    expect(() => evaluate([w], { bind: () => [1] })).toThrow("evaluate: 1 values bound to a leaf of shape [2]");
  });

  it("expands macros where it meets them, also within each other", () => {
    const first = gradientItems(total(o.exp(o.exp(x))), null, [x])[0]!;
    const got = evaluate([first], { mode: "f64" })[0]!;
    [...got].forEach((v, i) => expect(v).toBeCloseTo(Math.exp(Math.exp(i + 1)) * Math.exp(i + 1), -6));
  });
});

describe("verify", () => {
  const forge = (n: Node, change: Partial<Node>): Node => ({ ...n, ...change });
  const y = o.exp(x);
  const source = { kind: "uniform", read: () => 0 } as const;
  const cases: readonly (readonly [string, Node, string, Stage?])[] = [
    ["order", forge(y, { id: 0 }), "an input is younger than its user"],
    ["not interned", forge(y, {}), "is not the interned node of its spelling"],
    ["a wrong shape", forge(y, { shape: [4] }), "is not the interned node of its spelling"],
    ["operands not taken", forge(y, { inputs: [o.cast(x, "i32")], id: 1e9 }), "cannot be built again (exp: got i32"],
    ["extents", forge(y, { shape: [1.5] }), "extents are not whole numbers"],
    ["a source on no leaf", forge(y, { source }), "has a source but is no leaf"],
    ["a source of another kind", forge(x, { source }), "a buffer leaf with a uniform source"],
    ["a leaf without its source", forge(o.literal(1), { op: o.inputLeaf }), "a buffer leaf with no source"],
    ["a literal that is no number", o.literal(0.5, "i32"), "0.5 is no i32"],
    ["a literal with a shape", forge(o.literal(1), { shape: [2] }), "a literal that is not one number"],
    ["an iota of f32", forge(o.iota(3), { dtype: "f32" }), "an iota that is not [n] of i32"],
    ["axes out of range", forge(total(x), { attrs: { axes: [1] } }), "axes are out of range"],
    ["axes twice", forge(total(x), { attrs: { axes: [0, 0] } }), "axes are not sorted and distinct"],
    ["a view that reads outside", o.slice(x, [2], [2]), "at [1] reads [3] of an input of shape [3]"],
    ["a macro left", gradientItems(total(y), null, [x])[0]!, "a macro is left", "expanded"],
    ["a detach left", o.detach(x), "gives back its own operand", "simplified"],
  ];
  it.each(cases.map(([title, n, message, stage]) => ({ title, n, message, stage })))(
    "$title",
    ({ n, message, stage }) => {
      expect(() => verify([n], stage)).toThrow(message);
    },
  );

  it("takes what is right, at each stage", () => {
    for (const stage of ["traced", "expanded", "simplified"] as const) verify([o.neg(y), total(y)], stage);
    verify([o.detach(x)], "expanded");
  });

  it("prints the graph", () => {
    expect(() => verify([o.detach(y)], "simplified")).toThrow(/internal: simplified graph.*\nfunc @f/);
  });
});

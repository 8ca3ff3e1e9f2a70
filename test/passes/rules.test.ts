/**
 * Every law of canonicalise and simplify, tested from its own examples: the left side and what the law makes of it are
 * evaluated in double and in rounded single precision, at the example's numbers and at awkward ones. A law that bits.ts
 * does not name must not change a bit. Laws of canonicalise come before autodiff, so gradients must agree too.
 */
import { describe, expect, test } from "vitest";
import { evaluate, type Mode } from "../../src/ir/eval.ts";
import { substitute, topologicalOrder } from "../../src/ir/graph.ts";
import { rebuild, type Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { numel } from "../../src/ir/shape.ts";
import { verify } from "../../src/ir/verify.ts";
import { bitChanges } from "../../src/passes/bits.ts";
import { canonicaliseRules } from "../../src/passes/canonicalise.ts";
import { countUses, rewrite, type Rule } from "../../src/passes/rewrite.ts";
import { example } from "../../src/passes/example.ts";
import { simplifyRules } from "../../src/passes/simplify.ts";
import { splitRule } from "../../src/passes/split-reductions.ts";
import { softmaxRules } from "../../src/passes/softmax-laws.ts";
import { gradientsOf, total } from "../ir/probe.ts";

const rules: readonly Rule[] = [...new Set([...canonicaliseRules, ...simplifyRules, splitRule(128)])];

const leavesOf = (n: Node): Node[] => topologicalOrder([n]).filter((e) => e.source !== undefined);

/** What the law makes of an example, seen alone. */
function right(rule: Rule, left: Node): Node {
  const uses = countUses([left]);
  const made = rule.apply(left, (n) => uses.get(n) ?? 1);
  if (made === null) throw new Error(`"${rule.law}" does not apply to its example`);
  return made;
}

/** Values a law meets in life: zeros of both signs, infinities, NaN, numbers that over- and underflow. */
const awkward = [0, -0, 1, -1, 1e-38, 3e38, -3e38, 1e-45, Infinity, -Infinity, NaN, 0.1, 16777217];
/** Where exp(x) is far outside of f32, and within double. */
const large = [300, -280, 120, 0.5, -90, 240, 88, -1, 299.5, 17, -300, 100];

const binding =
  (numbers: readonly number[]) =>
  (leaf: Node): number[] | undefined =>
    leaf.source === undefined
      ? undefined
      : Array.from({ length: numel(leaf.shape) }, (_, i) =>
          Math.fround(numbers[(i * 5 + leaf.shape.length) % numbers.length]!),
        );

type Bind = ((leaf: Node) => ArrayLike<number> | undefined) | undefined;
const values = (n: Node, mode: Mode, bind: Bind): Float64Array =>
  evaluate([n], bind === undefined ? { mode } : { mode, bind })[0]!;

/** The first element that differs by more than `tolerance` of the largest; -0 is 0, NaN is NaN. */
function difference(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, least = 0): string | null {
  const scale = Array.from(want).reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), least);
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [got[i]!, want[i]!];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= tolerance * scale) continue;
    return `[${i}] is ${a}, should be ${b}`;
  }
  return null;
}

/** What is wrong with a law at one example; null where both sides are equal. */
function disagreement(rule: Rule, left: Node, made: Node): string | null {
  if (made.dtype !== left.dtype || made.shape.join() !== left.shape.join()) {
    return `${left.dtype}[${left.shape.join()}] became ${made.dtype}[${made.shape.join()}]`;
  }
  const numbers: Bind[] = [
    undefined,
    binding(rule.bits === undefined ? awkward : rule.bits === "softmax" ? large : [3, -1, 0.5, 2]),
  ];
  for (const bind of numbers) {
    const truth = values(left, "f64", bind);
    if (rule.bits === undefined) {
      for (const mode of ["f64", "f32"] as const) {
        const wrong = difference(values(made, mode, bind), values(left, mode, bind), 0);
        if (wrong !== null) return `${mode} ${wrong}`;
      }
      continue;
    }
    // Double: reordered sums of a few numbers. Single: 1e-5 of the largest, 300 times the rounding of a number.
    const wrong =
      difference(values(made, "f64", bind), truth, 1e-12) ?? difference(values(made, "f32", bind), truth, 1e-5);
    if (wrong !== null) return wrong;
  }
  return null;
}

describe.each(rules.map((rule) => [rule.law, rule] as const))("%s", (_, rule) => {
  const examples = rule.examples();

  test("has examples, and applies to each", () => {
    expect(examples.length).toBeGreaterThan(0);
    for (const left of examples) expect(right(rule, left)).not.toBe(left);
  });

  test("both sides are equal", () => {
    for (const left of examples) expect(disagreement(rule, left, right(rule, left))).toBeNull();
  });

  test("what it makes is a graph as it should be", () => {
    for (const left of examples) verify([right(rule, left)]);
  });

  test("applied until it no longer fits, it ends", () => {
    const again = examples.map((left) => rewrite([left], [rule]).get(left)!);
    for (const n of again) expect(rewrite([n], [rule]).get(n)).toBe(n);
  });

  test("a law with a fault is caught", () => {
    for (const left of examples) {
      for (const [what, wrong] of faults(left, right(rule, left))) {
        expect(disagreement(rule, left, wrong), `${what} went unseen`).not.toBeNull();
      }
    }
  });
});

/**
 * The right side with one of its edges wrong, for every edge the law made. Below `detach` is what no result depends on:
 * the tests of extremes below hold it.
 */
function* faults(left: Node, made: Node): Generator<[string, Node]> {
  const known = new Set(topologicalOrder([left]));
  const fresh = topologicalOrder([made], (n) => (known.has(n) || n.op === o.detach.definition ? [] : n.inputs));
  yield ["a wrong result", spoiled(made)];
  for (const n of fresh) {
    if (known.has(n) || n.op === o.detach.definition) continue;
    for (const [i, input] of n.inputs.entries()) {
      if (input.op === o.detach.definition || belowViews(input).op === o.detach.definition) continue;
      const wrong = rebuild(
        n,
        n.inputs.map((e, k) => (k === i ? spoiled(e) : e)),
      );
      yield [`operand ${i} of ${n.op.name}`, substitute([made], new Map([[n, wrong]]))[0]!];
    }
  }
}

function belowViews(n: Node): Node {
  let at = n;
  while (at.op.kind === "view") at = at.inputs[0]!;
  return at;
}

/** Something else in every element. */
const spoiled = (n: Node): Node =>
  n.dtype === "bool"
    ? o.not(n)
    : n.dtype === "f32"
      ? o.add(o.mul(n, 1.25), example(n.shape, 7))
      : o.add(n, o.literal(1, n.dtype));

describe("laws of canonicalise come before autodiff", () => {
  test.each(canonicaliseRules.map((rule) => [rule.law, rule] as const))("%s: gradients are equal", (_, rule) => {
    for (const left of rule.examples()) {
      if (left.dtype !== "f32") continue;
      const leaves = leavesOf(left);
      const [a, b] = [left, right(rule, left)].map((y) =>
        evaluate(gradientsOf(total(o.mul(y, example(y.shape, 3))), leaves), { mode: "f64" }),
      );
      // Double precision and a few roundings; some gradients are zero.
      leaves.forEach((_, i) => expect(difference(b![i]!, a![i]!, 1e-12, 1)).toBeNull());
    }
  });

  test("a law of functions only by value is caught: an undetached maximum moves the gradient", () => {
    const x = example([3, 4]);
    const m = o.reshape(o.amax(x, [1]), [3, 1]);
    const [a, b] = [o.sub(x, m), o.sub(x, o.detach(m))].map((y) =>
      evaluate(gradientsOf(total(o.mul(y, example(y.shape, 3))), [x]), { mode: "f64" }),
    );
    expect(difference(b![0]!, a![0]!, 1e-12)).not.toBeNull();
  });
});

describe("softmax laws at extremes, where the spelling as written is lost", () => {
  const at = (numbers: readonly number[]) => (leaf: Node) => (leaf.source === undefined ? undefined : numbers);
  const rows: Readonly<Record<string, readonly number[]>> = {
    large: [1000, 999, 998, -1000],
    "only -inf": [-Infinity, -Infinity, -Infinity, -Infinity],
    "some -inf": [-Infinity, 0, 1, -Infinity],
  };
  /** Of logsumexp; softmax follows from it. */
  const expected: Readonly<Record<string, number>> = {
    large: 1000 + Math.log(1 + Math.exp(-1) + Math.exp(-2)),
    "only -inf": -Infinity,
    "some -inf": Math.log(1 + Math.E),
  };

  for (const [name, row] of Object.entries(rows)) {
    const x = o.input({ kind: "input", array: new Float32Array(4) }, "f32", [1, 4]);
    const canonical = (n: Node): Node => rewrite([n], canonicaliseRules).get(n)!;

    test(`log sum exp of a row of ${name}`, () => {
      const [lse] = values(canonical(o.log(o.sum(o.exp(x), [1]))), "f32", at(row));
      if (Number.isFinite(expected[name])) expect(lse).toBeCloseTo(expected[name]!, 4);
      else expect(lse).toBe(expected[name]);
    });

    test(`softmax of a row of ${name}`, () => {
      const e = o.exp(x);
      const got = values(canonical(o.div(e, o.reshape(o.sum(e, [1]), [1, 1]))), "f32", at(row));
      row.forEach((v, i) => {
        if (name === "only -inf") expect(got[i]).toBeNaN();
        else expect(got[i]).toBeCloseTo(Math.exp(v - expected[name]!), 5);
      });
    });
  }
});

describe("bits.ts", () => {
  test("names every law that may change bits, and no other law does", () => {
    const named = new Set(rules.map((r) => r.bits).filter((b) => b !== undefined));
    expect([...named].sort()).toEqual(["law2", "linear", "softmax", "split"]);
    for (const name of named) expect(bitChanges[name]).toMatchObject({ switched: true, bits: expect.any(String) });
    expect(softmaxRules.every((r) => r.bits === "softmax")).toBe(true);
  });
});

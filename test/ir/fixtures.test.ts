/**
 * PyTorch's values, gradients and second derivatives (test/fixtures/ops.json, distml.json) against the evaluator in f64. The
 * fixtures were made in float64 and rounded once to f32.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autodiff/vjp.ts";
import { hostArray } from "../../src/ir/dtype.ts";
import { evaluate } from "../../src/ir/eval.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { verify } from "../../src/ir/verify.ts";
import { numel } from "../../src/ir/shape.ts";
import { attr, fixture, toArray, type FixtureTensor, type OpCase } from "../fixtures/load.ts";
import { calls, indices } from "./torch.ts";

function leafOf(t: FixtureTensor): Node {
  const array = hostArray(t.dtype, numel(t.shape));
  array.set(toArray(t));
  return o.input({ kind: "input", array }, t.dtype, t.shape);
}

/** Half an ulp of f32 for the fixture's rounding, and as much again for f64 sums in another order. */
const RELATIVE = 2 ** -23;

function expectTensor(n: Node, want: FixtureTensor, what: string): void {
  expect(n.shape, `${what}: shape`).toEqual(want.shape);
  verify([n]);
  const got = evaluate([n], { mode: "f64" })[0]!;
  const data = toArray(want);
  const largest = data.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0);
  data.forEach((v, i) => {
    const g = got[i]!;
    // Above the largest f32 the fixture, rounded to f32, says infinity.
    const ok = Number.isFinite(v)
      ? Math.abs(g - v) <= RELATIVE * Math.max(Math.abs(v), 1e-3 * largest) + 2 ** -150
      : Object.is(Math.fround(g), v);
    if (!ok) expect.fail(`${what}[${i}] is ${g}, torch has ${v}`);
  });
}

/** Calls whose form is a tensor method's business. */
const beyond: readonly string[] = ["pad/13"];

/** Where ours parts from torch on purpose, and why. */
const different: Readonly<Record<string, string>> = {
  "logsumexp/16": "beside +inf ours is NaN: the pair (m, l) of softmax is kept, which is NaN there in torch too",
  "pow/41": "the gradient of NaN^0 is NaN: hiding it would make the second derivative of x^b at b = 0 wrong",
};

/** torch 1.13 reads uninitialised memory for the second derivative of abs: the fixture has 2e-8 where 0 is right. */
const noSecond: readonly string[] = ["abs"];

function run({ id, op, attrs, inputs, output, indices: positions, cotangent, grads, grad2 }: OpCase): void {
  const x = inputs.map(leafOf);
  const options = Object.fromEntries(Object.entries(attrs).map(([k, v]) => [k, attr(v)]));
  const y = calls[op]!(x, options);
  expect(y.dtype, "dtype").toBe(output.dtype);
  expectTensor(y, output, "output");
  if (positions !== undefined)
    expectTensor(indices(op, op === "max" ? o.argmax : o.argmin)(x, options), positions, "indices");
  if (cotangent === null || grads === null) return;
  const zeros = (n: Node): Node => o.expand(o.literal(0), n.shape);
  const first = gradients(y, leafOf(cotangent), x).map((g, i) => g ?? zeros(x[i]!));
  grads.forEach((g, i) => g !== null && expectTensor(first[i]!, g, `grads[${i}]`));
  if (grad2 === undefined || noSecond.includes(op)) return;
  let s = o.literal(0);
  grad2.weights.forEach((w, i) => {
    if (w === null) return;
    const product = o.mul(first[i]!, leafOf(w));
    s = o.add(
      s,
      o.sum(
        product,
        product.shape.map((_, a) => a),
      ),
    );
  });
  const second = gradients(s, null, x).map((g, i) => g ?? zeros(x[i]!));
  grad2.grads.forEach((g, i) => g !== null && expectTensor(second[i]!, g, `${id} grad2[${i}]`));
}

const { cases, errors } = fixture("ops");

describe("as PyTorch", () => {
  it.each(cases.filter((e) => different[e.id] === undefined && !beyond.includes(e.id)))("$id", run);
});

describe("what DistML.js gets wrong", () => {
  it.each(fixture("distml").cases)("$id: $fault", run);
});

/** Values only the host could refuse. */
const readsValues = ["crossEntropy/error2", "gather/error2"];

describe("refused as by PyTorch", () => {
  it.each(errors.filter((e) => !readsValues.includes(e.id)))("$id", ({ op, attrs, inputs }) => {
    expect(() => calls[op]!(inputs.map(leafOf), attrs)).toThrow();
  });
});

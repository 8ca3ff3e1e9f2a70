/**
 * First and second derivatives of every function that has one, against central differences, both in double precision by
 * the evaluator: also of those whose second derivative PyTorch 1.13 lacks. At the first cases of functions.json that lie
 * away from kinks; that devices compute these graphs right is shown in functions.test.ts.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { setDevice } from "texgrad";
import { gradcheck } from "../../src/index.ts";
import { referenceDevice } from "texgrad/reference";
import { grad, tensor, type Tensor } from "../../src/trace/index.ts";
import { fixture, toArray, type FunctionCase } from "../fixtures/load.ts";
import { callWith } from "../support/function-case.ts";

/** At most so many elements: differences evaluate the graph twice for each. */
const MOST = 40;

const elements = (c: FunctionCase): number => c.inputs.reduce((n, t) => n + t.data.length, 0);

/** Whatever a mode is of is a tie, which a difference breaks. */
const tied: readonly string[] = ["mode"];

const all = fixture("functions").cases.filter(
  (c) => !tied.includes(c.op) && c.grads !== null && c.tags === undefined && elements(c) > 0 && elements(c) <= MOST,
);
/** Two of each op. */
const cases = all.filter((c) => all.filter(({ op }) => op === c.op).indexOf(c) < 2);

/** Weights that no symmetry cancels. */
const weighted = (t: Tensor, seed: number): Tensor =>
  t
    .mul(
      tensor(
        Array.from({ length: t.numel }, (_, i) => 1 + 0.5 * Math.sin(seed + 3 * i)),
        { shape: t.shape },
      ),
    )
    .sum();

const total = (parts: readonly Tensor[]): Tensor => parts.map((t, i) => weighted(t, i)).reduce((a, b) => a.add(b));

/** The results that have a gradient, as one number, of the f32 inputs. */
function scalarOf(c: FunctionCase, free: readonly Tensor[]): Tensor {
  let at = 0;
  const inputs = c.inputs.map((t) =>
    t.dtype === "f32" ? free[at++]! : tensor(toArray(t), { shape: t.shape, dtype: t.dtype }),
  );
  return total(callWith(c, inputs).filter((t) => t.dtype === "f32"));
}

describe("derivatives against differences", () => {
  beforeAll(() => {
    setDevice(referenceDevice());
  });
  const pointOf = (c: FunctionCase): Tensor[] =>
    c.inputs.filter((t) => t.dtype === "f32").map((t) => tensor(toArray(t), { shape: t.shape }));

  test.each(cases.map((c) => [c.id, c] as const))("%s", (_, c) => {
    expect(() => gradcheck((...x) => scalarOf(c, x), pointOf(c))).not.toThrow();
  });

  test.each(cases.map((c) => [c.id, c] as const))("%s, second", (_, c) => {
    const gradients = (...x: Tensor[]): Tensor => {
      const first = grad(scalarOf(c, x), x, { createGraph: true, allowUnused: true });
      const found = first.filter((g) => g !== null && g.requiresGrad) as Tensor[];
      return found.length === 0 ? x.map((t) => t.mul(0).sum()).reduce((a, b) => a.add(b)) : total(found);
    };
    expect(() => gradcheck(gradients, pointOf(c))).not.toThrow();
  });
});

/**
 * Where naive formulas overflow or divide by nothing, on rows so long that their reductions are split over parts: logits
 * to 1e4, attention rows that see no key. Short rows, and max pools of ties and NaN, are among PyTorch's fixtures
 * (softmax/12, crossEntropy/17, scaledDotProductAttention/7 and 8, maxPool2d/8 to 12), which this list holds to be there.
 */
import { describe, expect, test } from "vitest";
import { gradientItems } from "../../src/autodiff/gradient.ts";
import { gradients } from "../../src/autodiff/vjp.ts";
import * as c from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { fixture } from "../fixtures/load.ts";
import { headlessGl } from "../support/gl.ts";
import { forcedLimits } from "../support/limits.ts";
import { difference, runOn, truth, type PlanDevice, type Tolerance } from "../support/run-graph.ts";

const input = (shape: Shape, value: (i: number) => number): Node =>
  o.input({ kind: "input", array: Float32Array.from({ length: numel(shape) }, (_, i) => value(i)) }, "f32", shape);
const noise = (shape: Shape, seed: number): Node => input(shape, (i) => Math.sin(1 + seed + 7 * i));

/** y and its gradients with respect to x. */
const withGradients = (y: Node, x: readonly Node[]): Node[] => [
  y,
  ...gradients(y, noise(y.shape, 3), x).filter((g) => g !== null),
];

/** Eighths, so that what is left of the largest is exact. The largest are apart by 0, by little, and by all there is. */
const logits = (shape: Shape): Node => {
  const n = shape.at(-1)!;
  return input(shape, (i) => {
    const row = Math.floor(i / n);
    const at = i % n;
    if (row === 0) return at % 97 === 5 ? 1e4 - (at % 3) / 8 : -1e4 + at / 8;
    if (row === 1) return -1e4 + (at % 7) / 8;
    return (((at * 37) % 2003) - 1001) * 10;
  });
};

const labels = (shape: Shape, classes: number): Node =>
  o.input({ kind: "input", array: Int32Array.from({ length: numel(shape) }, (_, i) => (i * 911 + 5) % classes) }, "i32", shape); // prettier-ignore

const LONG = 3000;
const x = (): Node => logits([3, LONG]);

/** Queries of every other row see nothing; of the others a few keys. */
const mask = (queries: number, keys: number): Node =>
  o.gt(
    input([queries, keys], (i) => {
      const [q, k] = [Math.floor(i / keys), i % keys];
      return q % 2 === 0 && (q + k) % 3 === 0 ? 1 : 0;
    }),
    0,
  );

function attention(weights: (q: Node, k: Node) => Node): Node[] {
  const [q, k, v] = [noise([2, 6, 5], 1), noise([2, 1100, 5], 2), noise([2, 1100, 3], 4)];
  return withGradients(c.matmul(weights(q, k), v), [q, k, v]);
}

const cases: Readonly<Record<string, () => Node[]>> = {
  softmax: () => [x()].flatMap((e) => withGradients(c.softmax(e, 1), [e])),
  logSoftmax: () => [x()].flatMap((e) => withGradients(c.logSoftmax(e, 1), [e])),
  logsumexp: () => [x()].flatMap((e) => withGradients(c.logsumexp(e, [1]), [e])),
  "cross entropy, mean": () => {
    const e = x();
    const loss = c.crossEntropy(e, labels([3], LONG));
    return [loss, ...gradients(loss, null, [e]).filter((g) => g !== null)];
  },
  "cross entropy of each row": () =>
    [x()].flatMap((e) => withGradients(c.crossEntropy(e, labels([3], LONG), "none"), [e])),
  "softmax of columns": () => [o.permute(x(), [1, 0])].flatMap((e) => withGradients(c.softmax(e, 0), [e])),
  "attention, rows masked by bool": () =>
    attention((q, k) => c.attentionWeights(q, k, o.literal(0.4), mask(6, 1100), false)),
  "attention, rows masked by -inf": () =>
    attention((q, k) => c.attentionWeights(q, k, o.literal(0.4), o.where(mask(6, 1100), 0, -Infinity), false)),
  "attention of scores to 1e4": () =>
    attention((q, k) => c.attentionWeights(q, k, o.literal(1e4), mask(6, 1100), false)),
};

const devices: Readonly<Record<string, () => PlanDevice>> = {
  cpu: createCpuDevice,
  webgl: () => createWebglDevice(headlessGl(), { poison: true, readsSynchronously: true, ...forcedLimits }),
  "webgl, every reduction split": () =>
    createWebglDevice(headlessGl(), { poison: true, readsSynchronously: true, fragments: 16_384, ...forcedLimits }),
};

const usual = { ofLargest: 1e-5, relative: 1, awayFrom: 0 };
/** Gradients of attention are differences of sums over some hundred keys, which cancel to a tenth. */
const cancelling = { ofLargest: 1e-4, relative: 1, awayFrom: 0 };
/** Scores of 1e4 are sums in f32, 1e-3 off: so are their exponents, and what follows. */
const loose = { ofLargest: 2e-3, relative: 1, awayFrom: 0 };
const toleranceOf = (name: string): Tolerance =>
  name.includes("scores") ? loose : name.startsWith("attention") ? cancelling : usual;

function holds(device: PlanDevice, roots: readonly Node[], meant: readonly Node[], tolerance: Tolerance): void {
  const want = truth(meant);
  runOn(device, roots).forEach((got, i) => {
    expect(difference(roots[i]!, got, want[i]!, tolerance), `result ${i}`).toBeNull();
  });
}

describe.each(Object.entries(devices))("%s", (_, make) => {
  test.each(Object.entries(cases))("%s", (name, roots) => {
    const all = roots();
    holds(make(), all, all, toleranceOf(name));
  });

  test("softmax as one writes it at first, which overflows in double precision too", () => {
    const e = x();
    const y = o.div(o.exp(e), c.keeping(o.sum, o.exp(e), [1]));
    // A user's backward is differentiated once the spelling has been made canonical.
    holds(make(), [y, ...gradientItems(y, noise(y.shape, 3), [e])], withGradients(c.softmax(e, 1), [e]), usual);
  });
});

test("PyTorch's fixtures have the short ones", () => {
  const has = (name: "ops" | "layers", ids: readonly string[]): void =>
    expect(fixture(name).cases.map((e) => e.id)).toEqual(expect.arrayContaining([...ids]));
  has("ops", ["softmax/12", "logSoftmax/12", "logsumexp/12", "crossEntropy/17"]);
  has("layers", ["scaledDotProductAttention/7", "scaledDotProductAttention/8"]);
  has(
    "layers",
    [8, 9, 10, 11, 12].map((i) => `maxPool2d/${i}`),
  );
});

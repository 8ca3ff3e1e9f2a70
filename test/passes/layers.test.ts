/** Layers are compositions: spelled by hand they give the library's GLSL, forward and backward. */
import { describe, expect, test } from "vitest";
import { F, realize, tensor, type Tensor } from "texgrad";
import { programsOf } from "./capture.ts";

const values = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(1 + 7 * i));
const numel = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const t = (...shape: number[]): Tensor => tensor(values(numel(shape)), { shape, requiresGrad: true });

/** The programs of a result and its gradients, asked for at once. */
function programs(f: (...x: Tensor[]) => Tensor, shapes: readonly (readonly number[])[]): string[] {
  return programsOf(() => {
    const x = shapes.map((s) => t(...s));
    const y = f(...x);
    y.backward(tensor(values(numel(y.shape)), { shape: [...y.shape] }));
    realize(y, ...x.map((e) => e.grad!));
  });
}

function same(
  shapes: readonly (readonly number[])[],
  library: (...x: Tensor[]) => Tensor,
  byHand: (...x: Tensor[]) => Tensor,
): void {
  const want = programs(library, shapes);
  expect(want.length).toBeGreaterThan(0);
  expect(programs(byHand, shapes)).toEqual(want);
}

describe("as users write it", () => {
  test("conv1d: window, mul, sum", () => {
    same(
      [
        [2, 3, 9],
        [4, 3, 3],
      ],
      (x, w) => F.conv1d(x, w, null, { stride: 2, padding: 1 }),
      (x, w) => {
        const seen = x.window(2, 3, { stride: 2, padding: 1 });
        return seen
          .unsqueeze(1)
          .mul(w.reshape(1, 4, 3, 1, 3))
          .sum([2, 4]);
      },
    );
  });

  test("a grouped conv2d", () => {
    same(
      [
        [2, 6, 5, 5],
        [4, 3, 3, 3],
      ],
      (x, w) => F.conv2d(x, w, null, { groups: 2 }),
      (x, w) =>
        x
          .window(2, 3)
          .window(3, 3)
          .reshape(2, 2, 1, 3, 3, 3, 3, 3)
          .mul(w.reshape(1, 2, 2, 3, 1, 1, 3, 3))
          .sum([3, 6, 7])
          .reshape(2, 4, 3, 3),
    );
  });

  test("maxPool2d: window, max", () => {
    same(
      [[2, 3, 8, 8]],
      (x) => F.maxPool2d(x, 2),
      (x) => {
        const fill = -Infinity;
        const seen = x.window(2, 2, { stride: 2, fill }).window(3, 2, { stride: 2, fill });
        return seen.flatten(4).max(4).values;
      },
    );
  });

  test("layerNorm: mean, centred squares, rsqrt", () => {
    same(
      [[12, 20], [20], [20]],
      (x, w, b) => F.layerNorm(x, [20], w, b),
      (x, w, b) => {
        const centred = x.sub(x.mean(1, true));
        const variance = centred.mul(centred).mean(1, true);
        return centred.mul(variance.add(1e-5).rsqrt()).mul(w).add(b);
      },
    );
  });

  test("batchNorm in training: mean, centred squares, rsqrt", () => {
    same(
      [[6, 5, 4, 3], [5], [5]],
      (x, w, b) => F.batchNorm(x, null, null, w, b, { training: true }),
      (x, w, b) => {
        const centred = x.sub(x.mean([0, 2, 3], true));
        const variance = centred.mul(centred).mean([0, 2, 3], true);
        return centred
          .mul(variance.add(1e-5).rsqrt())
          .mul(w.reshape(5, 1, 1))
          .add(b.reshape(5, 1, 1));
      },
    );
  });

  test("attention: matmul, softmax, matmul", () => {
    same(
      [
        [2, 4, 6],
        [2, 5, 6],
        [2, 5, 3],
      ],
      (q, k, v) => F.scaledDotProductAttention(q, k, v),
      (q, k, v) =>
        q
          .matmul(k.transpose())
          .mul(6 ** -0.5)
          .softmax(-1)
          .matmul(v),
    );
  });
});

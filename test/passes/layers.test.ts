/** Layers are compositions: spelled by hand they give the library's GLSL, forward and backward. */
import { describe, test } from "vitest";
import { F } from "texgrad";
import { same } from "./spelling.ts";

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

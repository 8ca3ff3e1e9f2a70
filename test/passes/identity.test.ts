/**
 * What makes matrix products, losses and convolutions fast is no name: spelled by hand they give the library's GLSL,
 * byte for byte, forward and backward.
 */
import { describe, expect, test } from "vitest";
import { F, tensor, zerosLike } from "texgrad";
import { gradientItems } from "../../src/autodiff/gradient.ts";
import * as c from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { requestOf } from "../support/run-graph.ts";
import { glsl, leaf, planFor } from "./plans.ts";
import { same } from "./spelling.ts";

describe("as users write it", () => {
  test("matmul: reshape, expand, mul, sum", () => {
    same(
      [
        [12, 20],
        [20, 9],
      ],
      (a, b) => a.matmul(b),
      (a, b) =>
        a
          .reshape(12, 20, 1)
          .expand(12, 20, 9)
          .mul(b.reshape(1, 20, 9).expand(12, 20, 9))
          .sum(1),
    );
  });

  test("matmul: unsqueezed, broadcast by the product", () => {
    same(
      [
        [12, 20],
        [20, 9],
      ],
      (a, b) => a.matmul(b),
      (a, b) => a.unsqueeze(2).mul(b).sum(1),
    );
  });

  test("a linear layer and its activation", () => {
    same(
      [[12, 20], [9, 20], [9]],
      (x, w, b) => F.relu(F.linear(x, w, b)),
      (x, w, b) => x.unsqueeze(2).mul(w.t()).sum(1).add(b).relu(),
    );
  });

  test("batched matmul", () => {
    same(
      [
        [3, 5, 7],
        [3, 7, 6],
      ],
      (a, b) => a.matmul(b),
      (a, b) => a.unsqueeze(3).mul(b.unsqueeze(1)).sum(2),
    );
  });

  test("crossEntropy: amax, exp, sum, log, a comparison", () => {
    const y = tensor([1, 0, 3, 2, 2, 1], { dtype: "i32" });
    same(
      [[6, 4]],
      (x) => F.crossEntropy(x, y),
      (x) => {
        const shifted = x.sub(x.amax(1, true).detach());
        const picked = shifted.where(y.oneHot(4, "bool"), zerosLike(shifted)).sum(1);
        return shifted.exp().sum(1).log().sub(picked).mean();
      },
    );
  });

  test("softmax, logSoftmax and logsumexp, as one writes them at first", () => {
    const shapes = [[6, 11]];
    same(
      shapes,
      (x) => x.softmax(1),
      (x) => x.exp().div(x.exp().sum(1, true)),
    );
    same(
      shapes,
      (x) => x.logSoftmax(1),
      (x) => x.softmax(1).log(),
    );
    same(
      shapes,
      (x) => x.logSoftmax(1),
      (x) => x.sub(x.exp().sum(1, true).log()),
    );
    same(
      shapes,
      (x) => x.logsumexp(1),
      (x) => x.exp().sum(1).log(),
    );
  });

  test("mseLoss", () => {
    same(
      [
        [6, 4],
        [6, 4],
      ],
      (a, b) => F.mseLoss(a, b),
      (a, b) => a.sub(b).mul(a.sub(b)).mean(),
    );
  });

  test("conv2d: pad, window, mul, sum", () => {
    same(
      [
        [2, 3, 8, 9],
        [4, 3, 3, 2],
      ],
      (x, w) => F.conv2d(x, w, null, { padding: [1, 2], stride: [2, 1] }),
      (x, w) => {
        const seen = x.pad([2, 2, 1, 1]).window(2, 3, { stride: 2 }).window(3, 2);
        const [n, , oh, ow] = seen.shape as [number, number, number, number];
        return seen
          .reshape(n, 1, 3, oh, ow, 3, 2)
          .mul(w.reshape(1, 4, 3, 1, 1, 3, 2))
          .sum([2, 5, 6]);
      },
    );
  });

  test("avgPool2d", () => {
    same(
      [[2, 3, 8, 8]],
      (x) => F.avgPool2d(x, 2),
      (x) => x.window(2, 2, { stride: 2 }).window(3, 2, { stride: 2 }).mean([4, 5]),
    );
  });
});

/** A result and its gradients in one submit, from builders. */
function programsOfNodes(f: (...x: Node[]) => Node, x: readonly Node[], cotangent: Node): string[] {
  const y = f(...x);
  return glsl(planFor(requestOf([y, ...gradientItems(y, cotangent, x)])));
}

describe("from views alone", () => {
  test("conv2d: pad, reshape, expand, window, mul, sum", () => {
    const [x, w, g] = [leaf([2, 3, 7, 6]), leaf([4, 3, 3, 3]), leaf([2, 4, 7, 6])];
    const rows = { stride: 1, dilation: 1, padding: 0, fill: 0 };
    const byHand = (a: Node, b: Node): Node => {
      const padded = o.pad(a, [0, 0, 1, 1], [0, 0, 1, 1], 0);
      const down = o.window(o.expand(o.reshape(padded, [2, 3, 9, 8, 1]), [2, 3, 9, 8, 3]), {
        ...rows,
        axis: 2,
        size: 7,
      });
      const both = o.window(o.expand(o.reshape(down, [2, 3, 7, 8, 3, 1]), [2, 3, 7, 8, 3, 3]), {
        ...rows,
        axis: 3,
        size: 6,
      });
      const seen = o.expand(o.reshape(both, [2, 1, 3, 7, 6, 3, 3]), [2, 4, 3, 7, 6, 3, 3]);
      const weight = o.expand(o.reshape(b, [1, 4, 3, 1, 1, 3, 3]), [2, 4, 3, 7, 6, 3, 3]);
      return o.sum(o.mul(seen, weight), [2, 5, 6]);
    };
    const want = programsOfNodes((a, b) => c.conv2d(a, b, undefined, { padding: 1 }), [x, w], g);
    expect(programsOfNodes(byHand, [x, w], g)).toEqual(want);
  });

  test("another function gives other GLSL, so that equal texts mean something", () => {
    const [a, b, g] = [leaf([5, 6]), leaf([6, 7]), leaf([5, 7])];
    const other = (x: Node, y: Node): Node => o.amax(o.mul(o.reshape(x, [5, 6, 1]), o.reshape(y, [1, 6, 7])), [1]);
    expect(programsOfNodes(other, [a, b], g)).not.toEqual(programsOfNodes(c.matmul, [a, b], g));
  });
});

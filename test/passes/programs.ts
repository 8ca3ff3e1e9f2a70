/** Small programs, each a function of nodes with its gradients, for tests that try every one of them. */
import { gradients } from "../../src/autodiff/vjp.ts";
import * as c from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { leaf, number } from "./plans.ts";

const t = (x: Node): Node => o.permute(x, [1, 0]);
const withGradients = (y: Node, x: readonly Node[]): Node[] => [
  y,
  ...gradients(y, leaf(y.shape), x).filter((g) => g !== null),
];
/** f of leaves of these shapes, and its gradients. */
export const on = (shapes: readonly (readonly number[])[], f: (...x: Node[]) => Node): Node[] => {
  const x = shapes.map((s) => leaf(s));
  return withGradients(f(...x), x);
};

/** Small programs that between them use tiles, panels, phases, several results, digits of wide axes, opaque indices. */
export const programs: Readonly<Record<string, () => Node[]>> = {
  "matmul NN": () =>
    on(
      [
        [9, 6],
        [6, 11],
      ],
      c.matmul,
    ),
  "matmul NT": () =>
    on(
      [
        [9, 6],
        [11, 6],
      ],
      (a, b) => c.matmul(a, t(b)),
    ),
  "matmul TN": () =>
    on(
      [
        [6, 9],
        [6, 11],
      ],
      (a, b) => c.matmul(t(a), b),
    ),
  "matmul TT": () =>
    on(
      [
        [6, 9],
        [11, 6],
      ],
      (a, b) => c.matmul(t(a), t(b)),
    ),
  "batched matmul": () =>
    on(
      [
        [3, 4, 5],
        [3, 5, 6],
      ],
      c.matmul,
    ),
  linear: () => on([[5, 7], [6, 7], [6]], (x, w, b) => o.relu(c.linear(x, w, b))),
  conv2d: () => on([[2, 2, 5, 6], [3, 2, 3, 2], [3]], (x, w, b) => c.conv2d(x, w, b, { stride: [2, 1], padding: 1 })),
  "avgPool2d of conv2d": () =>
    on(
      [
        [1, 2, 6, 6],
        [2, 2, 3, 3],
      ],
      (x, w) => c.avgPool2d(c.conv2d(x, w, undefined, { padding: 1 }), 2),
    ),
  softmax: () => on([[7, 9]], (x) => c.softmax(x, 1)),
  "softmax of columns": () => on([[7, 9]], (x) => c.softmax(x, 0)),
  "layer norm": () =>
    on([[6, 10], [10]], (x, g) => {
      const d = o.sub(x, c.keeping(c.mean, x, [1]));
      return o.mul(o.mul(d, o.rsqrt(o.add(c.keeping(c.mean, o.mul(d, d), [1]), 1e-5))), g);
    }),
  crossEntropy: () => {
    const x = leaf([6, 4]);
    const y = c.crossEntropy(x, leaf([6], "i32"));
    return [y, gradients(y, null, [x])[0]!];
  },
  views: () =>
    on([[4, 6]], (x) => o.flip(o.pad(o.permute(o.slice(x, [1, 0], [3, 3], [1, 2]), [1, 0]), [1, 0], [0, 2], 0), [1])),
  "flattened images": () =>
    on(
      [
        [2, 3, 4, 4],
        [5, 48],
      ],
      (x, w) => c.linear(o.reshape(x, [2, 48]), w),
    ),
  "a row of 300": () => on([[3, 300]], (x) => o.sum(o.sin(x), [0])),
  "300 rows": () => on([[300, 3]], (x) => o.mul(x, o.expand(o.reshape(o.sum(x, [0]), [1, 3]), [300, 3]))),
  "a vector of 600": () => on([[600]], (x) => o.exp(x)),
  "integers and gather": () => [
    o.gather(leaf([5, 4]), 1, leaf([5, 3], "i32")),
    o.argmax(leaf([5, 4]), 1),
    o.sum(o.gt(leaf([6, 7]), 0), [1]),
  ],
  "several results": () => {
    const x = leaf([8, 5]);
    return [o.exp(x), o.sin(x), o.mul(x, number(0.3)), o.sum(x, [1]), o.amax(x, [1]), o.sum(o.mul(x, x), [0, 1])];
  },
  "law 2": () => [o.sum(o.pad(o.sum(leaf([4, 5, 6]), [1]), [0, 1], [0, 2], 0), [0])],
};

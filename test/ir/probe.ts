/**
 * Leaves with given values, and derivatives by central differences in double precision: what the graph's own gradients
 * are held against. Tests only.
 */
import { expect } from "vitest";
import { gradients } from "../../src/autodiff/vjp.ts";
import { hostArray, type DType } from "../../src/ir/dtype.ts";
import { evaluate } from "../../src/ir/eval.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";

export function tensor(values: ArrayLike<number>, shape: Shape = [values.length], dtype: DType = "f32"): Node {
  const array = hostArray(dtype, numel(shape));
  array.set(values);
  return o.input({ kind: "input", array }, dtype, shape);
}

/** Values in (-2, 2), different, none near a whole or half number; the same every time. */
export const seeded = (n: number, seed = 1): number[] =>
  Array.from({ length: n }, (_, i) => Math.sin((i + 1) * (seed * 0.7391 + 12.9898)) * 1.9 + 0.013);

export const total = (x: Node): Node =>
  o.sum(
    x,
    x.shape.map((_, i) => i),
  );

const zeros = (x: Node): Node => o.expand(o.literal(0), x.shape);

/** d sum(y * cotangent) / d x for each x, zeros where nothing leads there. */
export const gradientsOf = (y: Node, xs: readonly Node[], cotangent: Node | null = null): Node[] =>
  gradients(y, cotangent, xs).map((g, i) => g ?? zeros(xs[i]!));

/**
 * d y / d x by central differences of fourth order, for a scalar y and every element of x. With this step the formula
 * costs about h^4 = 1e-16 of the fifth derivative and rounding 2^-52 / h = 2e-12 to 2e-10.
 */
export function differences(y: Node, x: Node): number[] {
  const base = Float64Array.from(evaluate([x], { mode: "f64" })[0]!);
  const at = (i: number, v: number): number => {
    const moved = base.slice();
    moved[i] = v;
    return evaluate([y], { mode: "f64", bind: (leaf) => (leaf === x ? moved : undefined) })[0]![0]!;
  };
  return [...base].map((v, i) => {
    const h = 1e-4 * Math.min(100, Math.max(Math.abs(v), 0.01));
    return (8 * (at(i, v + h) - at(i, v - h)) - (at(i, v + 2 * h) - at(i, v - 2 * h))) / (12 * h);
  });
}

/** Differences of 1e-6 of the largest value pass: far above what the formula above can cost, far below a wrong rule. */
export function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, what: string, tolerance = 1e-6): void {
  expect(got.length, `${what}: length`).toBe(want.length);
  const scale = Array.from(want).reduce((m, v) => Math.max(m, Math.abs(v)), 1);
  for (let i = 0; i < want.length; i++) {
    if (!Object.is(got[i], want[i]) && !(Math.abs(got[i]! - want[i]!) <= tolerance * scale))
      expect.fail(`${what}[${i}] is ${got[i]}, should be ${want[i]}`);
  }
}

/**
 * First and second derivative of f at the given inputs against central differences of the graph one order below. The
 * cotangents are seeded, so that no symmetry hides a wrong sign.
 */
export function checkGradients(f: (xs: readonly Node[]) => Node, xs: readonly Node[]): void {
  const y = f(xs);
  const weighted = (n: Node, seed: number): Node => total(o.mul(n, tensor(seeded(numel(n.shape), seed), n.shape)));
  const s = weighted(y, 2);
  const first = gradientsOf(s, xs);
  const values = evaluate(first, { mode: "f64" });
  xs.forEach((x, i) => expectClose(values[i]!, differences(s, x), `d/dx${i}`));
  const t = first.map((g, i) => weighted(g, 3 + i)).reduce((a, b) => o.add(a, b));
  const second = evaluate(gradientsOf(t, xs), { mode: "f64" });
  xs.forEach((x, i) => expectClose(second[i]!, differences(t, x), `second d/dx${i}`));
}

/**
 * Symbolic indices against numbers: chains of random views, pulled back through the index algebra that kernels use, give
 * the coordinate and the validity that plain integers give, at every point. Quotients and remainders are computed as GLSL
 * and JavaScript compute them, rounding towards zero, so an operand that may be negative where it counts is found out.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { axisIndex, symbolic, type Axis, type Condition, type Index } from "../../src/ir/affine.ts";
import { numbers } from "../../src/ir/indexing.ts";
import { InvariantError } from "../../src/ir/errors.ts";
import type { Node, ViewDefinition } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { numel, show, type Shape } from "../../src/ir/shape.ts";
import { Chance, views } from "../support/random-graph.ts";

/** As a shader does it. */
function shaded(i: Index, at: (axis: Axis) => number): number {
  let out = i.offset;
  for (const { atom, coef } of i.terms) {
    if (atom.kind === "dynamic") throw new InvariantError("no index here is known only on the device");
    if (atom.kind === "axis") out += coef * at(atom.axis);
    else {
      const of = shaded(atom.of, at);
      out += coef * (atom.kind === "div" ? Math.trunc(of / atom.by) : of % atom.by);
    }
  }
  return out;
}

function holds(c: Condition, at: (axis: Axis) => number): boolean {
  switch (c.kind) {
    case "atLeastZero":
      return shaded(c.index, at) >= 0;
    case "below":
      return shaded(c.index, at) < c.bound;
    case "divisible":
      return shaded(c.index, at) % c.by === 0;
    case "always":
      return true;
    case "never":
      return false;
  }
}

interface Chain {
  readonly shape: Shape;
  readonly kinds: readonly number[];
  readonly seed: number;
}

const chains: fc.Arbitrary<Chain> = fc.record({
  shape: fc.array(fc.constantFrom(1, 2, 3, 4, 5, 7, 16), { minLength: 1, maxLength: 4 }),
  kinds: fc.array(fc.nat(99), { minLength: 1, maxLength: 6 }),
  seed: fc.nat(0x7fffffff),
});

const names = Object.keys(views);

/** The end of the chain; few enough points to visit all. */
function last({ shape, kinds, seed }: Chain): Node {
  const chance = new Chance(seed);
  let x = o.input({ kind: "input", array: new Float32Array(numel(shape)) }, "f32", shape);
  for (const k of kinds) {
    const y = x.shape.length === 0 ? x : views[names[k % names.length]!]!(chance, x);
    if (numel(y.shape) > 0 && numel(y.shape) <= 2000 && y.shape.length <= 5) x = y;
  }
  return x;
}

/** Every view down to the leaf. */
function path(top: Node): Node[] {
  const out: Node[] = [];
  for (let n = top; n.op.kind === "view"; n = n.inputs[0]!) out.push(n);
  return out;
}

const op = (n: Node): ViewDefinition => n.op as ViewDefinition;

it.each([
  ["bounded", false],
  ["with an outermost axis whose extent is a uniform", true],
])("indices of views of views, %s", (_, isOpen) => {
  fc.assert(
    fc.property(chains, (chain) => {
      const all = path(last(chain));
      if (all.length === 0) return;
      const { shape } = all[0]!;
      const outermost = shape.findIndex((e) => e !== 1);
      const axes = shape.map((extent, id): Axis => {
        const bound = isOpen && id === outermost ? Infinity : extent;
        return { id, name: `x${id}`, extent, bound, role: "row" };
      });
      let at: readonly Index[] = axes.map(axisIndex);
      const valid: Condition[] = [];
      for (const n of all) {
        const pulled = op(n).pull(symbolic, at, n.attrs, n.inputs[0]!.shape);
        valid.push(...pulled.valid);
        at = pulled.at;
      }
      for (let p = 0, n = numel(shape); p < n; p++) {
        let rest = p;
        const point = [...shape].reverse().map((e) => [rest % e, (rest = Math.floor(rest / e))][0]!).reverse(); // prettier-ignore
        const value = (axis: Axis): number => point[axis.id]!;
        let want: readonly number[] = point;
        let isValid = true;
        for (const v of all) {
          const pulled = op(v).pull(numbers, want, v.attrs, v.inputs[0]!.shape);
          isValid &&= pulled.valid.every(Boolean);
          want = pulled.at;
        }
        const what = `${all.map((v) => v.op.name).join(" of ")} at ${show(point)}`;
        expect(
          valid.every((c) => holds(c, value)),
          what,
        ).toBe(isValid);
        if (isValid) expect(at.map((i) => shaded(i, value) + 0), what).toEqual(want.map((e) => e + 0)); // prettier-ignore
      }
    }),
    { numRuns: 400, seed: 3 },
  );
});

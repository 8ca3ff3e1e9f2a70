/**
 * Every view against a model on plain arrays that writes where the pull-back reads, on random shapes; then the laws a
 * view's definition promises: adjoint, injective, fills, lift.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate } from "../../src/ir/eval.ts";
import { numbers } from "../../src/ir/indexing.ts";
import { view, type Node, type ViewDefinition } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { numel, sameShape, show, strides, type Shape } from "../../src/ir/shape.ts";
import { verify } from "../../src/ir/verify.ts";
import { checkGradients, expectClose, seeded, tensor } from "./probe.ts";

/** Every coordinate of a shape, row-major. */
function* coordinates(shape: Shape): Generator<number[]> {
  const n = numel(shape);
  const stride = strides(shape);
  for (let p = 0; p < n; p++) yield shape.map((e, i) => Math.floor(p / stride[i]!) % e);
}

const flat = (shape: Shape, at: readonly number[]): number => {
  const stride = strides(shape);
  return at.reduce((p, c, i) => p + c * stride[i]!, 0);
};

interface Case {
  readonly input: Shape;
  readonly build: (x: Node) => Node;
  readonly output: Shape;
  /** Values of the result by writing: calls `put(output coordinate, input coordinate)` for every valid pair. */
  readonly write: (put: (out: readonly number[], from: readonly number[]) => void) => void;
  readonly fill?: number;
}

const extent = fc.integer({ min: 1, max: 5 });
const shape = fc.array(extent, { minLength: 1, maxLength: 4 });
const per = (s: Shape, a: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
  fc.array(a, { minLength: s.length, maxLength: s.length });

const byInput =
  (input: Shape, to: (at: readonly number[]) => number[]): Case["write"] =>
  (put) => {
    for (const at of coordinates(input)) put(to(at), at);
  };

const windowArbitrary = fc
  .record({
    lead: fc.array(extent, { maxLength: 2 }),
    n: fc.integer({ min: 1, max: 9 }),
    k: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    padding: fc.integer({ min: 0, max: 4 }),
  })
  .filter(({ n, k, dilation, padding }) => n + 2 * padding >= dilation * (k - 1) + 1)
  .map((w) => ({ ...w, m: Math.floor((w.n + 2 * w.padding - w.dilation * (w.k - 1) - 1) / w.stride) + 1 }));

const cases: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  reshape: shape.chain((input) =>
    fc.shuffledSubarray([...input], { minLength: input.length }).map((output) => ({
      input,
      build: (x) => o.reshape(x, output),
      output,
      write: (put) => {
        const from = [...coordinates(input)];
        [...coordinates(output)].forEach((out, p) => put(out, from[p]!));
      },
    })),
  ),
  permute: shape.chain((input) =>
    fc.shuffledSubarray([...input.keys()], { minLength: input.length }).map((axes) => ({
      input,
      build: (x) => o.permute(x, axes),
      output: axes.map((a) => input[a]!),
      write: byInput(input, (at) => axes.map((a) => at[a]!)),
    })),
  ),
  expand: fc
    .tuple(shape, fc.array(extent, { maxLength: 2 }), fc.infiniteStream(fc.boolean()))
    .map(([full, lead, bits]) => {
      const ones = full.map(() => bits.next().value as boolean);
      const input = full.map((e, i) => (ones[i]! ? 1 : e));
      const output = [...lead, ...full];
      return {
        input,
        build: (x) => o.expand(x, output),
        output,
        write: (put) => {
          for (const at of coordinates(output))
            put(
              at,
              at.slice(lead.length).map((c, i) => (ones[i]! ? 0 : c)),
            );
        },
      };
    }),
  pad: shape.chain((input) =>
    fc
      .tuple(
        per(input, fc.integer({ min: 0, max: 3 })),
        per(input, fc.integer({ min: 0, max: 3 })),
        fc.constantFrom(0, -Infinity, 1.5),
      )
      .map(([before, after, fill]) => ({
        input,
        build: (x) => o.pad(x, before, after, fill),
        output: input.map((e, i) => e + before[i]! + after[i]!),
        write: byInput(input, (at) => at.map((c, i) => c + before[i]!)),
        fill,
      })),
  ),
  slice: shape.chain((input) =>
    fc.tuple(per(input, fc.nat(4)), per(input, fc.integer({ min: 1, max: 3 }))).map(([raw, step]) => {
      const start = input.map((e, i) => raw[i]! % e);
      const output = input.map((e, i) => Math.ceil((e - start[i]!) / step[i]!));
      return {
        input,
        build: (x) => o.slice(x, start, output, step),
        output,
        write: (put) => {
          for (const at of coordinates(input)) {
            const from = at.map((c, i) => c - start[i]!);
            if (from.every((c, i) => c >= 0 && c % step[i]! === 0))
              put(
                from.map((c, i) => c / step[i]!),
                at,
              );
          }
        },
      };
    }),
  ),
  flip: shape.chain((input) =>
    fc.subarray([...input.keys()]).map((axes) => ({
      input,
      build: (x) => o.flip(x, axes),
      output: input,
      write: byInput(input, (at) => at.map((c, i) => (axes.includes(i) ? input[i]! - 1 - c : c))),
    })),
  ),
  dilate: shape.chain((input) =>
    per(input, fc.integer({ min: 1, max: 3 })).map((step) => ({
      input,
      build: (x) => o.dilate(x, step),
      output: input.map((e, i) => (e - 1) * step[i]! + 1),
      write: byInput(input, (at) => at.map((c, i) => c * step[i]!)),
    })),
  ),
  window: fc
    .tuple(windowArbitrary, fc.constantFrom(0, -Infinity))
    .map(([{ lead, n, k, stride, dilation, padding, m }, fill]) => ({
      input: [...lead, n, k],
      build: (x) => o.window(x, { axis: lead.length, stride, dilation, padding, size: m, fill }),
      output: [...lead, m, k],
      write: (put) => {
        for (const at of coordinates([...lead, m, k])) {
          const j = at.at(-1)!;
          const i = stride * at.at(-2)! + dilation * j - padding;
          if (i >= 0 && i < n) put(at, [...at.slice(0, -2), i, j]);
        }
      },
      fill,
    })),
  // Written the other way round: every window puts its elements back.
  unwindow: windowArbitrary.map(({ lead, n, k, stride, dilation, padding, m }) => ({
    input: [...lead, m, k],
    build: (x) => o.unwindow(x, { axis: lead.length, stride, dilation, padding, size: n }),
    output: [...lead, n, k],
    write: (put) => {
      for (const at of coordinates([...lead, m, k])) {
        const j = at.at(-1)!;
        const i = stride * at.at(-2)! + dilation * j - padding;
        if (i >= 0 && i < n) put([...at.slice(0, -2), i, j], at);
      }
    },
  })),
};

const views = o.definitions.filter((d) => d.kind === "view");
const values = (n: Node): Float64Array => evaluate([n], { mode: "f64" })[0]!;
const leaf = (s: Shape, seed = 1): Node => tensor(seeded(numel(s), seed), s);

/** The view's definition and node, unless the builder saw that nothing changes. */
const viewOf = (y: Node, x: Node): (Node & { readonly op: ViewDefinition }) | null =>
  y === x || y.op.kind !== "view" ? null : (y as Node & { readonly op: ViewDefinition });

describe.each(views.map((d) => d.name))("%s", (name) => {
  const arbitrary = cases[name]!;
  const check = (f: (c: Case, x: Node, y: Node) => void): void =>
    fc.assert(
      fc.property(arbitrary, (c) => {
        const x = leaf(c.input);
        f(c, x, c.build(x));
      }),
      { numRuns: 60 },
    );

  it("reads what the model writes", () =>
    check((c, x, y) => {
      expect(y.shape).toEqual(c.output);
      verify([y]);
      const want = new Float64Array(numel(c.output)).fill(c.fill ?? 0);
      const from = values(x);
      c.write((out, at) => (want[flat(c.output, out)] = from[flat(c.input, at)]!));
      expect([...values(y)]).toEqual([...want]);
    }));

  it("its gradient is its adjoint: <view x, g> - <view 0, g> = <x, view^T g>", () =>
    check((c, x, y) => {
      const node = viewOf(y, x);
      if (node === null || (c.fill !== undefined && !Number.isFinite(c.fill))) return;
      const g = leaf(y.shape, 2);
      const back = node.op.vjp(g, x, node.attrs);
      expect(back.shape).toEqual(x.shape);
      verify([back]);
      const zero = c.build(tensor(new Float64Array(numel(c.input)), c.input));
      const dot = (a: Node, b: Node): number => {
        const [u, v] = [values(a), values(b)];
        return u.reduce((s, e, i) => s + e * v[i]!, 0);
      };
      expectClose([dot(y, g) - dot(zero, g)], [dot(x, back)], "dot", 1e-9);
    }));

  it("is injective and full where it says so", () =>
    check((_, x, y) => {
      const node = viewOf(y, x);
      if (node === null) return;
      const read = [...coordinates(y.shape)]
        .map((at) => node.op.pull(numbers, at, node.attrs, x.shape))
        .filter((r) => r.valid.every(Boolean))
        .map((r) => show(r.at));
      // Law 2 would miss a view that denies what is true; expand does where it only adds axes of extent 1.
      if (node.op.injective(node.attrs, x.shape)) expect(new Set(read).size).toBe(read.length);
      else expect(name).toBe("expand");
      // unwindow says that it fills where it happens not to; none says the contrary.
      if (!node.op.fills(node.attrs, x.shape)) expect(read.length).toBe(numel(y.shape));
      else if (name !== "unwindow") expect(read.length).toBeLessThan(numel(y.shape));
    }));

  // An expand is not injective, so law 2 never lifts it.
  if (name === "expand") return;
  it("lifts over leading axes", () =>
    check((c, x, y) => {
      const node = viewOf(y, x);
      if (node === null) return;
      const extra = [2, 3];
      const stacked = leaf([...extra, ...x.shape], 5);
      const lifted = view(node.op, stacked, node.op.lift(node.attrs, extra));
      expect(lifted.shape).toEqual([...extra, ...y.shape]);
      const n = numel(x.shape);
      const m = numel(y.shape);
      const all = values(stacked);
      for (let i = 0; i < 6; i++) {
        const one = c.build(tensor(Float64Array.from(all.slice(i * n, i * n + n)), x.shape));
        expect(values(lifted).slice(i * m, i * m + m)).toEqual(values(one));
      }
    }));
});

describe("views", () => {
  it("all have a model here", () => expect(views.map((d) => d.name).sort()).toEqual(Object.keys(cases).sort()));

  it("that change nothing are dropped", () => {
    const x = leaf([2, 3]);
    const same = [
      o.reshape(x, [2, 3]),
      o.permute(x, [0, 1]),
      o.expand(x, [2, 3]),
      o.pad(x, [0, 0], [0, 0], 0),
      o.slice(x, [0, 0], [2, 3]),
      o.flip(x, []),
      o.flip(o.reshape(x, [1, 6]), [0]),
      o.dilate(x, [1, 1]),
    ];
    expect(same.map((y) => y === x || sameShape(y.shape, [1, 6]))).toEqual(same.map(() => true));
  });

  it("refuse what does not fit, with both shapes", () => {
    const x = leaf([2, 3]);
    expect(() => o.reshape(x, [4])).toThrow("reshape: [2,3] has 6 elements, [4] has 4");
    expect(() => o.reshape(x, [1.5, 4])).toThrow("extents are whole numbers");
    expect(() => o.expand(x, [2, 4])).toThrow("expand: [2,3] does not broadcast to [2,4]");
  });

  it("differentiate to second order through a chain", () => {
    const f = ([x]: readonly Node[]): Node => {
      const p = o.pad(o.flip(o.mul(x!, x!), [1]), [1, 0], [0, 2], 0);
      const w = o.window(o.expand(o.reshape(p, [3, 5, 1]), [3, 5, 2]), {
        axis: 1,
        stride: 2,
        dilation: 1,
        padding: 1,
        size: 3,
        fill: 0,
      });
      return o.slice(o.permute(o.dilate(w, [1, 2, 1]), [2, 0, 1]), [0, 1, 0], [2, 1, 3], [1, 2, 2]);
    };
    checkGradients(f, [leaf([2, 3])]);
  });
});

/**
 * Views, each said once as its pull-back: from an output coordinate to the input coordinate it reads.
 *
 * Adjoints: reshape and permute invert; pad^T = slice; slice^T = pad of dilate; flip^T = flip; window^T = unwindow and
 * back. `expand`, whose adjoint is a sum, lives with the sum in broadcast.ts. Cotangents are filled with 0.
 *
 * Letters: i input coordinate, o output coordinate, k kernel offset, s stride, d dilation, p padding.
 */
import { ShapeError } from "../errors.ts";
import { view, type Attrs, type Node, type ViewDefinition } from "../node.ts";
import { checkExtents, numel, sameShape, show, type Shape } from "../shape.ts";

/** Typed readings of attributes; the builders below are the only writers. */
const list = (attrs: Attrs, key: string): readonly number[] => attrs[key] as readonly number[];
const num = (attrs: Attrs, key: string): number => attrs[key] as number;

export const reshapeView: ViewDefinition = {
  kind: "view",
  name: "reshape",
  doc: "The same elements in row-major order under another shape.",
  shape: (_, attrs) => list(attrs, "shape"),
  pull(a, out, attrs, input) {
    const target = list(attrs, "shape");
    // Row-major position of the output, cut back into the input's axes. Groups of axes with equal products are
    // handled apart, so that a coordinate never mixes with axes it has nothing to do with.
    const at = input.map(() => a.constant(0));
    for (const [from, to] of reshapeGroups(target, input)) {
      let linear = a.constant(0);
      for (const t of from) linear = a.add(a.scale(linear, target[t]!), out[t]!);
      for (let j = to.length - 1; j >= 0; j--) {
        const axis = to[j]!;
        if (input[axis] === 1) continue;
        at[axis] = j === 0 || to.slice(0, j).every((e) => input[e] === 1) ? linear : a.mod(linear, input[axis]!);
        linear = a.div(linear, input[axis]!);
      }
    }
    return { at, valid: [] };
  },
  injective: () => true,
  fills: () => false,
  lift: (attrs, extra) => ({ shape: [...extra, ...list(attrs, "shape")] }),
  vjp: (g, x) => reshape(g, x.shape),
};

/**
 * Cuts two shapes of equal size into the smallest groups of consecutive axes with equal products.
 * Axes of extent 1 join the group at hand. Shapes with a 0 give no groups: nothing is ever read.
 */
export function reshapeGroups(a: Shape, b: Shape): [number[], number[]][] {
  if (numel(a) === 0) return [];
  const groups: [number[], number[]][] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const from: number[] = [];
    const to: number[] = [];
    let x = 1;
    let y = 1;
    if (i < a.length) {
      x *= a[i]!;
      from.push(i++);
    }
    if (j < b.length) {
      y *= b[j]!;
      to.push(j++);
    }
    while (x !== y) {
      if (x < y) {
        x *= a[i]!;
        from.push(i++);
      } else {
        y *= b[j]!;
        to.push(j++);
      }
    }
    groups.push([from, to]);
  }
  return groups;
}

export const permuteView: ViewDefinition = {
  kind: "view",
  name: "permute",
  doc: "Axes in another order: result axis i is input axis axes[i].",
  shape: (input, attrs) => list(attrs, "axes").map((a) => input[a]!),
  pull(_, out, attrs) {
    const axes = list(attrs, "axes");
    const at = [...out];
    axes.forEach((axis, i) => (at[axis] = out[i]!));
    return { at, valid: [] };
  },
  injective: () => true,
  fills: () => false,
  lift: (attrs, extra) => ({ axes: [...extra.keys(), ...list(attrs, "axes").map((a) => a + extra.length)] }),
  vjp: (g, _, attrs) => {
    const inverse: number[] = [];
    list(attrs, "axes").forEach((axis, i) => (inverse[axis] = i));
    return permute(g, inverse);
  },
};

export const padView: ViewDefinition = {
  kind: "view",
  name: "pad",
  doc: "Adds `before` and `after` elements of value `fill` on each axis.",
  shape: (input, attrs) => input.map((e, i) => e + list(attrs, "before")[i]! + list(attrs, "after")[i]!),
  pull(a, out, attrs, input) {
    const before = list(attrs, "before");
    const after = list(attrs, "after");
    const valid = [];
    const at = out.map((o, i) => (before[i] === 0 ? o : a.add(o, a.constant(-before[i]!))));
    for (let i = 0; i < at.length; i++) {
      if (before[i]! > 0) valid.push(a.atLeastZero(at[i]!));
      if (after[i]! > 0) valid.push(a.below(at[i]!, input[i]!));
    }
    return { at, valid };
  },
  injective: () => true,
  fills: (attrs) => [...list(attrs, "before"), ...list(attrs, "after")].some((e) => e > 0),
  lift: (attrs, extra) => {
    const zeros = extra.map(() => 0);
    return {
      before: [...zeros, ...list(attrs, "before")],
      after: [...zeros, ...list(attrs, "after")],
      fill: num(attrs, "fill"),
    };
  },
  vjp: (g, x, attrs) => slice(g, list(attrs, "before"), x.shape),
};

export const sliceView: ViewDefinition = {
  kind: "view",
  name: "slice",
  doc: "`size` elements of each axis from `start` on, every `step`-th (step >= 1).",
  shape: (_, attrs) => list(attrs, "size"),
  pull(a, out, attrs) {
    const start = list(attrs, "start");
    const step = list(attrs, "step");
    return { at: out.map((o, i) => a.add(a.scale(o, step[i]!), a.constant(start[i]!))), valid: [] };
  },
  injective: () => true,
  fills: () => false,
  lift: (attrs, extra) => ({
    start: [...extra.map(() => 0), ...list(attrs, "start")],
    size: [...extra, ...list(attrs, "size")],
    step: [...extra.map(() => 1), ...list(attrs, "step")],
  }),
  vjp: (g, x, attrs) => {
    const start = list(attrs, "start");
    const step = list(attrs, "step");
    const spread = dilate(g, step);
    return pad(
      spread,
      start,
      spread.shape.map((e, i) => x.shape[i]! - start[i]! - e),
      0,
    );
  },
};

export const flipView: ViewDefinition = {
  kind: "view",
  name: "flip",
  doc: "Reverses the given axes.",
  shape: (input) => input,
  pull(a, out, attrs, input) {
    const axes = list(attrs, "axes");
    return {
      at: out.map((o, i) => (axes.includes(i) ? a.add(a.constant(input[i]! - 1), a.scale(o, -1)) : o)),
      valid: [],
    };
  },
  injective: () => true,
  fills: () => false,
  lift: (attrs, extra) => ({ axes: list(attrs, "axes").map((a) => a + extra.length) }),
  vjp: (g, _, attrs) => flip(g, list(attrs, "axes")),
};

export const dilateView: ViewDefinition = {
  kind: "view",
  name: "dilate",
  doc: "Spreads the elements of each axis `step` apart, with `step - 1` zeros between neighbours.",
  shape: (input, attrs) => input.map((e, i) => (e === 0 ? 0 : (e - 1) * list(attrs, "step")[i]! + 1)),
  pull(a, out, attrs) {
    const step = list(attrs, "step");
    const valid = [];
    const at = [];
    for (let i = 0; i < out.length; i++) {
      const s = step[i]!;
      if (s > 1) valid.push(a.divisible(out[i]!, s));
      at.push(s > 1 ? a.div(out[i]!, s) : out[i]!);
    }
    return { at, valid };
  },
  injective: () => true,
  fills: (attrs) => list(attrs, "step").some((s) => s > 1),
  lift: (attrs, extra) => ({ step: [...extra.map(() => 1), ...list(attrs, "step")] }),
  vjp: (g, x, attrs) =>
    slice(
      g,
      x.shape.map(() => 0),
      x.shape,
      list(attrs, "step"),
    ),
};

export const windowView: ViewDefinition = {
  kind: "view",
  name: "window",
  doc: "x: [.., n, .., K] -> [.., size, .., K], reading i = s*o + d*k - p on `axis` for kernel offset k, the last axis; `fill` outside.",
  shape: (input, attrs) => input.map((e, i) => (i === num(attrs, "axis") ? num(attrs, "size") : e)),
  pull(a, out, attrs, input) {
    const axis = num(attrs, "axis");
    const k = out[out.length - 1]!;
    const i = a.add(
      a.add(a.scale(out[axis]!, num(attrs, "stride")), a.scale(k, num(attrs, "dilation"))),
      a.constant(-num(attrs, "padding")),
    );
    const valid = [];
    if (num(attrs, "padding") > 0) valid.push(a.atLeastZero(i));
    if (reachesPast(attrs, input)) valid.push(a.below(i, input[axis]!));
    return { at: out.map((o, j) => (j === axis ? i : o)), valid };
  },
  injective: () => true,
  fills: (attrs, input) => num(attrs, "padding") > 0 || reachesPast(attrs, input),
  lift: (attrs, extra) => ({ ...attrs, axis: num(attrs, "axis") + extra.length }),
  vjp: (g, x, attrs) => unwindow(g, { ...windowAttrs(attrs), size: x.shape[num(attrs, "axis")]! }),
};

/** Whether the last window reads past the end. */
function reachesPast(attrs: Attrs, input: Shape): boolean {
  const last =
    num(attrs, "stride") * (num(attrs, "size") - 1) +
    num(attrs, "dilation") * (input[input.length - 1]! - 1) -
    num(attrs, "padding");
  return last >= input[num(attrs, "axis")]!;
}

export const unwindowView: ViewDefinition = {
  kind: "view",
  name: "unwindow",
  doc: "Adjoint of window: [.., m, .., K] -> [.., size, .., K], reading o = (i + p - d*k) / s where that is whole and in range, 0 elsewhere.",
  shape: (input, attrs) => input.map((e, i) => (i === num(attrs, "axis") ? num(attrs, "size") : e)),
  pull(a, out, attrs, input) {
    const axis = num(attrs, "axis");
    const s = num(attrs, "stride");
    const k = out[out.length - 1]!;
    const scaled = a.add(a.add(out[axis]!, a.constant(num(attrs, "padding"))), a.scale(k, -num(attrs, "dilation")));
    const valid = [a.atLeastZero(scaled)];
    if (s > 1) valid.push(a.divisible(scaled, s));
    const o = s > 1 ? a.div(scaled, s) : scaled;
    valid.push(a.below(o, input[axis]!));
    return { at: out.map((e, j) => (j === axis ? o : e)), valid };
  },
  injective: () => true,
  fills: () => true,
  lift: (attrs, extra) => ({ ...attrs, axis: num(attrs, "axis") + extra.length }),
  vjp: (g, x, attrs) => window(g, { ...windowAttrs(attrs), size: x.shape[num(attrs, "axis")]!, fill: 0 }),
};

export interface WindowOptions {
  readonly axis: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
  /** Extent of `axis` in the result. */
  readonly size: number;
}

const windowAttrs = (attrs: Attrs): WindowOptions => ({
  axis: num(attrs, "axis"),
  stride: num(attrs, "stride"),
  dilation: num(attrs, "dilation"),
  padding: num(attrs, "padding"),
  size: num(attrs, "size"),
});

// Builders. Each drops a view that changes nothing, so that spelling it out makes no other graph.

export function reshape(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  checkExtents("reshape", shape);
  if (numel(x.shape) !== numel(shape)) {
    throw new ShapeError(
      `reshape: ${show(x.shape)} has ${numel(x.shape)} elements, ${show(shape)} has ${numel(shape)}`,
    );
  }
  return view(reshapeView, x, { shape: [...shape] });
}

export function permute(x: Node, axes: readonly number[]): Node {
  if (axes.every((a, i) => a === i)) return x;
  return view(permuteView, x, { axes: [...axes] });
}

export function pad(x: Node, before: readonly number[], after: readonly number[], fill: number): Node {
  if (before.every((e) => e === 0) && after.every((e) => e === 0)) return x;
  return view(padView, x, { before: [...before], after: [...after], fill });
}

export function slice(
  x: Node,
  start: readonly number[],
  size: Shape,
  step: readonly number[] = start.map(() => 1),
): Node {
  if (sameShape(size, x.shape) && step.every((s) => s === 1)) return x;
  return view(sliceView, x, { start: [...start], size: [...size], step: size.map((e, i) => (e <= 1 ? 1 : step[i]!)) });
}

export function flip(x: Node, axes: readonly number[]): Node {
  const real = axes.filter((a) => x.shape[a]! > 1);
  return real.length === 0 ? x : view(flipView, x, { axes: real });
}

export function dilate(x: Node, step: readonly number[]): Node {
  const real = step.map((s, i) => (x.shape[i]! <= 1 ? 1 : s));
  return real.every((s) => s === 1) ? x : view(dilateView, x, { step: real });
}

/** x: [.., n, .., K], windows along `axis`; see `windowView`. */
export function window(x: Node, w: WindowOptions & { readonly fill: number }): Node {
  return view(windowView, x, {
    axis: w.axis,
    stride: w.stride,
    dilation: w.dilation,
    padding: w.padding,
    size: w.size,
    fill: w.fill,
  });
}

export function unwindow(x: Node, w: WindowOptions): Node {
  return view(unwindowView, x, {
    axis: w.axis,
    stride: w.stride,
    dilation: w.dilation,
    padding: w.padding,
    size: w.size,
  });
}

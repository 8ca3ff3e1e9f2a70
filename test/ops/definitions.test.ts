/**
 * Every definition on GL and on the cpu device against the evaluator, at its own samples: values of all dtypes it takes,
 * in shapes of rank 0 to 4, first and second derivatives, and edges. That the derivatives' graphs are right is shown by
 * central differences in double precision in test/ir; here the same graphs are run.
 *
 * A new op needs nothing here: what it must hold follows from its row.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autodiff/vjp.ts";
import { hostArray, isFloat, roundTo, type DType } from "../../src/ir/dtype.ts";
import {
  gatherNode,
  map,
  noAttrs,
  reduce,
  view,
  type Attrs,
  type MapDefinition,
  type Node,
  type ReduceDefinition,
  type Samples,
  type ViewDefinition,
} from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";
import { difference, runOn, truth, within, type PlanDevice } from "../support/run-graph.ts";
import { exceptions } from "./exceptions.ts";

const devices = {
  cpu: createCpuDevice(),
  gl: createWebglDevice(headlessGl(), { poison: true, readsSynchronously: true }),
} as const satisfies Readonly<Record<string, PlanDevice>>;
type DeviceName = keyof typeof devices;
const names = ["cpu", "gl"] as const;

function leaf(values: ArrayLike<number>, shape: Shape, dtype: DType): Node {
  const array = hostArray(dtype, numel(shape));
  for (let i = 0; i < array.length; i++) array[i] = values[i % values.length]!;
  return o.input({ kind: "input", array }, dtype, shape);
}

/** Holds each root to the evaluator in double precision, or to what f32 can do at best where that is less. */
function check(name: DeviceName, roots: readonly Node[], tolerance?: number): void {
  const allowed = tolerance === undefined ? within : { ...within, relative: tolerance, ofLargest: tolerance };
  const want = truth(roots);
  const rounded = truth(roots, "f32");
  runOn(devices[name], roots, { verified: true }).forEach((got, root) => {
    // At 1 - tanh(x)^2 for large x one ulp of tanh is many of the difference: no further off than four times f32's own.
    const judged = Array.from(got, (v, i) => {
      const w = want[root]![i]!;
      return Math.abs(v - w) <= 4 * Math.abs(rounded[root]![i]! - w) ? w : v;
    });
    expect(difference(roots[root]!, judged, want[root]!, allowed), `root ${root}`).toBeNull();
  });
}

const total = (x: Node): Node => o.sum(x, [...x.shape.keys()]);

/** Weights that no symmetry hides behind. */
const weighted = (n: Node, seed: number): Node => {
  const weights = Array.from({ length: numel(n.shape) }, (_, i) => Math.sin((i + 1) * (seed * 0.7391 + 12.9898)) * 1.9);
  return numel(n.shape) === 0 ? o.literal(0) : total(o.mul(n, leaf(weights, n.shape, "f32")));
};

/** Gradients of a weighted sum of y, and the gradients of a weighted sum of those. */
function derivatives(y: Node, x: readonly Node[]): Node[] {
  const free = x.filter((n) => isFloat(n.dtype));
  if (!isFloat(y.dtype) || free.length === 0) return [];
  const first = gradients(weighted(y, 2), null, free).filter((g) => g !== null);
  if (first.length === 0) return [];
  const sum = first.map((g, i) => weighted(g, 3 + i)).reduce((a, b) => o.add(a, b));
  return [...first, ...gradients(sum, null, free).filter((g) => g !== null)];
}

/** Rank 0 to 4, odd and even, with an axis of 1. */
const shapes: readonly Shape[] = [[], [7], [5, 33], [3, 1, 6], [2, 3, 4, 5]];

// Maps.

function samplesOf(s: Samples, dtype: DType): number[] {
  const raw = "values" in s ? s.values : Array.from({ length: 9 }, (_, i) => s.from + (i / 8) * (s.to - s.from));
  return [...new Set(raw.map((v) => roundTo(dtype, v)))];
}

/** Every combination of the samples, one list an operand; at most 500 of them. */
function combinations(d: MapDefinition, dtypes: readonly DType[]): number[][] {
  let rows: number[][] = [[]];
  d.samples.forEach((s, i) => {
    rows = rows.flatMap((row) => samplesOf(s, dtypes[i]!).map((v) => [...row, v]));
  });
  const kept = rows.filter((_, i) => i % Math.ceil(rows.length / 500) === 0);
  return dtypes.map((_, i) => kept.map((row) => row[i]!));
}

const mapCases = o.definitions
  .filter((d) => d.kind === "map")
  .flatMap((d) =>
    (d.probes ?? [d.samples.map((): DType => "f32")]).flatMap((dtypes) =>
      (d.probeAttrs ?? [noAttrs]).map((attrs) => ({
        id: `${d.name}(${dtypes.join(", ")})${attrs === noAttrs ? "" : ` ${JSON.stringify(attrs)}`}`,
        d,
        dtypes,
        attrs,
      })),
    ),
  );

/** For shapes of few elements the samples begin elsewhere, so that all of them are met. */
const operands = (values: readonly number[][], shape: Shape, dtypes: readonly DType[]): Node[] =>
  values.map((v, i) => {
    const from = (numel(shape) * 5) % v.length;
    return leaf([...v.slice(from), ...v.slice(0, from)], shape, dtypes[i]!);
  });

describe.each(names)("maps on %s", (name) => {
  it.each(mapCases)("$id", ({ d, dtypes, attrs }) => {
    const values = combinations(d, dtypes);
    const roots = [[values[0]!.length], ...shapes].map((shape) => map(d, operands(values, shape, dtypes), attrs));
    check(name, roots, d.tolerance);
  });

  it.each(mapCases.filter(({ d, dtypes }) => d.vjp !== null && dtypes.some(isFloat)))(
    "derivatives of $id",
    ({ d, dtypes, attrs }) => {
      const values = combinations(d, dtypes);
      for (const shape of [[values[0]!.length], [3, 1, 6]]) {
        const x = operands(values, shape, dtypes);
        check(name, derivatives(map(d, x, attrs), x), d.tolerance);
      }
    },
  );
});

// Edges.

const floatEdges = [0, -0, 1, -1, 0.5, -0.5, 2, 3, 1e-40, -1e-40, 1e-30, 1e38, -1e38, Infinity, -Infinity, NaN];
const edges: Readonly<Record<DType, readonly number[]>> = {
  f32: floatEdges.map(Math.fround),
  i32: [0, 1, -1, 2147483647, -2147483648, 65536, -65537],
  u32: [0, 1, 4294967295, 2147483648, 65536, 65537],
  bool: [0, 1],
};

function edgeRows(dtypes: readonly DType[]): number[][] {
  let rows: number[][] = [[]];
  for (const t of dtypes) rows = rows.flatMap((row) => edges[t].map((v) => [...row, v]));
  return rows.filter((_, i) => i % Math.ceil(rows.length / 4096) === 0);
}

/** Which exceptions were needed: one that is not must go. */
const needed = new Set<string>();
const inexact = new Set<string>();

describe.each(names)("edges on %s", (name) => {
  it.each(mapCases)("$id", ({ d, dtypes, attrs }) => {
    const rows = edgeRows(dtypes);
    const x = dtypes.map((t, i) => leaf(rows.map((row) => row[i]!), [rows.length], t)); // prettier-ignore
    const y = map(d, x, attrs);
    const [want] = truth([y], "f32");
    const [got] = runOn(devices[name], [y]);
    const wrong: string[] = [];
    rows.forEach((row, i) => {
      const [g, w] = [got![i]!, want![i]!];
      // The sign of a zero may differ: GLSL need not keep it.
      const close = Math.abs(g - w) <= 2e-5 * Math.abs(w);
      if (g === w || Object.is(g, w) || (y.dtype === "f32" && close)) return;
      const exception = exceptions.find(
        (e) => e.devices.includes(name) && (e.ops ?? [d.name]).includes(d.name) && e.applies({ x: row, want: w }),
      );
      if (name === "gl" && d.inexact?.(row)) inexact.add(d.name);
      else if (exception === undefined) wrong.push(`${d.name}(${row.join(", ")}) is ${g}, should be ${w}`);
      else needed.add(exception.why);
    });
    expect(wrong).toEqual([]);
  });
});

// Other drivers may do better.
it.runIf(devices.gl.capabilities.isSoftware)("every exception of the list is needed", () => {
  expect(exceptions.map((e) => e.why).filter((why) => !needed.has(why))).toEqual([]);
  const claimed = mapCases.filter(({ d }) => d.inexact !== undefined).map(({ d }) => d.name);
  expect(claimed.filter((op) => !inexact.has(op))).toEqual([]);
});

// Reductions.

function elements(dtype: DType, n: number, s: Samples): number[] {
  const all = samplesOf(s, dtype);
  // A permutation of the samples again and again: ties, and no order.
  return Array.from({ length: n }, (_, i) => all[(i * 7 + Math.floor(i / all.length) * 3) % all.length]!);
}

const reduceCases = o.definitions
  .filter((d) => d.kind === "reduce")
  .flatMap((d) => (d.probes ?? (["f32"] as const)).map((dtype) => ({ id: `${d.name}(${dtype})`, d, dtype })));

/** Shapes with the axes to reduce: columns, rows, the middle, all, and ends; short and longer than four steps. */
const reductions: readonly (readonly [Shape, readonly number[]])[] = [
  [[7], [0]],
  [[5, 33], [1]],
  [[5, 33], [0]],
  [[3, 4, 6], [1]],
  [
    [3, 5, 6],
    [0, 2],
  ],
  [
    [2, 3, 4, 5],
    [1, 2, 3],
  ],
  [[300], [0]],
];

const reduced = (d: ReduceDefinition, dtype: DType, shape: Shape, axes: readonly number[]): { x: Node; y: Node } => {
  const x = leaf(elements(dtype, numel(shape), d.samples), shape, dtype);
  return { x, y: reduce(d, x, d.form === "index" ? axes.slice(0, 1) : axes) };
};

describe.each(names)("reductions on %s", (name) => {
  it.each(reduceCases)("$id", ({ d, dtype }) => {
    check(
      name,
      reductions.map(([shape, axes]) => reduced(d, dtype, shape, axes).y),
    );
  });

  it.each(reduceCases.filter(({ d, dtype }) => d.vjp !== null && isFloat(dtype)))(
    "derivatives of $id",
    ({ d, dtype }) => {
      for (const [shape, axes] of [reductions[1]!, reductions[2]!, reductions[4]!]) {
        const small = shape.map((e) => Math.min(e, 9));
        const { x, y } = reduced(d, dtype, small, axes);
        check(name, derivatives(y, [x]));
      }
    },
  );

  it.each(reduceCases.filter(({ d }) => d.empty))("$id of nothing", ({ d, dtype }) => {
    const x = leaf([0], [3, 0], dtype);
    check(name, [reduce(d, x, [1]), reduce(d, x, [0, 1]), reduce(d, x, [0])]);
  });
});

// Views: attributes for x of one shape, of ranks 1 to 4.

const viewCases: Readonly<Record<string, readonly (readonly [Shape, Attrs])[]>> = {
  reshape: [
    [[6, 20], { shape: [120] }],
    [[6, 20], { shape: [4, 5, 6] }],
    [[2, 3, 4, 5], { shape: [6, 1, 20] }],
    [[1], { shape: [] }],
    [[300], { shape: [12, 25] }],
  ],
  permute: [
    [[5, 33], { axes: [1, 0] }],
    [[2, 3, 4, 5], { axes: [3, 0, 2, 1] }],
    [[7, 1, 6], { axes: [2, 1, 0] }],
  ],
  expand: [
    [[], { shape: [3, 5] }],
    [[7], { shape: [4, 7] }],
    [[3, 1, 6], { shape: [2, 3, 5, 6] }],
  ],
  pad: [
    [[7], { before: [2], after: [3], fill: 0 }],
    [[5, 6], { before: [0, 1], after: [3, 0], fill: 1.5 }],
    [[2, 3, 4, 5], { before: [1, 0, 2, 3], after: [0, 2, 1, 0], fill: 0 }],
  ],
  slice: [
    [[9], { start: [2], size: [5], step: [1] }],
    [[9, 10], { start: [1, 0], size: [4, 4], step: [2, 3] }],
    [[2, 3, 4, 5], { start: [1, 0, 1, 2], size: [1, 3, 2, 2], step: [1, 1, 2, 2] }],
  ],
  flip: [
    [[9], { axes: [0] }],
    [[5, 33], { axes: [1] }],
    [[2, 3, 4, 5], { axes: [0, 2, 3] }],
  ],
  dilate: [
    [[5], { step: [3] }],
    [[5, 6], { step: [1, 2] }],
    [[2, 3, 4], { step: [2, 3, 1] }],
  ],
  window: [
    [[9, 3], { axis: 0, stride: 1, dilation: 1, padding: 1, size: 9, fill: 0 }],
    [[2, 9, 3], { axis: 1, stride: 2, dilation: 2, padding: 2, size: 5, fill: 0 }],
    [[2, 8, 5, 2], { axis: 1, stride: 3, dilation: 1, padding: 0, size: 3, fill: 0 }],
  ],
  unwindow: [
    [[9, 3], { axis: 0, stride: 1, dilation: 1, padding: 1, size: 9 }],
    [[2, 5, 3], { axis: 1, stride: 2, dilation: 2, padding: 2, size: 9 }],
    [[2, 3, 5, 2], { axis: 1, stride: 3, dilation: 1, padding: 0, size: 8 }],
  ],
};

const viewDefinitions = o.definitions.filter((d) => d.kind === "view");

it("every view has cases", () => {
  expect(Object.keys(viewCases).sort()).toEqual(viewDefinitions.map((d) => d.name).sort());
});

/** Eighths that are whole for integers; a fill of 1.5 is for floats. */
function viewed(d: ViewDefinition, dtype: DType, shape: Shape, attrs: Attrs): { x: Node; y: Node } {
  const values = Array.from({ length: numel(shape) }, (_, i) => {
    const v = ((i * 5) % 33) - 16;
    return dtype === "f32" ? v / 8 : dtype === "i32" ? v * 65537 : dtype === "bool" ? v & 1 : Math.abs(v) * 134217729;
  });
  const x = leaf(values, shape, dtype);
  const fill = attrs["fill"];
  return { x, y: view(d, x, fill === undefined ? attrs : { ...attrs, fill: roundTo(dtype, fill as number) }) };
}

describe.each(names)("views on %s", (name) => {
  const cases = viewDefinitions.flatMap((d) => (["f32", "i32", "u32", "bool"] as const).map((dtype) => ({ d, dtype, id: `${d.name}(${dtype})` }))); // prettier-ignore
  it.each(cases)("$id", ({ d, dtype }) => {
    check(
      name,
      viewCases[d.name]!.map(([shape, attrs]) => viewed(d, dtype, shape, attrs).y),
    );
  });

  it.each(viewDefinitions)("derivatives of $name", (d) => {
    for (const [shape, attrs] of viewCases[d.name]!) {
      const { x, y } = viewed(d, "f32", shape, attrs);
      // Something to differentiate twice.
      check(name, derivatives(o.mul(y, y), [x]));
    }
  });

  it.each([-Infinity, Infinity, NaN, -0])("pad and window with %f outside", (fill) => {
    const x = leaf([1, 2, 3, 4, 5, 6, 7], [7, 3], "f32");
    const w = { axis: 0, stride: 1, dilation: 2, padding: 2, size: 7 };
    const roots = [o.pad(x, [1, 0], [0, 2], fill), o.window(x, { ...w, fill })];
    const want = truth(roots);
    runOn(devices[name], roots).forEach((got, i) =>
      expect([...got].map((e) => e + 0)).toEqual([...want[i]!].map((e) => e + 0)),
    );
  });
});

// Gather.

describe.each(names)("gather on %s", (name) => {
  const cases = (["f32", "i32", "u32", "bool"] as const).flatMap((dtype) => (["i32", "u32"] as const).map((by) => ({ dtype, by }))); // prettier-ignore
  it.each(cases)("of $dtype by $by, in and out of range", ({ dtype, by }) => {
    const roots = (
      [
        [[9], 0, [5]],
        [[5, 33], 1, [5, 7]],
        [[5, 33], 0, [7, 30]],
        [[2, 3, 4, 5], 2, [2, 3, 9, 4]],
      ] as const
    ).map(([shape, axis, own]) => {
      const x = leaf(Array.from({ length: numel(shape) }, (_, i) => roundTo(dtype, ((i * 5) % 33) - 16)), shape, dtype); // prettier-ignore
      const n = shape[axis]!;
      const index = Array.from({ length: numel(own) }, (_, i) =>
        roundTo(by, ((i * 7) % (n + 3)) - (i % 11 === 0 ? 2 : 0)),
      );
      return gatherNode(o.gatherDefinition, x, leaf(index, own, by), axis);
    });
    check(name, roots);
  });

  it("derivatives", () => {
    const x = leaf([0.5, -1, 2, 0.25, 1.5, -0.75], [4, 6], "f32");
    for (const [axis, own] of [
      [0, [5, 6]],
      [1, [4, 9]],
      [1, [3, 2]],
    ] as const) {
      const index = leaf([0, 2, 3, 1, 1, 0, 3, 7], own, "i32");
      const y = o.gather(x, axis, index);
      check(name, derivatives(o.mul(y, y), [x]));
    }
  });
});

// Leaves, asked for themselves.

describe.each(names)("leaves on %s", (name) => {
  it.each(["f32", "i32", "u32", "bool"] as const)("%s", (dtype) => {
    const v = { f32: -2.5, i32: -2147483647, u32: 4294967295, bool: 1 }[dtype];
    const number = o.uniform({ kind: "uniform", read: () => v }, dtype);
    const all = [o.literal(v, dtype), o.count(Math.abs(v), dtype), number];
    check(name, [...all, ...all.map((n) => o.expand(n, [3, 5])), leaf([v], [2, 3], dtype)]);
  });

  it("iota", () => check(name, [o.iota(1), o.iota(7), o.iota(1030), o.reshape(o.iota(30), [5, 6])]));
});

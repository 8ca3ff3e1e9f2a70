/**
 * Every op as graphs, run on a WebGL2 device and held against the evaluator: every definition at its own samples, every
 * call of PyTorch's fixtures, each with first and second derivatives, and random graphs. What fails is given back as
 * text. Runs in a page; the test in Node reads the names.
 */
import fc from "fast-check";
import { gradients } from "../../../src/autodiff/vjp.ts";
import { hostArray, roundTo, type DType, type HostArray } from "../../../src/ir/dtype.ts";
import { topologicalOrder } from "../../../src/ir/graph.ts";
import { map, noAttrs, reduce, type MapDefinition, type Node, type ReduceDefinition } from "../../../src/ir/node.ts";
import * as o from "../../../src/ir/ops/index.ts";
import { numel, type Shape } from "../../../src/ir/shape.ts";
import type { WebglDevice } from "../../../src/runtime/device.ts";
import { selectDevice } from "../../../src/runtime/select.ts";
import { attr, fixture, toArray, type FixtureTensor, type OpCase } from "../../fixtures/load.ts";
import { calls } from "../../ir/torch.ts";
import { build, recipes } from "../../support/random-graph.ts";
import { difference, runOn, truth, within } from "../../support/run-graph.ts";

interface Case {
  readonly id: string;
  readonly roots: () => readonly Node[];
  /** Of an op that is looser on devices, with the reason in its documentation. */
  readonly tolerance?: number | undefined;
}

function leaf(values: ArrayLike<number>, shape: Shape, dtype: DType = "f32"): Node {
  const array = hostArray(dtype, numel(shape));
  array.set(values);
  return o.input({ kind: "input", array }, dtype, shape);
}

const total = (x: Node): Node => o.sum(x, [...x.shape.keys()]);

/** Values in (-2, 2) that no symmetry hides behind; the same every time. */
const seeded = (n: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.sin((i + 1) * (seed * 0.7391 + 12.9898)) * 1.9 + 0.013);

/** y, its gradients with respect to the f32 operands, and the gradients of their weighted sum. */
function withDerivatives(y: Node, x: readonly Node[]): Node[] {
  const free = x.filter(({ dtype }) => dtype === "f32");
  if (y.dtype !== "f32" || free.length === 0) return [y];
  const weighted = (n: Node, seed: number): Node => total(o.mul(n, leaf(seeded(numel(n.shape), seed), n.shape)));
  const first = gradients(weighted(y, 2), null, free).filter((g) => g !== null);
  if (first.length === 0) return [y];
  const sum = first.map((g, i) => weighted(g, 3 + i)).reduce((a, b) => o.add(a, b));
  return [y, ...first, ...gradients(sum, null, free).filter((g) => g !== null)];
}

// Definitions at their own samples.

/** Every combination of a map's samples, one array an operand, all of one length; at most 256 of them. */
function operandsOf(d: MapDefinition, dtypes: readonly DType[]): Node[] {
  let rows: number[][] = [[]];
  d.samples.forEach((s, i) => {
    const raw =
      "values" in s ? s.values : Array.from({ length: 7 }, (_, k) => s.from + ((k + 0.37) / 7) * (s.to - s.from));
    const values = [...new Set(raw.map((v) => roundTo(dtypes[i]!, v)))];
    rows = rows.flatMap((row) => values.map((v) => [...row, v]));
  });
  const kept = rows.filter((_, i) => i % Math.ceil(rows.length / 256) === 0);
  return dtypes.map((dtype, i) => leaf(kept.map((row) => row[i]!), [kept.length], dtype)); // prettier-ignore
}

function mapCases(d: MapDefinition): Case[] {
  const probes = d.probes ?? [d.samples.map((): DType => "f32")];
  return probes.flatMap((dtypes) =>
    (d.probeAttrs ?? [noAttrs]).map((attrs) => ({
      id: `${d.name}(${dtypes.join(", ")})${attrs === noAttrs ? "" : ` ${JSON.stringify(attrs)}`}`,
      tolerance: d.tolerance,
      roots: () => {
        const x = operandsOf(d, dtypes);
        return withDerivatives(map(d, x, attrs), x);
      },
    })),
  );
}

/** Along the columns, along the rows, and where the result may be one number, over both. */
function reduceCases(d: ReduceDefinition): Case[] {
  const axes = d.form === "index" ? [[0], [1]] : [[0], [1], [0, 1]];
  return (d.probes ?? (["f32"] as const)).flatMap((dtype) =>
    axes.map((along) => ({
      id: `${d.name}(${dtype}) over ${along.join(" and ")}`,
      roots: () => {
        const values = seeded(35, 5).map((v) =>
          dtype === "f32" ? v : dtype === "bool" ? Number(v > 1) : Math.abs(Math.trunc(3 * v)),
        );
        const x = leaf(values, [5, 7], dtype);
        return withDerivatives(reduce(d, x, along), [x]);
      },
    })),
  );
}

// Calls of the fixtures.

/** Calls whose form is a tensor method's business; see test/ir/fixtures.test.ts. */
const beyond: readonly string[] = ["pad/13"];

/** Where WebGL2 promises less than IEEE 754: NaN, infinities and denormals may be anything (GLSL ES 3.00, 4.5.1). */
const unpromised: readonly string[] = ["nonfinite", "denormal"];

const leafOf = (t: FixtureTensor): Node => leaf(toArray(t), t.shape, t.dtype);

/** The result, its gradients, and the gradients of those. */
function rootsOf({ op, attrs, inputs, cotangent, grads, grad2 }: OpCase): Node[] {
  const x = inputs.map(leafOf);
  const y = calls[op]!(x, Object.fromEntries(Object.entries(attrs).map(([k, v]) => [k, attr(v)])));
  if (cotangent === null || grads === null) return [y];
  const first = gradients(y, leafOf(cotangent), x);
  const weighted = first.flatMap((g, i) => {
    const w = grad2?.weights[i];
    return g === null || w == null ? [] : [total(o.mul(g, leafOf(w)))];
  });
  const second = weighted.length === 0 ? [] : gradients(weighted.reduce((a, b) => o.add(a, b)), null, x); // prettier-ignore
  return [y, ...first, ...second].filter((n) => n !== null);
}

const fixtureCases = fixture("ops")
  .cases.filter(({ id, tags }) => !beyond.includes(id) && !(tags ?? []).some((tag) => unpromised.includes(tag)))
  .map((one): Case => ({ id: one.id, roots: () => rootsOf(one) }));

// Random graphs; the same ones every time, so that a failure has a number.

const randomCases = fc
  .sample(recipes, { seed: 11, numRuns: 40 })
  .map((recipe, i): Case => ({ id: `random graph ${i}`, roots: () => build(recipe).roots }));

const cases: readonly Case[] = [
  ...o.definitions.flatMap((d) => (d.kind === "map" ? mapCases(d) : d.kind === "reduce" ? reduceCases(d) : [])),
  ...fixtureCases,
  ...randomCases,
];

export const caseIds: readonly string[] = cases.map(({ id }) => id);

/** Names of all definitions, and of those that occur in no case. */
export function coverage(): { readonly all: number; readonly missed: string[] } {
  const seen = new Set<unknown>();
  for (const { roots } of cases) for (const n of topologicalOrder(roots())) seen.add(n.op);
  return { all: o.definitions.length, missed: o.definitions.filter((d) => !seen.has(d)).map(({ name }) => name) };
}

/**
 * The values, the true ones where f32 cannot do better: no more than four times as far off as the evaluator in f32. At
 * 1 - tanh(x)^2 for large x, one ulp of tanh is many of the difference.
 */
const judged = (values: HostArray, wanted: Float64Array, rounded: Float64Array): number[] =>
  Array.from(values, (v, i) => {
    const w = wanted[i]!;
    return Math.abs(v - w) <= 4 * Math.abs(rounded[i]! - w) ? w : v;
  });

/** What is wrong with each case, by its id; nothing for those that are right. */
export function runCases(): Record<string, string> {
  const device = selectDevice({ device: "webgl" }) as WebglDevice;
  const wrong: Record<string, string> = {};
  for (const { id, roots: make, tolerance } of cases) {
    try {
      const roots = make();
      const [wanted, rounded] = [truth(roots), truth(roots, "f32")];
      const allowed = tolerance === undefined ? within : { ...within, ofLargest: tolerance, relative: tolerance };
      runOn(device, roots).forEach((values, i) => {
        const text = difference(roots[i]!, judged(values, wanted[i]!, rounded[i]!), wanted[i]!, allowed);
        if (text !== null) wrong[id] ??= `root ${i}: ${text}`;
      });
    } catch (error) {
      wrong[id] = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }
  return wrong;
}

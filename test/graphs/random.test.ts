/**
 * Random graphs, values and gradients, through everything that computes one: the evaluator in double precision is right,
 * and the cpu device, GL, GL under forced limits and with optimisations off, and the interpreter of the emitted GLSL
 * must say the same.
 *
 * `npm run test:graphs` sets TEXGRAD_GRAPHS: so many graphs, all of them on GL, from a new seed each time. Without it
 * there are few, always the same. TEXGRAD_SEED chooses the seed. A failure prints seed and path, and the graph, shrunk,
 * as IR and as a recipe that `build` makes again.
 */
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { DeviceError } from "../../src/ir/errors.ts";
import { topologicalOrder } from "../../src/ir/graph.ts";
import { cutReasons } from "../../src/ir/kernel.ts";
import { layoutOf, type Layout } from "../../src/ir/layout.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { KernelPlan } from "../../src/ir/plan.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";
import { print } from "../../src/ir/text/print.ts";
import { bitChanges } from "../../src/passes/bits.ts";
import { canonicaliseRules } from "../../src/passes/canonicalise.ts";
import { simplifyRules } from "../../src/passes/simplify.ts";
import { splitRule } from "../../src/passes/split-reductions.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice, type WebglDevice, type WebglOptions } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";
import { areLimitsForced, forcedLimits } from "../support/limits.ts";
import { build, Chance, recipes, type RandomGraph, type Recipe } from "../support/random-graph.ts";
import { difference, interpretPlan, planOf, runPlan, truth, type PlanDevice } from "../support/run-graph.ts";

const asked = process.env["TEXGRAD_GRAPHS"];
const runs = Number(asked ?? 300);
const onGl = asked === undefined ? 200 : runs;
const seed = Number(process.env["TEXGRAD_SEED"] ?? (asked === undefined ? 1 : Date.now() % 2 ** 31));
/** Every so many graphs also in a forced way on GL, in the interpreter if it is small, and with leaves laid out anyhow. */
const FORCED = 5;
const INTERPRETED = 8;
const FOREIGN = 6;
/** Elements of all nodes together that the interpreter takes. */
const SMALL = 3000;
/** Graphs tried after the first failure; each costs up to a second. */
const SHRINKS = 150;

const exactly = { ofLargest: 0, relative: 0, awayFrom: 0 };
/** Of the largest value; sums may cancel, so single elements have no bound of their own. */
const closely = { ofLargest: 1e-5, relative: 1, awayFrom: 1 };
/** How far f32 itself may be from the truth before a root says nothing about a device. Counted, and rare. */
const conditioned = { ofLargest: 2.5e-6, relative: 1, awayFrom: 1 };

// Ways to run a graph.

const glDevice = (options: WebglOptions): WebglDevice =>
  createWebglDevice(headlessGl(), { poison: true, readsSynchronously: true, ...options });

const cpu = createCpuDevice();
const walked = createCpuDevice({ interpret: true });
const gl = glDevice(forcedLimits);
/** Every optimisation with a name, left out. */
const switchedOff = Object.entries(bitChanges).flatMap(([name, { switched }]) => (switched ? [{ off: [name] }] : []));
const forcedOptions: readonly WebglOptions[] = [
  { maxDrawBuffers: 1 },
  { maxDrawBuffers: 4 },
  { maxTextureSize: 64 },
  { maxTextureSize: 64, maxDrawBuffers: 1 },
  { maxTextureUnits: 8 },
  { fetch: "texelFetch" },
  { fetch: "textureLod" },
  { fragments: 100_000 },
  { tile: 2, unroll: 8 },
  ...switchedOff,
];
/** Where `npm run test:limits` has set limits, nothing else is tried. */
const alone = areLimitsForced;
const forced = (alone ? [] : forcedOptions).map((options) => ({
  name: `gl ${JSON.stringify(options)}`,
  device: glDevice(options),
}));

// What was hit, and how often.

class Tally {
  readonly counts = new Map<string, number>();
  constructor(names: readonly string[]) {
    for (const name of names) this.counts.set(name, 0);
  }
  add(name: string, n = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + n);
  }
  missed(): string[] {
    return [...this.counts].filter(([, n]) => n === 0).map(([name]) => name);
  }
  text(): string {
    return [...this.counts].map(([name, n]) => `${name} ${n}`).join(", ");
  }
}

const ops = new Tally(o.definitions.map((d) => d.name));
const rules = new Tally([...canonicaliseRules, ...simplifyRules, splitRule(1)].map((r) => r.law));
const reasons = new Tally(Object.keys(cutReasons));
const layouts = new Tally(["plain", "vector", "two digits", "R > 1", "P > 1"]);
const ways = new Tally([]);
const totals = { nodes: 0, roots: 0, exact: 0, unfit: 0, fetches: 0, outOfRange: 0, tooLarge: 0 };
const warnings = new Tally([]);

function countPlan({ kernels, buffers }: KernelPlan): void {
  for (const k of kernels) {
    reasons.add(k.reason);
    for (const s of k.stores) {
      const reason = buffers[s.buffer]!.reason;
      if (reason !== null && reason !== k.reason) reasons.add(reason);
    }
  }
  for (const { layout: l } of buffers) {
    if (numel(l.shape) === 0) continue;
    const digits = [...l.rows, ...l.cols].map((d) => d.dim);
    const isSplit = new Set(digits).size < digits.length;
    if (l.R > 1) layouts.add("R > 1");
    if (l.P > 1) layouts.add("P > 1");
    if (isSplit) layouts.add(digits.length === 2 ? "vector" : "two digits");
    if (l.R === 1 && l.P === 1 && !isSplit) layouts.add("plain");
  }
}

// The law.

function compare(way: string, graph: RandomGraph, got: readonly ArrayLike<number>[], want: Oracle): void {
  ways.add(way);
  graph.roots.forEach((n, i) => {
    if (!want.fit[i]!) return;
    const text = difference(n, got[i]!, want.values[i]!, graph.exact[i]! ? exactly : closely);
    if (text !== null) throw new Error(`${way}: root ${i}: ${text}`);
  });
}

interface Oracle {
  readonly values: readonly Float64Array[];
  /** Roots that f32 can compute. */
  readonly fit: readonly boolean[];
}

/** f32 as devices have it: to the nearest, and twice to one of the two neighbours, by lot: what cancels then differs. */
function oracle({ roots }: RandomGraph): Oracle {
  const values = truth(roots);
  const rough = [Math.fround, eitherNeighbour(1), eitherNeighbour(2)].map((toF32) => truth(roots, "f32", toF32));
  const isFit = (n: Node, i: number): boolean =>
    rough.every((r) => difference(n, r[i]!, values[i]!, conditioned) === null);
  return { values, fit: roots.map(isFit) };
}

function eitherNeighbour(seed: number): (v: number) => number {
  const chance = new Chance(seed);
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  return (v) => {
    float[0] = v;
    const nearest = float[0];
    if (nearest === v || !Number.isFinite(nearest) || nearest === 0 || chance.odds(0.5)) return nearest;
    // One step away from zero, or one towards it.
    bits[0]! += Math.abs(nearest) < Math.abs(v) ? 1 : -1;
    return float[0];
  };
}

function through(
  way: string,
  device: PlanDevice,
  graph: RandomGraph,
  want: Oracle,
  layoutOf: (leaf: Node) => Layout | null = () => null,
): KernelPlan | null {
  const binding = { assigns: graph.assigns, layoutOf };
  let plan: KernelPlan;
  try {
    plan = planOf(graph.roots, device.profile, {
      ...binding,
      hits: rules.counts,
      verified: device === cpu,
    });
  } catch (error) {
    // 64 x 64 texels are 16,384 values, and rows are whole texels.
    if (!(error instanceof DeviceError) || device.profile.maxTextureSize > 64) throw error;
    totals.tooLarge++;
    return null;
  }
  countPlan(plan);
  compare(way, graph, runPlan(device, plan, graph.roots, binding), want);
  return plan;
}

function onContext(
  way: string,
  device: WebglDevice,
  graph: RandomGraph,
  want: Oracle,
  layoutOf?: (leaf: Node) => Layout | null,
): void {
  // The devices share one context.
  device.forgetState();
  through(way, device, graph, want, layoutOf);
}

/** Layouts that other plans of the device may have chosen: any columns, any split. Of a leaf always the same. */
function foreignLayouts(seed: number, { profile }: PlanDevice): (leaf: Node) => Layout | null {
  const known = new Map<Node, Layout | null>();
  const chance = new Chance(seed);
  const choose = ({ shape }: Node): Layout | null => {
    const axes = [...shape.keys()].filter((d) => shape[d] !== 1);
    if (axes.length === 0 || chance.odds(0.2)) return null;
    const first = chance.pick(axes);
    const second = chance.pick(axes);
    const columns = chance.odds(0.3) && first !== second ? [first, second] : [first];
    const split = { dim: chance.pick(axes), R: chance.pick([2, 4, 8]) };
    const fits = axes.length > 1 && split.R <= profile.maxDrawBuffers;
    return layoutOf(shape, profile, axes.length === 1 ? {} : fits ? { columns, split } : { columns });
  };
  return (leaf) => {
    if (!known.has(leaf)) known.set(leaf, choose(leaf));
    return known.get(leaf)!;
  };
}

function interpreted(graph: RandomGraph, want: Oracle): void {
  const plan = planOf(graph.roots, gl.profile);
  const { values, fetches, outOfRangeFetches, warnings: said } = interpretPlan(plan, gl.profile, graph.roots);
  compare("glsl", graph, values, want);
  totals.fetches += fetches;
  totals.outOfRange += outOfRangeFetches;
  for (const [what, n] of Object.entries(said)) warnings.add(what.replace(/^line \d+: /, ""), n);
}

let tried = 0;

function holds(recipe: Recipe): void {
  const turn = tried++;
  const graph = build(recipe);
  const order = topologicalOrder(graph.roots);
  const want = oracle(graph);
  for (const n of order) ops.add(n.op.name);
  totals.nodes += order.length;
  totals.roots += graph.roots.length;
  totals.exact += graph.exact.filter(Boolean).length;
  totals.unfit += want.fit.filter((fit) => !fit).length;
  const elements = order.reduce((sum, n) => sum + numel(n.shape), 0);
  if (!alone) through("cpu", cpu, graph, want);
  if (!alone && elements < SMALL) through("cpu without generated code", walked, graph, want);
  if (turn < onGl) onContext("gl", gl, graph, want);
  if (!alone && turn % FORCED === 0) {
    const { name, device } = forced[(turn / FORCED) % forced.length]!;
    onContext(name, device, graph, want);
  }
  if (turn % FOREIGN === 2) onContext("gl, leaves in other layouts", gl, graph, want, foreignLayouts(recipe.seed, gl));
  if (!alone && turn % INTERPRETED === 0 && elements < SMALL) interpreted(graph, want);
}

/** While shrinking every way is tried, until there have been enough. */
function holdsWhileShrinking(recipe: Recipe): void {
  const graph = build(recipe);
  const want = oracle(graph);
  through("cpu", cpu, graph, want);
  onContext("gl", gl, graph, want);
  onContext("gl, leaves in other layouts", gl, graph, want, foreignLayouts(recipe.seed, gl));
  for (const { name, device } of forced) onContext(name, device, graph, want);
}

it(`${runs} random graphs, seed ${seed}`, { timeout: Math.max(600_000, runs * 2000) }, () => {
  let failures = 0;
  const property = fc.property(recipes, (recipe) => {
    if (failures > SHRINKS) return;
    if (failures > 0) failures++;
    try {
      if (failures === 0) holds(recipe);
      else holdsWhileShrinking(recipe);
    } catch (error) {
      failures = Math.max(failures, 1);
      throw error;
    }
  });
  const result = fc.check(property, { numRuns: runs, seed });
  if (result.failed) {
    const recipe = result.counterexample![0];
    expect.fail(
      `${String(result.errorInstance)}\nseed ${seed}, path ${result.counterexamplePath}\n` +
        `${print(build(recipe).roots)}\n${JSON.stringify(recipe)}`,
    );
  }
});

/** What 40 nodes and 20,000 elements seldom need. */
it("graphs too large for one kernel, rows too wide for one texture row", () => {
  const leaf = (shape: Shape): Node =>
    o.input(
      { kind: "input", array: Float32Array.from({ length: numel(shape) }, (_, i) => (i % 33) / 8) },
      "f32",
      shape,
    );
  const repeat = (n: number, x: Node, f: (x: Node, i: number) => Node): Node => {
    for (let i = 0; i < n; i++) x = f(x, i);
    return x;
  };
  const small = o.expand(o.literal(0.5), [33]);
  // Each step reads its operand as it is and shuffled: 2^20 ways to the first.
  const shuffled = (x: Node): Node => o.reshape(o.permute(o.reshape(x, [8, 8]), [1, 0]), [64]);
  const roots = [
    repeat(300, small, (x, i) => o.add(x, o.uniform({ kind: "uniform", read: () => (i % 7) / 8 }))),
    repeat(300, small, (x) => o.add(o.mul(x, 0.5), 0.125)),
    repeat(99, leaf([20, 7]), (x) => o.add(x, leaf([20, 7]))),
    repeat(20, leaf([64]), (x) => o.add(o.mul(x, 0.5), o.mul(shuffled(x), 0.25))),
    o.mul(leaf([2, 300]), 0.5),
  ];
  const graph = { roots, exact: roots.map(() => false), assigns: roots.map(() => null) };
  const want = oracle(graph);
  through("cpu", cpu, graph, want);
  for (const { device } of [{ device: gl }, ...forced]) onContext("gl", device, graph, want);
});

/** So few graphs as in `npm test` need not hit everything: then there is no such test. */
const ofLongRuns = runs >= 2000 ? ["everything was hit"] : [];

it.each(ofLongRuns)("%s", () => {
  expect({
    ops: ops.missed(),
    rules: rules.missed(),
    reasons: reasons.missed(),
    layouts: layouts.missed(),
    unfit: totals.unfit > totals.roots / 100 ? totals.unfit : 0,
  }).toEqual({ ops: [], rules: [], reasons: [], layouts: [], unfit: 0 });
});

afterAll(() => {
  const { nodes, roots, exact, unfit, fetches, outOfRange, tooLarge } = totals;
  console.log(
    [
      `seed ${seed}: ${(nodes / Math.max(1, tried)).toFixed(1)} nodes a graph; ${roots} roots, ${exact} of them exact, ` +
        `${unfit} beyond f32 and not compared`,
      `ways: ${ways.text()}; ${tooLarge} too large for 64 x 64`,
      `in the interpreter: ${outOfRange} of ${fetches} fetches out of range (of masked elements); warnings: ${warnings.text()}`,
      `ops: ${ops.text()}`,
      `rules: ${rules.text()}`,
      `cut reasons: ${reasons.text()}`,
      `layouts: ${layouts.text()}`,
    ].join("\n"),
  );
});

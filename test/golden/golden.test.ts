/**
 * Goldens: small graphs as text, the passes to run, and the text that must come out. A golden asserts the shape of an
 * output, never its truth: every case is evaluated before and after, and one whose values changed cannot be blessed.
 *
 *     // run: canonicalise | expand | simplify, one after the other; then, perhaps, partition or glsl
 *     // profile: targets=1 size=64 units=8 off=law2       (optional)
 *     // assigns: - %0                                     (optional: the cell each result is the next version of)
 *     func @name(...) { ... }
 *     // => the graph, the kernels or the GLSL
 *     // hit: each law that hit, in order
 *
 * A file holds one or more cases. `npm run golden -- --update` writes what comes out; read the diff.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { expandMacros } from "../../src/autodiff/expand.ts";
import { gradientMacro } from "../../src/autodiff/gradient.ts";
import { generate } from "../../src/codegen/glsl/generate.ts";
import { hostArray, roundTo, type HostArray } from "../../src/ir/dtype.ts";
import { evaluate } from "../../src/ir/eval.ts";
import { topologicalOrder } from "../../src/ir/graph.ts";
import { cutReasons } from "../../src/ir/kernel.ts";
import type { Definition, Node } from "../../src/ir/node.ts";
import { input, uniform } from "../../src/ir/ops/leaf.ts";
import type { DeviceProfile, KernelPlan } from "../../src/ir/plan.ts";
import { numel } from "../../src/ir/shape.ts";
import { parse } from "../../src/ir/text/parse.ts";
import { numbered, print } from "../../src/ir/text/print.ts";
import { verify, type Stage } from "../../src/ir/verify.ts";
import { adam, sgd } from "../../src/optim/rules.ts";
import { canonicalise, canonicaliseRules } from "../../src/passes/canonicalise.ts";
import { schedule, type Scheduled } from "../../src/passes/index.ts";
import { printKernels } from "../../src/passes/print.ts";
import type { OnHit } from "../../src/passes/rewrite.ts";
import { simplify, simplifyRules } from "../../src/passes/simplify.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice, type WebglDevice } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";
import { areLimitsForced, forcedLimits } from "../support/limits.ts";
import { bound, difference, interpretPlan, runOn } from "../support/run-graph.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));
const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ir"))
  .sort();

// Reading a case.

interface Case {
  readonly file: string;
  readonly name: string;
  /** Lines before the function, as they are. */
  readonly head: readonly string[];
  readonly source: string;
  readonly expected: readonly string[];
  readonly hits: readonly string[];
}

function readCases(file: string): Case[] {
  const lines = readFileSync(join(folder, file), "utf8").trimEnd().split("\n");
  const starts = lines.flatMap((l, i) => (l.startsWith("// run:") ? [i] : []));
  if (starts[0] !== 0) throw new Error(`${file}: does not begin with // run:`);
  return starts.map((start, i) => readCase(file, lines.slice(start, starts[i + 1])));
}

function readCase(file: string, lines: readonly string[]): Case {
  const begin = lines.findIndex((l) => l.startsWith("func "));
  const end = lines.indexOf("}", begin);
  if (begin < 0 || end < 0) throw new Error(`${file}: a case without a function`);
  const after = (prefix: string): string[] =>
    lines.slice(end + 1).flatMap((l) => (l.startsWith(prefix) ? [l.slice(prefix.length).trimStart()] : []));
  return {
    file,
    name: /@(\w+)/.exec(lines[begin]!)?.[1] ?? "",
    head: lines.slice(0, begin),
    source: `${lines.slice(begin, end + 1).join("\n")}\n`,
    expected: lines.slice(end + 1).flatMap((l) => (l.startsWith("// =>") ? [l.slice("// =>".length).replace(/^ /, "")] : [])),
    hits: after("// hit:"),
  };
}

const directive = (c: Case, name: string): string[] => {
  const line = c.head.find((l) => l.startsWith(`// ${name}:`));
  return line === undefined ? [] : line.slice(name.length + 4).trim().split(/\s+/);
};

// Values of arguments.

const macros: readonly Definition[] = [
  gradientMacro,
  sgd.rule({ lr: 0, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false }).macro,
  adam.rule({ lr: 0, betas: [0, 0], eps: 0, weightDecay: 0 }).macro,
];
const lookup = (name: string): Definition | undefined => macros.find((m) => m.name === name);

/** Different for every argument and element; integers are small, so that they serve as class indices. */
function seededArray(n: Node, argument: number): HostArray {
  const array = hostArray(n.dtype, numel(n.shape));
  for (let i = 0; i < array.length; i++) {
    array[i] = n.dtype === "f32" ? 1.5 * Math.sin((i + 1) * (2.399 + argument) + argument) : ((i * 7 + argument) >> 1) % (n.dtype === "bool" ? 2 : 4);
  }
  return array;
}

interface Read {
  readonly arguments: readonly Node[];
  readonly roots: readonly Node[];
  /** By leaf. */
  readonly values: ReadonlyMap<Node, HostArray>;
}

/** The case's graph, its arguments holding seeded values where they can hold any. */
function read(c: Case): Read {
  const shape = parse(c.source, { lookup });
  const values = new Map<Node, HostArray>();
  const args = shape.arguments.map((n, i) => {
    const array = seededArray(n, i);
    const made =
      n.source?.kind === "input"
        ? input({ kind: "input", array }, n.dtype, n.shape)
        : n.source?.kind === "uniform"
          ? uniform({ kind: "uniform", read: () => roundTo(n.dtype, 0.25 + 0.125 * i) }, n.dtype)
          : n;
    if (made.source?.kind !== "uniform") values.set(made, array);
    return made;
  });
  return { arguments: args, roots: parse(c.source, { lookup, arguments: args }).roots, values };
}

// Running passes.

interface Outcome {
  readonly lines: readonly string[];
  readonly hits: readonly string[];
  /** What the results are after the passes. */
  readonly values: readonly ArrayLike<number>[];
  readonly plan: Pick<KernelPlan, "buffers"> | null;
}

const graphPasses: Readonly<Record<string, { run: (roots: readonly Node[], onHit: OnHit) => readonly Node[]; stage: Stage }>> = {
  canonicalise: { run: (roots, onHit) => mapped(roots, canonicalise(roots, onHit)), stage: "traced" },
  expand: { run: (roots) => expandMacros(roots), stage: "expanded" },
  simplify: { run: (roots, onHit) => mapped(roots, simplify(roots, onHit)), stage: "simplified" },
};
const mapped = (roots: readonly Node[], became: ReadonlyMap<Node, Node>): Node[] => roots.map((r) => became.get(r)!);

function profileOf(c: Case): DeviceProfile {
  const set = new Map(directive(c, "profile").map((e) => e.split("=") as [string, string]));
  const number = (name: string, otherwise: number): number => Number(set.get(name) ?? otherwise);
  return {
    name: "golden",
    maxTextureSize: number("size", 4096),
    maxDrawBuffers: number("targets", 8),
    maxTextureUnits: number("units", 16),
    maxFragmentUniformVectors: 224,
    fragments: 0,
    drawWork: Infinity,
    tile: 8,
    unroll: 4,
    fetch: "texelFetch",
    off: set.get("off")?.split(",") ?? [],
  };
}

function run(c: Case, from: Read): Outcome {
  const hits: string[] = [];
  let roots = from.roots;
  verify(roots);
  const values = (): readonly ArrayLike<number>[] =>
    evaluate(roots, { mode: "f64", bind: (leaf) => from.values.get(leaf) });
  for (const pass of directive(c, "run")) {
    const known = graphPasses[pass];
    if (known !== undefined) {
      roots = known.run(roots, (law) => hits.includes(law) || hits.push(law));
      verify(roots, known.stage);
      continue;
    }
    const profile = profileOf(c);
    const { plan, leaves, uniforms } = scheduled(c, from, roots, profile);
    if (pass === "partition") {
      const { name } = numbered(roots, from.arguments);
      // What the passes before made stands above the kernels that name its nodes.
      const graph = roots.every((r, i) => r === from.roots[i]) ? [] : print(roots, { name: c.name, arguments: from.arguments }).trimEnd().split("\n");
      const kernels = printKernels(plan, name, plan.fates()).trimEnd().split("\n");
      return { lines: [...graph, ...kernels], hits, values: runOnCpu(plan, leaves.map((n) => from.values.get(n)!), uniforms), plan };
    }
    if (pass === "glsl") {
      const lines = plan.kernels.flatMap((k, i) => [`kernel ${i}`, ...generate([k], profile).source.trimEnd().split("\n")]);
      const own = { ...plan, kept: new Map(), record: null };
      return { lines, hits, values: interpretPlan(own, profile, roots).values, plan };
    }
    throw new Error(`${c.file}: there is no pass ${pass}`);
  }
  const lines = print(roots, { name: c.name, arguments: from.arguments }).trimEnd().split("\n");
  return { lines, hits, values: values(), plan: null };
}

function scheduled(
  c: Case,
  from: Read,
  roots: readonly Node[],
  profile: DeviceProfile,
): { plan: Scheduled; leaves: readonly Node[]; uniforms: readonly Node[] } {
  const order = topologicalOrder(roots);
  const leaves = order.filter((n) => n.op.kind === "leaf" && n.op.role === "buffer");
  const uniforms = order.filter((n) => n.op.kind === "leaf" && n.op.role === "uniform");
  const assigns = directive(c, "assigns");
  const slots = roots.map((_, i) => {
    const cell = from.arguments[Number(assigns[i]?.slice(1))];
    return { assigns: cell === undefined ? null : { leaf: leaves.indexOf(cell), layout: null } };
  });
  const plan = schedule({ roots, slots, leaves, leafSlots: leaves.map(() => ({ layout: null })), uniforms }, profile);
  return { plan, leaves, uniforms };
}

/** The kernels' own values, by their other lowering. */
function runOnCpu(plan: Scheduled, leaves: readonly HostArray[], uniforms: readonly Node[]): readonly HostArray[] {
  const executable = createCpuDevice().load({ ...plan, kept: new Map(), record: null });
  const numbers = uniforms.map((n) => (n.source?.kind === "uniform" ? n.source.read() : NaN));
  const buffers = executable.run({ leaves, uniforms: numbers, outputs: plan.roots.map(() => null) });
  return buffers.map((b) => b.readSync());
}

// The tests.

const cases = files.flatMap(readCases);
/** Whether vitest was given --update; known once a test runs. */
let updating = false;
const isCi = process.env["CI"] !== undefined && process.env["CI"] !== "";
const reasonsSeen = new Set<string>();
const lawsSeen = new Set<string>();
const blessed = new Map<Case, Outcome & { source: string }>();

/** Results of passes are the same function: double precision and a few roundings, kernels in f32 as on a device. */
const graphTolerance = { ofLargest: 1e-12, relative: 1, awayFrom: 0 };
const kernelTolerance = { ofLargest: 1e-5, relative: 1, awayFrom: 0 };

describe.each(files)("%s", (file) => {
  test.each(cases.filter((c) => c.file === file).map((c) => [c.name, c] as const))("%s", (_, c) => {
    updating = expect.getState().snapshotState.snapshotUpdateState === "all";
    if (updating && isCi) throw new Error("goldens are not blessed under CI");
    const from = read(c);
    const source = print(from.roots, { name: c.name, arguments: from.arguments });
    const again = parse(source, { lookup, arguments: from.arguments });
    again.roots.forEach((r, i) => expect(r, "printed and read again").toBe(from.roots[i]));
    const before = evaluate(from.roots, { mode: "f64", bind: (leaf) => from.values.get(leaf) });
    const outcome = run(c, from);
    from.roots.forEach((r, i) => {
      const tolerance = outcome.plan === null ? graphTolerance : kernelTolerance;
      expect(difference(r, outcome.values[i]!, before[i]!, tolerance), `result ${i} changed its value`).toBeNull();
    });
    for (const law of outcome.hits) lawsSeen.add(law);
    for (const b of outcome.plan?.buffers ?? []) if (b.reason !== null) reasonsSeen.add(b.reason);
    if (updating) {
      blessed.set(c, { ...outcome, source });
      return;
    }
    expect(c.source, "the function is not as it is printed; --update prints it").toBe(source);
    expect(c.expected).toEqual(outcome.lines);
    expect(c.hits).toEqual(outcome.hits);
  });
});

/** `npm run test:limits`: the graphs as a context with such limits computes them. */
let limited: WebglDevice | undefined;
const drawn = areLimitsForced ? cases : [];

test.each(drawn.map((c) => [c.file, c.name, c] as const))("%s %s on a context with forced limits", (_, __, c) => {
  limited ??= createWebglDevice(headlessGl(), { poison: true, readsSynchronously: true, ...forcedLimits });
  const from = read(c);
  for (const [leaf, array] of from.values) bound(leaf, array);
  const want = evaluate(from.roots, { mode: "f64", bind: (leaf) => from.values.get(leaf) });
  runOn(limited, from.roots).forEach((got, i) => {
    expect(difference(from.roots[i]!, got, want[i]!, kernelTolerance), `result ${i}`).toBeNull();
  });
});

describe("goldens as a whole", () => {
  test("every law hits in one", () => {
    const laws = new Set([...canonicaliseRules, ...simplifyRules].map((r) => r.law));
    expect([...laws].filter((l) => !lawsSeen.has(l))).toEqual([]);
  });

  test("every reason to store occurs in one", () => {
    // Their graphs are long: test/passes/limits.test.ts.
    const elsewhere = ["size", "numbers"];
    expect(Object.keys(cutReasons).filter((r) => !reasonsSeen.has(r))).toEqual(elsewhere);
  });
});

/** Writes the files whose cases all kept their values. */
afterAll(() => {
  if (!updating || isCi) return;
  const changed = files.filter((file) => {
    const own = cases.filter((c) => c.file === file);
    if (own.some((c) => !blessed.has(c))) return false;
    const text = own.map((c) => caseText(c, blessed.get(c)!)).join("\n");
    if (text === readFileSync(join(folder, file), "utf8")) return false;
    writeFileSync(join(folder, file), text);
    return true;
  });
  console.log(changed.length === 0 ? "no golden changed" : `blessed, read the diff:\n  ${changed.join("\n  ")}`);
});

const caseText = (c: Case, { lines, hits, source }: Outcome & { source: string }): string =>
  [
    ...c.head,
    source.trimEnd(),
    ...lines.map((l) => (l === "" ? "// =>" : `// => ${l}`)),
    ...hits.map((h) => `// hit: ${h}`),
    "",
  ].join("\n");

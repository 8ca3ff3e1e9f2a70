/**
 * Runs a graph through anything that computes one: the evaluator, the cpu device, GL, and the interpreter of the
 * emitted GLSL. Leaves are inputs with arrays and uniforms with numbers; the passes run once for each way.
 */
import { expandMacros } from "../../src/autodiff/expand.ts";
import { generate } from "../../src/codegen/glsl/generate.ts";
import type { ShaderProgram } from "../../src/codegen/glsl/program.ts";
import type { CompileRequest, Device, DeviceBuffer, Executable } from "../../src/ir/device.ts";
import { hostArray, roundTo, type HostArray } from "../../src/ir/dtype.ts";
import { evaluate, type Mode } from "../../src/ir/eval.ts";
import { topologicalOrder } from "../../src/ir/graph.ts";
import { textureOf, type Layout } from "../../src/ir/layout.ts";
import type { Node } from "../../src/ir/node.ts";
import type { DeviceProfile, KernelPlan, PlanBuffer } from "../../src/ir/plan.ts";
import { numel } from "../../src/ir/shape.ts";
import { verify } from "../../src/ir/verify.ts";
import { buildPlan } from "../../src/passes/index.ts";
import type { Hits } from "../../src/passes/rewrite.ts";
import { pack, texelCount, unpack, type Texels } from "../../src/runtime/packing.ts";
import { formatOf } from "../../src/runtime/textures.ts";
import { texelsOver } from "../../src/runtime/transfer.ts";
import { readShader, type Shader } from "../../tools/glsl/read.ts";
import { reportShader, type Texture } from "../../tools/glsl/run.ts";

/** What both devices are here: a profile, and plans made elsewhere loaded. */
export interface PlanDevice extends Pick<Device, "upload"> {
  readonly profile: DeviceProfile;
  load(plan: KernelPlan, programs: readonly ShaderProgram[]): Executable;
}

export interface Binding {
  /** The leaf that a root is the next version of. */
  readonly assigns?: readonly (Node | null)[];
  /** The layout of the buffer a leaf is bound to; null where its array is bound. What is assigned keeps its layout. */
  readonly layoutOf?: (leaf: Node) => Layout | null;
}

/** A submission that asks for `roots`. */
export function requestOf(
  roots: readonly Node[],
  { assigns = [], layoutOf = () => null }: Binding = {},
): CompileRequest {
  const order = topologicalOrder(roots);
  const leaves = order.filter((n) => n.op.kind === "leaf" && n.op.role === "buffer");
  const textOf = (leaf: Node): string | null => layoutOf(leaf)?.text ?? null;
  return {
    order,
    leaves: leaves.map((node) => ({ node, layout: textOf(node) })),
    uniforms: order.filter((n) => n.op.kind === "leaf" && n.op.role === "uniform"),
    roots: roots.map((node, i) => {
      const leaf = assigns[i] ?? null;
      return { node, assigns: leaf === null ? null : { leaf: leaves.indexOf(leaf), layout: textOf(leaf) } };
    }),
  };
}

const given = new WeakMap<Node, HostArray>();

/** A leaf that is no input (a cell's version, a carried value), with the values it is bound to. */
export function bound(leaf: Node, array: HostArray): Node {
  given.set(leaf, array);
  return leaf;
}

export function arrayOf(leaf: Node): HostArray {
  const array = leaf.source?.kind === "input" ? leaf.source.array : given.get(leaf);
  if (array === undefined) throw new Error(`a ${leaf.op.name} leaf has no array`);
  return array;
}

function numberOf(leaf: Node): number {
  if (leaf.source?.kind !== "uniform") throw new Error(`a ${leaf.op.name} leaf has no number`);
  return leaf.source.read();
}

export interface PlanOptions extends Binding {
  readonly hits?: Hits;
  /** Verify the graph after each pass. */
  readonly verified?: boolean;
}

/** The passes' plan for `roots`. */
export function planOf(
  roots: readonly Node[],
  profile: DeviceProfile,
  { hits, verified, ...binding }: PlanOptions = {},
): KernelPlan {
  const plan = buildPlan(requestOf(roots, binding), profile, expandMacros, {
    record: verified === true,
    ...(hits === undefined ? {} : { hits }),
  });
  for (const { name, roots: after } of plan.record?.stages ?? []) {
    verify(after, name === "simplify" ? "simplified" : name === "expand macros" ? "expanded" : "traced");
  }
  return plan;
}

/** Row-major values of each root. The plan's textures go back to the pool. */
export function runOn(device: PlanDevice, roots: readonly Node[], options: PlanOptions = {}): HostArray[] {
  return runPlan(device, planOf(roots, device.profile, options), roots, options);
}

export function runPlan(
  device: PlanDevice,
  plan: KernelPlan,
  roots: readonly Node[],
  { layoutOf = () => null }: Binding = {},
): HostArray[] {
  const programs =
    device.profile.name === "cpu"
      ? []
      : plan.draws.map((draw) =>
          generate(
            draw.map((k) => plan.kernels[k]!),
            device.profile,
          ),
        );
  const executable = device.load(plan, programs);
  const { leaves, uniforms } = requestOf(roots);
  const uploaded: DeviceBuffer[] = [];
  const bind = ({ node }: { readonly node: Node }): DeviceBuffer | HostArray => {
    const layout = layoutOf(node);
    if (layout === null) return arrayOf(node);
    const buffer = device.upload(arrayOf(node), node.dtype, node.shape, layout.text);
    uploaded.push(buffer);
    return buffer;
  };
  try {
    const outputs = executable.run({
      leaves: leaves.map(bind),
      uniforms: uniforms.map(numberOf),
      outputs: roots.map(() => null),
    });
    const values = outputs.map((b) => b.readSync());
    for (const b of outputs) b.release();
    return values;
  } finally {
    for (const b of uploaded) b.release();
    executable.dispose();
  }
}

/** The oracle's values. */
export const truth = (roots: readonly Node[], mode: Mode = "f64", toF32 = Math.fround): Float64Array[] =>
  evaluate(roots, { mode, toF32, bind: (leaf) => given.get(leaf) });

const shaders = new Map<string, Shader>();

export interface Interpretation {
  readonly values: readonly HostArray[];
  /** One a kernel. */
  readonly draws: readonly { readonly fragments: number; readonly fetches: number; readonly texelsRead: number }[];
  readonly fetches: number;
  readonly outOfRangeFetches: number;
  readonly warnings: Readonly<Record<string, number>>;
}

/**
 * Runs the plan's GLSL in the interpreter of tools/glsl. Padding of leaves is NaN, or a large integer. `rewritten`
 * changes a program's text before it is read, to make it countable.
 */
export function interpretPlan(
  plan: KernelPlan,
  profile: DeviceProfile,
  roots: readonly Node[],
  rewritten: (source: string) => string = (source) => source,
): Interpretation {
  const { leaves, uniforms } = requestOf(roots);
  const numbers = uniforms.map(numberOf);
  const textures = plan.buffers.map(({ dtype, layout }): Texture => {
    const { width, height, layers } = textureOf(layout);
    const size = width * height * layers * 4;
    const data = texelsOver(formatOf[dtype], new ArrayBuffer(size * 4), size);
    return { width, height, layers, data: data.fill(formatOf[dtype] === "f32" ? NaN : 0x5eadbeef) };
  });
  plan.leaves.forEach((b, i) => {
    if (b >= 0) writePart(textures[b]!, plan.buffers[b]!, arrayOf(leaves[i]!.node));
  });
  for (const draw of plan.draws) {
    const [first, ...others] = draw.flatMap((k) => plan.kernels[k]!.stores.map((s) => s.buffer)) as [number];
    if (plan.buffers[first]!.layout.place !== null) for (const b of others) textures[b] = textures[first]!;
  }
  const draws: Interpretation["draws"][number][] = [];
  let fetches = 0;
  let outOfRangeFetches = 0;
  const warnings: Record<string, number> = {};
  for (const draw of plan.draws) {
    const kernels = draw.map((k) => plan.kernels[k]!);
    if (kernels.every((k) => numel(k.shape) === 0)) continue;
    const program = generate(kernels, profile);
    const source = rewritten(program.source);
    let shader = shaders.get(source);
    if (shader === undefined) shaders.set(source, (shader = readShader(source)));
    const padded = (values: readonly number[]): number[] => [
      ...values,
      ...Array<number>((4 - (values.length % 4)) % 4).fill(0),
    ];
    const number = (slot: number): number => {
      const n = program.numbers[slot]!;
      const v = roundTo(n.dtype, n.kind === "count" ? n.value : numbers[n.uniform]!);
      return n.dtype === "u32" ? v | 0 : v;
    };
    const numbersOf: Record<string, readonly number[]> = {};
    if (program.extents.length > 0) numbersOf["e"] = padded(program.extents);
    if (program.heights.length > 0) numbersOf["h"] = padded(program.heights);
    if (program.floats.length > 0) numbersOf["u"] = padded(program.floats.map(number));
    if (program.ints.length > 0) numbersOf["n"] = padded(program.ints.map(number));
    const touched: Uint8Array[] = [];
    const report = reportShader(shader, {
      width: program.width,
      height: program.height,
      uniforms: numbersOf,
      textures: Object.fromEntries(
        program.loads.map((b, i) => {
          const { width, height, layers } = textures[b]!;
          return [`t${i}`, { ...textures[b]!, touched: (touched[i] = new Uint8Array(width * height * layers)) }];
        }),
      ),
    });
    const texelsRead = touched.reduce((n, t) => n + t.reduce((sum, one) => sum + one, 0), 0);
    draws.push({ fragments: report.fragments, fetches: report.fetches, texelsRead });
    fetches += report.fetches;
    outOfRangeFetches += report.outOfRangeFetches;
    for (const [what, n] of Object.entries(report.warnings)) warnings[what] = (warnings[what] ?? 0) + n;
    program.targets.forEach(({ buffer, layer }, i) => {
      const { data, width, height } = textures[buffer]!;
      data.set(report.outputs[`o${i}`]!, layer * width * height * 4);
    });
  }
  const values = plan.roots.map((b) => {
    const { dtype, layout } = plan.buffers[b]!;
    const out = hostArray(dtype, numel(layout.shape));
    unpack(layout, partOf(textures[b]!, plan.buffers[b]!), out);
    return out;
  });
  return { values, draws, fetches, outOfRangeFetches, warnings };
}

/** The texels of a value, which may share its texture, in an array of their own. */
function partOf({ width, height, data }: Texture, { dtype, layout }: PlanBuffer): Texels {
  const { y, z } = layout.place ?? { y: 0, z: 0 };
  const part = texelsOver(formatOf[dtype], new ArrayBuffer(texelCount(layout) * 4), texelCount(layout));
  eachRow(layout, (to, row, layer) => {
    const from = ((layer + z) * height + row + y) * width * 4;
    part.set(data.subarray(from, from + layout.width * 4), to);
  });
  return part;
}

function writePart(texture: Texture, buffer: PlanBuffer, values: HostArray): void {
  const { layout } = buffer;
  const { y, z } = layout.place ?? { y: 0, z: 0 };
  const part = partOf(texture, buffer);
  pack(layout, values, part);
  eachRow(layout, (from, row, layer) => {
    const to = ((layer + z) * texture.height + row + y) * texture.width * 4;
    texture.data.set(part.subarray(from, from + layout.width * 4), to);
  });
}

function eachRow({ width, height, R }: Layout, visit: (at: number, row: number, layer: number) => void): void {
  for (let layer = 0; layer < R; layer++) {
    for (let row = 0; row < height; row++) visit((layer * height + row) * width * 4, row, layer);
  }
}

export interface Tolerance {
  /** Of the largest value. */
  readonly ofLargest: number;
  /** Of the element, where it is no less than `awayFrom` of the largest. */
  readonly relative: number;
  readonly awayFrom: number;
}

/** Build 12 of the issue: what every op holds on GL. */
export const within: Tolerance = { ofLargest: 1e-5, relative: 2e-5, awayFrom: 1e-3 };

/** The first element that differs, as text; null if all agree. Values that are no f32 must be equal. */
export function difference(
  n: Node,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: Tolerance = within,
): string | null {
  if (got.length !== want.length) return `${got.length} values, should be ${want.length}`;
  let largest = 0;
  for (let i = 0; i < want.length; i++) if (Number.isFinite(want[i]!)) largest = Math.max(largest, Math.abs(want[i]!));
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [got[i]!, want[i]!];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b)) || (n.dtype === "f32" && a === Math.fround(b))) continue;
    const d = Math.abs(a - b);
    const ok =
      n.dtype === "f32" &&
      d <= tolerance.ofLargest * largest &&
      (d <= tolerance.relative * Math.abs(b) || Math.abs(b) < tolerance.awayFrom * largest);
    if (!ok) return `[${i}] is ${a}, should be ${b} (largest ${largest}, ${n.dtype}[${n.shape.join(",")}])`;
  }
  return null;
}

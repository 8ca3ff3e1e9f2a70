/**
 * Plans made by hand: buffers by name, kernels with hand-written GLSL. The runtime runs them without passes or code
 * generation, so what it does wrong is its own.
 */
import type { ShaderProgram } from "../../src/codegen/glsl/program.ts";
import type { DType } from "../../src/ir/dtype.ts";
import type { Kernel, NumberSlot } from "../../src/ir/kernel.ts";
import { layoutOf, type Layout, type LayoutChoice } from "../../src/ir/layout.ts";
import type { Node } from "../../src/ir/node.ts";
import { literal } from "../../src/ir/ops/leaf.ts";
import type { KernelPlan } from "../../src/ir/plan.ts";
import type { Shape } from "../../src/ir/shape.ts";

export const limits = { maxTextureSize: 4096 };

export function layout(shape: Shape, choice: LayoutChoice = {}): Layout {
  const made = layoutOf(shape, limits, choice);
  if (made === null) throw new Error(`no layout for [${shape.join(",")}]`);
  return made;
}

export interface HandBuffer {
  readonly dtype?: DType;
  readonly layout: Layout;
}

export interface HandKernel {
  readonly loads: readonly number[];
  readonly stores: readonly number[];
  readonly numbers?: readonly NumberSlot[];
  /** Body of main: `at` is the fragment's texel, o0, o1, ... its targets (stores outermost, then layers). */
  readonly body: string;
  readonly extents?: readonly number[];
}

export interface HandPlan {
  readonly buffers: readonly HandBuffer[];
  readonly kernels: readonly HandKernel[];
  readonly leaves: readonly number[];
  readonly roots: readonly number[];
  readonly kept?: readonly number[];
}

const prefixes: Readonly<Record<DType, string>> = { f32: "", bool: "", i32: "i", u32: "u" };

/** A node that stands for the value of kept buffer `b`. */
export const keptNode = (b: number): Node => literal(1000 + b);

export function handPlan(plan: HandPlan): { readonly plan: KernelPlan; readonly programs: readonly ShaderProgram[] } {
  const buffers = plan.buffers.map(({ dtype = "f32", layout: l }) => ({
    dtype,
    layout: l,
    node: literal(0),
    reason: null,
  }));
  const slot = (b: number) => ({ buffer: b, dtype: buffers[b]!.dtype, layout: buffers[b]!.layout });
  const kernels = plan.kernels.map((k): Kernel => ({
    rows: [],
    cols: [],
    layout: buffers[k.stores[0]!]!.layout,
    at: [],
    shape: buffers[k.stores[0]!]!.layout.shape,
    phases: [],
    stores: k.stores.map((b, i) => ({
      buffer: b,
      target: i * buffers[b]!.layout.R,
      dtype: buffers[b]!.dtype,
      value: { kind: "literal", id: 0, dtype: "f32", value: 0 },
      label: `b${b}`,
    })),
    loads: k.loads.map(slot),
    numbers: k.numbers ?? [],
    reason: "output",
  }));
  return {
    plan: {
      kernels,
      draws: kernels.map((_, i) => [i]),
      buffers,
      leaves: plan.leaves,
      roots: plan.roots,
      kept: new Map((plan.kept ?? []).map((b) => [keptNode(b), b])),
      record: null,
    },
    programs: kernels.map((k, i) => program(k, plan.kernels[i]!)),
  };
}

function program(kernel: Kernel, { body, extents = [] }: HandKernel): ShaderProgram {
  const { layout: l, numbers, loads, stores } = kernel;
  const of = (...dtypes: readonly DType[]): number[] =>
    numbers.flatMap((n, i) => (dtypes.includes(n.dtype) ? [i] : []));
  const floats = of("f32", "bool");
  const ints = of("i32", "u32");
  const targets = stores.flatMap(({ buffer }) => Array.from({ length: l.R }, (_, layer) => ({ buffer, layer })));
  const array = (type: string, name: string, count: number): string =>
    count === 0 ? "" : `uniform ${type} ${name}[${Math.ceil(count / 4)}];\n`;
  const source = `#version 300 es
precision highp float; precision highp int;
${loads.map((s, i) => `uniform highp ${prefixes[s.dtype]}sampler2DArray t${i};\n`).join("")}\
${array("ivec4", "e", extents.length)}${array("vec4", "u", floats.length)}${array("ivec4", "n", ints.length)}\
${targets.map((_, i) => `layout(location = ${i}) out ${prefixes[stores[0]!.dtype]}vec4 o${i};\n`).join("")}\
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
${body}
}
`;
  const counts = { gathers: 0, fetches: 0 };
  const size = { width: l.width, height: l.height };
  return {
    source,
    loads: loads.map((s) => s.buffer),
    numbers,
    extents,
    floats,
    ints,
    heights: [],
    targets,
    ...size,
    counts,
  };
}

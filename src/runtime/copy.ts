/**
 * Copies a texture, layer by layer, with draws of its own: for a root that is a leaf's own buffer, and for the second
 * root of one buffer. Works on every context that can draw at all.
 */
import type { ShaderProgram } from "../codegen/glsl/program.ts";
import { textureOf } from "../ir/layout.ts";
import type { PlanBuffer } from "../ir/plan.ts";
import { Draw, type DrawContext } from "./draw.ts";
import { formatOf, type TextureFormat } from "./textures.ts";

const prefixes: Readonly<Record<TextureFormat, string>> = { f32: "", i32: "i", u32: "u" };

/** Copies `targets` layers of `format`, from layer e[0].x on. */
function copySource(format: TextureFormat, targets: number): string {
  const prefix = prefixes[format];
  const each = (line: (i: number) => string): string => Array.from({ length: targets }, (_, i) => line(i)).join("\n");
  return `#version 300 es
// copies texture layers as they are
precision highp float;
precision highp int;
uniform highp ${prefix}sampler2DArray t0;
uniform ivec4 e[1];
${each((i) => `layout(location = ${i}) out ${prefix}vec4 o${i};`)}
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
${each((i) => `  o${i} = texelFetch(t0, ivec3(at, e[0].x + ${i}), 0);`)}
}
`;
}

/** Draws that copy buffer `from` (stored like `buffer`) to buffer `to`. */
export function copyDraws(
  context: DrawContext & { readonly maxDrawBuffers: number },
  { dtype, layout }: PlanBuffer,
  from: number,
  to: number,
): Draw[] {
  // Both are powers of two, so the groups come out even.
  const { width, height } = textureOf(layout);
  const first = layout.place?.z ?? 0;
  const targets = Math.min(layout.R, context.maxDrawBuffers);
  const source = copySource(formatOf[dtype], targets);
  const draws: Draw[] = [];
  for (let base = first; base < first + layout.R; base += targets) {
    const program: ShaderProgram = {
      source,
      loads: [from],
      numbers: [],
      extents: [base],
      heights: [],
      floats: [],
      ints: [],
      targets: Array.from({ length: targets }, (_, i) => ({ buffer: to, layer: base + i })),
      width,
      height,
      counts: { gathers: 0, fetches: targets },
    };
    draws.push(new Draw(context, { program, work: 0, describe: () => "(a copy)" }));
  }
  return draws;
}

/**
 * What a program declares before `main`: samplers, uniforms, functions, outputs. Kernels that share a draw share these.
 * Knows nothing of what a kernel computes.
 */
import type { Axis } from "../../ir/affine.ts";
import type { DType } from "../../ir/dtype.ts";
import type { BufferSlot, NumberSlot } from "../../ir/kernel.ts";
import { textureOf } from "../../ir/layout.ts";
import type { GlslFunction, GlslType } from "../../ir/node.ts";
import { samplerOf, typeOf } from "./spell.ts";
import type { ShaderProgram } from "./program.ts";

const COMPONENTS = "xyzw";
const vectors = (n: number): number => Math.ceil(n / 4);
const element = (array: string, at: number): string => `${array}[${at >> 2}].${COMPONENTS[at & 3]}`;

/** A whole number that the text must not name: of what, so that it is declared once. */
interface Extent {
  readonly of: Axis | string;
  readonly value: number;
}

export class Declarations {
  private readonly loads: BufferSlot[] = [];
  private readonly extents: Extent[] = [];
  private readonly numbers: NumberSlot[] = [];
  private readonly floats: number[] = [];
  private readonly ints: number[] = [];
  /** Loads whose texture's height the text must not name. */
  private readonly heights: number[] = [];
  private readonly functions = new Map<string, string>();

  /** The sampler of a load; one of a buffer, whichever kernel reads it. */
  sampler(load: BufferSlot): number {
    const known = this.loads.findIndex((l) => l.buffer === load.buffer);
    return known >= 0 ? known : this.loads.push(load) - 1;
  }

  /** Takes in a kernel's numbers; what is added to a slot of the kernel's for it to be one of the program's. */
  take(numbers: readonly NumberSlot[]): number {
    return this.numbers.push(...numbers) - numbers.length;
  }

  extent(axis: Axis): string {
    return this.whole(axis, axis.extent);
  }

  /** A whole number that another batch changes; `of` names it. */
  whole(of: Axis | string, value: number): string {
    let at = this.extents.findIndex((e) => e.of === of);
    if (at < 0) at = this.extents.push({ of, value }) - 1;
    return element("e", at);
  }

  /** The first texel row of what sampler `load` reads; null where that is 0. */
  firstRow(load: number): string | null {
    const { place } = this.loads[load]!.layout;
    return place === null ? null : this.whole(`row of t${load}`, place.y);
  }

  number(slot: number): string {
    const { dtype } = this.numbers[slot]!;
    const isInt = dtype === "i32" || dtype === "u32";
    const list = isInt ? this.ints : this.floats;
    let at = list.indexOf(slot);
    if (at < 0) at = list.push(slot) - 1;
    const text = element(isInt ? "n" : "u", at);
    return dtype === "u32" ? `uint(${text})` : text;
  }

  /** A texture's height follows the outermost extent, so it is a uniform as that is. */
  inverseHeight(load: number): string {
    let at = this.heights.indexOf(load);
    if (at < 0) at = this.heights.push(load) - 1;
    return element("h", at);
  }

  need(f: GlslFunction, t: GlslType): void {
    const key = `${f.name} ${t.value}`;
    if (this.functions.has(key)) return;
    for (const e of f.needs ?? []) this.need(e, t);
    this.functions.set(key, f.source(t));
  }

  /** A function of the generator's own. */
  define(key: string, source: string): void {
    this.functions.set(key, source);
  }

  /** The text before `main`. `summary` are comments, `targets` what each output is. */
  header(summary: readonly string[], targets: readonly DType[]): string[] {
    const { extents, floats, ints, heights } = this;
    const out = ["#version 300 es", "precision highp float;", "precision highp int;", ...summary];
    this.loads.forEach((l, i) => out.push(`uniform highp ${samplerOf(l.dtype)} t${i};`));
    if (extents.length > 0) out.push(`uniform ivec4 e[${vectors(extents.length)}];`);
    if (floats.length > 0) out.push(`uniform vec4 u[${vectors(floats.length)}];`);
    if (ints.length > 0) out.push(`uniform ivec4 n[${vectors(ints.length)}];`);
    if (heights.length > 0) out.push(`uniform vec4 h[${vectors(heights.length)}];`);
    targets.forEach((dtype, i) => out.push(`layout(location = ${i}) out ${typeOf(dtype, 4).value} o${i};`));
    out.push(...this.functions.values());
    return out;
  }

  /** How to bind it all. */
  bindings(): Pick<ShaderProgram, "loads" | "numbers" | "extents" | "floats" | "ints" | "heights"> {
    return {
      loads: this.loads.map((l) => l.buffer),
      numbers: this.numbers,
      extents: this.extents.map((e) => e.value),
      floats: this.floats,
      ints: this.ints,
      heights: this.heights.map((load) => 1 / textureOf(this.loads[load]!.layout).height),
    };
  }
}

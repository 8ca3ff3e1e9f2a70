/** Checks of the numbers layers are made with, and of the tensors they are called with. */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import type { Tensor } from "../trace/index.ts";
import { nameOf, type Module } from "./module.ts";

/** Gives `value` back; throws TexgradError unless it is a whole number of at least `least`. */
export function checkCount(layer: string, name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new TexgradError(`${layer}: ${name} is ${value}; it must be a whole number >= ${least}`);
}

/** One size for each of `d` axes, from one number for all or one an axis; each checked. */
export function checkSizes(
  layer: string,
  name: string,
  value: number | readonly number[],
  d: number,
  least: number,
): readonly number[] {
  const sizes = typeof value === "number" ? new Array<number>(d).fill(value) : value;
  if (sizes.length !== d) throw new TexgradError(`${layer}: ${name} is ${show(sizes)}; it takes one number or ${d}`);
  return sizes.map((e) => checkCount(layer, name, e, least));
}

/** Throws TexgradError unless p is in [0, 1]. */
export function checkProbability(layer: string, p: number): void {
  if (p >= 0 && p <= 1) return;
  throw new TexgradError(`${layer}: p is ${p}; it is a probability, 0 to 1`);
}

/** A shape with letters for what may be any: ["N", 256, "H", "W"]; ".." for any number of axes in front. */
type Pattern = readonly (string | number)[];

function fits({ shape }: Tensor, pattern: Pattern): boolean {
  const isOpen = pattern[0] === "..";
  const last = isOpen ? pattern.slice(1) : pattern;
  if (isOpen ? shape.length < last.length : shape.length !== last.length) return false;
  return last.every((e, i) => typeof e === "string" || e === shape[shape.length - last.length + i]);
}

/** Throws ShapeError, naming the module by its path, unless x has one of the shapes. */
export function checkInput(module: Module, x: Tensor, ...patterns: readonly Pattern[]): void {
  if (patterns.some((p) => fits(x, p))) return;
  const wanted = patterns.map((p) => `[${p.join(",")}]`).join(" or ");
  throw new ShapeError(`${nameOf(module)}: expected ${wanted}, got ${show(x.shape)}`);
}

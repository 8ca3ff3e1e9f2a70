/** What laws are tried on: leaves whose values no symmetry cancels. */
import type { Node } from "../ir/node.ts";
import { input } from "../ir/ops/leaf.ts";
import { numel, type Shape } from "../ir/shape.ts";

/** A leaf with values in (-2, 2). */
export function example(shape: Shape, seed = 1): Node {
  const array = Float32Array.from({ length: numel(shape) }, (_, i) => 2 * Math.sin(i * (6 + seed) + seed));
  return input({ kind: "input", array }, "f32", shape);
}

/** What losses share, and the mean squared error. */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { mul, sub } from "../ops/arithmetic.ts";
import { sum } from "../ops/broadcast.ts";
import { sameShape, show } from "../shape.ts";
import { mean } from "./reduction.ts";

export type Reduction = "mean" | "sum" | "none";

export function reduced(loss: Node, reduction: Reduction): Node {
  const axes = loss.shape.map((_, i) => i);
  switch (reduction) {
    case "none":
      return loss;
    case "sum":
      return sum(loss, axes);
    case "mean":
      return mean(loss, axes);
  }
}

/** (a - b)^2; unlike torch it does not broadcast, since [n] against [n, 1] is always a mistake. */
export function mseLoss(a: Node, b: Node, reduction: Reduction = "mean"): Node {
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(`mseLoss: ${show(a.shape)} and ${show(b.shape)} differ; reshape or expand one`);
  }
  const d = sub(a, b);
  return reduced(mul(d, d), reduction);
}

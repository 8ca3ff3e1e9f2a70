/**
 * Connectionist temporal classification: Graves et al. (2006), the forward recursion in logarithms; its gradient is
 * derived, not written. Steps are traced one after the other, so another length is another plan.
 *
 * Letters of shapes: t steps, n batch, c classes, s labels of the longest target, l = 2 s + 1 with blanks between.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { add, maximum, mul, neg, sub } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { and, cast, detach, eq, gt, lt, ne, or, where } from "../ops/compare.ts";
import { isInt } from "../ops/define.ts";
import { gather } from "../ops/gather.ts";
import { iota, literal } from "../ops/leaf.ts";
import { amax } from "../ops/reduce.ts";
import { exp, log } from "../ops/transcendental.ts";
import { pad, reshape, slice } from "../ops/view.ts";
import { show } from "../shape.ts";

/** The logarithm of what cannot be: finite, so that no difference of two of them is NaN. */
const NEVER = -1e30;

function logSum(parts: readonly Node[]): Node {
  const m = detach(parts.reduce((a, b) => maximum(a, b)));
  return add(m, log(parts.map((p) => exp(sub(p, m))).reduce((a, b) => add(a, b))));
}

export interface CtcInputs {
  /** [t, n, c]. */
  readonly logProbs: Node;
  /** [n, s] of i32; what lies past a length is not looked at. */
  readonly targets: Node;
  /** [n] of i32, as the one below. */
  readonly inputLengths: Node;
  readonly targetLengths: Node;
}

/** -log p(target | logProbs): [n]; infinite where the target does not fit into its steps. */
export function ctcLoss({ logProbs, targets, inputLengths, targetLengths }: CtcInputs, blank: number): Node {
  const op = "ctcLoss";
  const [t, n, c] = logProbs.shape;
  if (logProbs.shape.length !== 3 || targets.shape.length !== 2 || targets.shape[0] !== n) {
    throw new ShapeError(
      `${op}: log probabilities ${show(logProbs.shape)} and targets ${show(targets.shape)} must be [t, n, c] and [n, s]`,
    );
  }
  for (const [name, x] of Object.entries({ targets, inputLengths, targetLengths })) {
    if (!isInt(x.dtype)) throw new DtypeError(`${op}: ${name} is ${x.dtype}, must be i32`);
  }
  if (!Number.isInteger(blank) || blank < 0 || blank >= c!) {
    throw new ShapeError(`${op}: blank is ${blank}; it must be one of the ${c} classes`);
  }
  const s = targets.shape[1]!;
  const l = 2 * s + 1;
  const int = (v: number): Node => literal(v, "i32");
  // blank, y1, blank, y2, .., blank: [n, l]
  const labels = cast(targets, "i32");
  const pairs = pad(reshape(labels, [n!, s, 1]), [0, 0, 1], [0, 0, 0], 0);
  const spread = pad(reshape(pairs, [n!, 2 * s]), [0, 0], [0, 1], 0);
  const place = iota(l);
  const isLabel = gt(sub(place, mul(int(2), halves(l))), int(0));
  const path = where(isLabel, spread, int(blank));
  // A path may skip the blank between two labels that differ.
  const before = pad(slice(path, [0, 0], [n!, Math.max(0, l - 2)]), [0, Math.min(2, l)], [0, 0], 0);
  const maySkip = and(and(isLabel, ne(path, before)), gt(place, int(1)));

  const emitted = gather(logProbs, 2, expand(reshape(path, [1, n!, l]), [t!, n!, l]));
  const at = (step: number): Node => reshape(slice(emitted, [step, 0, 0], [1, n!, l]), [n!, l]);
  const shifted = (x: Node, by: number): Node => {
    const kept = Math.max(0, l - by);
    return pad(slice(x, [0, 0], [n!, kept]), [0, l - kept], [0, 0], NEVER);
  };
  let alpha = where(lt(place, int(2)), at(0), NEVER);
  for (let step = 1; step < t!; step++) {
    const next = add(logSum([alpha, shifted(alpha, 1), where(maySkip, shifted(alpha, 2), NEVER)]), at(step));
    alpha = where(gt(reshape(inputLengths, [n!, 1]), int(step)), next, alpha);
  }
  // The last label or the blank after it.
  const end = mul(reshape(targetLengths, [n!, 1]), int(2));
  const ends = or(eq(place, end), eq(place, sub(end, int(1))));
  const last = where(ends, alpha, NEVER);
  const m = detach(amax(last, [1]));
  const total = add(m, log(sum(exp(sub(last, reshape(m, [n!, 1]))), [1])));
  // Sums of a few NEVERs lie near it; no true logarithm does.
  return where(lt(total, NEVER / 2), Infinity, neg(total));
}

/** floor(i / 2) for i = 0 .. n - 1. */
const halves = (n: number): Node => {
  const pairs = expand(reshape(iota(Math.ceil(n / 2)), [Math.ceil(n / 2), 1]), [Math.ceil(n / 2), 2]);
  return slice(reshape(pairs, [2 * Math.ceil(n / 2)]), [0], [n]);
};

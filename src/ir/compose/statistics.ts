/**
 * Statistics along axes: variance, norms of any order, and what needs the order of elements (median, quantile, mode),
 * told by counting: an element's rank is how many are smaller, or equal and before it. That is n comparisons an
 * element; it needs no sort and its gradient is a mask.
 *
 * Axes are sorted, distinct and in range; none means x itself. Letters: n elements along the axis, p order of a norm.
 */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { abs, add, div, floor, mul, sub } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import { and, cast, detach, eq, lt, ne, not, or, where } from "../ops/compare.ts";
import { count } from "../ops/leaf.ts";
import { amax, amin, argmax } from "../ops/reduce.ts";
import { isnan } from "../ops/special.ts";
import { pow, sqrt } from "../ops/transcendental.ts";
import { permute, reshape } from "../ops/view.ts";
import { numel, show } from "../shape.ts";
import { keeping, mean, pick, positions, type Extreme } from "./reduction.ts";

/** Mean of squared distances from the mean, over n - correction; over nothing NaN or infinite, as torch. */
export function variance(x: Node, axes: readonly number[], correction: number): Node {
  const centred = sub(x, keeping(mean, x, axes));
  const n = numel(axes.map((a) => x.shape[a]!));
  return div(sum(mul(centred, centred), axes), count(Math.max(0, n - correction)));
}

/** sqrt, with the gradient 0 where x is 0. */
function rootOrZero(x: Node): Node {
  const zero = eq(x, 0);
  return where(zero, 0, sqrt(where(zero, 1, x)));
}

/** (sum |x|^p)^(1/p); p = 0 counts, +-inf take the largest and smallest. Where the norm is 0 its gradient is 0. */
export function norm(x: Node, axes: readonly number[], p: number, power: Node): Node {
  if (p === 0) return sum(cast(ne(x, 0), "f32"), axes);
  if (p === Infinity) return amax(abs(x), axes);
  if (p === -Infinity) return amin(abs(x), axes);
  if (p === 1) return sum(abs(x), axes);
  if (p === 2) return rootOrZero(sum(mul(x, x), axes));
  const total = sum(pow(abs(x), power), axes);
  const zero = eq(total, 0);
  return where(zero, 0, pow(where(zero, 1, total), div(1, power)));
}

export const countNonzero = (x: Node, axes: readonly number[]): Node => sum(cast(ne(x, 0), "i32"), axes);

/**
 * x: [.., n] -> for each element how many come before it in order; equal ones as they stand. NaN are the largest, as
 * torch.
 */
function ranks(x: Node, descending = false): Node {
  const n = x.shape.at(-1)!;
  const lead = x.shape.slice(0, -1);
  const paired = [...lead, n, n];
  const own = expand(reshape(x, [...lead, n, 1]), paired);
  const other = expand(reshape(x, [...lead, 1, n]), paired);
  const [first, second] = descending ? [own, other] : [other, own];
  const place = positions([n], 0);
  const earlier = lt(expand(place, paired), expand(reshape(place, [n, 1]), paired));
  const [alike, smaller] =
    x.dtype === "f32"
      ? [
          or(eq(first, second), and(isnan(first), isnan(second))),
          or(lt(first, second), and(isnan(second), not(isnan(first)))),
        ]
      : [eq(first, second), lt(first, second)];
  return sum(cast(or(smaller, and(alike, earlier)), "i32"), [paired.length - 1]);
}

/** The order of axes that has `axis` last, and the way back. */
function toLast(x: Node, axis: number): { readonly rows: Node; readonly back: (y: Node) => Node } {
  const rank = x.shape.length;
  const order = [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
  const inverse = order.map((_, i) => order.indexOf(i));
  return { rows: permute(x, order), back: (y) => permute(y, inverse) };
}

/** The element of rank k (one for all, or per row: [..]) of the last axis, with its position. */
function ofRank(x: Node, rank: Node, k: Node | number): Extreme {
  const at = typeof k === "number" ? k : reshape(k, [...k.shape, 1]);
  const here = eq(rank, at);
  const last = x.shape.length - 1;
  const position = expand(positions(x.shape, last), x.shape);
  return { values: sum(where(here, x, 0), [last]), indices: sum(where(here, position, 0), [last]) };
}

/** All elements along `axis` in order, with the positions they had: a stable sort by ranks. */
export function sorted(x: Node, axis: number, descending: boolean): Extreme {
  const { rows, back } = toLast(x, axis);
  const n = x.shape[axis]!;
  const lead = rows.shape.slice(0, -1);
  const place = ranks(rows, descending);
  const paired = [...lead, n, n];
  const k = reshape(positions([n], 0), [n, 1]);
  const hit = eq(expand(reshape(place, [...lead, 1, n]), paired), expand(k, paired));
  const source = expand(reshape(rows, [...lead, 1, n]), paired);
  const position = expand(positions([n], 0), paired);
  const axes = [paired.length - 1];
  return { values: back(sum(where(hit, source, 0), axes)), indices: back(sum(where(hit, position, 0), axes)) };
}

/** The middle element along `axis`, the lower of two; NaN where there is one, as torch. Without the axis. */
export function median(x: Node, axis: number): Extreme {
  const { rows } = toLast(x, axis);
  const n = checkSome("median", x, axis);
  const rank = ranks(rows);
  const middle = Math.floor((n - 1) / 2);
  if (x.dtype !== "f32") return ofRank(rows, rank, middle);
  const bad = isnan(rows);
  const last = rows.shape.length - 1;
  const some = lt(0, sum(cast(bad, "i32"), [last]));
  // NaN are last in order: the first of them has rank n less their number.
  const k = where(some, sub(n, sum(cast(bad, "i32"), [last])), middle);
  return ofRank(rows, rank, k);
}

function checkSome(op: string, x: Node, axis: number): number {
  const n = x.shape[axis]!;
  if (n === 0) throw new ShapeError(`${op}: ${show(x.shape)} has no elements along axis ${axis}`);
  return n;
}

export type Interpolation = "linear" | "lower" | "higher" | "nearest" | "midpoint";

/** x without `axis`, at the fractions q: [m] -> [m, ..]: rank q (n - 1), between two ranks as `interpolation` says. */
export function quantile(x: Node, q: Node, axis: number, interpolation: Interpolation): Node {
  const { rows } = toLast(x, axis);
  const n = checkSome("quantile", x, axis);
  const m = q.shape[0]!;
  const lead = rows.shape.slice(0, -1);
  const shape = [m, ...lead, n];
  const last = shape.length - 1;
  const rank = cast(ranks(rows), "f32");
  const at = mul(reshape(q, [m, ...lead.map(() => 1)]), count(n - 1));
  const low = detach(floor(at));
  const high = detach(where(lt(low, at), add(low, 1), low));
  const pick = (k: Node): Node => {
    const here = eq(expand(rank, shape), expand(reshape(k, [...k.shape, 1]), shape));
    return sum(where(here, expand(rows, shape), 0), [last]);
  };
  const weight = sub(at, low);
  const y = ((): Node => {
    switch (interpolation) {
      case "lower":
        return pick(low);
      case "higher":
        return pick(high);
      case "nearest":
        // Halves to even, as torch.
        return pick(detach(nearestEven(at)));
      case "midpoint":
        return mul(add(pick(low), pick(high)), 0.5);
      case "linear": {
        const [a, b] = [pick(low), pick(high)];
        return add(a, mul(sub(b, a), weight));
      }
    }
  })();
  const bad = lt(0, sum(cast(isnan(rows), "i32"), [rows.shape.length - 1]));
  return where(expand(bad, y.shape), NaN, y);
}

const nearestEven = (x: Node): Node => {
  const low = floor(x);
  const rest = sub(x, low);
  const odd = ne(mul(floor(mul(low, 0.5)), 2), low);
  return where(or(lt(0.5, rest), and(eq(rest, 0.5), odd)), add(low, 1), low);
};

/** The most frequent element along `axis`, the smallest of those, with the last position it has. Without the axis. */
export function mode(x: Node, axis: number): Extreme {
  const { rows } = toLast(x, axis);
  const n = checkSome("mode", x, axis);
  const lead = rows.shape.slice(0, -1);
  const paired = [...lead, n, n];
  const own = expand(reshape(rows, [...lead, n, 1]), paired);
  const other = expand(reshape(rows, [...lead, 1, n]), paired);
  const frequency = sum(cast(eq(own, other), "i32"), [paired.length - 1]);
  // The smallest of the most frequent: the one of least rank; then the last of its equals.
  const last = [lead.length];
  const most = eq(frequency, expand(keeping(amax, frequency, last), frequency.shape));
  const position = expand(positions(rows.shape, lead.length), rows.shape);
  const least = argmax(where(most, sub(n, ranks(rows)), -1), lead.length);
  const smallest = detach(pick(rows, lead.length, least));
  const same = eq(rows, expand(reshape(smallest, [...lead, 1]), rows.shape));
  const indices = amax(where(same, position, -1), last);
  return { values: pick(rows, lead.length, indices), indices };
}

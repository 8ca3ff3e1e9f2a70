/**
 * Contractions by letters, and what is made of them. Two operands are laid out as [letters of the first, new letters of
 * the second], multiplied and summed, which for "ij,jk->ik" is matmul's own spelling.
 *
 * Letters: of a specification, one an axis; "..." stands for leading axes, which broadcast.
 */
import { ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { div, maximum, mul, sub } from "../ops/arithmetic.ts";
import { expand, sum } from "../ops/broadcast.ts";
import type { Operand } from "../ops/define.ts";
import { permute, reshape } from "../ops/view.ts";
import { broadcastShapes, normalizeAxis, numel, show } from "../shape.ts";
import { diagonal } from "./arrange.ts";
import { keeping } from "./reduction.ts";
import { norm } from "./statistics.ts";

/** An operand and the letter of each of its axes. Axes of "..." have the letters 0, 1, .. counted from the right. */
interface Lettered {
  readonly x: Node;
  readonly letters: readonly string[];
}

interface Specification {
  readonly operands: readonly string[];
  /** Null where it is left out. */
  readonly result: string | null;
}

function read(spec: string, count: number): Specification {
  const text = spec.replaceAll(/\s/g, "");
  const parts = text.split("->");
  const [left, right] = parts as [string, string | undefined];
  const operands = left.split(",");
  const wellFormed = [...operands, right ?? ""].every((part) => /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(part));
  if (parts.length > 2 || !wellFormed) {
    throw new ShapeError(`einsum: "${spec}" is not understood; letters with commas between, as in "ij,jk->ik"`);
  }
  if (operands.length !== count) {
    throw new ShapeError(`einsum: "${spec}" names ${operands.length} operands, got ${count}`);
  }
  return { operands, result: right ?? null };
}

/** Letters of `part` for `rank` axes; "..." takes what is left. */
function lettersOf(spec: string, part: string, rank: number | null): string[] {
  const [head, tail] = part.split("...") as [string, string | undefined];
  const named = head.length + (tail?.length ?? 0);
  if (rank !== null && (tail === undefined ? named !== rank : named > rank)) {
    throw new ShapeError(`einsum: "${part}" of "${spec}" names ${named} axes, the operand has ${rank}`);
  }
  const rest = tail === undefined || rank === null ? 0 : rank - named;
  return [...head, ...Array.from({ length: rest }, (_, i) => String(rest - 1 - i)), ...(tail ?? "")];
}

/** Axes with one letter made one: the diagonal of the two. */
function withoutRepeats(spec: string, { x, letters }: Lettered): Lettered {
  const second = letters.findIndex((l, i) => letters.indexOf(l) < i);
  if (second < 0) return { x, letters };
  const first = letters.indexOf(letters[second]!);
  if (x.shape[first] !== x.shape[second]) {
    throw new ShapeError(
      `einsum: "${letters[first]}" of "${spec}" is ${x.shape[first]} and ${x.shape[second]} in ${show(x.shape)}`,
    );
  }
  const rest = letters.filter((_, i) => i !== first && i !== second);
  return withoutRepeats(spec, { x: diagonal(x, 0, first, second), letters: [...rest, letters[first]!] });
}

/** x summed along the letters that `kept` does not hold. */
function summed({ x, letters }: Lettered, kept: ReadonlySet<string>): Lettered {
  const gone = letters.map((_, i) => i).filter((i) => !kept.has(letters[i]!));
  return { x: sum(x, gone), letters: letters.filter((l) => kept.has(l)) };
}

/** Axes in the order of `order`, those it lacks as 1. */
function aligned({ x, letters }: Lettered, order: readonly string[]): Node {
  const own = order.filter((l) => letters.includes(l));
  const y = permute(
    x,
    own.map((l) => letters.indexOf(l)),
  );
  let at = 0;
  return reshape(
    y,
    order.map((l) => (letters.includes(l) ? y.shape[at++]! : 1)),
  );
}

function product(spec: string, a: Lettered, b: Lettered, kept: ReadonlySet<string>): Lettered {
  const order = [...a.letters, ...b.letters.filter((l) => !a.letters.includes(l))];
  const [p, q] = [aligned(a, order), aligned(b, order)];
  order.forEach((l, i) => {
    const [m, n] = [p.shape[i]!, q.shape[i]!];
    if (m !== n && m !== 1 && n !== 1) {
      throw new ShapeError(`einsum: "${l}" of "${spec}" is ${m} in ${show(a.x.shape)} and ${n} in ${show(b.x.shape)}`);
    }
  });
  return summed({ x: mul(p, q), letters: order }, kept);
}

/** Operands of one dtype. Throws ShapeError where the specification does not fit them. */
export function einsum(spec: string, operands: readonly Node[]): Node {
  const { operands: parts, result } = read(spec, operands.length);
  const all = parts.map((part, i) => lettersOf(spec, part, operands[i]!.shape.length));
  const dots = Math.max(...all.map((l) => l.filter((e) => /\d/.test(e)).length));
  const dotted = Array.from({ length: dots }, (_, i) => String(dots - 1 - i));
  const flat = all.flat();
  const wanted =
    result === null
      ? [...dotted, ...[...new Set(flat)].filter((l) => /\D/.test(l) && flat.indexOf(l) === flat.lastIndexOf(l)).sort()]
      : result.includes("...")
        ? [...result.split("...")[0]!, ...dotted, ...result.split("...")[1]!]
        : [...result];
  const unknown = wanted.find((l) => !flat.includes(l));
  if (unknown !== undefined || new Set(wanted).size !== wanted.length) {
    throw new ShapeError(
      `einsum: the result of "${spec}" names ${unknown === undefined ? "a letter twice" : `"${unknown}", which no operand has`}`,
    );
  }
  const lettered = operands.map((x, i) => withoutRepeats(spec, { x, letters: all[i]! }));
  const neededAfter = (i: number): Set<string> =>
    new Set([...wanted, ...lettered.slice(i + 1).flatMap((e) => e.letters)]);
  let y = summed(lettered[0]!, neededAfter(0));
  for (let i = 1; i < lettered.length; i++) {
    // What only this operand has and nobody wants is summed before the product makes it large.
    const own = summed(lettered[i]!, new Set([...neededAfter(i), ...y.letters]));
    y = product(spec, y, own, neededAfter(i));
  }
  return permute(
    y.x,
    wanted.map((l) => y.letters.indexOf(l)),
  );
}

/** Sums over pairs of axes, a's `left` with b's `right`; the others follow one another, a's first. */
export function tensordot(a: Node, b: Node, left: readonly number[], right: readonly number[]): Node {
  const op = "tensordot";
  const p = left.map((d) => normalizeAxis(op, d, a.shape.length));
  const q = right.map((d) => normalizeAxis(op, d, b.shape.length));
  if (p.length !== q.length || p.some((d, i) => a.shape[d] !== b.shape[q[i]!])) {
    throw new ShapeError(`${op}: axes ${show(p)} of ${show(a.shape)} and ${show(q)} of ${show(b.shape)} must be equal`);
  }
  const rest = a.shape.map((_, i) => i).filter((i) => !p.includes(i));
  const others = b.shape.map((_, i) => i).filter((i) => !q.includes(i));
  const m = rest.map((i) => a.shape[i]!);
  const n = others.map((i) => b.shape[i]!);
  const k = numel(p.map((d) => a.shape[d]!));
  const rows = reshape(permute(a, [...rest, ...p]), [numel(m), k, 1]);
  const columns = reshape(permute(b, [...q, ...others]), [1, k, numel(n)]);
  return reshape(sum(mul(rows, columns), [1]), [...m, ...n]);
}

/** [.., i, ..] and [.., j, ..] -> [.., i j, ..]: each element of a times all of b. */
export function kron(a: Node, b: Node): Node {
  const rank = Math.max(a.shape.length, b.shape.length);
  const wide = (x: Node): number[] => [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape];
  const [p, q] = [wide(a), wide(b)];
  const y = mul(reshape(a, p.flatMap((e) => [e, 1])), reshape(b, q.flatMap((e) => [1, e]))); // prettier-ignore
  return reshape(
    y,
    p.map((e, i) => e * q[i]!),
  );
}

/** a: [.., m, d], b: [.., n, d] -> [.., m, n], the p-norm of each difference. */
export function cdist(a: Node, b: Node, p: number, power: Node): Node {
  const [m, d] = a.shape.slice(-2) as [number, number];
  const [n, e] = b.shape.slice(-2) as [number, number];
  if (a.shape.length < 2 || b.shape.length < 2 || d !== e) {
    throw new ShapeError(`cdist: ${show(a.shape)} and ${show(b.shape)} must be [.., m, d] and [.., n, d]`);
  }
  const lead = broadcastShapes("cdist", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const rows = expand(reshape(a, [...a.shape.slice(0, -1), 1, d]), [...lead, m, n, d]);
  const columns = expand(reshape(b, [...b.shape.slice(0, -2), 1, n, d]), [...lead, m, n, d]);
  return norm(sub(rows, columns), [lead.length + 2], p, power);
}

/** x over the larger of its p-norm along an axis and eps. */
export const normalized = (x: Node, axis: number, p: number, power: Node, eps: Operand): Node =>
  div(
    x,
    maximum(
      keeping((e, axes) => norm(e, axes, p, power), x, [axis]),
      eps,
    ),
  );

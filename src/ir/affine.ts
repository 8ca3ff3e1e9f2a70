/**
 * Symbolic integers: sums of coefficient * atom, where an atom is an axis, an exact-floor quotient, a remainder, or a
 * number computed on the device. The one place where index arithmetic is simplified.
 *
 * An axis simplifies by its `bound`, not its extent: an outermost axis has no bound, so that nothing spelled in a
 * kernel depends on the batch.
 */
import { InvariantError } from "./errors.ts";
import type { IndexAlgebra } from "./indexing.ts";

export interface Axis {
  readonly id: number;
  readonly name: string;
  readonly extent: number;
  /** What simplification may assume: values are in [0, bound). Infinity on axes whose extent is a uniform. */
  readonly bound: number;
  readonly role: "row" | "col" | "reduce";
}

/**
 * A number known only on the device (a gathered index), which lies in [from, bound) wherever it is used. `key`
 * identifies the expression it is.
 */
export interface DynamicAtom {
  readonly kind: "dynamic";
  readonly key: string;
  readonly from: number;
  readonly bound: number;
  /** The expression, opaque here. */
  readonly expr: object;
}

export type Atom =
  | { readonly kind: "axis"; readonly axis: Axis; readonly key: string }
  | { readonly kind: "div" | "mod"; readonly of: Index; readonly by: number; readonly key: string }
  | DynamicAtom;

export interface Term {
  readonly atom: Atom;
  readonly coef: number;
}

/** offset + sum of terms; terms are sorted by key, so equal indices have equal keys. */
export interface Index {
  readonly offset: number;
  readonly terms: readonly Term[];
  readonly key: string;
  readonly lo: number;
  readonly hi: number;
}

function atomRange(a: Atom): readonly [number, number] {
  switch (a.kind) {
    case "axis":
      return [0, Math.max(a.axis.bound - 1, 0)];
    case "dynamic":
      return [a.from, Math.max(a.bound - 1, 0)];
    case "div":
      return [Math.floor(a.of.lo / a.by), Math.floor(a.of.hi / a.by)];
    case "mod":
      return [0, a.by - 1];
  }
}

function make(offset: number, terms: readonly Term[]): Index {
  let lo = offset;
  let hi = offset;
  let key = String(offset);
  for (const { atom, coef } of terms) {
    const [a, b] = atomRange(atom);
    lo += coef > 0 ? coef * a : coef * b;
    hi += coef > 0 ? coef * b : coef * a;
    key += `+${coef}*${atom.key}`;
  }
  return { offset, terms, key, lo, hi };
}

const small = new Map<number, Index>();
export function constant(n: number): Index {
  let known = small.get(n);
  if (known === undefined) small.set(n, (known = make(n, [])));
  return known;
}

export const axisIndex = (axis: Axis): Index =>
  axis.extent === 1 && axis.bound === 1
    ? constant(0)
    : make(0, [{ atom: { kind: "axis", axis, key: `a${axis.id}` }, coef: 1 }]);
export const dynamicIndex = (atom: DynamicAtom): Index => make(0, [{ atom, coef: 1 }]);
export const isConstant = (i: Index): boolean => i.terms.length === 0;

export function add(a: Index, b: Index): Index {
  if (a.terms.length === 0 && b.terms.length === 0) return constant(a.offset + b.offset);
  if (a.terms.length === 0 && a.offset === 0) return b;
  if (b.terms.length === 0 && b.offset === 0) return a;
  const terms = new Map<string, Term>();
  for (const t of [...a.terms, ...b.terms]) {
    const known = terms.get(t.atom.key);
    const coef = (known?.coef ?? 0) + t.coef;
    if (coef === 0) terms.delete(t.atom.key);
    else terms.set(t.atom.key, { atom: t.atom, coef });
  }
  return recombine(a.offset + b.offset, [...terms.values()]);
}

/** d * floor(x / d) + x mod d is x. */
function recombine(offset: number, terms: Term[]): Index {
  for (const t of terms) {
    if (t.atom.kind !== "mod") continue;
    const { of, by } = t.atom;
    const quotient = terms.find(
      (q) => q.coef === t.coef * by && q.atom.kind === "div" && q.atom.by === by && q.atom.of.key === of.key,
    );
    if (quotient !== undefined) {
      const rest = recombine(
        offset,
        terms.filter((e) => e !== t && e !== quotient),
      );
      return add(rest, scale(of, t.coef));
    }
  }
  return make(
    offset,
    terms.sort((x, y) => (x.atom.key < y.atom.key ? -1 : 1)),
  );
}

export function scale(a: Index, k: number): Index {
  if (k === 1) return a;
  if (k === 0) return constant(0);
  if (a.terms.length === 0) return constant(a.offset * k);
  return make(
    a.offset * k,
    a.terms.map((t) => ({ atom: t.atom, coef: t.coef * k })),
  );
}

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

/**
 * a = d * quotient + rest, where the rest is not negative wherever a is not: GLSL and JavaScript round a quotient
 * towards zero. What can be taken out of a whole is in `quotient`.
 */
function splitMultiples(a: Index, d: number): { quotient: Index; rest: Index } {
  const whole: Term[] = [];
  const part: Term[] = [];
  for (const t of a.terms) {
    if (t.coef % d === 0) whole.push({ atom: t.atom, coef: t.coef / d });
    else part.push(t);
  }
  let q = Math.floor(a.offset / d);
  const { lo } = make(a.offset - q * d, part);
  if (lo === -Infinity) return { quotient: constant(0), rest: a };
  if (lo < 0) q -= Math.ceil(-lo / d);
  return { quotient: make(q, whole), rest: make(a.offset - q * d, part) };
}

/** Takes the common factor g out of a rest and its divisor: floor((g*x + o) / (g*e)) = floor(x / e) for 0 <= o < g. */
function commonFactor(rest: Index, d: number): { inner: Index; by: number; g: number; low: number } {
  let g = d;
  for (const t of rest.terms) g = gcd(g, t.coef);
  const q = Math.floor(rest.offset / g);
  const inner = make(
    q,
    rest.terms.map((t) => ({ atom: t.atom, coef: t.coef / g })),
  );
  return { inner, by: d / g, g, low: rest.offset - q * g };
}

/** Floor of a / d. */
export function div(a: Index, d: number): Index {
  if (d === 1) return a;
  const { quotient, rest } = splitMultiples(a, d);
  if (rest.lo >= 0 && rest.hi < d) return quotient;
  const { inner, by } = commonFactor(rest, d);
  return add(quotient, by === d ? divAtom(rest, d) : div(inner, by));
}

function divAtom(rest: Index, d: number): Index {
  const only = rest.terms.length === 1 && rest.offset === 0 && rest.terms[0]!.coef === 1 ? rest.terms[0]!.atom : null;
  if (only?.kind === "div") return div(only.of, only.by * d);
  if (only?.kind === "mod" && only.by % d === 0) return mod(div(only.of, d), only.by / d);
  return make(0, [{ atom: { kind: "div", of: rest, by: d, key: `(${rest.key})/${d}` }, coef: 1 }]);
}

/** a - d * floor(a / d). */
export function mod(a: Index, d: number): Index {
  if (d === 1) return constant(0);
  const { rest } = splitMultiples(a, d);
  if (rest.lo >= 0 && rest.hi < d) return rest;
  const { inner, by, g, low } = commonFactor(rest, d);
  if (by !== d) return add(scale(mod(inner, by), g), constant(low));
  const only = rest.terms.length === 1 && rest.offset === 0 && rest.terms[0]!.coef === 1 ? rest.terms[0]!.atom : null;
  if (only?.kind === "mod" && only.by % d === 0) return mod(only.of, d);
  return make(0, [{ atom: { kind: "mod", of: rest, by: d, key: `(${rest.key})%${d}` }, coef: 1 }]);
}

/** One conjunct of a validity. */
export type Condition =
  | { readonly kind: "atLeastZero"; readonly index: Index; readonly key: string }
  | { readonly kind: "below"; readonly index: Index; readonly bound: number; readonly key: string }
  | { readonly kind: "divisible"; readonly index: Index; readonly by: number; readonly key: string }
  | { readonly kind: "always"; readonly key: string }
  | { readonly kind: "never"; readonly key: string };

const always: Condition = { kind: "always", key: "always" };
const never: Condition = { kind: "never", key: "never" };

/** Indices and conditions as a view's pull-back sees them. */
export const symbolic: IndexAlgebra<Index, Condition> = {
  constant,
  add,
  scale,
  div,
  mod,
  atLeastZero: (index) =>
    index.lo >= 0 ? always : index.hi < 0 ? never : { kind: "atLeastZero", index, key: `${index.key}>=0` },
  below: (index, bound) =>
    index.hi < bound
      ? always
      : index.lo >= bound
        ? never
        : { kind: "below", index, bound, key: `${index.key}<${bound}` },
  divisible: (index, by) => {
    const rest = mod(index, by);
    if (isConstant(rest)) return rest.offset === 0 ? always : never;
    return { kind: "divisible", index, by, key: `${by}|${index.key}` };
  },
};

/** Sorted, distinct, without those that always hold; a single `never` if one never holds. */
export function conjunction(all: readonly Condition[]): readonly Condition[] {
  const kept = new Map<string, Condition>();
  for (const c of all) {
    if (c.kind === "never") return [never];
    if (c.kind !== "always") kept.set(c.key, c);
  }
  return [...kept.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Replaces axes and dynamic atoms. */
export function substitute(i: Index, of: (atom: Atom) => Index | null): Index {
  let out = constant(i.offset);
  for (const { atom, coef } of i.terms) out = add(out, scale(substituteAtom(atom, of), coef));
  return out;
}

function substituteAtom(atom: Atom, of: (atom: Atom) => Index | null): Index {
  if (atom.kind === "div") return div(substitute(atom.of, of), atom.by);
  if (atom.kind === "mod") return mod(substitute(atom.of, of), atom.by);
  return of(atom) ?? make(0, [{ atom, coef: 1 }]);
}

export function substituteCondition(c: Condition, of: (atom: Atom) => Index | null): Condition {
  switch (c.kind) {
    case "atLeastZero":
      return symbolic.atLeastZero(substitute(c.index, of));
    case "below":
      return symbolic.below(substitute(c.index, of), c.bound);
    case "divisible":
      return symbolic.divisible(substitute(c.index, of), c.by);
    case "always":
    case "never":
      return c;
  }
}

/** Visits every axis and dynamic atom an index is made of. */
export function visitAtoms(i: Index, visit: (atom: Atom) => void): void {
  for (const { atom } of i.terms) {
    visit(atom);
    if (atom.kind === "div" || atom.kind === "mod") visitAtoms(atom.of, visit);
  }
}

export function conditionIndex(c: Condition): Index | null {
  return "index" in c ? c.index : null;
}

/** The value of an index where every axis has a value. */
export function evaluateIndex(i: Index, at: (axis: Axis) => number): number {
  let out = i.offset;
  for (const { atom, coef } of i.terms) {
    if (atom.kind === "dynamic") throw new InvariantError(`index ${i.key} is known only on the device`);
    const v =
      atom.kind === "axis"
        ? at(atom.axis)
        : atom.kind === "div"
          ? Math.floor(evaluateIndex(atom.of, at) / atom.by)
          : mathMod(evaluateIndex(atom.of, at), atom.by);
    out += coef * v;
  }
  return out;
}

const mathMod = (a: number, d: number): number => a - d * Math.floor(a / d);

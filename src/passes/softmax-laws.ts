/**
 * Laws that bring hand-written softmax, logSoftmax and logsumexp to the spelling of compose/softmax.ts: exponentials of
 * x - m, m the largest element, detached and finite. They hold for the functions and so for their gradients: m is
 * detached, and no result depends on it.
 *
 * They look at where elements come from, not at how views are spelled: a sum put back along its axes by keepdim,
 * unsqueeze or reshape is the same.
 *
 * Letters: m largest element along the axes, l = sum exp(x - m), c anything constant along the axes.
 */
import { axisIndex, isConstant, substitute, symbolic, visitAtoms, type Axis, type Index } from "../ir/affine.ts";
import { keeping } from "../ir/compose/reduction.ts";
import { LOWEST, logsumexp } from "../ir/compose/softmax.ts";
import { rebuild, view, type Node } from "../ir/node.ts";
import { add, div, maximum, sub } from "../ir/ops/arithmetic.ts";
import { expandView, sum, sumReduce } from "../ir/ops/broadcast.ts";
import { detach } from "../ir/ops/compare.ts";
import { literalLeaf } from "../ir/ops/leaf.ts";
import { amax, amaxReduce } from "../ir/ops/reduce.ts";
import { exp, log } from "../ir/ops/transcendental.ts";
import { permute, reshape } from "../ir/ops/view.ts";
import type { Rule } from "./rewrite.ts";
import { example } from "./example.ts";

type Axes = readonly number[];
const axesOf = (n: Node): Axes => n.attrs["axes"] as Axes;

// The canonical spelling.

/** m, with its axes as 1. */
const largest = (x: Node, axes: Axes): Node => detach(maximum(keeping(amax, x, axes), LOWEST));
/** x - m. */
const shifted = (x: Node, axes: Axes): Node => sub(x, largest(x, axes));
/** l, with its axes as 1. */
const total = (x: Node, axes: Axes): Node => keeping(sum, exp(shifted(x, axes)), axes);
const softmax = (x: Node, axes: Axes): Node => div(exp(shifted(x, axes)), total(x, axes));
const logSoftmax = (x: Node, axes: Axes): Node => sub(shifted(x, axes), log(total(x, axes)));
/** log sum exp, with its axes as 1. */
const logsumexpKept = (x: Node, axes: Axes): Node => add(largest(x, axes), log(total(x, axes)));

const isShifted = (x: Node, axes: Axes): boolean => x.op === sub.definition && x === shifted(x.inputs[0]!, axes);

/** Axes of one element need no m; no elements have none. */
const worthIt = (x: Node, axes: Axes): boolean => x.shape.every((e) => e > 0) && axes.some((a) => x.shape[a]! > 1);

// Where elements come from.

interface Origin {
  /** What is below the views. */
  readonly base: Node;
  /** The views walked through, outer first. */
  readonly views: readonly Node[];
  /** For each axis of the base, the coordinate read, in terms of `own`. */
  readonly at: readonly Index[];
}

/** Axes of a node's own coordinates; two nodes of one shape have the same. */
const ownAxes = (n: Node): Index[] =>
  n.shape.map((extent, id) => axisIndex({ id, name: "", extent, bound: extent, role: "row" } satisfies Axis));

/** Walks down through views that fill nothing, and through the maps `passes` gives the operand of. */
function originOf(n: Node, passes: (n: Node) => Node | undefined = () => undefined): Origin {
  const views: Node[] = [];
  let base = n;
  let at: readonly Index[] = ownAxes(n);
  for (;;) {
    const { op } = base;
    const x = base.inputs[0];
    if (op.kind === "view" && !op.fills(base.attrs, x!.shape)) {
      at = op.pull(symbolic, at, base.attrs, x!.shape).at;
      views.push(base);
      base = x!;
      continue;
    }
    const next = passes(base);
    if (next === undefined) return { base, views, at };
    base = next;
  }
}

/** What `originOf` ends at, without the coordinates: most nodes are none of these laws' business. */
function baseOf(n: Node, passes: (n: Node) => Node | undefined = () => undefined): Node {
  let base = n;
  for (;;) {
    const { op } = base;
    const next = op.kind === "view" && !op.fills(base.attrs, base.inputs[0]!.shape) ? base.inputs[0]! : passes(base);
    if (next === undefined) return base;
    base = next;
  }
}

/** The same views over another node of the base's shape. */
const overViews = (views: readonly Node[], base: Node): Node => views.reduceRight((x, v) => rebuild(v, [x]), base);

const sameAt = (a: readonly Index[], b: readonly Index[]): boolean =>
  a.length === b.length && a.every((i, d) => i.key === b[d]!.key);

/** Whether the origin of something of `n`'s shape reads, at each coordinate, the result of reducing it along `axes`. */
const spreads = (o: Origin, n: Node, axes: Axes): boolean =>
  sameAt(
    o.at,
    ownAxes(n).filter((_, i) => !axes.includes(i)),
  );

/** The same, where the reduction kept its axes as 1. */
const spreadsKept = (o: Origin, n: Node, axes: Axes): boolean =>
  o.at.length === n.shape.length &&
  ownAxes(n).every((i, d) => (axes.includes(d) ? isConstant(o.at[d]!) : i.key === o.at[d]!.key));

/** Whether n is an expand over `axes`, so that it has one value along them. */
function isConstantAlong(n: Node, axes: Axes): boolean {
  const { at, views } = originOf(n);
  let depends = false;
  for (const i of at) {
    visitAtoms(i, (a) => {
      if (a.kind === "axis" && axes.includes(a.axis.id)) depends = true;
    });
  }
  return views.length > 0 && !depends;
}

/** x without what was subtracted that is constant along the axes. */
function unshifted(x: Node, axes: Axes): Node {
  let at = x;
  while (at.op === sub.definition && isConstantAlong(at.inputs[1]!, axes)) at = at.inputs[0]!;
  return at;
}

/** Through detach and the lower bound of m. */
const belowBound = (n: Node): Node | undefined => {
  if (n.op === detach.definition) return n.inputs[0]!;
  if (n.op !== maximum.definition) return undefined;
  return n.inputs.find((e) => baseOf(e).op !== literalLeaf);
};
const isDetached = (n: Node): boolean => {
  let found = false;
  baseOf(n, (e) => {
    found ||= e.op === detach.definition;
    return belowBound(e);
  });
  return found;
};

/** The axes along which c is the largest element of y, put back along them; null where it is not. */
function maxAxes(c: Node, y: Node): Axes | null {
  const base = baseOf(c, belowBound);
  if (base.op !== amaxReduce || base.inputs[0] !== y) return null;
  const axes = axesOf(base);
  return spreads(originOf(c, belowBound), y, axes) ? axes : null;
}

/** x and the axes, where n is sum exp(x). */
function sumOfExp(n: Node): { readonly x: Node; readonly axes: Axes } | null {
  const e = n.inputs[0];
  if (n.op !== sumReduce || e?.op !== exp.definition || !worthIt(e, axesOf(n))) return null;
  return { x: e.inputs[0]!, axes: axesOf(n) };
}

const belowLog = (n: Node): Node | undefined => (n.op === log.definition ? n.inputs[0] : undefined);

// The laws.

/** exp(x) / sum exp(x), where x may already be y - c. */
function toSoftmax(n: Node): Node | null {
  const [e, l] = n.inputs;
  if (n.op !== div.definition || e!.op !== exp.definition) return null;
  const found = sumOfExp(baseOf(l!));
  if (found === null || found.x !== e!.inputs[0] || !spreads(originOf(l!), e!, found.axes)) return null;
  const { x, axes } = found;
  return isShifted(x, axes) ? null : softmax(unshifted(x, axes), axes);
}

/** log sum exp(x), unless x is shifted by its largest element, whoever did it. */
function toLogsumexp(n: Node): Node | null {
  if (n.op !== log.definition) return null;
  const found = sumOfExp(baseOf(n.inputs[0]!));
  if (found === null) return null;
  const { x, axes } = found;
  if (x.op === sub.definition && maxAxes(x.inputs[1]!, x.inputs[0]!) !== null) return null;
  return overViews(originOf(n.inputs[0]!).views, logsumexp(x, axes));
}

/** c + log sum exp(y - c). */
function toLogsumexpOfShifted(n: Node): Node | null {
  if (n.op !== add.definition) return null;
  for (const [c, term] of [n.inputs, [...n.inputs].reverse()] as (readonly [Node, Node])[]) {
    const found = sumOfExp(baseOf(term, belowLog));
    if (found === null || !isLogOfSum(term) || found.x.op !== sub.definition) continue;
    const o = originOf(term, belowLog);
    const { x, axes } = found;
    const [y, e] = x.inputs as readonly [Node, Node];
    // The canonical form itself, or one with another bound on m.
    if (isShifted(x, axes)) {
      if (c === largest(y, axes) || !isDetached(c)) continue;
      if (!readsAlike(originOf(c, belowBound), originOf(e, belowBound), o)) continue;
    } else if (!isConstantAlong(e, axes) || !readsAlike(originOf(c), originOf(e), o)) continue;
    return overViews(o.views, logsumexp(y, axes));
  }
  return null;
}

/** Whether the way down to the sum leads through exactly one logarithm. */
function isLogOfSum(n: Node): boolean {
  let logs = 0;
  baseOf(n, (e) => {
    const next = belowLog(e);
    if (next !== undefined) logs++;
    return next;
  });
  return logs === 1;
}

/**
 * Whether c, at n's coordinates, is what e subtracts, at x's: `sum` tells which result of the reduction each of n's
 * coordinates reads.
 */
function readsAlike(c: Origin, e: Origin, sumOrigin: Origin): boolean {
  if (c.base !== e.base) return false;
  const axes = axesOf(sumOrigin.base);
  const kept = sumOrigin.base.inputs[0]!.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const there = e.at.map((i) =>
    substitute(i, (a) => (a.kind === "axis" ? (sumOrigin.at[kept.indexOf(a.axis.id)] ?? null) : null)),
  );
  return sameAt(c.at, there);
}

/** x - log sum exp(x), after the sum is canonical; or with x = y - c inside. */
function toLogSoftmax(n: Node): Node | null {
  if (n.op !== sub.definition) return null;
  const [x, p] = n.inputs as readonly [Node, Node];
  const base = baseOf(p);
  const l = base.op === add.definition ? base.inputs.find((e) => e.op === log.definition) : undefined;
  if (l !== undefined) {
    const found = sumOfExp(baseOf(l.inputs[0]!));
    if (found === null || found.x.inputs[0] !== x || base !== logsumexpKept(x, found.axes)) return null;
    return spreadsKept(originOf(p), x, found.axes) ? logSoftmax(x, found.axes) : null;
  }
  const found = sumOfExp(baseOf(p, belowLog));
  if (found === null || !isLogOfSum(p) || found.x !== x) return null;
  if (!spreads(originOf(p, belowLog), x, found.axes)) return null;
  return isShifted(x, found.axes) ? null : logSoftmax(unshifted(x, found.axes), found.axes);
}

/** x - detach(max x): m is never below the lowest finite number. */
function toFinite(n: Node): Node | null {
  if (n.op !== sub.definition) return null;
  const [x, c] = n.inputs as readonly [Node, Node];
  const axes = maxAxes(c, x);
  return axes === null || !isDetached(c) || !worthIt(x, axes) || n === shifted(x, axes) ? null : shifted(x, axes);
}

/** log(exp(s) / l): with l below its expands, as the library spells it. */
function toDifference(n: Node): Node | null {
  const quotient = n.inputs[0];
  if (n.op !== log.definition || quotient?.op !== div.definition) return null;
  const [e, l] = quotient.inputs;
  if (e!.op !== exp.definition) return null;
  let small = l!;
  while (small.op === expandView) small = small.inputs[0]!;
  const logarithm = log(small);
  return sub(e!.inputs[0]!, small === l ? logarithm : view(expandView, logarithm, { shape: l!.shape }));
}

// Examples: hand-written spellings.

const keptMax = (x: Node, axis: number): Node => keeping(amax, x, [axis]);
/** A reduction along `axis` with the axis back as 1, by a reshape. */
const back = (y: Node, x: Node, axis: number): Node =>
  reshape(
    y,
    x.shape.map((e, i) => (i === axis ? 1 : e)),
  );
/** Instances for a matrix and a tensor of three axes. */
const on =
  (f: (x: Node, y: Node) => readonly Node[]): (() => readonly Node[]) =>
  () =>
    f(example([3, 4]), example([2, 3, 5], 2));
const sumExp = (x: Node, axes: Axes): Node => keeping(sum, exp(x), axes);

export const softmaxRules: readonly Rule[] = [
  {
    law: "x - detach(max x) => x - detach(max(max x, lowest))",
    apply: toFinite,
    examples: on((x, y) => [sub(x, detach(keptMax(x, 1))), sub(y, back(detach(amax(y, [1])), y, 1))]),
    bits: "softmax",
  },
  {
    law: "exp(x) / sum exp(x) => exp(x - m) / sum exp(x - m)",
    apply: toSoftmax,
    examples: on((x, y) => {
      const byOther = sub(x, example([3, 1], 4));
      const byMax = sub(x, keptMax(x, 0));
      return [
        div(exp(x), sumExp(x, [1])),
        div(exp(y), back(sum(exp(y), [1]), y, 1)),
        div(exp(y), sumExp(y, [0, 2])),
        div(exp(byOther), sumExp(byOther, [1])),
        div(exp(byMax), sumExp(byMax, [0])),
      ];
    }),
    bits: "softmax",
  },
  {
    law: "c + log sum exp(x - c) => m + log sum exp(x - m)",
    apply: toLogsumexpOfShifted,
    examples: on((x, y) => [
      add(keptMax(x, 1), log(sumExp(sub(x, keptMax(x, 1)), [1]))),
      add(log(sum(exp(sub(y, keptMax(y, 1))), [1])), amax(y, [1])),
      add(detach(keptMax(x, 1)), log(sumExp(shifted(x, [1]), [1]))),
    ]),
    bits: "softmax",
  },
  {
    law: "log sum exp(x) => m + log sum exp(x - m)",
    apply: toLogsumexp,
    examples: on((x, y) => [
      log(sum(exp(x), [1])),
      log(sumExp(y, [0, 2])),
      log(permute(sum(exp(y), [1]), [1, 0])),
      log(sum(exp(sub(x, example([1, 4], 3))), [1])),
    ]),
    bits: "softmax",
  },
  {
    law: "x - log sum exp(x) => (x - m) - log sum exp(x - m)",
    apply: toLogSoftmax,
    examples: on((x, y) => {
      const byMax = sub(x, keptMax(x, 1));
      return [
        sub(x, logsumexpKept(x, [1])),
        sub(y, back(logsumexp(y, [2]), y, 2)),
        sub(byMax, log(sumExp(byMax, [1]))),
      ];
    }),
    bits: "softmax",
  },
  {
    law: "log(exp(x) / y) => x - log y",
    apply: toDifference,
    examples: on((x) => [log(softmax(x, [1])), log(div(exp(x), maximum(example([3, 4], 5), 0.5)))]),
    bits: "softmax",
  },
];

/**
 * How two recorded calls of a compiled function differ, in words; calls that do not can be replayed for one another.
 */
import type { HostArray } from "../ir/dtype.ts";
import type { LeafOrigin, NumberOrigin, Place, Recording, Submit, Touched } from "./recording.ts";
import { sameOutline } from "./structure.ts";

/** How two calls differ; `isNumber`: only in a number. */
export interface Difference {
  readonly text: string;
  readonly isNumber: boolean;
}

/** How a later call differs from an earlier one, or null. */
export function difference(a: Recording, b: Recording): Difference | null {
  const structure = (text: string): Difference => ({ text, isNumber: false });
  const fault = a.fault ?? b.fault;
  if (fault !== null) return structure(fault);
  if (a.runner !== b.runner) return structure("it runs on another device");
  if (a.submits.length !== b.submits.length) {
    return structure(`it made ${a.submits.length} submits, and then ${b.submits.length}`);
  }
  for (const [i, submit] of a.submits.entries()) {
    const text = differentSubmit(submit, b.submits[i]!);
    if (text !== null) return structure(text);
  }
  const text = differentEnds(a, b);
  if (text !== null) return structure(text);
  for (const [i, submit] of a.submits.entries()) {
    for (const [k, x] of submit.numbers.entries()) {
      const y = b.submits[i]!.numbers[k]!;
      if (x.kind !== "constant" || y.kind !== "constant" || Object.is(x.value, y.value)) continue;
      return { text: `a number it computes with was ${x.value}, and then ${y.value}`, isNumber: true };
    }
  }
  return null;
}

/** How what else the calls did differs: steps, draws, what is given back, gradients. */
function differentEnds(a: Recording, b: Recording): string | null {
  const stepsAgree =
    a.steps.length === b.steps.length &&
    a.steps.every(({ step, after }, i) => step.owner === b.steps[i]!.step.owner && after === b.steps[i]!.after);
  if (!stepsAgree) return "other optimizers stepped, or at another place";
  const drawsAgree =
    a.draws.size === b.draws.size &&
    [...a.draws].every(([generator, { count }]) => b.draws.get(generator)?.count === count);
  if (!drawsAgree) return "it took another number of random draws";
  if (!sameOutline(a.outline, b.outline)) {
    return "it gave back something else besides tensors; numbers it gives back would be frozen";
  }
  if (!a.places.every((p, i) => samePlace(p, b.places[i]!))) return "it gave back other tensors";
  if (a.gradients.size !== b.gradients.size) return "it left gradients on other tensors";
  for (const [holder, x] of a.gradients) {
    const y = b.gradients.get(holder);
    if (y === undefined) return "it left gradients on other tensors";
    const began = x.had === y.had && x.wasSeen === y.wasSeen;
    if (!began || x.seen !== y.seen || !sameExit(x.exit, y.exit)) {
      return "gradients were there, or were left, in one call and not in the other";
    }
  }
  return null;
}

function differentSubmit(a: Submit, b: Submit): string | null {
  if (a.plan !== b.plan) return "it traced other operations, or other shapes and layouts";
  for (const [i, root] of a.roots.entries()) if (root.cell !== b.roots[i]!.cell) return "it assigned other state";
  for (const [i, leaf] of a.leaves.entries()) {
    const text = differentLeaf(leaf, b.leaves[i]!);
    if (text !== null) return text;
  }
  for (const [i, x] of a.numbers.entries()) {
    const y = b.numbers[i]!;
    const same =
      x.kind === y.kind &&
      (x.kind !== "argument" || x.index === (y as typeof x).index) &&
      (x.kind !== "setting" || x.source === (y as typeof x).source) &&
      (x.kind !== "draw" || sameDraw(x, y as typeof x));
    if (!same) return "its numbers came from elsewhere: other settings, other draws, other arguments";
  }
  return null;
}

type Drawn = Extract<NumberOrigin, { kind: "draw" }>;

const sameDraw = (x: Drawn, y: Drawn): boolean =>
  x.offset === y.offset && x.source.generator === y.source.generator && x.source.part === y.source.part;

function differentLeaf(a: LeafOrigin, b: LeafOrigin): string | null {
  const same = ((): boolean => {
    switch (a.kind) {
      case "argument":
        return b.kind === "argument" && a.index === b.index;
      case "cell":
        return b.kind === "cell" && a.cell === b.cell && a.back === b.back;
      case "array":
        return b.kind === "array" && (a.array === b.array || (a.made && b.made && sameValues(a.array, b.array)));
      case "value":
        return b.kind === "value" && a.value === b.value;
      case "result":
        return samePlace(a, b);
      case "gradient":
        return b.kind === "gradient" && a.holder === b.holder;
    }
  })();
  if (same) return null;
  if (a.kind === "array" && a.made && b.kind === "array") {
    return "a tensor it makes from values of JavaScript held other values; make it outside and pass it as an argument";
  }
  return "it read another tensor of the code around it; pass what changes as an argument, and return its next value";
}

/** Bit by bit, so that NaN is itself and the zeros are two. */
function sameValues(a: HostArray, b: HostArray): boolean {
  if (a.length !== b.length || a.constructor !== b.constructor) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

type Kinds = Place | LeafOrigin;

function samePlace(a: Kinds, b: Kinds): boolean {
  if (a.kind === "result") return b.kind === "result" && a.submit === b.submit && a.number === b.number;
  if (a.kind === "argument") return b.kind === "argument" && a.index === b.index;
  if (a.kind !== "tensor" || b.kind !== "tensor") return false;
  // detach() of a parameter is another handle on it each time.
  return a.tensor.state === b.tensor.state && a.tensor.requiresGrad === b.tensor.requiresGrad;
}

const sameExit = (a: Touched["exit"], b: Touched["exit"]): boolean =>
  typeof a === "string" || typeof b === "string" ? a === b : samePlace(a, b);

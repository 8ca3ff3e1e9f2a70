/**
 * The part of `F` that is losses, with torch's names in camelCase. Formulas are in src/ir/compose: loss.ts, softmax.ts,
 * losses.ts, class-losses.ts, ctc.ts. Class indices are i32; operands do not broadcast.
 */
import * as classes from "../ir/compose/class-losses.ts";
import * as ctc from "../ir/compose/ctc.ts";
import * as losses from "../ir/compose/losses.ts";
import * as compose from "../ir/compose/index.ts";
import { ShapeError, TexgradError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { show } from "../ir/shape.ts";
import { apply, full, tensor, type Tensor } from "../trace/index.ts";

export type { Reduction } from "../ir/compose/index.ts";

export interface LossOptions {
  /** Default "mean". */
  readonly reduction?: compose.Reduction;
}

/** Traces f of tensors, some of which may not be there. */
function traced(f: (...x: (Node | null)[]) => Node, tensors: readonly (Tensor | null)[]): Tensor {
  const present = tensors.filter((t) => t !== null);
  return apply((...nodes) => {
    const queue = nodes.values();
    return f(...tensors.map((t) => (t === null ? null : queue.next().value!)));
  }, present);
}

/** A user's number, which changing compiles nothing. */
const number = (value: number): Tensor => full([], value);

export interface ClassLossOptions extends LossOptions {
  /** [classes]: what each class counts; a mean is over the sum of it. */
  readonly weight?: Tensor | null;
  /** Targets of this class count for nothing. Default none (torch: -100). */
  readonly ignoreIndex?: number | null;
}

export interface CrossEntropyOptions extends ClassLossOptions {
  /** What part of each target is spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number;
}

/**
 * logits: [n, classes, ..] or [classes]; target: class indices [n, ..] of i32, or probabilities in logits' shape ->
 * -log softmax(logits)[target]. An index that names no class, and is not ignored, picks the logarithm 0.
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { reduction = "mean", weight = null, ignoreIndex = null, labelSmoothing = 0 } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new TexgradError(`crossEntropy: labelSmoothing is ${labelSmoothing}; it must be in [0, 1]`);
  }
  const isSoft = target.dtype === "f32" && show(target.shape) === show(logits.shape);
  if (isSoft && ignoreIndex !== null) {
    throw new TexgradError("crossEntropy: ignoreIndex is of class indices, the target is probabilities");
  }
  if (!isSoft && weight === null && ignoreIndex === null && labelSmoothing === 0) {
    return apply((x, y) => compose.crossEntropy(x, y, reduction), [logits, target]);
  }
  const loss = isSoft ? classes.softCrossEntropy : classes.smoothedCrossEntropy;
  const smoothing = labelSmoothing === 0 ? null : number(labelSmoothing);
  return traced(
    (x, y, w, s, ignore) => loss(x!, y!, s, { weight: w, ignore: ignore, reduction }),
    [logits, target, weight, smoothing, classIndex(ignoreIndex)],
  );
}

const classIndex = (i: number | null): Tensor | null => (i === null ? null : full([], i, { dtype: "i32" }));

/** logProbs: [n, classes, ..] or [classes], target: class indices [n, ..] of i32 -> -logProbs[target]. */
export function nllLoss(
  logProbs: Tensor,
  target: Tensor,
  { reduction = "mean", weight = null, ignoreIndex = null }: ClassLossOptions = {},
): Tensor {
  return traced(
    (x, y, w, ignore) => classes.nllLoss(x!, y!, { weight: w, ignore: ignore, reduction }),
    [logProbs, target, weight, classIndex(ignoreIndex)],
  );
}

type Pairwise = (input: Tensor, target: Tensor, options?: LossOptions) => Tensor;
const pairwise =
  (f: (x: Node, y: Node, reduction: compose.Reduction) => Node): Pairwise =>
  (input, target, { reduction = "mean" } = {}) =>
    apply((x, y) => f(x, y, reduction), [input, target]);

/** (input - target)^2; both of one shape. */
export const mseLoss: Pairwise = /* @__PURE__ */ pairwise(compose.mseLoss);
/** |input - target|; both of one shape. */
export const l1Loss: Pairwise = /* @__PURE__ */ pairwise(losses.l1Loss);
/** log(1 + exp(-target input)); target is 1 or -1, in input's shape. */
export const softMarginLoss: Pairwise = /* @__PURE__ */ pairwise(losses.softMarginLoss);
/**
 * target: [n, classes] of i32 as input, the classes of a row up to its first negative one -> sum over these and all
 * others of max(0, 1 - input[one of these] + input[other]) / classes: [n].
 */
export const multilabelMarginLoss: Pairwise = /* @__PURE__ */ pairwise(classes.multilabelMarginLoss);

/** Throws TexgradError unless `value` is at least (or, if strict, above) 0. */
function checkPositive(op: string, name: string, value: number, strict = false): void {
  if (strict ? value > 0 : value >= 0) return;
  throw new TexgradError(`${op}: ${name} is ${value}; it must be ${strict ? "above" : "at least"} 0`);
}

/** (input - target)^2 / (2 beta) where they are closer than beta, |input - target| - beta / 2 elsewhere. */
export function smoothL1Loss(
  input: Tensor,
  target: Tensor,
  { beta = 1, reduction = "mean" }: LossOptions & { readonly beta?: number } = {},
): Tensor {
  checkPositive("smoothL1Loss", "beta", beta);
  return apply((x, y, b) => losses.smoothL1Loss(x, y, b, reduction), [input, target, number(beta)]);
}

/** (input - target)^2 / 2 where they are within delta, delta (|input - target| - delta / 2) elsewhere. */
export function huberLoss(
  input: Tensor,
  target: Tensor,
  { delta = 1, reduction = "mean" }: LossOptions & { readonly delta?: number } = {},
): Tensor {
  checkPositive("huberLoss", "delta", delta, true);
  return apply((x, y, d) => losses.huberLoss(x, y, d, reduction), [input, target, number(delta)]);
}

export interface BinaryLossOptions extends LossOptions {
  /** Broadcasts to the input: what each element counts. */
  readonly weight?: Tensor | null;
}

/** -(t log p + (1 - t) log(1 - p)), logarithms at least -100: p, t in [0, 1] and of one shape. */
export function binaryCrossEntropy(
  input: Tensor,
  target: Tensor,
  { weight = null, reduction = "mean" }: BinaryLossOptions = {},
): Tensor {
  return traced((x, y, w) => losses.binaryCrossEntropy(x!, y!, w, reduction), [input, target, weight]);
}

/** binaryCrossEntropy(sigmoid(input), target), without overflow. */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  {
    weight = null,
    posWeight = null,
    reduction = "mean",
  }: BinaryLossOptions & { /** Broadcasts: what targets of 1 count. */ readonly posWeight?: Tensor | null } = {},
): Tensor {
  return traced(
    (x, y, w, p) => losses.binaryCrossEntropyWithLogits(x!, y!, w, p, reduction),
    [input, target, weight, posWeight],
  );
}

export interface KlDivOptions {
  /** "batchmean" is the divergence itself: the sum over the first extent. Default "mean". */
  readonly reduction?: compose.Reduction | "batchmean";
  /** Whether the target is log probabilities too. Default false. */
  readonly logTarget?: boolean;
}

/** input: log probabilities, target: probabilities of its shape -> target (log target - input). */
export const klDiv = (
  input: Tensor,
  target: Tensor,
  { reduction = "mean", logTarget = false }: KlDivOptions = {},
): Tensor => apply((x, y) => losses.klDiv(x, y, logTarget, reduction), [input, target]);

export interface MarginOptions extends LossOptions {
  readonly margin?: number;
}

/** input where target is 1, max(0, margin - input) where it is -1. margin: 1 unless given. */
export const hingeEmbeddingLoss = (
  input: Tensor,
  target: Tensor,
  { margin = 1, reduction = "mean" }: MarginOptions = {},
): Tensor => apply((x, y, m) => losses.hingeEmbeddingLoss(x, y, m, reduction), [input, target, number(margin)]);

/** max(0, margin - target (input1 - input2)), all of one shape; target is 1 or -1. margin: 0 unless given. */
export const marginRankingLoss = (
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  { margin = 0, reduction = "mean" }: MarginOptions = {},
): Tensor =>
  apply((a, b, y, m) => losses.marginRankingLoss(a, b, y, m, reduction), [input1, input2, target, number(margin)]);

/** input, target: [.., classes] -> the mean over classes of binaryCrossEntropyWithLogits. weight: [classes]. */
export function multilabelSoftMarginLoss(
  input: Tensor,
  target: Tensor,
  { weight = null, reduction = "mean" }: BinaryLossOptions = {},
): Tensor {
  return traced((x, y, w) => losses.multilabelSoftMarginLoss(x!, y!, w, reduction), [input, target, weight]);
}

export interface MultiMarginOptions extends MarginOptions {
  /** 1 or 2. Default 1. */
  readonly p?: 1 | 2;
  /** [classes]. */
  readonly weight?: Tensor | null;
}

/**
 * input: [n, classes] or [classes], target: [n] or [] of i32 -> the sum over other classes c of
 * max(0, margin - input[target] + input[c])^p / classes. margin: 1 unless given.
 */
export function multiMarginLoss(
  input: Tensor,
  target: Tensor,
  { p = 1, margin = 1, weight = null, reduction = "mean" }: MultiMarginOptions = {},
): Tensor {
  if (p !== 1 && p !== 2) throw new TexgradError(`multiMarginLoss: p is ${String(p)}; it is 1 or 2`);
  return traced(
    (x, y, w, m) => classes.multiMarginLoss(x!, y!, w, m!, p, reduction),
    [input, target, weight, number(margin)],
  );
}

/** a . b / (|a| |b|) along `dim`, which disappears; norms are at least eps. */
export const cosineSimilarity = (
  a: Tensor,
  b: Tensor,
  { dim = 1, eps = 1e-8 }: { readonly dim?: number; readonly eps?: number } = {},
): Tensor => apply((x, y) => losses.cosineSimilarity(x, y, dim, eps), [a, b]);

/** |a - b + eps|_p along the last axis, which disappears. */
export const pairwiseDistance = (
  a: Tensor,
  b: Tensor,
  { p = 2, eps = 1e-6 }: { readonly p?: number; readonly eps?: number } = {},
): Tensor => apply((x, y) => losses.pairwiseDistance(x, y, p, eps), [a, b]);

/**
 * input1, input2: [n, d] or [d], target: [n] or [] -> 1 - cos where it is 1, max(0, cos - margin) where it is -1.
 * margin: 0 unless given.
 */
export const cosineEmbeddingLoss = (
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  { margin = 0, reduction = "mean" }: MarginOptions = {},
): Tensor =>
  apply((a, b, y, m) => losses.cosineEmbeddingLoss(a, b, y, m, reduction), [input1, input2, target, number(margin)]);

export interface TripletOptions extends MarginOptions {
  /** Of the norm. Default 2. */
  readonly p?: number;
  /** Added to differences. Default 1e-6. */
  readonly eps?: number;
  /** Whether the negative is measured from the positive where that is nearer. Balntas et al. (2016). Default false. */
  readonly swap?: boolean;
}

/** All [.., d] -> max(0, margin + |anchor - positive| - |anchor - negative|): [..]. margin: 1 unless given. */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  { margin = 1, p = 2, eps = 1e-6, swap = false, reduction = "mean" }: TripletOptions = {},
): Tensor {
  return apply(
    (a, b, c, m) => losses.tripletMarginLoss(a, b, c, { margin: m, p, eps, swap }, reduction),
    [anchor, positive, negative, number(margin)],
  );
}

export interface LikelihoodOptions extends LossOptions {
  /** Whether the constant term is there. Default false. */
  readonly full?: boolean;
  /** The smallest variance (1e-6), or what is added under a logarithm (1e-8). */
  readonly eps?: number;
}

/** (log variance + (input - target)^2 / variance) / 2; variance: as input, or its last axis 1 or absent. */
export const gaussianNllLoss = (
  input: Tensor,
  target: Tensor,
  variance: Tensor,
  { full = false, eps = 1e-6, reduction = "mean" }: LikelihoodOptions = {},
): Tensor => apply((x, y, v) => losses.gaussianNllLoss(x, y, v, full, eps, reduction), [input, target, variance]);

/** exp(input) - target input; without logInput input - target log(input + eps). */
export const poissonNllLoss = (
  input: Tensor,
  target: Tensor,
  {
    logInput = true,
    full = false,
    eps = 1e-8,
    reduction = "mean",
  }: LikelihoodOptions & { readonly logInput?: boolean } = {},
): Tensor => apply((x, y) => losses.poissonNllLoss(x, y, { logInput, full, eps }, reduction), [input, target]);

export interface CtcOptions extends LossOptions {
  /** The class of no label. Default 0. */
  readonly blank?: number;
  /** Whether the loss of a target that does not fit into its steps is 0 and not infinite. Default false. */
  readonly zeroInfinity?: boolean;
}

/** Whole numbers, from an array or a tensor of i32. */
type Lengths = Tensor | readonly number[];
const asLengths = (lengths: Lengths): Tensor =>
  Array.isArray(lengths)
    ? tensor(lengths as readonly number[], { dtype: "i32", shape: [lengths.length] })
    : (lengths as Tensor);

/**
 * logProbs: [t, n, classes] (or [t, classes]), targets: [n, s] (or [s]) of i32, lengths [n] -> -log p(targets | logProbs),
 * over all alignments. A mean is over targets of loss / target length, as torch.
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Lengths,
  targetLengths: Lengths,
  { blank = 0, reduction = "mean", zeroInfinity = false }: CtcOptions = {},
): Tensor {
  const isBatch = logProbs.ndim === 3;
  const [x, y] = isBatch ? [logProbs, targets] : [logProbs.unsqueeze(1), targets.unsqueeze(0)];
  const [ofInputs, ofTargets] = [asLengths(inputLengths), asLengths(targetLengths)];
  for (const lengths of [ofInputs, ofTargets]) {
    if (lengths.ndim !== 1 || lengths.shape[0] !== x.shape[1]) {
      throw new ShapeError(`ctcLoss: lengths are ${show(lengths.shape)}, must be [${x.shape[1]}]`);
    }
  }
  const all = apply(
    (logs, labels, inputs, lengths) =>
      ctc.ctcLoss({ logProbs: logs, targets: labels, inputLengths: inputs, targetLengths: lengths }, blank),
    [x, y, ofInputs, ofTargets],
  );
  const each = zeroInfinity ? all.maskedFill(all.eq(Infinity), 0) : all;
  if (reduction === "none") return isBatch ? each : each.squeeze(0);
  return reduction === "sum" ? each.sum() : each.div(ofTargets.cast("f32").maximum(1)).mean();
}

/**
 * The part of `F` that works element by element: activations, with PyTorch's names and defaults. All take f32 of any
 * shape and give the same shape, but for glu, which halves an axis. `inplace` does not exist: nothing here is ever
 * copied.
 */
import * as compose from "../ir/compose/index.ts";
import { DtypeError, ShapeError, TexgradError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { apply, rand, scalar, type Generator, type Tensor } from "../trace/index.ts";

function checkFloat(op: string, x: Tensor): void {
  if (x.dtype !== "f32") throw new DtypeError(`${op}: got ${x.dtype}, takes f32; x.cast("f32") would fit`);
}

type Activation = (x: Tensor) => Tensor;

const activation =
  (op: string, f: (x: Node) => Node): Activation =>
  (x) => {
    checkFloat(op, x);
    return apply(f, [x]);
  };

/** f with numbers of the user's, which are uniforms: another slope compiles nothing. */
function withNumbers(op: string, x: Tensor, numbers: readonly number[], f: (x: Node, ...n: Node[]) => Node): Tensor {
  checkFloat(op, x);
  return apply((e) => f(e, ...numbers.map((n) => scalar(n))), [x]);
}

/** max(x, 0). */
export const relu: Activation = (x) => x.relu();
/** Hyperbolic tangent. */
export const tanh: Activation = (x) => x.tanh();
/** 1 / (1 + exp(-x)). */
export const sigmoid: Activation = (x) => x.sigmoid();
/** max(x, 0), at most 6. */
export const relu6: Activation = /* @__PURE__ */ activation("relu6", compose.relu6);
/** x above 0, 1.6733 (exp(x) - 1) below, all times 1.0507. Klambauer et al. (2017). */
export const selu: Activation = /* @__PURE__ */ activation("selu", compose.selu);
/** x sigmoid(x), also called swish. */
export const silu: Activation = /* @__PURE__ */ activation("silu", compose.silu);
/** x tanh(log(1 + exp(x))). Misra (2019). */
export const mish: Activation = /* @__PURE__ */ activation("mish", compose.mish);
/** log(1 / (1 + exp(-x))), without overflow. */
export const logSigmoid: Activation = /* @__PURE__ */ activation("logSigmoid", compose.logSigmoid);
/** x / (1 + |x|). */
export const softsign: Activation = /* @__PURE__ */ activation("softsign", compose.softsign);
/** (x + 3) / 6 between 0 and 1. */
export const hardsigmoid: Activation = /* @__PURE__ */ activation("hardsigmoid", compose.hardsigmoid);
/** x hardsigmoid(x). */
export const hardswish: Activation = /* @__PURE__ */ activation("hardswish", compose.hardswish);
/** x - tanh(x). */
export const tanhshrink: Activation = /* @__PURE__ */ activation("tanhshrink", compose.tanhshrink);

export interface GeluOptions {
  /** "none": x/2 (1 + erf(x / sqrt 2)); "tanh": x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Default "none". */
  readonly approximate?: "none" | "tanh";
}

/** x times the normal distribution's cumulative at x, exactly or by tanh. Hendrycks and Gimpel (2016). */
export function gelu(x: Tensor, { approximate = "none" }: GeluOptions = {}): Tensor {
  checkFloat("gelu", x);
  // The type says so; a JavaScript caller may not.
  if (approximate !== "none" && approximate !== "tanh") {
    throw new TexgradError(`gelu: approximate is ${String(approximate)}; takes "none" or "tanh"`);
  }
  return apply(approximate === "tanh" ? compose.gelu : compose.geluExact, [x]);
}

/** log(1 + exp(beta x)) / beta, without overflow; x itself where beta x is above the threshold. */
export const softplus = (x: Tensor, beta = 1, threshold = 20): Tensor => x.softplus(beta, threshold);

/** x above 0, negativeSlope x below. */
export const leakyRelu = (x: Tensor, negativeSlope = 0.01): Tensor =>
  withNumbers("leakyRelu", x, [negativeSlope], compose.leakyRelu);

/** x: [n, c, ..], weight: [c] or [1] -> x above 0, weight x below. Throws ShapeError for another weight. */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  checkFloat("prelu", x);
  checkFloat("prelu", weight);
  return apply(compose.prelu, [x, weight]);
}

/** x above 0, alpha (exp(x) - 1) below. */
export const elu = (x: Tensor, alpha = 1): Tensor => withNumbers("elu", x, [alpha], compose.elu);

/** x above 0, alpha (exp(x / alpha) - 1) below. Throws ShapeError for alpha 0. */
export function celu(x: Tensor, alpha = 1): Tensor {
  if (alpha === 0) throw new ShapeError("celu: alpha is 0, which x is divided by; 1 is the default");
  return withNumbers("celu", x, [alpha], compose.celu);
}

/** x between minVal and maxVal; at a bound the gradient is 0. */
export function hardtanh(x: Tensor, minVal = -1, maxVal = 1): Tensor {
  if (!(minVal <= maxVal)) throw new ShapeError(`hardtanh: minVal ${minVal} is above maxVal ${maxVal}`);
  return withNumbers("hardtanh", x, [minVal, maxVal], compose.hardtanh);
}

/** x nearer to 0 by lambda; 0 where it is nearer than that. */
export function softshrink(x: Tensor, lambda = 0.5): Tensor {
  if (!(lambda >= 0)) throw new ShapeError(`softshrink: lambda is ${lambda}, must be at least 0`);
  return withNumbers("softshrink", x, [lambda], compose.softshrink);
}

/** 0 where x is within lambda of 0, x elsewhere. */
export const hardshrink = (x: Tensor, lambda = 0.5): Tensor =>
  withNumbers("hardshrink", x, [lambda], compose.hardshrink);

/** x where it is above `bound`, `value` elsewhere. */
export const threshold = (x: Tensor, bound: number, value: number): Tensor =>
  withNumbers("threshold", x, [bound, value], compose.threshold);

/** One half of x along `dim` times the sigmoid of the other. Throws ShapeError where the axis is odd. */
export function glu(x: Tensor, dim = -1): Tensor {
  checkFloat("glu", x);
  return apply((e) => compose.glu(e, dim), [x]);
}

export interface RreluOptions {
  /** Whether slopes are drawn; otherwise they are the middle. Default false. */
  readonly training?: boolean;
  /** Default: the library's. */
  readonly generator?: Generator;
}

/** x above 0, a x below, with a drawn from [lower, upper) for each element in training. */
export function rrelu(
  x: Tensor,
  lower = 1 / 8,
  upper = 1 / 3,
  { training = false, generator }: RreluOptions = {},
): Tensor {
  if (!(lower <= upper)) throw new ShapeError(`rrelu: lower ${lower} is above upper ${upper}`);
  if (!training) return leakyRelu(x, (lower + upper) / 2);
  checkFloat("rrelu", x);
  const slope = rand(x.shape, generator === undefined ? {} : { generator })
    .mul(upper - lower)
    .add(lower);
  return apply(compose.leakyRelu, [x, slope]);
}

/** exp(x) / sum exp(x) along `dim`, shifted by the largest element. */
export const softmax = (x: Tensor, dim: number): Tensor => x.softmax(dim);
/** log of softmax along `dim`. */
export const logSoftmax = (x: Tensor, dim: number): Tensor => x.logSoftmax(dim);
/** softmax of -x: the smallest gets the most. */
export const softmin = (x: Tensor, dim: number): Tensor => x.neg().softmax(dim);

/** The part of `F` that draws. */
import { bernoulli, type Generator, type Tensor } from "../trace/index.ts";
import { checkProbability } from "./check.ts";

export interface DropoutOptions {
  /** The part of the elements that become 0. Default 0.5. */
  readonly p?: number;
  /** Without it x itself. Default true. */
  readonly training?: boolean;
  /** Default: the library's. */
  readonly generator?: Generator;
}

/** Sets a random part `p` of x to 0 and scales the others by 1 / (1 - p), so that the mean stays. */
export function dropout(x: Tensor, { p = 0.5, training = true, generator }: DropoutOptions = {}): Tensor {
  checkProbability("dropout", p);
  if (!training || p === 0) return x;
  const keep = bernoulli(1 - p, x.shape, generator === undefined ? {} : { generator });
  return x.mul(keep).mul(p === 1 ? 0 : 1 / (1 - p));
}

/** Sets a random part `p` of the channels of x: [n, c, ..] to 0 and scales the others by 1 / (1 - p). */
export function channelDropout(x: Tensor, { p = 0.5, training = true, generator }: DropoutOptions = {}): Tensor {
  checkProbability("channelDropout", p);
  if (!training || p === 0) return x;
  const shape = x.shape.map((e, i) => (i < 2 ? e : 1));
  const keep = bernoulli(1 - p, shape, generator === undefined ? {} : { generator });
  return x.mul(keep).mul(p === 1 ? 0 : 1 / (1 - p));
}

/** What selu goes to far below 0: -1.0507 * 1.6733. */
const SATURATED = -1.7580993408473766;

/**
 * Sets a random part `p` of x to what selu saturates at, then scales and shifts so that a mean of 0 and a variance of 1
 * stay. Klambauer et al. (2017), section 3.
 */
export function alphaDropout(x: Tensor, { p = 0.5, training = true, generator }: DropoutOptions = {}): Tensor {
  checkProbability("alphaDropout", p);
  if (!training || p === 0) return x;
  if (p === 1) return x.mul(0);
  const keep = bernoulli(1 - p, x.shape, generator === undefined ? {} : { generator });
  const scale = 1 / Math.sqrt((1 - p) * (1 + p * SATURATED * SATURATED));
  return x
    .where(keep, SATURATED)
    .mul(scale)
    .sub(scale * SATURATED * p);
}

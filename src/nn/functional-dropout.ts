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

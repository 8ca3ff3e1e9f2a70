/** Stochastic gradient descent, with PyTorch's options and numbers. */
import { GradError } from "../ir/errors.ts";
import { checkEach } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import { sgd, type SGDSettings } from "./rules.ts";

/**
 * p <- p - lr d, where d is the gradient plus weightDecay p; with `momentum`, d is its running sum, and with
 * `nesterov` that sum looked up one step ahead. lr must be given.
 */
export class SGD extends Optimizer<SGDSettings> {
  constructor(params: Params<SGDSettings>, options: Pick<SGDSettings, "lr"> & Partial<SGDSettings>) {
    super(params, { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, ...options }, sgd);
  }

  protected override check(s: SGDSettings): void {
    checkEach("SGD", s, ["lr", "momentum", "weightDecay"]);
    if (s.nesterov && (s.momentum === 0 || s.dampening !== 0)) {
      throw new GradError(
        `SGD: nesterov takes a momentum above 0 and no dampening; they are ${s.momentum} and ${s.dampening}`,
      );
    }
  }
}

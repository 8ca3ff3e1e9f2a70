/** Adam and AdamW, with PyTorch's options and numbers. */
import { checkMoments } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import { adam, adamW, type AdamSettings } from "./rules.ts";

const defaults: AdamSettings = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 };

/**
 * Kingma & Ba (2015). Weight decay, 0 unless given, is added to the gradient. `amsgrad`: Reddi et al. (2018), whose
 * second moment never falls.
 */
export class Adam extends Optimizer<AdamSettings> {
  constructor(params: Params<AdamSettings>, options: Partial<AdamSettings> = {}) {
    super(params, { ...defaults, ...options }, adam);
  }

  protected override check(s: AdamSettings): void {
    checkMoments("Adam", s);
  }
}

/** Loshchilov & Hutter (2019): weight decay, 0.01 unless given, scales the parameter and leaves the moments alone. */
export class AdamW extends Optimizer<AdamSettings> {
  constructor(params: Params<AdamSettings>, options: Partial<AdamSettings> = {}) {
    super(params, { ...defaults, weightDecay: 1e-2, ...options }, adamW);
  }

  protected override check(s: AdamSettings): void {
    checkMoments("AdamW", s);
  }
}

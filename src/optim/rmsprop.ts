/** RMSprop, with PyTorch's options and numbers. */
import { add, div, maximum, mul, sqrt, sub } from "../ir/ops/index.ts";
import type { UpdateRule } from "../trace/index.ts";
import { checkEach, checkRange } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import {
  decayed,
  eps,
  learningRate,
  stepRule,
  weightDecay,
  type Coefficient,
  type Method,
  type Settings,
} from "./rules.ts";

export interface RMSpropSettings extends Settings {
  /** Of the running mean of squares. */
  alpha: number;
  eps: number;
  weightDecay: number;
  momentum: number;
  /** Whether the mean gradient is taken from the squares: a variance. */
  centered: boolean;
}

/** The states are v, then the mean gradient where centered, then the momentum buffer where there is momentum. */
const rmspropRule = (states: 1 | 2 | 3): UpdateRule =>
  stepRule({
    name: `rmspropStep${states}`,
    doc:
      "g' = g + weightDecay p; v' = alpha v + (1 - alpha) g'^2; centered: a' = alpha a + (1 - alpha) g', w = v' - a'^2, " +
      "else w = v'; d = g' / (sqrt(w) + eps); momentum: b' = momentum b + d, p' = p - lr b', else p' = p - lr d.",
    states,
    settings: 6,
    update({ param: p, grad, states: old, settings, flags: { centered, decay, momentum } }) {
      const [lr, alpha, rest, small, ...more] = settings;
      const mu = momentum === true ? more.shift()! : null;
      const g = decay === true ? decayed(grad, p, more[0]) : grad;
      const v = add(mul(old[0]!, alpha!), mul(mul(rest!, g), g));
      const mean = centered === true ? add(mul(old[1]!, alpha!), mul(rest!, g)) : null;
      // A variance; rounding may take it below 0, where PyTorch gives NaN.
      const w = mean === null ? v : maximum(sub(v, mul(mean, mean)), 0);
      const d = div(g, add(sqrt(w), small!));
      const buffer = mu === null ? null : add(mul(mu, old.at(-1)!), d);
      return {
        param: sub(p, mul(lr!, buffer ?? d)),
        states: [v, ...(mean === null ? [] : [mean]), ...(buffer === null ? [] : [buffer])],
      };
    },
  });
const rules = [/* @__PURE__ */ rmspropRule(1), /* @__PURE__ */ rmspropRule(2), /* @__PURE__ */ rmspropRule(3)] as const;

const coefficients: readonly Coefficient<RMSpropSettings>[] = [learningRate, (s) => s.alpha, (s) => 1 - s.alpha, eps];
const momentum: Coefficient<RMSpropSettings> = (s) => s.momentum;

const states = (s: RMSpropSettings): string[] => [
  "squareAvg",
  ...(s.centered ? ["gradAvg"] : []),
  ...(s.momentum === 0 ? [] : ["momentumBuffer"]),
];

const rmsprop: Method<RMSpropSettings> = {
  rule: (s) => rules[states(s).length - 1]!,
  states,
  flags: (s) => ({ centered: s.centered, momentum: s.momentum !== 0, decay: s.weightDecay !== 0 }),
  betas: () => [],
  coefficients: (s) => [
    ...coefficients,
    ...(s.momentum === 0 ? [] : [momentum]),
    ...(s.weightDecay === 0 ? [] : [weightDecay]),
  ],
};

/** Tieleman & Hinton (2012): the gradient over the root of the running mean of its squares. */
export class RMSprop extends Optimizer<RMSpropSettings> {
  constructor(params: Params<RMSpropSettings>, options: Partial<RMSpropSettings> = {}) {
    const defaults = { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false };
    super(params, { ...defaults, ...options }, rmsprop);
  }

  protected override check(s: RMSpropSettings): void {
    checkEach("RMSprop", s, ["lr", "eps", "weightDecay", "momentum"]);
    checkRange("RMSprop", "alpha", s.alpha, 0, 1);
  }
}

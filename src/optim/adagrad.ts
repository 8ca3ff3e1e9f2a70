/** Adagrad, with PyTorch's options and numbers. */
import { add, div, mul, sqrt, sub } from "../ir/ops/index.ts";
import { checkEach } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import { decayed, eps, stepRule, weightDecay, type Coefficient, type Method, type Settings } from "./rules.ts";

export interface AdagradSettings extends Settings {
  /** The rate of step t is lr / (1 + (t - 1) lrDecay). */
  lrDecay: number;
  weightDecay: number;
  /** What the sum of squares begins with. */
  initialAccumulatorValue: number;
  eps: number;
}

const adagradStep = /* @__PURE__ */ stepRule({
  name: "adagradStep",
  doc: "g' = g + weightDecay p; s' = s + g'^2; p' = p - lr / (1 + (t - 1) lrDecay) g' / (sqrt(s') + eps).",
  states: 1,
  settings: 3,
  update({ param: p, grad, states: [sum], settings: [rate, small, decay] }) {
    const g = decayed(grad, p, decay);
    const next = add(sum!, mul(g, g));
    return { param: sub(p, mul(rate!, div(g, add(sqrt(next), small!)))), states: [next] };
  },
});

const coefficients: readonly Coefficient<AdagradSettings>[] = [(s, t) => s.lr / (1 + t.count * s.lrDecay), eps];

const adagrad: Method<AdagradSettings> = {
  rule: () => adagradStep,
  states: () => ["sum"],
  flags: (s) => ({ decay: s.weightDecay !== 0 }),
  betas: () => [],
  coefficients: (s) => (s.weightDecay === 0 ? coefficients : [...coefficients, weightDecay]),
  initial: (s) => s.initialAccumulatorValue,
};

/** Duchi, Hazan & Singer (2011): each weight's rate falls with the sum of its squared gradients. */
export class Adagrad extends Optimizer<AdagradSettings> {
  constructor(params: Params<AdagradSettings>, options: Partial<AdagradSettings> = {}) {
    const defaults = { lr: 1e-2, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10 };
    super(params, { ...defaults, ...options }, adagrad);
  }

  protected override check(s: AdagradSettings): void {
    checkEach("Adagrad", s, ["lr", "lrDecay", "weightDecay", "initialAccumulatorValue", "eps"]);
  }
}

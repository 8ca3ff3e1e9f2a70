/** Adamax, with PyTorch's options and numbers. */
import { abs, add, div, maximum, mul, sub } from "../ir/ops/index.ts";
import { checkMoments } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import { decayed, eps, stepRule, weightDecay, type Coefficient, type Method, type MomentSettings } from "./rules.ts";

const adamaxStep = /* @__PURE__ */ stepRule({
  name: "adamaxStep",
  doc:
    "g' = g + weightDecay p; m' = beta1 m + (1 - beta1) g'; u' = max(beta2 u, |g'| + eps); " +
    "p' = p - lr / (1 - beta1^t) m' / u'.",
  states: 2,
  settings: 6,
  update({ param: p, grad, states: [m, u], settings: [stepSize, beta1, rest1, beta2, small, rate] }) {
    const g = decayed(grad, p, rate);
    const nextM = add(mul(m!, beta1!), mul(rest1!, g));
    const nextU = maximum(mul(u!, beta2!), add(abs(g), small!));
    return { param: sub(p, mul(stepSize!, div(nextM, nextU))), states: [nextM, nextU] };
  },
});

const coefficients: readonly Coefficient<MomentSettings>[] = [
  (s, t) => s.lr / (1 - t.power(0)),
  (s) => s.betas[0],
  (s) => 1 - s.betas[0],
  (s) => s.betas[1],
  eps,
];

const adamax: Method<MomentSettings> = {
  rule: () => adamaxStep,
  states: () => ["expAvg", "expInf"],
  flags: (s) => ({ decay: s.weightDecay !== 0 }),
  betas: (s) => [s.betas[0]],
  coefficients: (s) => (s.weightDecay === 0 ? coefficients : [...coefficients, weightDecay]),
};

/** Kingma & Ba (2015), section 7.1: Adam by the largest gradient in place of the second moment. */
export class Adamax extends Optimizer<MomentSettings> {
  constructor(params: Params<MomentSettings>, options: Partial<MomentSettings> = {}) {
    super(params, { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, ...options }, adamax);
  }

  protected override check(s: MomentSettings): void {
    checkMoments("Adamax", s);
  }
}

/** NAdam, with PyTorch's options and numbers. */
import { add, div, mul, sqrt, sub } from "../ir/ops/index.ts";
import { checkEach, checkMoments } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import {
  decayed,
  decays,
  eps,
  moments,
  stepRule,
  weightDecay,
  type Coefficient,
  type Method,
  type MomentSettings,
} from "./rules.ts";

export interface NAdamSettings extends MomentSettings {
  /** How fast the momentum comes up to beta1. */
  momentumDecay: number;
}

const nadamStep = /* @__PURE__ */ stepRule({
  name: "nadamStep",
  doc:
    "Moments of g + weightDecay p as Adam's; mu_t = beta1 (1 - 0.96^(t momentumDecay) / 2), M_t = mu_1 .. mu_t; " +
    "p' = p - (lr (1 - mu_t) / (1 - M_t) g + lr mu_(t+1) / (1 - M_(t+1)) m') / (sqrt(v') / sqrt(1 - beta2^t) + eps).",
  states: 2,
  settings: 9,
  update({ param: p, grad, states, settings: [ofGrad, ofMoment, root, beta1, rest1, beta2, rest2, small, rate] }) {
    const g = decayed(grad, p, rate);
    const [m, v] = moments(g, states, [beta1!, rest1!, beta2!, rest2!]);
    const scale = add(div(sqrt(v), root!), small!);
    return { param: sub(p, div(add(mul(ofGrad!, g), mul(ofMoment!, m)), scale)), states: [m, v] };
  },
});

/** The momentum of step t. */
const momentum = (s: NAdamSettings, t: number): number => s.betas[0] * (1 - 0.5 * 0.96 ** (t * s.momentumDecay));

const coefficients: readonly Coefficient<NAdamSettings>[] = [
  (s, t) => (s.lr * (1 - momentum(s, t.count + 1))) / (1 - t.power(0)),
  (s, t) => {
    const next = momentum(s, t.count + 2);
    return (s.lr * next) / (1 - t.power(0) * next);
  },
  (_, t) => Math.sqrt(1 - t.power(1)),
  ...decays,
  eps,
];

const nadam: Method<NAdamSettings> = {
  rule: () => nadamStep,
  states: () => ["expAvg", "expAvgSq"],
  flags: (s) => ({ decay: s.weightDecay !== 0 }),
  betas: (s, count) => [momentum(s, count + 1), s.betas[1]],
  coefficients: (s) => (s.weightDecay === 0 ? coefficients : [...coefficients, weightDecay]),
};

/** Dozat, "Incorporating Nesterov momentum into Adam" (2016). Weight decay, 0 unless given, is added to the gradient. */
export class NAdam extends Optimizer<NAdamSettings> {
  constructor(params: Params<NAdamSettings>, options: Partial<NAdamSettings> = {}) {
    const defaults = { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, momentumDecay: 4e-3 } as const;
    super(params, { ...defaults, ...options }, nadam);
  }

  protected override check(s: NAdamSettings): void {
    checkMoments("NAdam", s);
    checkEach("NAdam", s, ["momentumDecay"]);
  }
}

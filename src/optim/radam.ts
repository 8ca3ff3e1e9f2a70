/** RAdam, with PyTorch's options and numbers. */
import { add, div, gt, mul, sqrt, sub, where } from "../ir/ops/index.ts";
import { checkMoments } from "./check.ts";
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
  type Progress,
} from "./rules.ts";

const radamStep = /* @__PURE__ */ stepRule({
  name: "radamStep",
  doc:
    "Moments of g + weightDecay p as Adam's; p' = p - lr / (1 - beta1^t) m' s, with s = r_t sqrt(1 - beta2^t) / " +
    "(sqrt(v') + eps) once r_t, the rectification, is defined, and 1 before.",
  states: 2,
  settings: 8,
  update({ param: p, grad, states, settings: [stepSize, rectified, beta1, rest1, beta2, rest2, small, rate] }) {
    const g = decayed(grad, p, rate);
    const [m, v] = moments(g, states, [beta1!, rest1!, beta2!, rest2!]);
    // A number chooses, not a flag, so that the sixth step is the program of the fifth.
    const scale = where(gt(rectified!, 0), div(rectified!, add(sqrt(v), small!)), 1);
    return { param: sub(p, mul(stepSize!, mul(m, scale))), states: [m, v] };
  },
});

/** r_t sqrt(1 - beta2^t), or 0 while the variance is intractable (rho_t <= 5). Liu et al., algorithm 2. */
function rectification({ betas: [, beta2] }: MomentSettings, t: Progress): number {
  const rest = 1 - t.power(1);
  const last = 2 / (1 - beta2) - 1;
  const rho = last - (2 * (t.count + 1) * t.power(1)) / rest;
  if (rho <= 5) return 0;
  return Math.sqrt((((rho - 4) * (rho - 2) * last) / ((last - 4) * (last - 2) * rho)) * rest);
}

const coefficients: readonly Coefficient<MomentSettings>[] = [
  (s, t) => s.lr / (1 - t.power(0)),
  rectification,
  ...decays,
  eps,
];

const radam: Method<MomentSettings> = {
  rule: () => radamStep,
  states: () => ["expAvg", "expAvgSq"],
  flags: (s) => ({ decay: s.weightDecay !== 0 }),
  betas: (s) => s.betas,
  coefficients: (s) => (s.weightDecay === 0 ? coefficients : [...coefficients, weightDecay]),
};

/** Liu et al., "On the variance of the adaptive learning rate and beyond" (2020). Weight decay is added to the gradient. */
export class RAdam extends Optimizer<MomentSettings> {
  constructor(params: Params<MomentSettings>, options: Partial<MomentSettings> = {}) {
    super(params, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, ...options }, radam);
  }

  protected override check(s: MomentSettings): void {
    checkMoments("RAdam", s);
  }
}

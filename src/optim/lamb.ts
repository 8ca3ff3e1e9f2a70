/** LAMB. */
import { add, div, gt, mul, sqrt, sub, sum, where } from "../ir/ops/index.ts";
import type { Node } from "../ir/node.ts";
import { checkMoments } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import {
  decays,
  eps,
  learningRate,
  moments,
  stepRule,
  weightDecay,
  type Coefficient,
  type Method,
  type MomentSettings,
} from "./rules.ts";

const norm = (x: Node): Node =>
  sqrt(
    sum(
      mul(x, x),
      x.shape.map((_, i) => i),
    ),
  );

const lambStep = /* @__PURE__ */ stepRule({
  name: "lambStep",
  doc:
    "Moments of g as Adam's; r = m' / (1 - beta1^t) / (sqrt(v') / sqrt(1 - beta2^t) + eps) + weightDecay p; " +
    "p' = p - lr |p| / |r| r, the quotient of norms being 1 where one of them is 0.",
  states: 2,
  settings: 9,
  update({ param: p, grad: g, states, settings: [lr, first, root, beta1, rest1, beta2, rest2, small, rate] }) {
    const [m, v] = moments(g, states, [beta1!, rest1!, beta2!, rest2!]);
    const adapted = div(mul(first!, m), add(div(sqrt(v), root!), small!));
    const r = rate === undefined ? adapted : add(adapted, mul(rate, p));
    const [ofParam, ofStep] = [norm(p), norm(r)];
    const trust = where(gt(mul(ofParam, ofStep), 0), div(ofParam, ofStep), 1);
    return { param: sub(p, mul(mul(lr!, trust), r)), states: [m, v] };
  },
});

const coefficients: readonly Coefficient<MomentSettings>[] = [
  learningRate,
  (_, t) => 1 / (1 - t.power(0)),
  (_, t) => Math.sqrt(1 - t.power(1)),
  ...decays,
  eps,
];

const lamb: Method<MomentSettings> = {
  rule: () => lambStep,
  states: () => ["expAvg", "expAvgSq"],
  flags: (s) => ({ decay: s.weightDecay !== 0 }),
  betas: (s) => s.betas,
  coefficients: (s) => (s.weightDecay === 0 ? coefficients : [...coefficients, weightDecay]),
};

/**
 * You et al., "Large batch optimization for deep learning" (2020), algorithm 2 with the identity for phi: Adam whose
 * step is as long as the parameter, layer by layer. The norms are reductions: a few draws a parameter.
 */
export class LAMB extends Optimizer<MomentSettings> {
  constructor(params: Params<MomentSettings>, options: Partial<MomentSettings> = {}) {
    super(params, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-6, weightDecay: 0, ...options }, lamb);
  }

  protected override check(s: MomentSettings): void {
    checkMoments("LAMB", s);
  }
}

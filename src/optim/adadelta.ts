/** Adadelta, with PyTorch's options and numbers. */
import { add, div, mul, sqrt, sub } from "../ir/ops/index.ts";
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

export interface AdadeltaSettings extends Settings {
  /** Of the running means of squares. */
  rho: number;
  eps: number;
  weightDecay: number;
}

const adadeltaStep = /* @__PURE__ */ stepRule({
  name: "adadeltaStep",
  doc:
    "g' = g + weightDecay p; v' = rho v + (1 - rho) g'^2; d = sqrt(u + eps) / sqrt(v' + eps) g'; " +
    "u' = rho u + (1 - rho) d^2; p' = p - lr d.",
  states: 2,
  settings: 5,
  update({ param: p, grad, states: [v, u], settings: [lr, rho, rest, small, decay] }) {
    const g = decayed(grad, p, decay);
    const nextV = add(mul(v!, rho!), mul(mul(rest!, g), g));
    const d = mul(div(sqrt(add(u!, small!)), sqrt(add(nextV, small!))), g);
    const nextU = add(mul(u!, rho!), mul(mul(rest!, d), d));
    return { param: sub(p, mul(lr!, d)), states: [nextV, nextU] };
  },
});

const coefficients: readonly Coefficient<AdadeltaSettings>[] = [learningRate, (s) => s.rho, (s) => 1 - s.rho, eps];

const adadelta: Method<AdadeltaSettings> = {
  rule: () => adadeltaStep,
  states: () => ["squareAvg", "accDelta"],
  flags: (s) => ({ decay: s.weightDecay !== 0 }),
  betas: () => [],
  coefficients: (s) => (s.weightDecay === 0 ? coefficients : [...coefficients, weightDecay]),
};

/** Zeiler (2012): steps in the unit of the parameter, as long as the mean of its past ones. */
export class Adadelta extends Optimizer<AdadeltaSettings> {
  constructor(params: Params<AdadeltaSettings>, options: Partial<AdadeltaSettings> = {}) {
    super(params, { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, ...options }, adadelta);
  }

  protected override check(s: AdadeltaSettings): void {
    checkEach("Adadelta", s, ["lr", "eps", "weightDecay"]);
    checkRange("Adadelta", "rho", s.rho, 0, 1);
  }
}

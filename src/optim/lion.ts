/** Lion. */
import { add, mul, sign, sub } from "../ir/ops/index.ts";
import { checkEach, checkRange } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import { decays, learningRate, shrink, stepRule, type Coefficient, type Method, type Settings } from "./rules.ts";

export interface LionSettings extends Settings {
  betas: readonly [number, number];
  weightDecay: number;
}

const lionStep = /* @__PURE__ */ stepRule({
  name: "lionStep",
  doc: "p' = (1 - lr weightDecay) p - lr sign(beta1 m + (1 - beta1) g); m' = beta2 m + (1 - beta2) g.",
  states: 1,
  settings: 6,
  update({ param: p, grad: g, states: [m], settings: [lr, beta1, rest1, beta2, rest2, left] }) {
    const direction = sign(add(mul(m!, beta1!), mul(rest1!, g)));
    const start = left === undefined ? p : mul(p, left);
    return { param: sub(start, mul(lr!, direction)), states: [add(mul(m!, beta2!), mul(rest2!, g))] };
  },
});

const coefficients: readonly Coefficient<LionSettings>[] = [learningRate, ...decays];

const lion: Method<LionSettings> = {
  rule: () => lionStep,
  states: () => ["expAvg"],
  flags: (s) => ({ decay: s.weightDecay !== 0 }),
  betas: () => [],
  coefficients: (s) => (s.weightDecay === 0 ? coefficients : [...coefficients, shrink]),
};

/** Chen et al., "Symbolic discovery of optimization algorithms" (2023), algorithm 2. Weight decay is decoupled. */
export class Lion extends Optimizer<LionSettings> {
  constructor(params: Params<LionSettings>, options: Partial<LionSettings> = {}) {
    super(params, { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0, ...options }, lion);
  }

  protected override check(s: LionSettings): void {
    checkEach("Lion", s, ["lr", "weightDecay"]);
    checkRange("Lion", "betas[0]", s.betas[0], 0, 1);
    checkRange("Lion", "betas[1]", s.betas[1], 0, 1);
  }
}

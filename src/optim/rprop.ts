/** Rprop, with PyTorch's options and numbers. */
import { GradError } from "../ir/errors.ts";
import { gt, lt, maximum, minimum, mul, sign, sub, where } from "../ir/ops/index.ts";
import { checkRange } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import { stepRule, type Coefficient, type Method, type Settings } from "./rules.ts";

export interface RpropSettings extends Settings {
  /** What a step size is multiplied with when the gradient's sign changes, and when it does not. */
  etas: readonly [minus: number, plus: number];
  /** The smallest and the largest step. */
  stepSizes: readonly [low: number, high: number];
}

const rpropStep = /* @__PURE__ */ stepRule({
  name: "rpropStep",
  doc:
    "d' = d eta, eta by the sign of g g_before (0: 1), within stepSizes; where the sign changed g' = 0, else g' = g; " +
    "p' = p - sign(g') d'.",
  states: 2,
  settings: 4,
  update({ param: p, grad: g, states: [before, size], settings: [minus, plus, low, high] }) {
    const product = mul(g, before!);
    const turned = lt(product, 0);
    const scaled = mul(size!, where(gt(product, 0), plus!, where(turned, minus!, 1)));
    const nextSize = minimum(maximum(scaled, low!), high!);
    const next = where(turned, 0, g);
    return { param: sub(p, mul(sign(next), nextSize)), states: [next, nextSize] };
  },
});

const coefficients: readonly Coefficient<RpropSettings>[] = [
  (s) => s.etas[0],
  (s) => s.etas[1],
  (s) => s.stepSizes[0],
  (s) => s.stepSizes[1],
];

const rprop: Method<RpropSettings> = {
  rule: () => rpropStep,
  states: () => ["prev", "stepSize"],
  flags: () => ({}),
  betas: () => [],
  coefficients: () => coefficients,
  initial: (s, name) => (name === "stepSize" ? s.lr : 0),
};

/** Riedmiller & Braun (1993): only the signs of gradients count. For whole batches; `lr` is the first step. */
export class Rprop extends Optimizer<RpropSettings> {
  constructor(params: Params<RpropSettings>, options: Partial<RpropSettings> = {}) {
    super(params, { lr: 1e-2, etas: [0.5, 1.2], stepSizes: [1e-6, 50], ...options }, rprop);
  }

  protected override check(s: RpropSettings): void {
    checkRange("Rprop", "lr", s.lr, 0);
    const [[minus, plus], [low, high]] = [s.etas, s.stepSizes];
    if (!(minus > 0 && minus < 1 && plus > 1 && plus < Infinity)) {
      throw new GradError(`Rprop: etas are ${minus} and ${plus}; the first must be in (0, 1), the second above 1`);
    }
    if (!(low >= 0 && high >= low && high < Infinity)) {
      throw new GradError(`Rprop: stepSizes are ${low} and ${high}; they must be finite, from low to high`);
    }
  }
}

/** Muon, with the options and numbers of torch.optim.Muon (2.9). */
import { matmul } from "../ir/compose/index.ts";
import { GradError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { add, div, maximum, mul, permute, sqrt, sub, sum } from "../ir/ops/index.ts";
import { show } from "../ir/shape.ts";
import type { Tensor } from "../trace/index.ts";
import { checkEach, checkRange } from "./check.ts";
import { Optimizer, type Params } from "./optimizer.ts";
import { learningRate, shrink, stepRule, type Coefficient, type Method, type Settings } from "./rules.ts";

export interface MuonSettings extends Settings {
  weightDecay: number;
  momentum: number;
  nesterov: boolean;
  /** Below this, the norm that the step is divided by. */
  eps: number;
  /** Steps of the Newton-Schulz iteration; part of the programs. */
  nsSteps: number;
  /**
   * How lr depends on a matrix of a rows and b columns: "original" sqrt(max(1, a / b)), or "matchRmsAdamw"
   * 0.2 sqrt(max(a, b)), whose steps are as long as AdamW's.
   */
  adjustLrFn: "original" | "matchRmsAdamw";
}

/** The quintic of Jordan et al. (2024), a X + b (X X^T) X + c (X X^T)^2 X. */
const [A, B, C] = [3.4445, -4.775, 2.0315];

/** Nearly the orthogonal factor of x: [a, b]; singular values come to lie in about 0.7 to 1.2. */
function orthogonal(x: Node, steps: number, least: Node): Node {
  const isTall = x.shape[0]! > x.shape[1]!;
  const wide = isTall ? permute(x, [1, 0]) : x;
  let y = div(wide, maximum(sqrt(sum(mul(wide, wide), [0, 1])), least));
  for (let i = 0; i < steps; i++) {
    const gram = matmul(y, permute(y, [1, 0]));
    const quadratic = add(mul(gram, B), mul(matmul(gram, gram), C));
    y = add(mul(y, A), matmul(quadratic, y));
  }
  return isTall ? permute(y, [1, 0]) : y;
}

const muonStep = /* @__PURE__ */ stepRule({
  name: "muonStep",
  doc:
    "b' = momentum b + (1 - momentum) g; u = b', or (1 - momentum) g + momentum b' (Nesterov); " +
    "p' = (1 - lr weightDecay) p - lr s orthogonal(u), s by the matrix' shape.",
  states: 1,
  settings: 5,
  update({ param: p, grad: g, states: [b], settings: [lr, mu, rest, least, left], flags }) {
    const next = add(mul(b!, mu!), mul(rest!, g));
    const u = flags["nesterov"] === true ? add(mul(rest!, g), mul(mu!, next)) : next;
    const [rows, columns] = p.shape as readonly [number, number];
    const s =
      flags["adjust"] === "original"
        ? Math.sqrt(Math.max(1, rows / columns))
        : 0.2 * Math.sqrt(Math.max(rows, columns));
    const step = mul(orthogonal(u, flags["nsSteps"] as number, least!), mul(lr!, s));
    return { param: sub(left === undefined ? p : mul(p, left), step), states: [next] };
  },
});

const coefficients: readonly Coefficient<MuonSettings>[] = [
  learningRate,
  (s) => s.momentum,
  (s) => 1 - s.momentum,
  (s) => s.eps,
];

const muon: Method<MuonSettings> = {
  rule: () => muonStep,
  states: () => ["momentumBuffer"],
  flags: (s) => ({ nesterov: s.nesterov, adjust: s.adjustLrFn, nsSteps: s.nsSteps, decay: s.weightDecay !== 0 }),
  betas: () => [],
  coefficients: (s) => (s.weightDecay === 0 ? coefficients : [...coefficients, shrink]),
};

/**
 * Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024): the running mean of gradients, made
 * orthogonal. For matrices; biases, embeddings and convolutions go to another optimizer, AdamW say.
 */
export class Muon extends Optimizer<MuonSettings> {
  constructor(params: Params<MuonSettings>, options: Partial<MuonSettings> = {}) {
    const defaults = { lr: 1e-3, weightDecay: 0.1, momentum: 0.95, nesterov: true, eps: 1e-7, nsSteps: 5 };
    super(params, { ...defaults, adjustLrFn: "original", ...options }, muon);
  }

  protected override check(s: MuonSettings): void {
    checkEach("Muon", s, ["lr", "weightDecay", "eps"]);
    checkRange("Muon", "momentum", s.momentum, 0, 1);
    if (!Number.isInteger(s.nsSteps) || s.nsSteps < 1 || s.nsSteps > 99) {
      throw new GradError(`Muon: nsSteps is ${s.nsSteps}; it must be a whole number from 1 to 99`);
    }
  }

  protected override checkParam(param: Tensor, i: number): void {
    if (param.ndim === 2) return;
    throw new GradError(
      `Muon: parameter ${i} is ${show(param.shape)}; Muon steps matrices only, give the others to AdamW, say`,
    );
  }
}

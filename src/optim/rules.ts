/**
 * The update rules: what one step does to one parameter, as macros of + - * / and sqrt.
 *
 * A method says which rule and which state it takes with given settings, which flags choose the formula (they are in
 * the plan's key) and which numbers the formula takes. Those are computed on the host in double precision when the
 * step is submitted, as PyTorch does, and reach the device as uniforms: a schedule compiles nothing.
 * Not here: parameters, groups, counts of steps.
 *
 * Letters: p parameter, g gradient, d direction, b momentum buffer, mu momentum, m and v first and second moment.
 */
import type { Attrs, Node } from "../ir/node.ts";
import { add, div, mul, sqrt, sub } from "../ir/ops/index.ts";
import { updateRule, type UpdateRule } from "../trace/index.ts";

/** How far a parameter has come. */
export interface Progress {
  /** Steps taken before this one. */
  readonly count: number;
  /** beta^t of the method's i-th beta, t counting this step; multiplied up step by step. */
  power(i: number): number;
}

/**
 * A number of the formula, from the settings at the moment of submission. A method's type, as all below, so that every
 * optimizer is an `Optimizer`, whatever its settings.
 */
export type Coefficient<S> = { of(settings: S, progress: Progress): number }["of"];

export interface Method<S> {
  rule(settings: S): UpdateRule;
  /** One name per state of the rule: PyTorch's, in camelCase. */
  states(settings: S): readonly string[];
  flags(settings: S): Attrs;
  /** The bases whose powers the coefficients ask for. */
  betas(settings: S): readonly number[];
  /** In the order in which the rule takes them. */
  coefficients(settings: S): readonly Coefficient<S>[];
}

export interface SGDSettings {
  lr: number;
  momentum: number;
  dampening: number;
  weightDecay: number;
  nesterov: boolean;
}

const sgdStep: UpdateRule = /* @__PURE__ */ updateRule({
  name: "sgdStep",
  doc: "d = g + weightDecay p; p' = p - lr d.",
  states: 0,
  settings: 2,
  update({ param: p, grad: g, settings: [lr, weightDecay] }) {
    return { param: sub(p, mul(lr!, decayed(g, p, weightDecay))), states: [] };
  },
});

const momentumStep: UpdateRule = /* @__PURE__ */ updateRule({
  name: "momentumStep",
  doc: "d = g + weightDecay p; b' = momentum b + (1 - dampening) d; p' = p - lr b', or p - lr (d + momentum b') (Nesterov).",
  states: 1,
  settings: 4,
  update({ param: p, grad: g, states: [b], settings: [lr, mu, gain, weightDecay], flags }) {
    const d = decayed(g, p, weightDecay);
    const next = add(mul(mu!, b!), mul(gain!, d));
    const direction = flags["nesterov"] === true ? add(d, mul(mu!, next)) : next;
    return { param: sub(p, mul(lr!, direction)), states: [next] };
  },
});

/** The gradient with weight decay, where there is one. */
const decayed = (g: Node, p: Node, weightDecay: Node | undefined): Node =>
  weightDecay === undefined ? g : add(g, mul(weightDecay, p));

const learningRate: Coefficient<{ readonly lr: number }> = (s) => s.lr;
const weightDecay: Coefficient<{ readonly weightDecay: number }> = (s) => s.weightDecay;
const momentum: Coefficient<SGDSettings> = (s) => s.momentum;
/** The first step takes the whole gradient: PyTorch's buffer starts as a copy of it, ours as zeros. */
const gain: Coefficient<SGDSettings> = (s, { count }) => (count === 0 ? 1 : 1 - s.dampening);

export const sgd: Method<SGDSettings> = {
  rule: (s) => (s.momentum === 0 ? sgdStep : momentumStep),
  states: (s) => (s.momentum === 0 ? [] : ["momentumBuffer"]),
  flags: (s) => ({ nesterov: s.nesterov, decay: s.weightDecay !== 0 }),
  betas: () => [],
  coefficients: (s) => [
    learningRate,
    ...(s.momentum === 0 ? [] : [momentum, gain]),
    ...(s.weightDecay === 0 ? [] : [weightDecay]),
  ],
};

export interface AdamSettings {
  lr: number;
  betas: readonly [number, number];
  eps: number;
  weightDecay: number;
}

const adamStep: UpdateRule = /* @__PURE__ */ updateRule({
  name: "adamStep",
  doc:
    "m' = beta1 m + (1 - beta1) g; v' = beta2 v + (1 - beta2) g^2; " +
    "p' = p - lr / (1 - beta1^t) m' / (sqrt(v') / sqrt(1 - beta2^t) + eps). " +
    "Coupled decay adds weightDecay p to g; decoupled decay first scales p by 1 - lr weightDecay.",
  states: 2,
  settings: 8,
  update({ param: p, grad, states: [m, v], settings, flags: { decay } }) {
    const [stepSize, root, beta1, rest1, beta2, rest2, eps, rate] = settings;
    const g = decay === "coupled" ? decayed(grad, p, rate) : grad;
    const start = decay === "decoupled" ? mul(p, rate!) : p;
    const nextM = add(mul(m!, beta1!), mul(rest1!, g));
    const nextV = add(mul(v!, beta2!), mul(mul(rest2!, g), g));
    const scale = add(div(sqrt(nextV), root!), eps!);
    return { param: sub(start, mul(stepSize!, div(nextM, scale))), states: [nextM, nextV] };
  },
});

const adamCoefficients: readonly Coefficient<AdamSettings>[] = [
  (s, t) => s.lr / (1 - t.power(0)),
  (_, t) => Math.sqrt(1 - t.power(1)),
  (s) => s.betas[0],
  // 1 - beta in double: in f32, 1 - 0.999 would be 5e-5 off.
  (s) => 1 - s.betas[0],
  (s) => s.betas[1],
  (s) => 1 - s.betas[1],
  (s) => s.eps,
];
const shrink: Coefficient<AdamSettings> = (s) => 1 - s.lr * s.weightDecay;

const adamMethod = (decay: "coupled" | "decoupled"): Method<AdamSettings> => ({
  rule: () => adamStep,
  states: () => ["expAvg", "expAvgSq"],
  flags: (s) => ({ decay: s.weightDecay === 0 ? "none" : decay }),
  betas: (s) => s.betas,
  coefficients: (s) =>
    s.weightDecay === 0 ? adamCoefficients : [...adamCoefficients, decay === "coupled" ? weightDecay : shrink],
});

/** Kingma & Ba, "Adam: a method for stochastic optimization" (2015); weight decay is added to the gradient. */
export const adam = /* @__PURE__ */ adamMethod("coupled");

/** Loshchilov & Hutter, "Decoupled weight decay regularization" (2019). */
export const adamW = /* @__PURE__ */ adamMethod("decoupled");

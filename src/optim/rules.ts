/**
 * The update rules: what one step does to one parameter, as macros of elementwise ops (LAMB and Muon reduce too). Here
 * are those of SGD and Adam and what all share; the others stand beside their classes.
 *
 * A method says which rule and which state it takes with given settings, which flags choose the formula (they are in
 * the plan's key) and which numbers the formula takes. Those are computed on the host in double precision when the
 * step is submitted, as PyTorch does, and reach the device as uniforms: a schedule compiles nothing.
 * Not here: parameters, groups, counts of steps.
 *
 * Letters: p parameter, g gradient, d direction, b momentum buffer, mu momentum, m and v first and second moment.
 */
import type { Attrs, Node } from "../ir/node.ts";
import { add, div, maximum, mul, neg, sqrt, sub } from "../ir/ops/index.ts";
import { updateRule, type UpdateRule } from "../trace/index.ts";

/** How far a parameter has come. */
export interface Progress {
  /** Steps taken before this one. */
  readonly count: number;
  /** beta^t of the method's i-th beta, t counting this step; multiplied up step by step. */
  power(i: number): number;
}

/** What every optimizer can be told. */
export interface Settings {
  lr: number;
  /** Whether steps go up the gradient. Default false. */
  maximize?: boolean;
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
  /** The bases whose powers the coefficients ask for; `count` steps were taken before. */
  betas(settings: S, count: number): readonly number[];
  /** In the order in which the rule takes them. */
  coefficients(settings: S): readonly Coefficient<S>[];
  /** What a state begins with. Default 0. */
  initial?(settings: S, state: string): number;
}

/** An update rule that knows the flag `maximize`, which the optimizer sets: the gradient is turned around first. */
export const stepRule = (row: Parameters<typeof updateRule>[0]): UpdateRule =>
  updateRule({
    ...row,
    update: (x) => row.update(x.flags["maximize"] === true ? { ...x, grad: neg(x.grad) } : x),
  });

export interface SGDSettings extends Settings {
  momentum: number;
  dampening: number;
  weightDecay: number;
  nesterov: boolean;
}

const sgdStep: UpdateRule = /* @__PURE__ */ stepRule({
  name: "sgdStep",
  doc: "d = g + weightDecay p; p' = p - lr d.",
  states: 0,
  settings: 2,
  update({ param: p, grad: g, settings: [lr, weightDecay] }) {
    return { param: sub(p, mul(lr!, decayed(g, p, weightDecay))), states: [] };
  },
});

const momentumStep: UpdateRule = /* @__PURE__ */ stepRule({
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
export const decayed = (g: Node, p: Node, weightDecay: Node | undefined): Node =>
  weightDecay === undefined ? g : add(g, mul(weightDecay, p));

export const learningRate: Coefficient<{ readonly lr: number }> = (s) => s.lr;
export const weightDecay: Coefficient<{ readonly weightDecay: number }> = (s) => s.weightDecay;
export const eps: Coefficient<{ readonly eps: number }> = (s) => s.eps;
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

/** What the methods with two moments share. */
export interface MomentSettings extends Settings {
  betas: readonly [number, number];
  eps: number;
  weightDecay: number;
}

export interface AdamSettings extends MomentSettings {
  /** Whether the second moment is the largest there was. Default false. */
  amsgrad?: boolean;
}

/** beta1, 1 - beta1, beta2, 1 - beta2, in the order of `moments`. */
export const decays: readonly Coefficient<{ readonly betas: readonly [number, number] }>[] = [
  (s) => s.betas[0],
  // 1 - beta in double: in f32, 1 - 0.999 would be 5e-5 off.
  (s) => 1 - s.betas[0],
  (s) => s.betas[1],
  (s) => 1 - s.betas[1],
];

/** m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2. */
export function moments(
  g: Node,
  [m, v]: readonly Node[],
  [beta1, rest1, beta2, rest2]: readonly Node[],
): readonly [m: Node, v: Node] {
  return [add(mul(m!, beta1!), mul(rest1!, g)), add(mul(v!, beta2!), mul(mul(rest2!, g), g))];
}

const adamRule = (name: string, states: 2 | 3, note: string): UpdateRule =>
  stepRule({
    name,
    doc:
      "m' = beta1 m + (1 - beta1) g; v' = beta2 v + (1 - beta2) g^2; " +
      `p' = p - lr / (1 - beta1^t) m' / (sqrt(v') / sqrt(1 - beta2^t) + eps)${note}. ` +
      "Coupled decay adds weightDecay p to g; decoupled decay first scales p by 1 - lr weightDecay.",
    states,
    settings: 8,
    update({ param: p, grad, states: old, settings, flags: { decay } }) {
      const [stepSize, root, beta1, rest1, beta2, rest2, small, rate] = settings;
      const g = decay === "coupled" ? decayed(grad, p, rate) : grad;
      const start = decay === "decoupled" ? mul(p, rate!) : p;
      const [m, v] = moments(g, old, [beta1!, rest1!, beta2!, rest2!]);
      const largest = states === 3 ? [maximum(old[2]!, v)] : [];
      const scale = add(div(sqrt(largest[0] ?? v), root!), small!);
      return { param: sub(start, mul(stepSize!, div(m, scale))), states: [m, v, ...largest] };
    },
  });
const adamStep = /* @__PURE__ */ adamRule("adamStep", 2, "");
const amsgradStep = /* @__PURE__ */ adamRule("amsgradStep", 3, ", with the largest v' so far for v'");

const adamCoefficients: readonly Coefficient<AdamSettings>[] = [
  (s, t) => s.lr / (1 - t.power(0)),
  (_, t) => Math.sqrt(1 - t.power(1)),
  ...decays,
  eps,
];
/** What decoupled weight decay leaves of a parameter. */
export const shrink: Coefficient<{ readonly lr: number; readonly weightDecay: number }> = (s) =>
  1 - s.lr * s.weightDecay;

const adamMethod = (decay: "coupled" | "decoupled"): Method<AdamSettings> => ({
  rule: (s) => (s.amsgrad === true ? amsgradStep : adamStep),
  states: (s) => (s.amsgrad === true ? ["expAvg", "expAvgSq", "maxExpAvgSq"] : ["expAvg", "expAvgSq"]),
  flags: (s) => ({ decay: s.weightDecay === 0 ? "none" : decay }),
  betas: (s) => s.betas,
  coefficients: (s) =>
    s.weightDecay === 0 ? adamCoefficients : [...adamCoefficients, decay === "coupled" ? weightDecay : shrink],
});

/** Kingma & Ba, "Adam: a method for stochastic optimization" (2015); weight decay is added to the gradient. */
export const adam = /* @__PURE__ */ adamMethod("coupled");

/** Loshchilov & Hutter, "Decoupled weight decay regularization" (2019). */
export const adamW = /* @__PURE__ */ adamMethod("decoupled");

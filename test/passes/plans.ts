/**
 * Plans of small programs for the tests of this folder: seeded leaves, a profile, the draws and the GLSL of a plan.
 */
import { generate } from "../../src/codegen/glsl/generate.ts";
import type { CompileRequest } from "../../src/ir/device.ts";
import { hostArray, type DType } from "../../src/ir/dtype.ts";
import { gradientItems } from "../../src/autodiff/gradient.ts";
import { expandMacros } from "../../src/autodiff/expand.ts";
import { item, macro, type Node } from "../../src/ir/node.ts";
import { cell, input, uniform } from "../../src/ir/ops/leaf.ts";
import type { DeviceProfile, KernelPlan } from "../../src/ir/plan.ts";
import { numel } from "../../src/ir/shape.ts";
import { adam, sgd, type Method } from "../../src/optim/rules.ts";
import { buildPlan, type PlanOptions } from "../../src/passes/index.ts";
import { requestOf } from "../support/run-graph.ts";

export const profile: DeviceProfile = {
  name: "test",
  maxTextureSize: 4096,
  maxDrawBuffers: 8,
  maxTextureUnits: 16,
  maxFragmentUniformVectors: 224,
  fetch: "texelFetch",
  off: [],
};

let seed = 0;

/** A leaf with values in (-1.5, 1.5), other ones each time; integers are class indices below 4. */
export function leaf(shape: readonly number[], dtype: DType = "f32"): Node {
  const array = hostArray(dtype, numel(shape));
  seed++;
  for (let i = 0; i < array.length; i++) {
    array[i] =
      dtype === "f32" ? 1.5 * Math.sin((i + 1) * (2.399 + seed) + seed) : (i * 7 + seed) % (dtype === "bool" ? 2 : 4);
  }
  return input({ kind: "input", array }, dtype, shape);
}

export const number = (value = 0.1): Node => uniform({ kind: "uniform", read: () => value });

let cells = 0;
export const parameter = (...shape: readonly number[]): Node =>
  cell({ kind: "cell", version: 0, cell: { id: cells++, label: "p", dtype: "f32", shape } });

export const glsl = (plan: KernelPlan, on: DeviceProfile = profile): string[] =>
  plan.kernels.map((k) => generate(k, on).source);

export const planFor = (request: CompileRequest, on: DeviceProfile = profile, options: PlanOptions = {}): KernelPlan =>
  buildPlan(request, on, expandMacros, options);

/** What one submit of a training step asks for: the loss, and the next version of every parameter and state. */
export function trainingStep(
  loss: Node,
  parameters: readonly Node[],
  optimizer: "sgd" | "adam" = "sgd",
): CompileRequest {
  const settings = {
    lr: 0,
    momentum: 0,
    dampening: 0,
    weightDecay: 0,
    nesterov: false,
    betas: [0, 0] as const,
    eps: 0,
  };
  const method = (optimizer === "sgd" ? sgd : adam) as Method<typeof settings>;
  const { macro: rule } = method.rule(settings);
  const numbers = method.coefficients(settings).map(() => number());
  const gradients = gradientItems(loss, null, parameters);
  const assigned: [Node, Node][] = parameters.flatMap((p, i): [Node, Node][] => {
    const states = method.states(settings).map(() => parameter(...p.shape));
    const all = macro(rule, [p, gradients[i]!, ...states, ...numbers], method.flags(settings));
    return [p, ...states].map((c, k): [Node, Node] => [c, item(all, k)]);
  });
  const request = requestOf([loss, ...assigned.map(([, next]) => next)]);
  return {
    ...request,
    roots: request.roots.map(({ node }, i) => {
      const own = assigned[i - 1]?.[0];
      if (own === undefined) return { node, assigns: null };
      return { node, assigns: { leaf: request.leaves.findIndex((l) => l.node === own), layout: null } };
    }),
  };
}

/**
 * Plans of small programs for the tests of this folder: seeded leaves, a profile, the draws and the GLSL of a plan.
 */
import { generate } from "../../src/codegen/glsl/generate.ts";
import type { CompileRequest } from "../../src/ir/device.ts";
import { hostArray, type DType } from "../../src/ir/dtype.ts";
import { expandMacros } from "../../src/autodiff/expand.ts";
import type { Node } from "../../src/ir/node.ts";
import { input, uniform } from "../../src/ir/ops/leaf.ts";
import type { DeviceProfile, KernelPlan } from "../../src/ir/plan.ts";
import { numel } from "../../src/ir/shape.ts";
import { buildPlan, type PlanOptions } from "../../src/passes/index.ts";

export const profile: DeviceProfile = {
  name: "test",
  maxTextureSize: 4096,
  maxDrawBuffers: 8,
  maxTextureUnits: 16,
  maxFragmentUniformVectors: 224,
  fragments: 0,
  drawWork: Infinity,
  tile: 8,
  unroll: 4,
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

export const glsl = (plan: KernelPlan, on: DeviceProfile = profile): string[] =>
  plan.draws.map(
    (draw) =>
      generate(
        draw.map((k) => plan.kernels[k]!),
        on,
      ).source,
  );

export const planFor = (request: CompileRequest, on: DeviceProfile = profile, options: PlanOptions = {}): KernelPlan =>
  buildPlan(request, on, expandMacros, options);

/**
 * From a submission's graph to programs: passes, then one shader for each kernel. Nothing here touches GL; who does is
 * told of each text as it is made.
 */
import { expandMacros } from "../autodiff/expand.ts";
import { generate } from "../codegen/glsl/generate.ts";
import { kernelKey } from "../codegen/glsl/key.ts";
import type { ShaderProgram } from "../codegen/glsl/program.ts";
import type { CompileRequest } from "../ir/device.ts";
import { cutReasons, type Kernel } from "../ir/kernel.ts";
import type { DeviceProfile, KernelPlan } from "../ir/plan.ts";
import { numel } from "../ir/shape.ts";
import { buildPlan } from "../passes/index.ts";

/** A compiled plan as the dump shows it. */
export interface PlanInfo {
  /** Of the device it was compiled for. */
  readonly profile: DeviceProfile;
  readonly request: CompileRequest;
  readonly plan: KernelPlan;
  /** One for each kernel; empty on the cpu device. */
  readonly programs: readonly ShaderProgram[];
}

/** `record`: keep what each pass made of the graph. `onText` gets each program's text and the kernel it is for. */
export function compileWebgl(
  request: CompileRequest,
  profile: DeviceProfile,
  record: boolean,
  onText: (source: string, kernel: Kernel) => void,
): PlanInfo {
  const plan = buildPlan(request, profile, expandMacros, { record });
  const programs = plan.kernels.map((kernel) => {
    const program = generated(kernel, profile);
    // What has no elements is never drawn.
    if (numel(kernel.shape) > 0) onText(program.source, kernel);
    return program;
  });
  return { profile, request, plan, programs };
}

/** Programs of kernels that were generated before, for each profile. */
const known = new WeakMap<DeviceProfile, Map<string, ShaderProgram>>();
/** Kernels remembered; beyond it the oldest goes. */
const REMEMBERED = 1024;

function generated(kernel: Kernel, profile: DeviceProfile): ShaderProgram {
  let programs = known.get(profile);
  if (programs === undefined) known.set(profile, (programs = new Map<string, ShaderProgram>()));
  const key = kernelKey(kernel);
  let program = programs.get(key);
  if (program === undefined) {
    program = generate(kernel, profile);
    programs.set(key, program);
    const oldest = programs.keys().next();
    if (programs.size > REMEMBERED && oldest.done !== true) programs.delete(oldest.value);
  }
  return program;
}

/** A few lines that tell which kernel this is, for errors. */
export function describeKernel(kernel: Kernel): string {
  const axes = (all: readonly { readonly name: string; readonly extent: number }[]): string =>
    all.map((a) => `${a.name}:${a.extent}`).join(" ") || "-";
  return [
    `  rows ${axes(kernel.rows)} cols ${axes(kernel.cols)} layout ${kernel.layout.text}`,
    ...kernel.loads.map((l) => `  reads ${l.buffer}: ${l.dtype} ${l.layout.text}`),
    ...kernel.phases.map((p) => `  over ${axes(p.axes)}: ${p.accumulators.map((a) => a.label).join("; ")}`),
    ...kernel.stores.map((s) => `  writes ${s.buffer}: ${s.label}`),
    `  because ${cutReasons[kernel.reason]}`,
  ].join("\n");
}

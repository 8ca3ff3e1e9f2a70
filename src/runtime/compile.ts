/**
 * From a submission's graph to programs: passes, then one shader for each kernel. Nothing here touches GL; who does is
 * told of each text as it is made.
 */
import { expandMacros } from "../autodiff/expand.ts";
import { boundTo, generate } from "../codegen/glsl/generate.ts";
import { kernelKey } from "../codegen/glsl/key.ts";
import type { ShaderProgram } from "../codegen/glsl/program.ts";
import type { CompileRequest } from "../ir/device.ts";
import { cutReasons, type Kernel } from "../ir/kernel.ts";
import type { Layout } from "../ir/layout.ts";
import type { DeviceProfile, KernelPlan } from "../ir/plan.ts";
import { numel } from "../ir/shape.ts";
import { buildPlan } from "../passes/index.ts";

/** A compiled plan as the dump shows it. */
export interface PlanInfo {
  /** Of the device it was compiled for. */
  readonly profile: DeviceProfile;
  readonly request: CompileRequest;
  readonly plan: KernelPlan;
  /** One for each draw; empty on the cpu device. */
  readonly programs: readonly ShaderProgram[];
}

/**
 * `record`: keep what each pass made of the graph. `onProgram` gets each program, the layouts it reads, and what prints
 * its kernels.
 */
export function compileWebgl(
  request: CompileRequest,
  profile: DeviceProfile,
  record: boolean,
  onProgram: (program: ShaderProgram, reads: readonly Layout[], describe: () => string) => void,
): PlanInfo {
  const plan = buildPlan(request, profile, expandMacros, { record });
  const programs = plan.draws.map((draw) => {
    const kernels = draw.map((k) => plan.kernels[k]!);
    const program = generated(kernels, profile);
    const reads = program.loads.map((b) => plan.buffers[b]!.layout);
    // What has no elements is never drawn.
    if (kernels.some((k) => numel(k.shape) > 0)) onProgram(program, reads, () => describeDraw(kernels));
    return program;
  });
  return { profile, request, plan, programs };
}

/** Programs of kernels that were generated before, for each profile. */
const known = new WeakMap<DeviceProfile, Map<string, ShaderProgram>>();
/** Kernels remembered; beyond it the oldest goes. */
const REMEMBERED = 1024;

function generated(kernels: readonly Kernel[], profile: DeviceProfile): ShaderProgram {
  const [kernel] = kernels as readonly [Kernel];
  // A pack of small results is made once in a plan.
  if (kernels.length > 1 || kernel.layout.place !== null) return generate(kernels, profile);
  let programs = known.get(profile);
  if (programs === undefined) known.set(profile, (programs = new Map<string, ShaderProgram>()));
  const key = kernelKey(kernel);
  const program = programs.get(key);
  if (program !== undefined) return boundTo(kernel, program);
  const made = generate(kernels, profile);
  programs.set(key, made);
  const oldest = programs.keys().next();
  if (programs.size > REMEMBERED && oldest.done !== true) programs.delete(oldest.value);
  return made;
}

/** A few lines that tell which kernels these are, for errors. */
export const describeDraw = (kernels: readonly Kernel[]): string => kernels.map(describeKernel).join("\n");

function describeKernel(kernel: Kernel): string {
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

/**
 * texgrad/debug: looking at what was compiled. Nothing here changes what is computed.
 */
export { cutReasons, type CutReason, type Kernel } from "./ir/kernel.ts";
export { foldReasons, type KernelPlan, type NodeFate, type PlanRecord, type TracedFate } from "./ir/plan.ts";
export type { PlanInfo } from "./runtime/compile.ts";
export {
  countingDevice,
  type CountingDevice,
  type CountingOptions,
  type Counts,
  type DeviceKind,
} from "./runtime/counting.ts";
export type { DrawCounts, PlanCounts } from "./runtime/count-plan.ts";
export { type DescribedPlan, describePlan, type PlanFiles, type PlanIndex } from "./runtime/describe.ts";
export { observePlans } from "./runtime/observe.ts";
export { captureLines } from "./trace/lines.ts";

/**
 * The plans of programs written as users write them: what a program submits on the cpu device, compiled again for a
 * context with eight render targets.
 */
import { setDevice } from "texgrad";
import type { CompileRequest } from "../../src/ir/device.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { glsl, planFor } from "./plans.ts";

/** What `program` submits, in order; plans it makes twice are there once. */
export function submitted(program: () => void): CompileRequest[] {
  const device = createCpuDevice();
  const requests: CompileRequest[] = [];
  device.onPlan = ({ request }) => requests.push(free(request));
  setDevice(device);
  program();
  return requests;
}

/** The same without layouts that another device's plans have chosen. */
const free = (request: CompileRequest): CompileRequest => ({
  ...request,
  leaves: request.leaves.map((l) => ({ ...l, layout: null })),
  roots: request.roots.map((r) => ({ ...r, assigns: r.assigns === null ? null : { ...r.assigns, layout: null } })),
});

/** All programs of all plans. */
export const programsOf = (program: () => void): string[] => submitted(program).flatMap((r) => glsl(planFor(r)));

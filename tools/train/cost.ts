/**
 * What a training cost: draws, programs and bytes of a step, counted from its plan, and the GLSL it ran, as files.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Counters } from "../../src/runtime/counters.ts";
import type { CpuDevice } from "../../src/runtime/cpu/device.ts";
import type { WebglDevice } from "../../src/runtime/device.ts";
import { engine } from "../../src/trace/engine.ts";

/** The devices a training may run on; both count. */
export type CountingDevice = WebglDevice | CpuDevice;

export interface Cost {
  readonly drawsPerStep: number;
  /** Of the step's plan. */
  readonly programs: number;
  /** Of the buffers the step's plan owns; parameters and optimizer state are not among them. */
  readonly bytes: number;
}

/** The cost of the plan that ran last: call it right after a step. */
export function lastPlanCost(device: CountingDevice): Cost {
  const plan = engine.runner.plans.at(-1);
  if (plan === undefined) throw new Error("no step has run yet");
  const { draws, programs, bytes } = plan.variant(device).executable.stats;
  return { drawsPerStep: draws, programs, bytes };
}

/** Lines for the reader: the step's plan, what was compiled and found again, what went between host and device. */
export function describeCost(cost: Cost, { programs, plans }: Counters, device: CountingDevice): string[] {
  const { runs, hits } = engine.runner.counters;
  const draw = device.name === "cpu" ? "loops" : "draws";
  return [
    `a step: ${cost.drawsPerStep} ${draw}, ${cost.programs} programs, ${kib(cost.bytes)} of buffers`,
    `in all: ${plans} plans and ${programs} programs compiled; ${hits} of ${runs} runs found their plan known; ` +
      `${kib(device.memory().bytes)} on the device at the end`,
  ];
}

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;

/**
 * Has the device's plans written, as they are compiled, to a folder where the user is, emptied first: a folder a
 * plan, a file a draw. Gives its path, or null on the cpu device, which runs no GLSL.
 */
export function writeShaders(device: CountingDevice): string | null {
  if (device.name === "cpu") return null;
  const folder = join(".texgrad", "train");
  rmSync(folder, { recursive: true, force: true });
  let plans = 0;
  device.onPlan = ({ programs }) => {
    const plan = join(folder, `plan-${number(++plans)}`);
    mkdirSync(plan, { recursive: true });
    for (const [i, { source }] of programs.entries()) writeFileSync(join(plan, `draw-${number(i + 1)}.glsl`), source);
  };
  return folder;
}

const number = (n: number): string => String(n).padStart(2, "0");

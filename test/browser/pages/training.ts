/**
 * The MLP of the training tests, trained wherever this module runs: in Node on headless GL, or in a page.
 */
import { currentDevice, DataLoader, drawnDigits, ImageDataset } from "texgrad";
import type { PlanInfo } from "../../../src/runtime/compile.ts";
import type { WebglDevice } from "../../../src/runtime/device.ts";
import { trainer, type Rule } from "../../train/mlp.ts";

const BATCH = 64;

export interface Training {
  readonly losses: number[];
  readonly device: string;
  readonly renderer: string;
  /** Render targets the context was proven to write, and the most that one of the programs writes. */
  readonly maxDrawBuffers: number;
  readonly mostTargets: number;
  /** All programs, in the order they were compiled. */
  readonly programs: string[];
  /** Draws of the last step. */
  readonly draws: number;
}

/** Trains on drawn digits and reads the loss of every step. */
export async function train(rule: Rule, steps: number): Promise<Training> {
  // The device users get in a page and in Node where GL works; the tests look at its name.
  const device = currentDevice() as WebglDevice;
  const plans: PlanInfo[] = [];
  device.onPlan = (info) => plans.push(info);
  const { step } = trainer(rule);
  const digits = new ImageDataset(drawnDigits({ count: steps * BATCH }), { shape: [784] });
  const losses: number[] = [];
  let draws = 0;
  for await (const batch of new DataLoader(digits, { batchSize: BATCH, shuffle: true, seed: 1 })) {
    const before = device.counters.draws;
    losses.push(await step(batch).item());
    draws = device.counters.draws - before;
  }
  device.onPlan = null;
  const programs = plans.flatMap((plan) => plan.programs);
  return {
    losses,
    device: device.name,
    renderer: device.capabilities.renderer,
    maxDrawBuffers: device.capabilities.maxDrawBuffers,
    mostTargets: Math.max(...programs.map(({ targets }) => targets.length)),
    programs: programs.map(({ source }) => source),
    draws,
  };
}

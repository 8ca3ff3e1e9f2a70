/**
 * A page that prepares: it records the programs of its steps, tunes, and after a reload has both again.
 */
import {
  currentDevice,
  F,
  loadTuning,
  manualSeed,
  nn,
  optim,
  programManifest,
  tensor,
  tune,
  warmUp,
  type ProgramManifest,
  type WarmUp,
} from "texgrad";
import type { WebglDevice } from "../../../src/runtime/device.ts";

const device = (): WebglDevice => currentDevice() as WebglDevice;

/** Losses of three steps. */
async function train(): Promise<readonly number[]> {
  manualSeed(5);
  const net = new nn.Sequential(new nn.Linear(6, 8), new nn.ReLU(), new nn.Linear(8, 3));
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 });
  const x = tensor(
    Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
    { shape: [4, 6] },
  );
  const y = tensor([0, 2, 1, 1], { dtype: "i32" });
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) {
    const loss = F.crossEntropy(net.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(await loss.item());
  }
  return losses;
}

export interface Recorded {
  readonly manifest: ProgramManifest;
  readonly losses: readonly number[];
}

export async function record(): Promise<Recorded> {
  const losses = await train();
  return { manifest: programManifest(), losses };
}

export interface Warmed {
  readonly warmUp: WarmUp;
  /** Programs compiled by training afterwards. */
  readonly compiled: number;
  readonly losses: readonly number[];
  /** Other tasks the page got done during the warm-up. */
  readonly tasks: number;
}

export async function warm(manifest: ProgramManifest): Promise<Warmed> {
  let tasks = 0;
  const clock = setInterval(() => tasks++);
  const result = await warmUp(manifest);
  clearInterval(clock);
  const before = device().counters.programs;
  const losses = await train();
  return { warmUp: result, compiled: device().counters.programs - before, losses, tasks };
}

/** What is found before and after tuning. */
export async function tuned(): Promise<{ readonly before: unknown; readonly kept: unknown; readonly found: unknown }> {
  const before = await loadTuning();
  const kept = await tune({ budgetMs: 1 });
  return { before, kept, found: await loadTuning() };
}

export const found = (): Promise<unknown> => loadTuning();

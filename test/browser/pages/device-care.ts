/**
 * An MLP with everything a step may change (parameters, moments, running statistics, dropout, counts), trained through
 * lost contexts. Runs in a page or in a worker.
 */
import {
  ContextLostError,
  currentDevice,
  DataLoader,
  drawnDigits,
  F,
  full,
  ImageDataset,
  manualSeed,
  nn,
  optim,
  setDevice,
  snapshot,
  survive,
  type Tensor,
} from "texgrad";
import type { WebglDevice } from "../../../src/runtime/device.ts";
import { selectDevice } from "../../../src/runtime/select.ts";

class Net extends nn.Module {
  fc1 = new nn.Linear(784, 32);
  norm = new nn.BatchNorm1d(32);
  drop = new nn.Dropout(0.2);
  fc2 = new nn.Linear(32, 10);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.drop.forward(this.norm.forward(this.fc1.forward(x)).relu()));
  }
}

const STEPS = 30;
const BATCH = 32;
const EVERY = 8;

interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}

function setup() {
  manualSeed(3);
  const net = new Net();
  const opt = new optim.Adam(net.parameters(), { lr: 0.01 });
  const digits = new ImageDataset(drawnDigits({ count: STEPS * BATCH }), { shape: [784] });
  const loader = new DataLoader(digits, { batchSize: BATCH, shuffle: true, seed: 1 });
  return { net, opt, loader };
}

/** What is done to the context, and when. */
export type Disturbance =
  | "none"
  | "before the step"
  | "while a read is on its way"
  /** The GPU process ends; nobody tells the page before the browser has noticed. */
  | "the GPU process dies"
  /** Of step 16, so that the one of step 8 must do if it has not arrived. */
  | "while a snapshot is on its way";

export interface Outcome {
  readonly losses: number[];
  /** Sum of the squares of the last weights, and of the running variance. */
  readonly ends: readonly number[];
  readonly survived: { readonly step: number; readonly from: number }[];
  readonly canvas: string;
  readonly hasDocument: boolean;
}

/** Loses the device's context as a GPU reset does, and has the browser restore it some time after the page was told. */
function loseContext(): void {
  const { gl } = currentDevice() as unknown as { readonly gl: WebGL2RenderingContext };
  const extension = gl.getExtension("WEBGL_lose_context")!;
  gl.canvas.addEventListener("webglcontextlost", () => setTimeout(() => extension.restoreContext(), 30), {
    once: true,
  });
  extension.loseContext();
}

/** Says that it is ready, and reads results, in both ways there are, until one fails. None may be wrong. */
async function workUntilLost(): Promise<never> {
  console.log("ready");
  for (let k = 1; k < 5000; k++) {
    const x = full([64], k);
    const sums = [x.sum().itemSync(), await x.mul(2).sum().item()];
    if (sums[0] !== 64 * k || sums[1] !== 128 * k) throw new Error(`wrong without a word: ${sums.join()} for ${k}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error("the context was not lost");
}

/** Trains, and loses the context in the middle of step 20. */
export async function train(disturbance: Disturbance): Promise<Outcome> {
  const { net, opt, loader } = setup();
  const losses: number[] = [];
  const survived: { step: number; from: number }[] = [];
  let disturb = disturbance !== "none";
  const body = async ({ x, y }: Batch, step: number): Promise<void> => {
    const snapshotIsDue = disturbance === "while a snapshot is on its way";
    const now = disturb && step === (snapshotIsDue ? 2 * EVERY : 20);
    if (now && snapshotIsDue) loseContext();
    const loss = F.crossEntropy(net.forward(x), y);
    opt.zeroGrad();
    loss.backward();
    if (now) disturb = false;
    if (now && disturbance === "before the step") loseContext();
    if (now && disturbance === "the GPU process dies") await workUntilLost();
    opt.step();
    const reading = loss.item();
    if (now && disturbance === "while a read is on its way") loseContext();
    losses[step] = await reading;
  };
  await survive(loader, [net, opt], body, { every: EVERY, onLoss: (loss) => survived.push(loss) });
  const square = (t: Tensor): Promise<number> => t.square().sum().item();
  const { canvas } = (currentDevice() as WebglDevice).gl as unknown as WebGL2RenderingContext;
  return {
    losses,
    ends: [await square(net.fc1.weight), await square(net.norm.runningVar!)],
    survived,
    canvas: canvas.constructor.name,
    hasDocument: typeof document !== "undefined",
  };
}

/** The same without `survive`, as a loop of one's own does it. */
export async function trainByHand(): Promise<readonly number[]> {
  const { net, opt, loader } = setup();
  const batches: Batch[] = [];
  for await (const batch of loader) batches.push(batch);
  const losses: number[] = [];
  let last = { step: 0, state: await snapshot([net, opt]) };
  let disturb = true;
  for (let step = 0; step < STEPS;) {
    try {
      if (step % EVERY === 0) last = { step, state: await snapshot([net, opt]) };
      const { x, y } = batches[step]!;
      const loss = F.crossEntropy(net.forward(x), y);
      opt.zeroGrad();
      loss.backward();
      if (disturb && step === 20) loseContext();
      disturb &&= step !== 20;
      opt.step();
      losses[step] = await loss.item();
      step += 1;
    } catch (error) {
      if (!(error instanceof ContextLostError)) throw error;
      await error.restored;
      last.state.restore();
      step = last.step;
    }
  }
  return losses;
}

/** On a canvas of the page's own. */
export async function onCanvas(): Promise<Outcome> {
  const before = currentDevice();
  const canvas = document.createElement("canvas");
  setDevice(selectDevice({ device: "webgl", canvas }));
  try {
    return await train("before the step");
  } finally {
    setDevice(before);
  }
}

/** In a dedicated worker, undisturbed or not. */
export async function inWorker(disturbance: Disturbance): Promise<Outcome> {
  const worker = new Worker(new URL("/device-care-worker.js", location.href), { type: "module", name: disturbance });
  const answer = await new Promise<Outcome | string>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Outcome | string>) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  worker.terminate();
  if (typeof answer === "string") throw new Error(answer);
  return answer;
}

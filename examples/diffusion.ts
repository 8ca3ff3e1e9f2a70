/** Denoising diffusion (Ho et al., 2020) of points in the plane: from noise to a spiral, in 50 steps. */
import { cat, F, manualSeed, nn, noGrad, optim, randn, tensor, type Tensor } from "texgrad";
import { printing, type Run } from "./shared.ts";

const STEPS = 50;
/** beta from 1e-4 to 0.2 in a straight line, and the products of 1 - beta. */
const betas = Array.from({ length: STEPS }, (_, t) => 1e-4 + (0.2 - 1e-4) * (t / (STEPS - 1)));
const kept: number[] = [];
for (const beta of betas) kept.push((kept.at(-1) ?? 1) * (1 - beta));

/** The noise in points [n, 2] at times [n, 1] of 0 to 1. */
export class Denoiser extends nn.Module {
  net = new nn.Sequential(
    new nn.Linear(2 + 8, 128),
    new nn.SiLU(),
    new nn.Linear(128, 128),
    new nn.SiLU(),
    new nn.Linear(128, 2),
  );
  forward(x: Tensor, times: readonly number[]): Tensor {
    const waves = [1, 2, 4, 8].flatMap((k) =>
      [Math.sin, Math.cos].map((f) => (t: number) => f((k * Math.PI * t) / STEPS)),
    );
    const features = times.flatMap((t) => waves.map((f) => f(t)));
    return this.net.forward(cat([x, tensor(features, { shape: [times.length, waves.length] })], 1));
  }
}

/** Gives the points that noise became. */
export async function main({
  steps = 2000,
  seed = 0,
  report = printing(200),
  batch = 256,
}: Run & { batch?: number } = {}) {
  manualSeed(seed);
  let state = seed + 1;
  const draw = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const net = new Denoiser();
  const opt = new optim.AdamW(net.parameters(), { lr: 2e-3, weightDecay: 0 });
  const ema = new nn.EMA(net, { decay: 0.99 });
  for (let step = 1; step <= steps; step++) {
    const clean = Array.from({ length: batch }, () => 3 * draw() + 1).map((r) => [
      0.4 * r * Math.cos(3 * r),
      0.4 * r * Math.sin(3 * r),
    ]);
    const times = Array.from({ length: batch }, () => Math.floor(draw() * STEPS));
    const noise = randn([batch, 2]);
    const column = (f: (t: number) => number) => tensor(times.map((t) => [f(kept[t]!)]));
    const noisy = tensor(clean)
      .mul(column(Math.sqrt))
      .add(noise.mul(column((k) => Math.sqrt(1 - k))));
    const loss = F.mseLoss(net.forward(noisy, times), noise);
    opt.zeroGrad();
    loss.backward();
    opt.step();
    ema.update();
    await report(step, loss);
  }
  ema.swap();
  let x = randn([batch, 2]);
  for (let t = STEPS - 1; t >= 0; t--) {
    const guess = noGrad(() => net.forward(x, new Array<number>(batch).fill(t)));
    x = x.sub(guess.mul(betas[t]! / Math.sqrt(1 - kept[t]!))).div(Math.sqrt(1 - betas[t]!));
    if (t > 0) x = x.add(randn([batch, 2]).mul(Math.sqrt(betas[t]!)));
  }
  const points = (await x.tolist()) as [number, number][];
  console.log(plot(points));
  return points;
}

/** Points as a picture of 30 rows. */
function plot(points: readonly (readonly [number, number])[]): string {
  const grid = Array.from({ length: 30 }, () => new Array<string>(60).fill(" "));
  for (const [a, b] of points) {
    const [row, column] = [Math.round(15 - b * 8), Math.round(30 + a * 16)];
    if (grid[row]?.[column] !== undefined) grid[row][column] = "*";
  }
  return grid.map((row) => row.join("")).join("\n");
}

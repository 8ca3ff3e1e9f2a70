/** A variational autoencoder (Kingma & Welling, 2014) on digits: two numbers for each picture. */
import { DataLoader, F, manualSeed, nn, noGrad, optim, randn, type Tensor } from "texgrad";
import { digits, printing, type Run } from "./shared.ts";

export class VAE extends nn.Module {
  encoder = new nn.Sequential(new nn.Linear(784, 256), new nn.ReLU());
  mean: nn.Linear;
  logVariance: nn.Linear;
  decoder: nn.Sequential;
  latent: number;

  constructor(latent: number) {
    super();
    this.latent = latent;
    this.mean = new nn.Linear(256, latent);
    this.logVariance = new nn.Linear(256, latent);
    this.decoder = new nn.Sequential(new nn.Linear(latent, 256), new nn.ReLU(), new nn.Linear(256, 784));
  }

  /** x: [n, 784] in [0, 1] -> the evidence lower bound, negative, a picture. */
  loss(x: Tensor): Tensor {
    const h = this.encoder.forward(x);
    const [mean, logVariance] = [this.mean.forward(h), this.logVariance.forward(h)];
    const z = mean.add(logVariance.mul(0.5).exp().mul(randn(mean.shape)));
    const misfit = F.binaryCrossEntropyWithLogits(this.decoder.forward(z), x, { reduction: "sum" });
    const divergence = mean.square().add(logVariance.exp()).sub(logVariance).sub(1).sum().mul(0.5);
    return misfit.add(divergence).div(x.shape[0]!);
  }

  /** [count, 784]: pictures of nothing that was there. */
  sample(count: number): Tensor {
    return this.decoder.forward(randn([count, this.latent])).sigmoid();
  }
}

/** Gives the mean bound on the digits held back. */
export async function main({
  steps = Infinity,
  seed = 0,
  report = printing(100),
  epochs = 5,
}: Run & { epochs?: number } = {}) {
  manualSeed(seed);
  const { train, test } = await digits({ shape: [784] });
  const net = new VAE(2);
  const opt = new optim.Adam(net.parameters(), { lr: 1e-3 });
  let step = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for await (const { x } of new DataLoader(train, { batchSize: 64, shuffle: true, seed: seed + epoch })) {
      const loss = net.loss(x);
      opt.zeroGrad();
      loss.backward();
      opt.step();
      step += 1;
      await report(step, loss);
      if (step >= steps) return null;
    }
  }
  let total = 0;
  for await (const { x } of new DataLoader(test, { batchSize: 500 })) {
    total += (await noGrad(() => net.loss(x)).item()) * x.shape[0]!;
  }
  console.log(`bound ${(total / test.length).toFixed(2)} nats a picture`);
  console.log(picture(await noGrad(() => net.sample(1)).data()));
  return total / test.length;
}

/** 28 by 28 greys, two columns a pixel. */
function picture(pixels: ArrayLike<number>): string {
  const rows = Array.from({ length: 28 }, (_, r) => Array.from({ length: 28 }, (__, c) => pixels[28 * r + c]!));
  return rows
    .map((row) => row.map((v) => " .:-=+*#%@"[Math.min(9, Math.floor(v * 10))]!.repeat(2)).join(""))
    .join("\n");
}

/** A small vision transformer (Dosovitskiy et al., 2021) on digits: 16 patches of 7 by 7 and a class token. */
import { cat, DataLoader, F, manualSeed, nn, noGrad, optim, zeros, type Tensor } from "texgrad";
import { digits, printing, type Run } from "./shared.ts";

export class ViT extends nn.Module {
  patches: nn.Conv2d;
  token: nn.Parameter;
  positions: nn.Parameter;
  encoder: nn.TransformerEncoder;
  head: nn.Linear;

  constructor({ width = 64, heads = 4, layers = 3 } = {}) {
    super();
    this.patches = new nn.Conv2d(1, width, 7, { stride: 7 });
    this.token = new nn.Parameter(zeros([1, 1, width]));
    this.positions = new nn.Parameter(zeros([1, 17, width]));
    nn.init.truncNormal(this.positions, { std: 0.02 });
    const options = {
      dimFeedforward: 2 * width,
      dropout: 0,
      activation: "gelu",
      batchFirst: true,
      normFirst: true,
    } as const;
    const layer = () => new nn.TransformerEncoderLayer(width, heads, options);
    this.encoder = new nn.TransformerEncoder(layer, layers, { norm: new nn.LayerNorm(width) });
    this.head = new nn.Linear(width, 10);
  }

  /** x: [n, 1, 28, 28] -> logits [n, 10]. */
  forward(x: Tensor): Tensor {
    const n = x.shape[0]!;
    const parts = this.patches.forward(x).flatten(2).transpose(1, 2);
    const tokens = cat([this.token.expand(n, 1, parts.shape[2]!), parts], 1).add(this.positions);
    return this.head.forward(this.encoder.forward(tokens).select(1, 0));
  }
}

/** Gives the accuracy on the digits held back. */
export async function main({
  steps = Infinity,
  seed = 0,
  report = printing(50),
  epochs = 5,
}: Run & { epochs?: number } = {}) {
  manualSeed(seed);
  const { train, test } = await digits({ mean: 0.1307, std: 0.3081 });
  const net = new ViT();
  const opt = new optim.AdamW(net.parameters(), { lr: 2e-3, weightDecay: 0.05 });
  const loader = new DataLoader(train, { batchSize: 64, shuffle: true, seed });
  const schedule = new optim.WarmupCosineLR(opt, { warmup: 100, total: epochs * loader.length });
  let step = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for await (const { x, y } of loader) {
      const loss = F.crossEntropy(net.forward(x), y);
      opt.zeroGrad();
      loss.backward();
      nn.clipGradNorm(net.parameters(), 1);
      opt.step();
      schedule.step();
      step += 1;
      await report(step, loss);
      if (step >= steps) return null;
    }
  }
  let right = 0;
  for await (const { x, y } of new DataLoader(test, { batchSize: 500 })) {
    right += await noGrad(() => net.forward(x).argmax(1).eq(y).sum()).item();
  }
  console.log(`${((100 * right) / test.length).toFixed(2)} % of ${test.length}`);
  return right / test.length;
}

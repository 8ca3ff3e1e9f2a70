/**
 * A small GPT (Radford et al., 2019) on Shakespeare, letter by letter: pre-norm blocks, rotary positions, tied
 * embedding, AdamW with warm-up and cosine.
 */
import { F, manualSeed, nn, noGrad, optim, tensor, type Tensor } from "texgrad";
import { printing, shakespeare, type Run } from "./shared.ts";

class Block extends nn.Module {
  ln1: nn.LayerNorm;
  qkv: nn.Linear;
  proj: nn.Linear;
  ln2: nn.LayerNorm;
  up: nn.Linear;
  down: nn.Linear;
  #rope: nn.RotaryEmbedding;
  #heads: number;

  constructor(width: number, heads: number, rope: nn.RotaryEmbedding) {
    super();
    this.ln1 = new nn.LayerNorm(width);
    this.qkv = new nn.Linear(width, 3 * width, { bias: false });
    this.proj = new nn.Linear(width, width, { bias: false });
    this.ln2 = new nn.LayerNorm(width);
    this.up = new nn.Linear(width, 4 * width, { bias: false });
    this.down = new nn.Linear(4 * width, width, { bias: false });
    this.#rope = rope;
    this.#heads = heads;
  }

  /** x: [n, t, width]. */
  forward(x: Tensor): Tensor {
    const [n, t, width] = x.shape as [number, number, number];
    const split = this.qkv.forward(this.ln1.forward(x)).reshape(n, t, 3, this.#heads, -1);
    const [q, k, v] = split.permute(2, 0, 3, 1, 4).unbind(0) as [Tensor, Tensor, Tensor];
    const seen = F.scaledDotProductAttention(this.#rope.forward(q), this.#rope.forward(k), v, { isCausal: true });
    const a = x.add(this.proj.forward(seen.transpose(1, 2).reshape(n, t, width)));
    return a.add(this.down.forward(this.up.forward(this.ln2.forward(a)).gelu()));
  }
}

export class GPT extends nn.Module {
  wte: nn.Embedding;
  blocks: Block[];
  ln: nn.LayerNorm;

  constructor(letters: number, { width = 96, heads = 4, layers = 3 }: Size = {}) {
    super();
    const rope = new nn.RotaryEmbedding(width / heads);
    this.wte = new nn.Embedding(letters, width);
    nn.init.normal(this.wte.weight, 0, 0.02);
    this.blocks = Array.from({ length: layers }, () => new Block(width, heads, rope));
    this.ln = new nn.LayerNorm(width);
  }

  /** x: [n, t] of letters -> logits [n, t, letters]; the embedding serves twice. */
  forward(x: Tensor): Tensor {
    const y = this.blocks.reduce((h, block) => block.forward(h), this.wte.forward(x));
    return F.linear(this.ln.forward(y), this.wte.weight);
  }
}

interface Size {
  width?: number;
  heads?: number;
  layers?: number;
  batch?: number;
  length?: number;
}

/** Gives the validation loss, in nats a letter, of the last tenth of the text. */
export async function main({ steps = 1200, seed = 0, report = printing(50), ...size }: Run & Size = {}) {
  manualSeed(seed);
  const { batch = 12, length = 64 } = size;
  const text = await shakespeare();
  const letters = [...new Set(text)].sort();
  const ids = Int32Array.from(text, (letter) => letters.indexOf(letter));
  const trained = Math.floor(ids.length * 0.9);
  const net = new GPT(letters.length, size);
  const opt = new optim.AdamW(net.parameters(), { lr: 3e-3, betas: [0.9, 0.99], weightDecay: 0.1 });
  const schedule = new optim.WarmupCosineLR(opt, { warmup: Math.min(50, steps - 1), total: steps, minFactor: 0.1 });
  let state = seed + 1;
  const draw = (below: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
  const lossOf = (starts: readonly number[]): Tensor => {
    const part = (shift: number) =>
      tensor(
        Int32Array.from(
          { length: batch * length },
          (_, i) => ids[starts[Math.floor(i / length)]! + (i % length) + shift]!,
        ),
        { shape: [batch, length] },
      );
    const logits = net.forward(part(0)).reshape(batch * length, letters.length);
    return F.crossEntropy(logits, part(1).reshape(batch * length));
  };
  for (let step = 1; step <= steps; step++) {
    const loss = lossOf(Array.from({ length: batch }, () => draw(trained - length - 1)));
    opt.zeroGrad();
    loss.backward();
    nn.clipGradNorm(net.parameters(), 1);
    opt.step();
    schedule.step();
    await report(step, loss);
  }
  const count = Math.min(20, Math.floor((ids.length - trained - 1) / (batch * length)));
  let total = 0;
  for (let b = 0; b < count; b++) {
    const starts = Array.from({ length: batch }, (_, i) => trained + (b * batch + i) * length);
    total += await noGrad(() => lossOf(starts)).item();
  }
  console.log(`${nn.countParameters(net)} parameters, validation loss ${(total / count).toFixed(3)} nats a letter`);
  return total / count;
}

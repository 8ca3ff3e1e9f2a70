/** A character model: a GRU reads Shakespeare and learns which letter comes next, then writes some itself. */
import { F, Generator, manualSeed, nn, noGrad, optim, rand, tensor, zeros, type Tensor } from "texgrad";
import { printing, shakespeare, type Run } from "./shared.ts";

export class CharGRU extends nn.Module {
  embedding: nn.Embedding;
  gru: nn.GRU;
  head: nn.Linear;

  constructor(letters: number, width: number) {
    super();
    this.embedding = new nn.Embedding(letters, 32);
    this.gru = new nn.GRU(32, width, { batchFirst: true });
    this.head = new nn.Linear(width, letters);
  }

  /** x: [n, t] of letters, h: [1, n, width] -> logits [n, t, letters] and the last h. */
  forward(x: Tensor, h: Tensor | null): readonly [Tensor, Tensor] {
    const [y, last] = this.gru.forward(this.embedding.forward(x), h);
    return [this.head.forward(y), last];
  }
}

interface Size {
  batch?: number;
  length?: number;
  width?: number;
}

/** Gives a sample of what the network writes. */
export async function main({
  steps = 500,
  seed = 0,
  report = printing(25),
  batch = 32,
  length = 24,
  width = 128,
}: Run & Size = {}) {
  manualSeed(seed);
  const text = await shakespeare();
  const letters = [...new Set(text)].sort();
  const ids = Int32Array.from(text, (letter) => letters.indexOf(letter));
  const net = new CharGRU(letters.length, width);
  const opt = new optim.AdamW(net.parameters(), { lr: 3e-3 });
  // Each row of a batch goes on where it stopped, so that the hidden state can be handed on.
  const part = Math.floor((ids.length - 1) / batch);
  const rows = (from: number) =>
    tensor(
      Int32Array.from({ length: batch * length }, (_, i) => ids[Math.floor(i / length) * part + from + (i % length)]!),
      { shape: [batch, length] },
    );
  let h: Tensor | null = null;
  for (let step = 1, at = 0; step <= steps; step++, at += length) {
    if (at + length + 1 > part) [at, h] = [0, null];
    const [logits, last]: readonly [Tensor, Tensor] = net.forward(rows(at), h ?? zeros([1, batch, width]));
    const loss = F.crossEntropy(logits.reshape(batch * length, letters.length), rows(at + 1).reshape(batch * length));
    opt.zeroGrad();
    loss.backward();
    nn.clipGradNorm(net.parameters(), 1);
    opt.step();
    h = last.detach();
    await report(step, loss);
  }
  return write(net, letters, 80, new Generator(seed));
}

/** Letter by letter, each drawn by the probabilities. */
async function write(net: CharGRU, letters: readonly string[], count: number, generator: Generator): Promise<string> {
  let written = "\n";
  let h: Tensor | null = null;
  for (let i = 0; i < count; i++) {
    const x = tensor([[letters.indexOf(written.at(-1)!)]], { dtype: "i32" });
    const [logits, last]: readonly [Tensor, Tensor] = noGrad(() => net.forward(x, h));
    h = last;
    const p = await logits.reshape(letters.length).softmax(0).data();
    let left = await rand([], { generator }).item();
    const chosen = p.findIndex((e) => (left -= e) < 0);
    written += letters[Math.max(0, chosen)]!;
  }
  console.log(written);
  return written;
}

/**
 * Trains a small network on digits drawn by the library, then saves and loads it. Runs in Node and in a browser page.
 */
import { DataLoader, drawnDigits, F, ImageDataset, load, manualSeed, nn, noGrad, optim, save, track } from "texgrad";
import type { Tensor } from "texgrad";

class Net extends nn.Module {
  fc1 = new nn.Linear(784, 128);
  dropout = new nn.Dropout(0.1);
  fc2 = new nn.Linear(128, 10);

  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.dropout.forward(this.fc1.forward(x).relu()));
  }
}

manualSeed(0);
const digits = new ImageDataset(drawnDigits({ count: 3000 }), { shape: [784] });
const { train, test } = digits.split(2500);

const net = new Net();
const opt = new optim.Adam(net.parameters(), { lr: 1e-3 });
for (let epoch = 1; epoch <= 3; epoch++) {
  const batches = track(new DataLoader(train, { batchSize: 50, shuffle: true }), { label: `epoch ${epoch}` });
  for await (const { x, y } of batches) {
    const loss = F.crossEntropy(net.forward(x), y);
    opt.zeroGrad();
    loss.backward();
    opt.step(); // everything since the last step runs here, as a handful of draws
    batches.set({ loss: await loss.item() });
  }
}

await save(net.stateDict(), "digits.safetensors");
const loaded = new Net().eval();
loaded.loadStateDict(await load("digits.safetensors"));

let right = 0;
for await (const { x, y } of new DataLoader(test, { batchSize: 100 })) {
  right += await noGrad(() => loaded.forward(x).argmax(1).eq(y).sum()).item();
}
console.log(`${((100 * right) / test.length).toFixed(1)} % of ${test.length} drawn digits`);

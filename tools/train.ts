/**
 * The main job (`npm start`): trains an MLP 784-128-10 on handwritten digits, and says how well it does and what a step
 * cost.
 *
 * Not here: the options (train/options.ts), which digits (train/digits.ts), counting guesses (train/evaluate.ts), where
 * the costs come from (train/cost.ts).
 */
import { DataLoader, DeviceError, F, manualSeed, nn, optim, setDevice, track } from "../src/index.ts";
import type { ImageDataset, Tensor } from "../src/index.ts";
import { selectDevice } from "../src/runtime/select.ts";
import { confusion, sparkline } from "./picture.ts";
import { describeCost, lastPlanCost, writeShaders, type Cost, type CountingDevice } from "./train/cost.ts";
import { findDigits } from "./train/digits.ts";
import { evaluate, wrongOnes } from "./train/evaluate.ts";
import { parseOptions, usage, UsageError, type TrainOptions } from "./train/options.ts";

const BATCH = 64;
const LEARNING_RATE = 1e-3;
const WIDTH = 100;

class Net extends nn.Module {
  readonly fc1 = new nn.Linear(784, 128);
  readonly fc2 = new nn.Linear(128, 10);

  /** x: [n, 784] -> logits [n, 10]. */
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).relu());
  }
}

interface History {
  /** Of every step, before it. */
  readonly losses: number[];
  /** Of the steps of the last epoch, the first epoch's without its first two, which compile. */
  msPerStep: number;
  cost: Cost;
}

async function train(net: Net, data: ImageDataset, device: CountingDevice, options: TrainOptions): Promise<History> {
  const optimizer = new optim.Adam(net.parameters(), { lr: LEARNING_RATE });
  const loader = new DataLoader(data, { batchSize: BATCH, shuffle: true, seed: options.seed });
  const history: History = { losses: [], msPerStep: 0, cost: { drawsPerStep: 0, programs: 0, bytes: 0 } };
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    const bar = track(loader, { label: `epoch ${epoch}/${options.epochs}`, unit: "batch" });
    let begin = performance.now();
    let [steps, samples, sum] = [0, 0, 0];
    for await (const { x, y } of bar) {
      const loss = F.crossEntropy(net.forward(x), y);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      history.cost = lastPlanCost(device);
      const value = await loss.item();
      history.losses.push(value);
      sum += value;
      samples += x.shape[0]!;
      steps += 1;
      bar.set({ loss: value });
      if (history.losses.length === 2) [begin, samples, steps] = [performance.now(), 0, 0];
    }
    const ms = performance.now() - begin;
    history.msPerStep = ms / Math.max(steps, 1);
    const rate = Math.round((samples / ms) * 1000);
    console.log(`epoch ${epoch}: mean loss ${(sum / loader.length).toFixed(4)}, ${rate} samples/s`);
  }
  return history;
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  if (options === null) {
    console.log(usage);
    return;
  }
  const digits = await findDigits(options.data);
  // Without --device: what TEXGRAD_DEVICE says, else webgl where it works.
  const device = selectDevice(options.device === null ? {} : { device: options.device }) as CountingDevice;
  setDevice(device);
  const shaders = writeShaders(device);
  console.log(
    `${digits.description}\nMLP 784-128-10, Adam, lr ${LEARNING_RATE}, batch ${BATCH}, on the ${device.name} device`,
  );

  manualSeed(options.seed);
  const net = new Net();
  const { losses, msPerStep, cost } = await train(net, digits.train, device, options);
  const result = await evaluate(digits.test, (x) => net.forward(x));

  console.log(`\nloss ${sparkline(losses)}`);
  console.log(`test accuracy ${(100 * result.accuracy).toFixed(2)} % of ${digits.test.length} digits\n`);
  console.log(confusion(result.counts));
  const pictures = wrongOnes(digits.test, result, Math.min(process.stdout.columns ?? WIDTH, WIDTH));
  if (pictures !== "") console.log(`\n${pictures}`);
  console.log(`\n${describeCost(cost, device.counters, device).join("\n")}`);
  console.log(shaders === null ? "the cpu device runs no GLSL" : `the GLSL of every draw: ${shaders}`);
  if (!options.json) return;
  const { epochs, seed } = options;
  const run = { device: device.name, realDigits: digits.real, epochs, seed };
  console.log(JSON.stringify({ accuracy: result.accuracy, losses, ...cost, msPerStep, ...run }));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // Faults of the command line, of files and of the machine are told in one line; anything else is ours.
  if (!(error instanceof UsageError || error instanceof DeviceError)) throw error;
  console.error(`texgrad: ${error.message}`);
  process.exitCode = 1;
}

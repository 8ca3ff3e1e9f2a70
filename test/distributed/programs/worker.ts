/**
 * A worker as a process of its own: trains an MLP on digits, says each step, and at the end what its weights are and how
 * well they do. The digits are real where their folder is given, else drawn.
 */
import { DataLoader, drawnDigits, F, ImageDataset, manualSeed, mnist, nn, noGrad, optim, type Tensor } from "texgrad";
import {
  DistributedDataParallel,
  DistributedSampler,
  initProcessGroup,
  type CodecName,
  type ParallelOptions,
} from "texgrad/distributed";

interface Job {
  readonly folder: string | null;
  readonly samples: number;
  readonly tests: number;
  readonly batchSize: number;
  readonly epochs: number;
  readonly hidden: number;
  readonly codec?: CodecName;
  readonly parallel?: ParallelOptions;
  /** Waits so long in each step, in ms: compute that takes time. */
  readonly pauseMs?: number;
}

const job = JSON.parse(process.argv[2] ?? "{}") as Job;

class Net extends nn.Module {
  readonly fc1 = new nn.Linear(784, job.hidden);
  readonly fc2 = new nn.Linear(job.hidden, 10);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).relu());
  }
}

const all =
  job.folder === null
    ? new ImageDataset(drawnDigits({ count: job.samples + job.tests }), { shape: [784] })
    : await mnist(job.folder, { set: "t10k", shape: [784] });
const train = all.slice(0, job.samples);
const test = all.slice(all.length - job.tests, all.length);
const say = (x: object): void => console.log(JSON.stringify(x));

const group = await initProcessGroup({ patienceMs: 60_000 });
manualSeed(0);
const net = new Net();
const model = new DistributedDataParallel(net, job.parallel ?? {});
const opt = new optim.Adam(net.parameters(), { lr: 2e-3 });
const sampler = new DistributedSampler(train, { batchSize: job.batchSize, epochs: job.epochs, shuffle: true });
for await (const { x, y } of new DataLoader(train, { batchSampler: sampler })) {
  const loss = F.crossEntropy(model.forward(x), y);
  opt.zeroGrad();
  loss.backward();
  if (job.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, job.pauseMs));
  const { step, counted, loss: mean } = await model.step(opt, loss);
  const { replica: now } = group.participant;
  say({ step, counted, loss: mean, at: now.step, hash: now.hash() });
}
let right = 0;
for await (const { x, y } of new DataLoader(test, { batchSize: 200 })) {
  right += await noGrad(() => net.forward(x).argmax(1).eq(y).sum()).item();
}
const { replica } = group.participant;
say({ end: true, step: replica.step, hash: replica.hash(), accuracy: right / test.length, rank: group.rank });
group.destroy();

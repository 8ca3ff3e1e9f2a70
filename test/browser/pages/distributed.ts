/** A worker of the tests' run, in a page: the same network and digits as test/distributed/programs/worker.ts. */
import { DataLoader, drawnDigits, F, ImageDataset, manualSeed, nn, optim, type Tensor } from "texgrad";
import {
  destroyProcessGroup,
  DistributedDataParallel,
  DistributedSampler,
  initProcessGroup,
} from "texgrad/distributed";
import type { JoinArguments } from "texgrad/distributed/server";

class Net extends nn.Module {
  readonly fc1 = new nn.Linear(784, 16);
  readonly fc2 = new nn.Linear(16, 10);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.fc1.forward(x).relu());
  }
}

export interface Joined {
  readonly hash: string;
  readonly steps: number;
  readonly losses: readonly number[];
}

export async function train({ url, token, report }: JoinArguments): Promise<Joined> {
  const group = await initProcessGroup({ url, name: "a tab", ...(token === undefined ? {} : { token }) });
  const data = new ImageDataset(drawnDigits({ count: 700 }), { shape: [784] }).slice(0, 600);
  manualSeed(1);
  const net = new Net();
  const model = new DistributedDataParallel(net);
  const opt = new optim.Adam(net.parameters(), { lr: 2e-3 });
  const sampler = new DistributedSampler(data, { batchSize: 8, epochs: 2, shuffle: true });
  const losses: number[] = [];
  for await (const { x, y } of new DataLoader(data, { batchSampler: sampler })) {
    const loss = F.crossEntropy(model.forward(x), y);
    opt.zeroGrad();
    loss.backward();
    const { step, loss: mean, samples, workers } = await model.step(opt, loss);
    if (mean !== null) losses.push(mean);
    report({ step, loss: mean, samples, workers, ...group.traffic });
  }
  const hash = group.participant.replica.hash();
  destroyProcessGroup();
  return { hash, steps: losses.length, losses };
}

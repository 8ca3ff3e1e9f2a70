/** Schedules: rates and momenta against PyTorch's, state dicts, that they compile nothing, and what is refused. */
import { beforeEach, describe, expect, test } from "vitest";
import { nn, optim, setDevice, tensor } from "texgrad";
import type { WebglDevice } from "../../src/runtime/device.ts";
import { selectDevice } from "../../src/runtime/select.ts";
import { fixture, type SchedulerCase, type ScheduleSpec } from "../fixtures/load.ts";
import { useTestDevice } from "../support/device.ts";

const { rates, cases } = fixture("schedulers");

interface AnyScheduler {
  step(metric?: number): void;
  getLastLr(): readonly number[];
  stateDict(): optim.SchedulerState;
  loadStateDict(state: optim.SchedulerState): void;
}
type Constructor = new (...args: unknown[]) => AnyScheduler;
const constructors = new Map(Object.entries(optim) as unknown as [string, Constructor][]);

function optimizer(type: "SGD" | "Adam"): optim.SGD | optim.Adam {
  const groups = rates.map((lr) => ({ params: [new nn.Parameter(tensor([1]))], lr }));
  return type === "SGD" ? new optim.SGD(groups, { lr: 0.1, momentum: 0.9 }) : new optim.Adam(groups);
}

function argument(a: unknown, opt: optim.Optimizer): unknown {
  if (typeof a === "string" && a.startsWith("power:")) return (epoch: number) => Number(a.slice(6)) ** epoch;
  if (!Array.isArray(a)) return a;
  return constructors.has(a[0] as string) ? made(a, opt) : a.map((e) => argument(e, opt));
}

function made(spec: ScheduleSpec, opt: optim.Optimizer): AnyScheduler {
  const [name, ...rest] = spec as [string, ...unknown[]];
  const options = rest.pop() as Record<string, unknown>;
  const own = options["mode"] === "exp_range" ? { ...options, mode: "expRange" } : options;
  const args = rest.map((a) => argument(a, opt));
  return new (constructors.get(name)!)(...(name === "ChainedScheduler" ? [] : [opt]), ...args, own);
}

const momenta = (opt: optim.SGD | optim.Adam): number[] =>
  opt.paramGroups.map((g) => ("betas" in g ? g.betas[0] : g.momentum));

function near(what: string, got: readonly number[], want: readonly number[]): void {
  // Doubles on both sides; 1e-12 is room for a product taken in another order.
  for (const [i, w] of want.entries()) {
    expect(Math.abs(got[i]! - w), `${what}: ${got[i]} for ${w}`).toBeLessThanOrEqual(1e-12);
  }
}

/** `reload`: a step after which another optimizer and schedule go on from the state. */
function check(c: SchedulerCase, reload: number): void {
  let opt = optimizer(c.optimizer);
  let schedule = made(c.spec, opt);
  for (const [i, want] of c.lrs.entries()) {
    if (i > 0) schedule.step(c.metrics?.[i - 1]);
    near(`rate ${i}`, schedule.getLastLr(), want);
    near(`momentum ${i}`, momenta(opt), c.momenta[i]!);
    if (i !== reload) continue;
    const state = JSON.parse(JSON.stringify(schedule.stateDict())) as optim.SchedulerState;
    const before = opt;
    opt = optimizer(c.optimizer);
    schedule = made(c.spec, opt);
    schedule.loadStateDict(state);
    expect(schedule.getLastLr()).toEqual(before.paramGroups.map((g) => g.lr));
  }
}

beforeEach(useTestDevice);

describe("numbers", () => {
  test.each(cases.map((c) => [c.id, c] as const))("%s", (_, c) => check(c, -1));
});

describe("going on from a state dict", () => {
  test.each(cases.map((c) => [c.id, c] as const))("%s", (_, c) => {
    for (const reload of [1, 3, 5]) check(c, reload);
  });
});

test("a warm-up into a cosine", () => {
  const opt = optimizer("SGD");
  const schedule = new optim.WarmupCosineLR(opt, { warmup: 3, total: 7, minFactor: 0.1 });
  const got = [opt.paramGroups[0].lr];
  for (let i = 0; i < 8; i++) {
    schedule.step();
    got.push(opt.paramGroups[0].lr);
  }
  const fall = (part: number): number => 0.1 * (0.1 + 0.45 * (1 + Math.cos(Math.PI * part)));
  near("rates", got, [0.025, 0.05, 0.075, 0.1, fall(0.25), fall(0.5), fall(0.75), 0.01, 0.01]);
});

test("no schedule compiles anything", async () => {
  const device = selectDevice({ device: "webgl" }) as WebglDevice;
  setDevice(device);
  for (const c of cases) {
    const opt = optimizer(c.optimizer);
    const params = opt.paramGroups.flatMap((g) => g.params);
    const step = async (): Promise<void> => {
      const loss = params.map((p) => p.mul(p).sum()).reduce((a, b) => a.add(b));
      opt.zeroGrad();
      loss.backward();
      opt.step();
      await loss.item();
    };
    const schedule = made(c.spec, opt);
    await step();
    await step();
    const { plans, programs } = device.counters;
    for (let i = 1; i < Math.min(8, c.lrs.length); i++) {
      schedule.step(c.metrics?.[i - 1]);
      await step();
    }
    expect([device.counters.plans - plans, device.counters.programs - programs], c.id).toEqual([0, 0]);
  }
});

describe("what is refused", () => {
  const opt = (): optim.Optimizer => optimizer("SGD");
  const two = opt();
  test.each<[string, () => unknown, string]>([
    ["a step size of 0", () => new optim.StepLR(opt(), 0), "StepLR: stepSize is 0; it must be a whole number >= 1"],
    ["a factor above 1", () => new optim.ConstantLR(opt(), { factor: 2 }), "ConstantLR: factor is 2"],
    ["one function too few", () => new optim.LambdaLR(opt(), [() => 1]), "LambdaLR: got 1 functions for 2 groups"],
    [
      "no length",
      () => new optim.OneCycleLR(opt(), 1, {}),
      "OneCycleLR: takes totalSteps, or epochs and stepsPerEpoch",
    ],
    [
      "no momentum",
      () => new optim.CyclicLR(new optim.Rprop([new nn.Parameter(tensor([1]))]), 0.1, 1),
      "CyclicLR: the optimizer has no momentum to cycle; pass cycleMomentum: false",
    ],
    [
      "a step too many",
      () => {
        const s = new optim.OneCycleLR(opt(), 1, { totalSteps: 2 });
        for (let i = 0; i < 3; i++) s.step();
      },
      "OneCycleLR: step 3 of 2",
    ],
    ["milestones", () => new optim.SequentialLR(two, [new optim.StepLR(two, 1)], [1]), "1 schedules and 1 milestones"],
    [
      "two optimizers",
      () => new optim.ChainedScheduler([new optim.StepLR(two, 1), new optim.StepLR(opt(), 1)]),
      "ChainedScheduler: schedule 1 is of another optimizer",
    ],
    ["a tensor for a metric", () => new optim.ReduceLROnPlateau(opt()).step(tensor([1]) as never), "takes a number"],
    [
      "a state of other groups",
      () => {
        const one = new optim.SGD([new nn.Parameter(tensor([1]))], { lr: 1 });
        new optim.StepLR(opt(), 1).loadStateDict(new optim.StepLR(one, 1).stateDict());
      },
      "StepLR.loadStateDict: the state is of 1 groups and 0 parts, this schedule has 2 and 0",
    ],
  ])("%s", (_, f, message) => expect(f).toThrow(message));
});

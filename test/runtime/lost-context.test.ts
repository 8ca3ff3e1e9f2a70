/**
 * A context lost in the middle of a training and restored, on headless GL behind a wrapper that loses it (browsers do it
 * themselves: test/browser/lost-context.test.ts): typed errors, nothing half done, the same losses afterwards.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  compile,
  ContextLostError,
  currentDevice,
  DeviceError,
  F,
  manualSeed,
  nn,
  noGrad,
  ones,
  optim,
  randn,
  setDevice,
  snapshot,
  type Snapshot,
  StateTensor,
  survive,
  tensor,
  zeros,
  type Tensor,
} from "texgrad";
import { referenceDevice } from "texgrad/reference";
import type { PlanInfo } from "../../src/runtime/compile.ts";
import { createWebglDevice, type WebglDevice } from "../../src/runtime/device.ts";
import type { DeviceBuffer } from "../../src/ir/device.ts";
import { losableGl, type LosableGl } from "../support/losable-gl.ts";
import { handPlan, layout } from "../support/plans.ts";
import { constants, stubCapabilities, stubGl } from "../support/recording-gl.ts";

let context: LosableGl;
let device: WebglDevice;
beforeEach(() => {
  context = losableGl();
  device = createWebglDevice(context.gl, { readsSynchronously: true });
  setDevice(device);
});
afterEach(() => {
  setDevice(referenceDevice());
  device.dispose();
});

const failure = async (f: () => unknown): Promise<unknown> => {
  try {
    await f();
  } catch (error) {
    return error;
  }
  return null;
};

/** Everything a step may change: parameters, running statistics, moments, counts, the common generator. */
class Net extends nn.Module {
  fc1 = new nn.Linear(6, 16);
  norm = new nn.BatchNorm1d(16);
  drop = new nn.Dropout(0.3);
  fc2 = new nn.Linear(16, 3);
  forward(x: Tensor): Tensor {
    return this.fc2.forward(this.drop.forward(this.norm.forward(this.fc1.forward(x)).relu()));
  }
}

const STEPS = 26;

interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}

function* batches(): Iterable<Batch> {
  for (let i = 0; i < STEPS; i++) {
    const values = Float32Array.from({ length: 48 }, (_, k) => Math.sin(k * 1.7 + i));
    yield {
      x: tensor(values, { shape: [8, 6] }),
      y: tensor(
        Int32Array.from({ length: 8 }, (_, k) => (k + i) % 3),
        { shape: [8] },
      ),
    };
  }
}

interface Setup {
  readonly net: Net;
  readonly opt: optim.Adam;
  readonly losses: number[];
}

function setup(): Setup {
  manualSeed(5);
  const net = new Net();
  return { net, opt: new optim.Adam(net.parameters(), { lr: 0.05 }), losses: [] };
}

/** A step that loses the context where `at` says. */
function body({ net, opt, losses }: Setup, disturb: (at: string, step: number) => void) {
  return async ({ x, y }: Batch, step: number): Promise<void> => {
    const loss = F.crossEntropy(net.forward(x), y);
    disturb("before backward", step);
    opt.zeroGrad();
    loss.backward();
    disturb("before the step", step);
    opt.step();
    disturb("after the step", step);
    losses[step] = await loss.item();
  };
}

interface Calm {
  readonly losses: number[];
  readonly weight: unknown;
  readonly running: unknown;
}
let calm: Promise<Calm> | null = null;
/** What an undisturbed run gives; computed once, the same on every context. */
const undisturbed = (): Promise<Calm> => (calm ??= trainCalmly());

async function trainCalmly(): Promise<Calm> {
  const all = setup();
  const step = body(all, () => {});
  let i = 0;
  for (const batch of batches()) await step(batch, i++);
  return { losses: all.losses, ...(await end(all)) };
}

const end = async ({ net }: Setup): Promise<{ weight: unknown; running: unknown }> => ({
  weight: await net.fc1.weight.tolist(),
  running: await net.norm.runningVar!.tolist(),
});

describe("a context lost in the middle of step 20", () => {
  test.each(["before backward", "before the step", "after the step"])(
    "%s, and restored: the losses are those of an undisturbed run",
    async (where) => {
      const wanted = await undisturbed();
      const all = setup();
      const { programs } = device.counters;
      const compiled: PlanInfo[] = [];
      let lost = 0;
      const disturb = (at: string, step: number): void => {
        if (at !== where || step !== 20 || lost++ > 0) return;
        // Lost at once; the page is told later, and the context restored later still.
        context.lose({ event: false });
        device.onPlan = (info) => compiled.push(info);
        setTimeout(() => {
          context.announce();
          setTimeout(() => context.restore(), 5);
        }, 5);
      };
      const losses: unknown[] = [];
      const final = await survive(batches(), [all.net, all.opt], body(all, disturb), {
        every: 8,
        onLoss: (loss) => losses.push(loss),
      });
      expect(lost).toBe(2);
      expect(losses).toEqual([{ step: 20, from: 16 }]);
      expect(all.losses).toEqual(wanted.losses);
      const { losses: _, ...state } = wanted;
      expect(await end(all)).toEqual(state);
      // Plans stay plans: no pass ran again for the step, whose macros are in no plan since; programs are made anew.
      expect(compiled.filter(({ request }) => request.order.some((n) => n.op.kind === "macro"))).toEqual([]);
      expect(device.counters.programs).toBeGreaterThan(programs);
      // The snapshot of the end needs no device.
      noGrad(() => all.net.fc1.weight.copy_(0));
      final.restore();
      expect(await end(all)).toEqual(state);
    },
  );

  test.each(["before the call", "after the call"])("%s of a compiled step: the same losses", async (where) => {
    const wanted = await undisturbed();
    const { net, opt, losses } = setup();
    const step = compile((x: Tensor, y: Tensor): Tensor => {
      const loss = F.crossEntropy(net.forward(x), y);
      opt.zeroGrad();
      loss.backward();
      opt.step();
      return loss;
    });
    let lost = false;
    const disturb = (at: string, i: number): void => {
      if (at !== where || i !== 20 || lost) return;
      lost = true;
      context.lose({ event: false });
      setTimeout(() => {
        context.announce();
        context.restore();
      });
    };
    await survive(
      batches(),
      [net, opt],
      async ({ x, y }, i) => {
        disturb("before the call", i);
        const loss = step(x, y);
        disturb("after the call", i);
        losses[i] = await loss.item();
      },
      { every: 8 },
    );
    expect(lost).toBe(true);
    expect(losses).toEqual(wanted.losses);
  });

  test("may be lost again, while it is made good", async () => {
    const wanted = await undisturbed();
    const all = setup();
    const at = [20, 17, 25];
    const disturb = (where: string, step: number): void => {
      if (where !== "before the step" || step !== at[0]) return;
      at.shift();
      context.lose();
      setTimeout(() => context.restore());
    };
    await survive(batches(), [all.net, all.opt], body(all, disturb), { every: 8 });
    expect(at).toEqual([]);
    expect(all.losses).toEqual(wanted.losses);
  });
});

test("a snapshot under way is no part of the next step's plan, and changes none of its bits", async () => {
  const wanted = await undisturbed();
  const all = setup();
  const step = body(all, () => {});
  const taken: Promise<Snapshot>[] = [];
  const sizes = new Set<number>();
  device.onPlan = ({ request }) => {
    if (request.order.some((n) => n.op.kind === "macro")) sizes.add(request.roots.length);
  };
  let i = 0;
  for (const batch of batches()) {
    if (i % 5 === 4) taken.push(snapshot([all.net, all.opt]));
    await step(batch, i++);
  }
  expect(all.losses).toEqual(wanted.losses);
  // With the moments' first versions, and without.
  expect(sizes.size).toBeLessThanOrEqual(2);
  for (const one of await Promise.all(taken)) one.restore();
});

describe("an error for a lost context", () => {
  test("says what happened and what comes next, and changes nothing", async () => {
    const { net } = setup();
    const opt = new optim.SGD(net.parameters(), { lr: 0.1 });
    const [{ x, y }] = [...batches()] as [Batch];
    const step = (): void => {
      const loss = F.crossEntropy(net.forward(x), y);
      opt.zeroGrad();
      loss.backward();
      opt.step();
    };
    step();
    context.lose({ event: false });
    const error = await failure(step);
    expect(error).toBeInstanceOf(ContextLostError);
    expect(error).toBeInstanceOf(DeviceError);
    expect(String(error)).toMatch(
      /^ContextLostError: .*the WebGL context was lost .*await error\.restored, then restore the last snapshot/,
    );
    // A step that failed has not been counted.
    expect(opt.stateDict().state[0]).toEqual({ step: 1 });
    expect(context.announce()).toBe(true);
    expect(await failure(() => net.fc1.weight.data())).toBeInstanceOf(ContextLostError);
    expect(await failure(() => ones([3]).add(1).sum().item())).toBeInstanceOf(ContextLostError);
    context.restore();
    await (error as ContextLostError).restored;
    // What was made of nothing but host values is there again, what lay on the device is not, and says its name.
    expect(
      await x
        .add(ones([6]))
        .sum()
        .item(),
    ).toBeCloseTo(48 + (await x.sum().item()), 4);
    expect(String(await failure(() => net.norm.runningMean!.data()))).toMatch(
      /^ContextLostError: .+: the WebGL context/,
    );
    expect(await failure(step)).toBeInstanceOf(ContextLostError);
    noGrad(() => net.fc1.weight.copy_(zeros([16, 6])));
    expect(await net.fc1.weight.sum().item()).toBe(0);
  });

  test("does not take what is on the host, nor what can be computed from it", async () => {
    const read = randn([4]).mul(2);
    const values = await read.tolist();
    const computed = tensor([1, 2, 3]).mul(2);
    expect(await computed.sum().item()).toBe(12);
    const copy = tensor([4, 5]).add(1).clone();
    expect(await copy.sum().item()).toBe(11);
    context.lose();
    context.restore();
    expect(await read.tolist()).toEqual(values);
    expect(await computed.tolist()).toEqual([2, 4, 6]);
    expect(await copy.tolist()).toEqual([5, 6]);
  });

  test("is not survived by what no snapshot holds", async () => {
    const w = new StateTensor(ones([2]));
    const total = new StateTensor(zeros([1]), { label: "total" });
    let lost = false;
    const run = survive([0, 1, 2, 3], [w], async (_, step) => {
      w.copy_(w.mul(2));
      total.copy_(total.add(w.sum()));
      if (step === 2 && !lost) {
        lost = true;
        context.lose();
        setTimeout(() => context.restore());
      }
      await total.item();
    });
    expect(String(await failure(() => run))).toMatch(/^ContextLostError: total: the WebGL context was lost/);
  });

  test("a snapshot kept elsewhere goes on without the context", async () => {
    const w = new StateTensor(ones([2]));
    const kept: [number, Snapshot][] = [];
    const run = survive(
      [0, 1, 2, 3, 4],
      [w],
      async (_, step) => {
        // Until what is on its way has arrived.
        await new Promise((resolve) => setTimeout(resolve));
        w.copy_(w.mul(2));
        if (step === 3) context.lose();
        await w.data();
      },
      { every: 2, patience: 20, onSnapshot: (state, step) => kept.push([step, state]) },
    );
    expect(await failure(() => run)).toBeInstanceOf(ContextLostError);
    expect(kept.map(([step]) => step)).toEqual([0, 2]);
    setDevice(referenceDevice());
    kept.at(-1)![1].restore();
    expect(await w.tolist()).toEqual([4, 4]);
  });

  test("ends a loop whose context does not come back", async () => {
    const w = new StateTensor(ones([2]));
    const run = survive(
      [0, 1],
      [w],
      async () => {
        w.copy_(w.mul(2));
        context.lose();
        await w.data();
      },
      { patience: 20 },
    );
    expect(await failure(() => run)).toBeInstanceOf(ContextLostError);
    context.restore();
  });
});

describe("on a recorded context", () => {
  const square = layout([8, 8]);

  test("reads on their way end with the loss, and what comes back is made anew", async () => {
    const stub = stubGl({ clientWaitSync: () => constants.TIMEOUT_EXPIRED });
    const own = createWebglDevice(stub.gl, { capabilities: stubCapabilities });
    const { plan, programs } = handPlan({
      buffers: [{ layout: square }, { layout: square }],
      kernels: [{ loads: [0], stores: [1], body: "  o0 = texelFetch(t0, ivec3(at, 0), 0) * 2.0;" }],
      leaves: [0],
      roots: [1],
    });
    const exe = own.load(plan, programs);
    const run = (): DeviceBuffer => exe.run({ leaves: [new Float32Array(64)], uniforms: [], outputs: [null] })[0]!;
    const before = run();
    const reading = before.read();
    // Fenced, and waiting for a fence that never comes.
    await new Promise((resolve) => setTimeout(resolve, 5));
    stub.lose();
    const error = (await failure(() => reading)) as ContextLostError;
    expect(error).toBeInstanceOf(ContextLostError);
    expect(() => run()).toThrow(ContextLostError);
    expect(before.loss).not.toBeNull();
    expect(own.memory()).toMatchObject({ bytes: 0, buffers: 0 });
    stub.calls.length = 0;
    stub.recording = true;
    stub.restore();
    await error.restored;
    const names = (): string[] => stub.calls.map((c) => c.slice(0, c.indexOf("(")));
    expect(stub.calls).toContain("getExtension(EXT_color_buffer_float)");
    expect(names().filter((n) => n === "createVertexArray").length).toBe(1);
    expect(names().filter((n) => n === "linkProgram").length).toBe(1);
    stub.calls.length = 0;
    const after = run();
    expect(after.loss).toBeNull();
    // A leaf and a result in textures of their own, one framebuffer.
    expect(names().filter((n) => n.startsWith("create"))).toEqual([
      "createTexture",
      "createTexture",
      "createFramebuffer",
    ]);
    // What was lost stays lost, and is given back without harm.
    expect(() => before.readSync()).toThrow(ContextLostError);
    before.release();
    own.dispose();
  });

  test("one that comes back smaller is refused, in words", async () => {
    const own = device;
    const net = new nn.Linear(3, 2);
    await net.weight.data();
    context.lose();
    const error = (await failure(() => ones([3]).add(1).sum().item())) as ContextLostError;
    context.restore({ maxTextureSize: 1024 });
    await expect(error.restored).rejects.toThrow(
      /restored in its place .* has maxTextureSize 1024 instead of \d+; make/,
    );
    expect(await failure(() => ones([3]).add(1).sum().item())).not.toBeInstanceOf(ContextLostError);
    expect(currentDevice()).toBe(own);
  });

  test("one that is lost again before it can be used may come back again", async () => {
    context.lose();
    const error = (await failure(() => ones([3]).add(1).sum().item())) as ContextLostError;
    context.restore({ lostAgain: true });
    expect(await failure(() => ones([3]).add(1).sum().item())).toBeInstanceOf(ContextLostError);
    context.announce();
    context.restore();
    await error.restored;
    expect(await ones([3]).add(1).sum().item()).toBe(6);
  });

  test("a device that is disposed of meanwhile ends the waiting", async () => {
    const other = losableGl();
    const own = createWebglDevice(other.gl, { readsSynchronously: true });
    other.lose();
    const error = await failure(() => own.upload(new Float32Array(64), "f32", [8, 8], square.text));
    own.dispose();
    await expect((error as ContextLostError).restored).rejects.toThrow(/disposed/);
    // It listens no more.
    other.restore();
    expect(() => own.upload(new Float32Array(64), "f32", [8, 8], square.text)).toThrow(/disposed/);
  });
});

describe("what cannot be", () => {
  test("is said before anything is done", async () => {
    await expect(survive([], [], () => {}, { every: 0 })).rejects.toThrow(
      "survive: every is 0; it must be a whole number >= 1",
    );
    // As JavaScript may call it.
    const net = new nn.Linear(2, 2) as unknown as [];
    await expect(survive([], net, () => {})).rejects.toThrow("a list of parts after the batches, such as [net, opt]");
    await expect(survive(5 as unknown as [], [], () => {})).rejects.toThrow(/batches are nothing that can be iterated/);
    await expect(snapshot(net)).rejects.toThrow("snapshot: takes a list of parts, such as [net, opt]");
    await expect(snapshot([null as unknown as StateTensor])).rejects.toThrow(/^snapshot: a part is no module/);
    await expect(survive([1], [], () => Promise.reject(new Error("mine")))).rejects.toThrow("mine");
    const part = {} as unknown as StateTensor;
    await expect(snapshot([part])).rejects.toThrow(/^snapshot: a part is no module, optimizer, .* no stateDict\(\)$/);
    await expect(snapshot([ones([2])])).rejects.toThrow(/tensor that can be assigned/);
  });
});

describe("a device of another context", () => {
  test("takes over from a lost one what is on the host", async () => {
    const { net, opt } = setup();
    const kept = await snapshot([net, opt]);
    const weight = await net.fc1.weight.tolist();
    context.lose({ event: false });
    setDevice(createWebglDevice(losableGl().gl, { readsSynchronously: true }));
    expect(currentDevice()).not.toBe(device);
    kept.restore();
    expect(await net.fc1.weight.tolist()).toEqual(weight);
  });
});

/**
 * Tuning: what is chosen follows from what was measured, and from nothing where that is noise; on a real context it ends
 * in time, is kept and found again, and training gives the same numbers.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { applyTuning, F, loadTuning, manualSeed, nn, optim, setDevice, tensor, tune, type Tuning } from "texgrad";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice, type WebglDevice } from "../../src/runtime/device.ts";
import { candidatesOf } from "../../src/runtime/tune-cases.ts";
import { choose, type Candidates, type Measure, type Settings } from "../../src/runtime/tune.ts";
import { headlessGl } from "../support/gl.ts";

const defaults: Settings = { fetch: "texelFetch", tile: 8, unroll: 4, fragments: 128 };
const candidates: readonly Candidates[] = [
  { setting: "fetch", values: ["texelFetch", "textureLod"], cases: ["matmul", "sum"] },
  { setting: "tile", values: [8, 4, 2], cases: ["matmul"] },
];

/** A device whose runs take what `ms` says; its clock stands still but for them. */
class Fake implements Measure {
  #now = 0;
  runs = 0;
  readonly #ms: (name: string, settings: Settings, run: number) => number;
  constructor(ms: (name: string, settings: Settings, run: number) => number) {
    this.#ms = ms;
  }
  now = (): number => this.#now;
  programs = (name: string, settings: Settings): string => `${name} ${JSON.stringify(settings)}`;
  async time(name: string, settings: Settings): Promise<number> {
    const ms = this.#ms(name, settings, this.runs++);
    this.#now += ms;
    return ms;
  }
}

const verdicts = async (measure: Measure, budgetMs = Infinity) => {
  const { settings, comparisons } = await choose(defaults, candidates, measure, budgetMs);
  return { settings, verdicts: comparisons.map((c) => `${c.setting} ${c.value}: ${c.verdict}`) };
};

describe("what is chosen", () => {
  test("is the fastest of each setting, each against those held so far", async () => {
    const ms = (_: string, { fetch, tile }: Settings): number =>
      (fetch === "textureLod" ? 6 : 10) * ({ 8: 1, 4: 0.9, 2: 0.8 }[tile] ?? 1);
    expect(await verdicts(new Fake(ms))).toEqual({
      settings: { ...defaults, fetch: "textureLod", tile: 2 },
      verdicts: ["fetch textureLod: faster", "tile 4: faster", "tile 2: faster"],
    });
  });

  test("is the mean of what the cases say, by their ratios", async () => {
    // Half the time of a short case weighs as much as twice that of a long one.
    const ms = (name: string, { fetch }: Settings): number =>
      name === "sum" ? (fetch === "textureLod" ? 1 : 2) : fetch === "textureLod" ? 190 : 100;
    const { comparisons } = await choose(defaults, candidates.slice(0, 1), new Fake(ms), Infinity);
    expect(comparisons[0]!.ratio!.median).toBeCloseTo(Math.sqrt(0.5 * 1.9), 12);
    expect(comparisons[0]!.verdict).toBe("not faster");
  });

  test("is the default where the noise is larger than the difference", async () => {
    // 10 % faster in the median, but two pairs of five say the contrary.
    const noisy = (_: string, { fetch }: Settings, run: number): number =>
      fetch === "texelFetch" ? 10 : (run >> 1) % 5 < 3 ? 9 : 13;
    const [fetch] = candidates;
    const one = [{ ...fetch!, cases: ["matmul"] }];
    const first = await choose(defaults, one, new Fake(noisy), Infinity);
    expect(first.settings).toEqual(defaults);
    expect(first.comparisons[0]).toMatchObject({ verdict: "too noisy", pairs: 15 });
    // The same measurements, the same choice.
    expect(await choose(defaults, one, new Fake(noisy), Infinity)).toEqual(first);
  });

  test("is hardly ever wrong under noise of half a run's time, and mostly right where much is to be saved", async () => {
    const [fetch] = candidates;
    const chosen = async (factor: number, seed: number): Promise<boolean> => {
      let state = seed;
      const unit = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
      const ms = (_: string, s: Settings): number => (s.fetch === "textureLod" ? factor : 1) * 10 * (1 + unit() / 2);
      return (await choose(defaults, [{ ...fetch!, cases: ["matmul"] }], new Fake(ms), Infinity)).settings !== defaults;
    };
    const often = async (factor: number): Promise<number> => {
      const all = await Promise.all(Array.from({ length: 200 }, (_, seed) => chosen(factor, seed)));
      return all.filter(Boolean).length / all.length;
    };
    expect(await often(1.1)).toBe(0);
    expect(await often(1)).toBeLessThan(0.03);
    expect(await often(0.7)).toBeGreaterThan(0.9);
  });

  test("is the default where nothing differs by more than a driver's mood", async () => {
    const fake = new Fake((_, { fetch, tile }) => 10 - (fetch === "textureLod" ? 0.2 : 0) - (8 - tile) * 0.02);
    expect((await verdicts(fake)).settings).toEqual(defaults);
    // Five pairs told it: two cases of one value, one case of two.
    expect(fake.runs).toBe(5 * (2 * 2 + 2 * 2));
  });

  test("is nothing that there was no time for", async () => {
    const ms = (_: string, { fetch, tile }: Settings): number => (fetch === "textureLod" ? 5 : 10) * tile;
    expect(await verdicts(new Fake(ms), 8 * (2 * (5 + 10) * 8))).toEqual({
      settings: { ...defaults, fetch: "textureLod" },
      verdicts: ["fetch textureLod: faster", "tile 4: no time", "tile 2: no time"],
    });
  });

  test("is not asked of settings that make the same programs", async () => {
    class Same extends Fake {
      override programs = (name: string, { fetch }: Settings): string => name + fetch;
    }
    expect((await verdicts(new Same((_, { fetch }) => fetch.length))).verdicts).toEqual([
      "fetch textureLod: not faster",
      "tile 4: same programs",
      "tile 2: same programs",
    ]);
  });
});

const fresh = (): WebglDevice => createWebglDevice(headlessGl(), { readsSynchronously: true });

/** Losses of four steps of a network with a convolution and long sums. */
async function train(): Promise<readonly number[]> {
  manualSeed(3);
  const net = new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { padding: 1 }),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(8 * 36, 10),
  );
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.05 });
  const x = tensor(
    Float32Array.from({ length: 64 * 3 * 36 }, (_, i) => Math.sin(1.3 * i)),
    { shape: [64, 3, 6, 6] },
  );
  const y = tensor(
    Array.from({ length: 64 }, (_, i) => (i * 7) % 10),
    { dtype: "i32" },
  );
  const losses: number[] = [];
  for (let i = 0; i < 4; i++) {
    const loss = F.crossEntropy(net.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    losses.push(await loss.item());
  }
  return losses;
}

/** Sums of thousands in another order: some units in the last place of the loss. */
const close = (got: readonly number[], want: readonly number[]): void =>
  got.forEach((loss, i) => expect(Math.abs(loss / want[i]! - 1)).toBeLessThan(2e-6));

describe("on headless GL", () => {
  const folder = mkdtempSync(join(tmpdir(), "texgrad-tune-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (): string => join(folder, readdirSync(folder)[0]!);
  let tuning: Tuning;

  test("tune() measures, keeps and applies; training gives the same numbers", async () => {
    setDevice(fresh());
    const want = await train();
    const device = fresh();
    setDevice(device);
    const { buffers } = device.memory();
    const { fetch, tile, unroll, fragments } = device.profile;
    tuning = (await tune({ budgetMs: 600, store: folder }))!;
    expect(device.memory().buffers).toBe(buffers);
    expect(tuning.renderer).toBe(device.capabilities.renderer);
    expect(tuning.comparisons.map((c) => c.setting)).toEqual(
      candidatesOf(device).flatMap(({ setting, values }) => values.slice(1).map(() => setting)),
    );
    // What was not found faster is as it was.
    const changed = tuning.comparisons.filter((c) => c.verdict === "faster");
    if (changed.length === 0) expect(tuning.settings).toEqual({ fetch, tile, unroll, fragments });
    expect(device.profile).toMatchObject(tuning.settings);
    close(await train(), want);
  });

  test("what was kept is loaded when asked, and not before", async () => {
    const settings: Settings = { fetch: "texelFetch", tile: 2, unroll: 8, fragments: 1024 };
    writeFileSync(file(), JSON.stringify({ ...tuning, settings }));
    const device = fresh();
    setDevice(device);
    const before = device.profile;
    const want = await train();
    expect(device.profile).toBe(before);
    const tuned = fresh();
    setDevice(tuned);
    expect((await loadTuning({ store: folder }))!.settings).toEqual(settings);
    expect(tuned.profile).toEqual({ ...before, ...settings });
    const got = await train();
    close(got, want);
    // Every setting reaches the text.
    expect(tuned.programs.all.map((p) => p.source)).not.toEqual(device.programs.all.map((p) => p.source));
    expect(tuned.programs.all.some((p) => p.source.includes("textureLod"))).toBe(false);
  });

  test("what cannot be kept is said, and applied all the same; a budget is more than nothing", async () => {
    const device = fresh();
    setDevice(device);
    const before = device.profile;
    await expect(tune({ budgetMs: 1, store: file() })).rejects.toThrow(/^write .*file/);
    expect(device.profile).not.toBe(before);
    for (const budgetMs of [0, -1, NaN]) {
      await expect(tune({ budgetMs, store: false })).rejects.toThrow(/^tune: budgetMs is .*; it is milliseconds/);
    }
  });

  test("another version's or renderer's is not there, and what is spoilt is said to be", async () => {
    setDevice(fresh());
    expect(await loadTuning({ store: join(folder, "none") })).toBeNull();
    writeFileSync(file(), JSON.stringify({ ...tuning, texgrad: "0.0.1" }));
    expect(await loadTuning({ store: folder })).toBeNull();
    writeFileSync(file(), JSON.stringify({ ...tuning, settings: { ...tuning.settings, tile: 3 } }));
    await expect(loadTuning({ store: folder })).rejects.toThrow(/^loadTuning: this is no tuning/);
    writeFileSync(file(), "{");
    await expect(loadTuning({ store: folder })).rejects.toThrow(/^loadTuning: what is kept as .* is no JSON/);
  });

  test("applyTuning takes JSON, and refuses another device's", () => {
    const device = fresh();
    setDevice(device);
    applyTuning(JSON.parse(JSON.stringify({ ...tuning, settings: { ...tuning.settings, tile: 4 } })) as Tuning);
    expect(device.profile.tile).toBe(4);
    expect(() => applyTuning({ ...tuning, renderer: "Voodoo 2" })).toThrow(/is for Voodoo 2, here draws .*; call tune/);
    expect(() => applyTuning({ ...tuning, texgrad: "0.0.1" })).toThrow(/is of texgrad 0\.0\.1, this is .*; call tune/);
    expect(() => applyTuning(3 as never)).toThrow(/^applyTuning: this is no tuning/);
    const inexact = createWebglDevice(headlessGl(), { capabilities: { ...device.capabilities, exactSampling: false } });
    setDevice(inexact);
    expect(candidatesOf(inexact)[0]!.values).toEqual([]);
    expect(() => applyTuning({ ...tuning, settings: { ...tuning.settings, fetch: "textureLod" } })).toThrow(
      /not exact/,
    );
  });
});

test("the cpu device has nothing to tune", async () => {
  setDevice(createCpuDevice());
  expect(await tune()).toBeNull();
  expect(await loadTuning()).toBeNull();
  expect(() => applyTuning({} as Tuning)).toThrow("applyTuning: the cpu device has nothing to tune");
});

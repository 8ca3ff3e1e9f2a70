/**
 * Random training programs, plain and compiled: whatever is done inside the function and around its calls, no number
 * differs. Only when a value has gone stale may: a compiled call submits at its end, so versions go by faster.
 */
import { expect, test } from "vitest";
import {
  compile,
  enableGrad,
  manualSeed,
  noGrad,
  optim,
  Parameter,
  rand,
  realize,
  setDevice,
  StaleTensorError,
  StateTensor,
  tensor,
  zeros,
  type Tensor,
} from "texgrad";
import { deviceName, testDevice } from "./training.ts";

/** Fewer where every plan is a driver's work. */
const PROGRAMS = deviceName === "webgl" ? 6 : 40;
const CALLS = 26;
const N = 3;

type Step = (x: Tensor, h: Tensor, k: Tensor | number) => Tensor[];

/** Mulberry32. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A program's observations, in order: what it did and what it saw, "stale" for what could not be seen any more. */
type Log = [what: string, seen: unknown][];

/** Runs the program of a seed; `isCompiled`: with its step compiled. */
async function program(seed: number, isCompiled: boolean): Promise<{ log: Log; calls: number }> {
  setDevice(testDevice());
  manualSeed(seed);
  const next = random(seed);
  const chance = (p: number): boolean => next() < p;
  const pick = <T>(options: readonly T[]): T => options[Math.floor(next() * options.length)]!;
  const noise = (): Tensor => tensor(Float32Array.from({ length: N }, () => 2 * next() - 1));

  const [w, b, s] = [new Parameter(noise()), new Parameter(noise()), new StateTensor(noise())];
  const opt = pick([
    () => new optim.SGD([w, b], { lr: 0.05 }),
    () => new optim.SGD([w, b], { lr: 0.05, momentum: 0.9 }),
    () => new optim.Adam([w, b], { lr: 0.05 }),
  ])();
  const [drops, copies, copiesLate, realizes, stepsTwice] = [0.4, 0.4, 0.2, 0.2, 0.2].map(chance);
  const [usesState, usesNumber, looks, hasConstants] = [0.5, 0.4, 0.15, 0.3].map(chance);
  const differentiates = chance(0.8);
  const steps = chance(0.7);
  const zeroing = pick(["first", "last", "never", "to zeros"]);
  const results = pick([["loss"], ["loss", "mid"], ["mid", "loss", "h"], ["h"], ["loss", "grad"]]);
  const mask = tensor([1, 0.5, 2]);

  let calls = 0;
  const traced = (x: Tensor, h: Tensor, k: Tensor): Tensor[] => {
    calls += 1;
    let mid = x.mul(w).add(b);
    if (usesState) mid = mid.add(h.mul(0.3));
    if (usesNumber) mid = mid.mul(k);
    if (drops) mid = mid.mul(rand([N]).gt(0.3));
    if (hasConstants) mid = mid.mul(mask).add(tensor([0.1, 0.2, 0.3]));
    if (copies) noGrad(() => s.copy_(s.mul(0.9).add(mid.detach().mul(0.1))));
    const out = mid.tanh().add(s.mul(0.1));
    const loss = out.square().sum();
    if (realizes) realize(loss);
    let grad = loss;
    const descend = (y: Tensor): void => {
      if (zeroing === "first") opt.zeroGrad();
      if (zeroing === "to zeros") opt.zeroGrad({ setToNone: false });
      y.backward();
      if (looks || results.includes("grad")) grad = w.grad ?? loss;
      if (steps) opt.step();
      if (zeroing === "last") opt.zeroGrad();
    };
    if (differentiates) descend(loss);
    if (differentiates && stepsTwice) descend(x.mul(w).sub(b).square().sum());
    if (copiesLate) noGrad(() => s.copy_(s.add(1)));
    const all: Readonly<Record<string, Tensor>> = { loss, mid, h: out, grad };
    return results.map((name) => all[name]!);
  };
  const step: Step = isCompiled ? compile(traced) : (x, h, k) => traced(x, h, tensor(k as number));

  const log: Log = [];
  const note = async (what: string, see: () => unknown): Promise<boolean> => {
    try {
      log.push([what, await see()]);
      return true;
    } catch (error) {
      if (!(error instanceof StaleTensorError)) throw error;
      log.push([what, "stale"]);
      return false;
    }
  };
  const batches = [noise(), noise(), noise()];
  let h = zeros([N]);
  let kept: Tensor | null = null;
  for (let i = 0; i < CALLS; i++) {
    const x = chance(0.5) ? noise() : pick(batches);
    const [k, isPending] = [0.5 + next(), chance(0.1)];
    const dice = Array.from({ length: 5 }, next) as [number, number, number, number, number];
    let out: Tensor[] = [];
    const mode = differentiates ? enableGrad : noGrad;
    const call = (): void => void (out = mode(() => step(isPending ? x.mul(2) : x, h, k)));
    if (!(await note("call", call))) break;
    if (results.at(-1) === "h" && dice[0] < 0.8) h = out.at(-1)!.detach();
    if (dice[1] < 0.5) await note("results", () => Promise.all(out.map((t) => t.tolist())));
    if (dice[1] > 0.8) kept = out[0]!;
    if (dice[2] < 0.2) await note("gradient", () => w.grad?.tolist() ?? null);
    if (dice[2] > 0.9) opt.zeroGrad();
    if (dice[2] > 0.8 && dice[2] < 0.85 && differentiates) await note("step", () => opt.step());
    if (dice[3] < 0.1) opt.paramGroups[0].lr = 0.05 * dice[0];
    if (dice[3] > 0.93) noGrad(() => s.copy_(zeros([N])));
    if (dice[3] > 0.88 && dice[3] < 0.93) noGrad(() => w.copy_(w.mul(0.5)));
    if (dice[3] > 0.5 && dice[3] < 0.55) w.requiresGrad_(dice[0] < 0.5);
    if (dice[4] < 0.15 && kept !== null) await note("kept", () => kept!.tolist());
    if (dice[4] > 0.9) await note("parameter", () => w.tolist());
    if (dice[4] > 0.8 && dice[4] < 0.85) await note("snapshot", () => out[0]!.clone().tolist());
    if (dice[4] > 0.6 && dice[4] < 0.65) await note("draw", () => rand([2]).tolist());
  }
  const counts = Object.values(opt.stateDict().state).map((e) => e.step);
  await note("end", async () => [await w.tolist(), await b.tolist(), await s.tolist(), counts]);
  return { log, calls };
}

/** The part of both logs before a call or a step that one of them could not make. */
function comparable(a: Log, b: Log): [Log, Log] {
  const ends = [a, b].map((log) =>
    log.findIndex(([what, seen]) => (what === "call" || what === "step") && seen === "stale"),
  );
  const end = Math.min(...ends.map((i) => (i < 0 ? Infinity : i)));
  const isSeen = (i: number): boolean => a[i]?.[1] !== "stale" && b[i]?.[1] !== "stale";
  const kept = (log: Log): Log => log.slice(0, Number.isFinite(end) ? end : log.length).filter((_, i) => isSeen(i));
  return [kept(a), kept(b)];
}

test(`${PROGRAMS} random programs compute the same, compiled or not`, { timeout: 120_000 }, async () => {
  let [traced, all] = [0, 0];
  for (let seed = 0; seed < PROGRAMS; seed++) {
    const plain = await program(seed, false);
    const compiled = await program(seed, true);
    const [expected, got] = comparable(plain.log, compiled.log);
    expect(got, `seed ${seed}`).toEqual(expected);
    traced += compiled.calls;
    all += plain.calls;
  }
  // Most calls are replayed, although something is changed around every fourth.
  expect(traced).toBeLessThan(0.6 * all);
});

/**
 * `npm run bench:node [-- matmul conv rows] [-- --rounds N] [--json FILE]`: texgrad's generated shaders in headless GL
 * beside hand-written ones (limits.mjs unchanged, and kernels.ts for what it lacks).
 *
 * One process, two contexts of one driver. Each round draws the hand-written kernel, then ours, or the other way round,
 * and each is waited for by reading one pixel of what it drew last, so that both stand within milliseconds of each other
 * and meet the same load; the ratio is the median over rounds. Ours is all that a user's line costs: tracing, finding
 * the plan, replay, draws.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { setDevice } from "texgrad";
import { platform } from "../../src/platform/node.ts";
import type { PlanInfo } from "../../src/runtime/compile.ts";
import { createWebglDevice, type WebglDevice } from "../../src/runtime/device.ts";
import type { WebGL2 } from "../../src/runtime/gl-types.ts";
import { quartiles, type Quartiles } from "../statistics.ts";
import { cases, type Case } from "./cases.ts";
import { runLimits, type HandWritten } from "./hand-written.ts";
import { writtenKernels } from "./kernels.ts";

const usage = `npm run bench:node -- [${Object.keys(cases).join(" ")}] [--rounds N] [--json FILE]`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: "string" }, rounds: { type: "string", default: "15" } },
  });
  const rounds = Number(values.rounds);
  const unknown = positionals.find((name) => !(name in cases));
  if (unknown !== undefined || !(rounds >= 1)) {
    console.error(usage);
    return 2;
  }
  const device = createWebglDevice(context(), { readsSynchronously: true });
  setDevice(device);
  console.log(`${device.capabilities.renderer}; limits.mjs runs first`);
  const rivals = [...(await runLimits(process.cwd(), context())), ...writtenKernels(context())];
  const chosen = positionals.length === 0 ? Object.keys(cases) : positionals;
  const rows: Row[] = [];
  console.log(`${"".padEnd(24)}${heads.map((head) => head.padStart(12)).join("")}`);
  for (const group of chosen) {
    for (const measured of cases[group]!()) {
      const row = compare(device, measured, rivals, rounds);
      rows.push(row);
      console.log(describe(row));
    }
  }
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, date: new Date().toISOString() };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, rounds, rows }, null, 1)}\n`);
  return 0;
}

function context(): WebGL2 {
  const made = platform.createContext();
  if (!made.ok) throw new Error(`bench:node: no GL: ${made.reason}; ${made.fix}`);
  return made.gl;
}

interface Row {
  readonly name: string;
  /** ms of a step of texgrad's, and of the hand-written kernel. */
  readonly ms: Quartiles;
  readonly rivalMs?: Quartiles;
  readonly rival?: string;
  /** The hand-written kernel's time over ours, of pairs: 1 is its speed. */
  readonly ratio?: Quartiles;
  readonly draws: number;
  readonly programs: number;
  /** Texel fetches of all fragments. */
  readonly fetches: number;
  /** Loads in the programs' texts that take four scalar fetches. */
  readonly gathers: number;
  /** All that the device holds after the step. */
  readonly bytes: number;
}

/** Steps that compile, learn their outputs and warm caches. */
const WARM_UP = 4;

function compare(device: WebglDevice, measured: Case, all: readonly HandWritten[], rounds: number): Row {
  const plans: PlanInfo[] = [];
  device.onPlan = (info) => plans.push(info);
  check(measured);
  for (let i = 0; i < WARM_UP; i++) measured.step();
  device.onPlan = null;
  const drawn = device.counters.draws;
  const step = (): void => {
    measured.step();
    waitForPixel(device.gl);
  };
  step();
  const programs = plans[0]!.programs;
  const counts = {
    draws: device.counters.draws - drawn,
    programs: new Set(programs.map(({ source }) => source)).size,
    fetches: programs.reduce((sum, p) => sum + p.counts.fetches * p.width * p.height, 0),
    gathers: programs.reduce((sum, p) => sum + p.counts.gathers, 0),
    bytes: device.memory().bytes,
  };
  const rival = fastest(all.filter(({ name }) => measured.rivals.test(name)));
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) ours.push(time(step));
    if (rival !== undefined) theirs.push(time(() => rival.draw()));
    if (round % 2 === 1) ours.push(time(step));
  }
  const base = { name: measured.name, ms: quartiles(ours), ...counts };
  if (rival === undefined) return base;
  const ratio = quartiles(theirs.map((ms, i) => ms / ours[i]!));
  return { ...base, rival: rival.name, rivalMs: quartiles(theirs), ratio };
}

/** Of kernels that compute the same. Drawn in turn, since their own figures were taken at different times. */
function fastest(rivals: readonly HandWritten[]): HandWritten | undefined {
  const best = rivals.map(() => Infinity);
  for (let pass = 0; pass < 5; pass++) {
    rivals.forEach(
      (rival, i) =>
        (best[i] = Math.min(
          best[i]!,
          time(() => rival.draw()),
        )),
    );
  }
  return rivals[best.indexOf(Math.min(...best))];
}

/** Of what the step drew last: its framebuffer is still bound. */
function waitForPixel(gl: WebGL2): void {
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.FLOAT, pixel);
}
const pixel = new Float32Array(4);

function time(run: () => void): number {
  const before = performance.now();
  run();
  return performance.now() - before;
}

/** Of sums of some ten thousand f32 of size 1: as limits.mjs has it for itself. */
const TOLERANCE = 1e-3;

/** Compares some hundred elements with what they must be. */
function check(measured: Case): void {
  for (const [r, result] of measured.step().entries()) {
    const got = result.dataSync();
    for (let i = 0; i < got.length; i += Math.ceil(got.length / 97)) {
      const want = measured.expected(r, i);
      if (Math.abs(got[i]! - want) <= TOLERANCE * Math.max(1, Math.abs(want))) continue;
      throw new Error(`bench:node: ${measured.name}: element ${i} is ${got[i]}, must be ${want}`);
    }
  }
}

const heads = ["ms", "hand ms", "hand / ours", "quartiles", "draws", "programs", "Mfetches", "gathers", "MiB"];

function describe({ name, ms, rivalMs, ratio, draws, programs, fetches, gathers, bytes, rival }: Row): string {
  const cells = [
    ms.median.toFixed(2),
    rivalMs?.median.toFixed(2) ?? "-",
    ratio?.median.toFixed(2) ?? "-",
    ratio === undefined ? "-" : `${ratio.lower.toFixed(2)}-${ratio.upper.toFixed(2)}`,
    String(draws),
    String(programs),
    (fetches / 1e6).toFixed(1),
    String(gathers),
    (bytes / 2 ** 20).toFixed(1),
  ];
  return `${name.padEnd(24)}${cells.map((cell) => cell.padStart(12)).join("")}  ${rival ?? ""}`;
}

/**
 * What is measured, in which order: first each engine's first steps and counts, a new process for each workload; then
 * rounds, in which every workload is timed on every engine in turn, so that what else the machine does meets all alike.
 */
import type { Site } from "../../tools/browser/serve.mjs";
import { median } from "../statistics.ts";
import { EnginePage, type Engine } from "./engines.ts";
import type { Sample, StepCounts } from "./page.ts";
import { complaintOf, type WorkloadInfo } from "./workloads.ts";

/** What a new process does with a workload; `notYet` says why it cannot. */
export type Start =
  | { readonly notYet: string }
  | { readonly setUpMs: number; readonly issueMs: number; readonly coldMs: number; readonly counts: Counts | null };

export interface Counts extends StepCounts {
  readonly stepPrograms: number;
}

/** The times of one round in ms, medians of `count` repetitions. */
export interface Round {
  readonly count: number;
  readonly step: number;
  readonly read: number;
}

export interface Measured {
  readonly workload: WorkloadInfo;
  /** By engine's name. */
  readonly starts: ReadonlyMap<string, Start>;
  /** One for each round, by engine's name; missing where the engine cannot. */
  readonly rounds: ReadonlyMap<string, readonly Round[]>;
}

/** Repetitions fill about so many ms, but are few enough that a round stays a round. */
const SAMPLE_MS = 200;
const MOST_REPETITIONS = 20;

export interface Options {
  readonly rounds: number;
  readonly renderer: string;
}

export async function measure(
  site: Site,
  engines: readonly Engine[],
  workloads: readonly WorkloadInfo[],
  { rounds, renderer }: Options,
): Promise<Measured[]> {
  const starts = await startAll(site, engines, workloads, renderer);
  const pages = new Map<Engine, EnginePage>();
  try {
    for (const engine of engines) pages.set(engine, await EnginePage.open(engine, site, { renderer }));
    const times = await runRounds(pages, workloads, starts, rounds);
    return workloads.map((workload) => ({
      workload,
      starts: starts.get(workload.id)!,
      rounds: times.get(workload.id)!,
    }));
  } finally {
    for (const page of pages.values()) await page.close();
  }
}

type ByWorkload<T> = Map<string, Map<string, T>>;

async function startAll(
  site: Site,
  engines: readonly Engine[],
  workloads: readonly WorkloadInfo[],
  renderer: string,
): Promise<ByWorkload<Start>> {
  const starts: ByWorkload<Start> = new Map();
  for (const workload of workloads) {
    const byEngine = new Map<string, Start>();
    starts.set(workload.id, byEngine);
    for (const engine of engines) {
      const page = await EnginePage.open(engine, site, { counted: engine.usesGl, renderer });
      try {
        const start = await startOn(page, engine, workload);
        byEngine.set(engine.name, start);
        console.log(`  first step  ${workload.id.padEnd(8)} ${engine.name.padEnd(14)} ${sayStart(start)}`);
      } finally {
        await page.close();
      }
    }
  }
  return starts;
}

/** Sets the workload up, and checks that it computes what it must. */
async function startOn(page: EnginePage, engine: Engine, workload: WorkloadInfo): Promise<Start> {
  let first;
  try {
    first = await page.call("begin", workload.id);
  } catch (error) {
    const [line] = String(error instanceof Error ? error.message : error).split("\n");
    return { notYet: line!.replace("page.evaluate: ", "") };
  }
  if ("notYet" in first) return first;
  const complaint = complaintOf(workload, first.values);
  if (complaint !== null) return { notYet: complaint };
  const { stepPrograms, setUpMs, issueMs, firstMs: coldMs } = first;
  const counts = engine.usesGl ? { ...(await page.call("count", workload.id)), stepPrograms } : null;
  return { setUpMs, issueMs, coldMs, counts };
}

function sayStart(start: Start): string {
  if ("notYet" in start) return `not yet: ${start.notYet}`;
  const { coldMs, counts } = start;
  const said =
    counts === null
      ? ""
      : `, ${counts.draws} draws, ${counts.stepPrograms} programs (${counts.programs} with reads and set-up)`;
  return `${coldMs.toFixed(0)} ms${said}`;
}

async function runRounds(
  pages: ReadonlyMap<Engine, EnginePage>,
  workloads: readonly WorkloadInfo[],
  starts: ByWorkload<Start>,
  rounds: number,
): Promise<ByWorkload<Round[]>> {
  const times: ByWorkload<Round[]> = new Map();
  const repetitions = new Map<string, number>();
  for (const { id } of workloads) {
    times.set(id, new Map());
    for (const [{ name }, page] of pages) {
      if ("notYet" in starts.get(id)!.get(name)!) continue;
      await page.call("begin", id);
      const { steps, reads } = await page.call("sample", id, 2);
      const ms = steps[1]! + reads[1]!;
      repetitions.set(`${id} ${name}`, Math.max(1, Math.min(MOST_REPETITIONS, Math.round(SAMPLE_MS / ms))));
      times.get(id)!.set(name, []);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { id } of workloads) {
      // Each engine is as often right before as right after each other one.
      const order = [...pages];
      if (round % 2 === 1) order.reverse();
      for (const [{ name }, page] of order) {
        const list = times.get(id)!.get(name);
        if (list === undefined) continue;
        const count = repetitions.get(`${id} ${name}`)!;
        list.push(roundOf(await page.call("sample", id, count)));
      }
    }
    console.log(`  round ${round + 1} of ${rounds}`);
  }
  return times;
}

const roundOf = ({ steps, reads }: Sample): Round => ({
  count: steps.length,
  step: median(steps),
  read: median(reads),
});

/** Time of the step alone: net of the read measured in the same round. */
export const net = ({ step, read }: Round): number => Math.max(0, step - read);

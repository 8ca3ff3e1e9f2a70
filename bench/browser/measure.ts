/**
 * What is measured of a workload, in which order: first each engine's first steps and counts, then rounds, in which the
 * engines are timed in turn, so that what else the machine does meets all alike.
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

/**
 * One workload after the other, and nothing else in any process: tfjs is five times slower on W7 where the textures of
 * other workloads live beside.
 */
export async function measure(
  site: Site,
  engines: readonly Engine[],
  workload: WorkloadInfo,
  { rounds, renderer }: Options,
): Promise<Measured> {
  const starts = new Map<string, Start>();
  for (const engine of engines) {
    const start = await startAlone(site, engine, workload, renderer);
    starts.set(engine.name, start);
    console.log(`${workload.id.padEnd(8)} ${engine.name.padEnd(14)} first step: ${sayStart(start)}`);
  }
  const able = engines.filter(({ name }) => !("notYet" in starts.get(name)!));
  return { workload, starts, rounds: await runRounds(site, able, workload, { rounds, renderer }) };
}

async function startAlone(site: Site, engine: Engine, workload: WorkloadInfo, renderer: string): Promise<Start> {
  const page = await EnginePage.open(engine, site, { counted: engine.usesGl, renderer });
  try {
    return await startOn(page, engine, workload);
  } finally {
    await page.close();
  }
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
  site: Site,
  engines: readonly Engine[],
  { id }: WorkloadInfo,
  { rounds, renderer }: Options,
): Promise<Map<string, Round[]>> {
  const times = new Map<string, Round[]>();
  const runners: { readonly page: EnginePage; readonly count: number; readonly list: Round[] }[] = [];
  const pages: EnginePage[] = [];
  try {
    for (const engine of engines) {
      const page = await EnginePage.open(engine, site, { renderer });
      pages.push(page);
      await page.call("begin", id);
      const { steps, reads } = await page.call("sample", id, 1);
      const count = Math.max(1, Math.min(MOST_REPETITIONS, Math.round(SAMPLE_MS / (steps[0]! + reads[0]!))));
      const list: Round[] = [];
      times.set(engine.name, list);
      runners.push({ page, count, list });
    }
    for (let round = 0; round < rounds; round++) {
      // Each engine is as often right before as right after each other one.
      const order = round % 2 === 0 ? runners : [...runners].reverse();
      for (const { page, count, list } of order) list.push(roundOf(await page.call("sample", id, count)));
    }
  } finally {
    for (const page of pages) await page.close();
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

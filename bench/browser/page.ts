/**
 * Runs in an engine's page: sets workloads up, runs their steps and times them. Which, and what of it, the bench says.
 */
import type { GlCounts } from "./gl-counts.ts";
import type { WorkloadId } from "./workloads.ts";
import { SEQUENCES } from "../sequences/inputs.js";
import { WORKLOADS } from "../workloads/inputs.js";

/** What all engines' workloads give: workloads/README.md. */
interface Workload {
  step(): unknown;
  sync(): number;
  output?(): ArrayLike<number> | Promise<ArrayLike<number>>;
}
interface Engine {
  init(variant: string): string | Promise<string>;
  readonly [fn: string]: ((inputs: unknown) => Workload | Promise<Workload>) | Engine["init"];
}

let engine: Engine;
const running = new Map<string, Workload>();

/** Loads and starts the engine; says who it is and who draws for it. */
export async function start(url: string, variant: string): Promise<{ engine: string; renderer: string }> {
  engine = (await import(url)) as Engine;
  const name = await engine.init(variant);
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const renderer = info ? String(gl!.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "none";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return { engine: name, renderer };
}

export interface FirstSteps {
  /** Upload and parameters. */
  readonly setUpMs: number;
  /** Until the first step was issued: planning, and what compiles at once. */
  readonly issueMs: number;
  /** The first step and the read that waits for it, compiling included. */
  readonly firstMs: number;
  /** Linked while the first step was issued; 0 where the page does not count. */
  readonly stepPrograms: number;
  /** Mean of |output|, or the losses of steps 1 and 3. */
  readonly values: readonly number[];
}

/** Sets a workload up and runs three steps of it; it stays for `sample`. */
export async function begin(id: WorkloadId): Promise<FirstSteps | { readonly notYet: string }> {
  const { fn, make } = { ...WORKLOADS, ...SEQUENCES }[id];
  const setUp = engine[fn] as ((inputs: unknown) => Workload | Promise<Workload>) | undefined;
  if (setUp === undefined) return { notYet: `${fn} is not written for it` };
  const inputs: unknown = make();
  const atStart = performance.now();
  const workload = await setUp(inputs);
  const atFirst = performance.now();
  const linked = glCounts()?.programs ?? 0;
  workload.step();
  const stepPrograms = (glCounts()?.programs ?? 0) - linked;
  const atIssued = performance.now();
  const losses = [workload.sync()];
  const afterFirst = performance.now();
  for (let i = 0; i < 2; i++) {
    workload.step();
    losses.push(workload.sync());
  }
  running.set(id, workload);
  const values = workload.output === undefined ? [losses[0]!, losses[2]!] : [meanOfSizes(await workload.output())];
  return {
    setUpMs: atFirst - atStart,
    issueMs: atIssued - atFirst,
    firstMs: afterFirst - atFirst,
    stepPrograms,
    values,
  };
}

/** Where the page was opened with countGl. */
const glCounts = (): GlCounts | undefined => (globalThis as { glCounts?: GlCounts }).glCounts;

function meanOfSizes(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.abs(values[i]!);
  return sum / values.length;
}

/** ms of a step with its read, and of a read alone, in turn. */
export interface Sample {
  readonly steps: readonly number[];
  readonly reads: readonly number[];
}

export function sample(id: string, count: number): Sample {
  const workload = running.get(id)!;
  const steps: number[] = [];
  const reads: number[] = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    workload.step();
    workload.sync();
    const between = performance.now();
    workload.sync();
    const after = performance.now();
    steps.push(between - before);
    reads.push(after - between);
  }
  return { steps, reads };
}

export interface StepCounts {
  /** Of one step; those of the read are taken off. */
  readonly draws: number;
  /** All that were linked since the page was opened, the read's among them. */
  readonly programs: number;
  readonly peakBytes: number;
}

/** What one more step draws. The page must have been opened with countGl. */
export function count(id: string): StepCounts {
  const counts = glCounts()!;
  const workload = running.get(id)!;
  const before = counts.draws;
  workload.step();
  workload.sync();
  const between = counts.draws;
  workload.sync();
  const draws = between - before - (counts.draws - between);
  return { draws, programs: counts.programs, peakBytes: counts.peakBytes };
}

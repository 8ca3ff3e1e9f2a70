/**
 * `node bench/start.mjs profile W7 [--top N]`: what each draw of a workload's step takes in headless GL, dearest first.
 * Each draw is waited for, so the sum is more than a step takes; what a kernel is, `texgrad dump` says at length.
 */
import { parseArgs } from "node:util";
import { setDevice } from "texgrad";
import { platform } from "../../src/platform/node.ts";
import type { PlanInfo } from "../../src/runtime/compile.ts";
import { createWebglDevice } from "../../src/runtime/device.ts";
import type { WebGL2 } from "../../src/runtime/gl-types.ts";
import { SEQUENCES } from "../sequences/inputs.js";
import { median } from "../statistics.ts";
import * as workloads from "../workloads-texgrad/index.ts";
import type { Workload } from "../workloads-texgrad/run.ts";
import { WORKLOADS } from "../workloads/inputs.js";

interface Source {
  readonly fn: string;
  readonly make: () => unknown;
}
const sources: Readonly<Record<string, Source>> = { ...WORKLOADS, ...SEQUENCES };

const STEPS = 5;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { top: { type: "string", default: "15" } },
  });
  const source = sources[positionals[0]?.toLowerCase() ?? ""];
  if (source === undefined) {
    console.error(`bench profile: takes one of ${Object.keys(sources).join(" ")}`);
    return 2;
  }
  const made = platform.createContext();
  if (!made.ok) throw new Error(`bench profile: no GL: ${made.reason}; ${made.fix}`);
  const times: number[] = [];
  const device = createWebglDevice(
    timed(made.gl, (ms) => times.push(ms)),
    { readsSynchronously: true },
  );
  setDevice(device);
  const plans: PlanInfo[] = [];
  device.onPlan = (info) => plans.push(info);
  const setUps = workloads as unknown as Readonly<Record<string, (inputs: unknown) => Workload>>;
  const workload = setUps[source.fn]!(source.make());
  workload.step();
  workload.sync();
  const all: number[][] = [];
  for (let i = 0; i < STEPS; i++) {
    times.length = 0;
    workload.step();
    all.push([...times]);
    workload.sync();
  }
  const drawn = all.at(-1)!.length;
  const plan = plans.filter(({ programs }) => programs.length === drawn).at(-1);
  console.log(`${drawn} draws; plans compiled: ${plans.map(({ programs }) => programs.length).join(", ")} draws`);
  if (plan === undefined) throw new Error("bench profile: a step is not one plan");
  show(
    plan,
    all[0]!.map((_, draw) => median(all.map((step) => step[draw]!))),
    Number(values.top),
  );
  return 0;
}

/** A context whose draws are waited for one by one. */
function timed(gl: WebGL2, report: (ms: number) => void): WebGL2 {
  return new Proxy(gl, {
    get(_, name) {
      const member: unknown = Reflect.get(gl, name);
      if (typeof member !== "function") return member;
      if (name !== "drawArrays") return (...args: unknown[]): unknown => Reflect.apply(member, gl, args);
      return (...args: unknown[]): void => {
        gl.finish();
        const before = performance.now();
        Reflect.apply(member, gl, args);
        gl.finish();
        report(performance.now() - before);
      };
    },
  });
}

function show({ plan, programs }: PlanInfo, times: readonly number[], top: number): void {
  const total = times.reduce((sum, ms) => sum + ms, 0);
  console.log(`${total.toFixed(1)} ms, drawn one by one`);
  const axes = (all: readonly { readonly name: string; readonly extent: number }[]): string =>
    all.map((a) => `${a.name}${a.extent}`).join(" ");
  const order = times.map((_, i) => i).sort((p, q) => times[q]! - times[p]!);
  for (const i of order.slice(0, top)) {
    const kernels = plan.draws[i]!.map((k) => plan.kernels[k]!);
    const { width, height, targets, counts } = programs[i]!;
    const phases = kernels
      .flatMap((k) => k.phases)
      .map((p) => `[${axes(p.axes)}: ${p.accumulators.map((a) => a.label).join(" ")}]`);
    const fetches = (counts.fetches * width * height) / 1e6;
    console.log(
      `${String(i).padStart(4)} ${times[i]!.toFixed(2).padStart(8)} ms ${((100 * times[i]!) / total).toFixed(0).padStart(3)} %  ` +
        `${width}x${height} x${targets.length} targets, ${fetches.toFixed(2)} Mfetches, ${counts.gathers} gathers  ` +
        `over ${phases.join(" ")} stores ${kernels.flatMap((k) => k.stores.map((s) => s.label)).join(", ")}`,
    );
  }
}

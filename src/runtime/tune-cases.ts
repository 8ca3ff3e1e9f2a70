/**
 * What a device is tuned on: a matrix product, a convolution, a weight gradient and a long sum, compiled as everything
 * is, under the settings that are tried. Sizes are such that a software rasteriser or a phone takes milliseconds and a
 * GPU is busy.
 */
import type { CompileRequest, DeviceBuffer, Executable } from "../ir/device.ts";
import type { HostArray } from "../ir/dtype.ts";
import { topologicalOrder } from "../ir/graph.ts";
import { conv2d } from "../ir/compose/conv.ts";
import { matmul } from "../ir/compose/matmul.ts";
import type { Node } from "../ir/node.ts";
import { sum } from "../ir/ops/broadcast.ts";
import { input } from "../ir/ops/leaf.ts";
import { permute } from "../ir/ops/view.ts";
import { numel, type Shape } from "../ir/shape.ts";
import { compileWebgl, type PlanInfo } from "./compile.ts";
import type { WebglDevice } from "./device.ts";
import type { Candidates, Measure, Settings } from "./tune.ts";

/** Graphs by name; `scale` is 1 on software rasterisers, 2 on GPUs. */
const cases: Readonly<Record<string, (scale: number) => Node>> = {
  matmul: (s) => matmul(values([192 * s, 256 * s]), values([256 * s, 192 * s])),
  convolution: (s) =>
    conv2d(values([4 * s, 32 * s, 16 * s, 16 * s]), values([32 * s, 32 * s, 3, 3]), undefined, { padding: 1 }),
  gradient: (s) => matmul(permute(values([1000 * s, 64 * s]), [1, 0]), values([1000 * s, 128 * s])),
  totals: (s) => sum(values([4096 * s, 64 * s]), [0]),
};

/** What may be tried on the device, in the order in which it is: what changes most first. */
export function candidatesOf({ capabilities, profile }: WebglDevice): readonly Candidates[] {
  const contractions = ["matmul", "convolution", "gradient"];
  return [
    // Sampling must prove exact before it may be fast.
    { setting: "fetch", values: capabilities.exactSampling ? ["texelFetch", "textureLod"] : [], cases: contractions },
    { setting: "tile", values: [8, 4, 2, 1].filter((R) => R <= profile.maxDrawBuffers), cases: contractions },
    { setting: "unroll", values: [4, 8], cases: contractions },
    { setting: "fragments", values: [128, 1024, 16_384], cases: ["gradient", "totals"] },
  ];
}

/** One sample lasts about so long, so that clocks of a tenth of a millisecond do. */
const SAMPLE_MS = 10;
const MOST_RUNS = 200;

export class TuneCases implements Measure {
  readonly #device: WebglDevice;
  readonly #requests = new Map<string, CompileRequest>();
  readonly #plans = new Map<string, PlanInfo>();
  readonly #running = new Map<string, Running>();
  /** Runs of a sample, by case. */
  readonly #runs = new Map<string, number>();

  constructor(device: WebglDevice) {
    this.#device = device;
  }

  readonly now = (): number => performance.now();

  programs(name: string, settings: Settings): string {
    return this.#plan(name, settings)
      .programs.map((p) => `${p.source}${p.width} ${p.height}`)
      .join("");
  }

  async time(name: string, settings: Settings): Promise<number> {
    const key = this.programs(name, settings);
    let running = this.#running.get(key);
    if (running === undefined) {
      const { plan, programs, request } = this.#plan(name, settings);
      running = new Running(this.#device.load(plan, programs), request);
      this.#running.set(key, running);
      // Compiles, and a second time tells how long it takes.
      await running.sample(1);
      const once = await running.sample(1);
      if (!this.#runs.has(name)) {
        this.#runs.set(name, Math.min(MOST_RUNS, Math.max(1, Math.ceil(SAMPLE_MS / Math.max(once, 0.01)))));
      }
    }
    return running.sample(this.#runs.get(name)!);
  }

  /** Frees what it made. */
  dispose(): void {
    for (const running of this.#running.values()) running.dispose();
    this.#running.clear();
  }

  #plan(name: string, settings: Settings): PlanInfo {
    const { fetch, tile, unroll, fragments } = settings;
    const key = [name, fetch, tile, unroll, fragments].join(" ");
    let known = this.#plans.get(key);
    if (known === undefined) {
      const profile = { ...this.#device.profile, ...settings };
      this.#plans.set(key, (known = compileWebgl(this.#request(name), profile, false, () => {})));
    }
    return known;
  }

  #request(name: string): CompileRequest {
    let known = this.#requests.get(name);
    if (known === undefined) {
      const root = cases[name]!(this.#device.capabilities.isSoftware ? 1 : 2);
      const order = topologicalOrder([root]);
      const leaves = order.filter((n) => n.source?.kind === "input").map((node) => ({ node, layout: null }));
      this.#requests.set(name, (known = { order, leaves, uniforms: [], roots: [{ node: root, assigns: null }] }));
    }
    return known;
  }
}

/** A case compiled under some settings. */
class Running {
  readonly #executable: Executable;
  readonly #leaves: readonly HostArray[];
  #output: DeviceBuffer | null = null;

  constructor(executable: Executable, request: CompileRequest) {
    this.#executable = executable;
    this.#leaves = request.leaves.flatMap(({ node }) => (node.source?.kind === "input" ? [node.source.array] : []));
  }

  /** ms of one of `runs` runs; the read that waits for them is taken off. */
  async sample(runs: number): Promise<number> {
    const start = performance.now();
    for (let i = 0; i < runs; i++) {
      const args = { leaves: this.#leaves, uniforms: [], outputs: [this.#output] };
      this.#output = this.#executable.run(args)[0]!;
    }
    await this.#output!.read();
    const done = performance.now();
    await this.#output!.read();
    const after = performance.now();
    return Math.max(0, done - start - (after - done)) / runs;
  }

  dispose(): void {
    this.#output?.release();
    this.#executable.dispose();
  }
}

/** An input of numbers that look like nothing. */
function values(shape: Shape): Node {
  const array = Float32Array.from({ length: numel(shape) }, (_, i) => Math.sin(1.7 * i) / 8);
  return input({ kind: "input", array }, "f32", shape);
}

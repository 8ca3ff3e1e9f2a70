/**
 * A device that compiles and never draws: what a program would cost on a kind of device, without a context. It is the
 * WebGL2 device itself, on a context that does nothing (null-gl.ts), so that plans, programs, textures and what is sent
 * are those of the real one. Nothing is computed: what a kernel would have written reads as NaN.
 */
import { addWork, countDraw, noWork, type Work } from "../codegen/glsl/count.ts";
import type { CompileRequest, Device, Executable } from "../ir/device.ts";
import { cutReasons, type CutReason } from "../ir/kernel.ts";
import type { DeviceProfile, KernelPlan } from "../ir/plan.ts";
import { numel, type Shape } from "../ir/shape.ts";
import type { Capabilities } from "./capabilities.ts";
import type { PlanInfo } from "./compile.ts";
import { createWebglDevice, type WebglDevice, type WebglOptions } from "./device.ts";
import { nullGl, type GlTally } from "./null-gl.ts";

const software: Capabilities = {
  maxTextureSize: 8192,
  maxArrayLayers: 2048,
  maxDrawBuffers: 8,
  maxTextureUnits: 16,
  maxFragmentUniformVectors: 1024,
  floatRender: true,
  intTextures: true,
  intUpload: "typed",
  highpInt: true,
  exactSampling: true,
  renderer: "counting",
  isSoftware: true,
  parallelCompile: false,
  fence: true,
  pixelPackBuffer: true,
};

/**
 * Kinds of device: `software` is a rasteriser on a few cores (llvmpipe, SwiftShader), which 128 fragments keep busy;
 * `gpu` wants 16,384 and fetches by texelFetch.
 */
const kinds = {
  software,
  gpu: { ...software, maxTextureSize: 16_384, isSoftware: false, parallelCompile: true },
} as const satisfies Record<string, Capabilities>;

export type DeviceKind = keyof typeof kinds;

/** One draw of a plan. */
export interface DrawCounts extends Work {
  /** What it stores, each value by the op that ends it. */
  readonly stores: readonly string[];
  /** Of every stored value. */
  readonly shape: Shape;
  /** Its nests of loops: what is accumulated, and over how many steps of each axis. */
  readonly phases: readonly { readonly accumulates: readonly string[]; readonly over: readonly number[] }[];
  /** Why it is a draw of its own; "copy" where a stored value is asked for twice. */
  readonly reason: CutReason | "copy";
  /** The reason in words. */
  readonly why: string;
  /** Render targets. */
  readonly targets: number;
  /** GLSL; null of a copy. */
  readonly source: string | null;
}

/** One plan, run once. */
export interface PlanCounts extends Work {
  readonly draws: readonly DrawCounts[];
  /** Different programs it draws with, copies aside. */
  readonly programs: number;
}

/** What a device did from one question to the next. Work is that of all runs. */
export interface Counts extends Work {
  readonly draws: number;
  readonly programs: {
    /** Compiled in this time. */
    readonly made: number;
    /** Compiled since the device was made. */
    readonly total: number;
  };
  /** Every plan that ran, in order of its first run, and how often. */
  readonly plans: readonly { readonly plan: PlanCounts; readonly runs: number }[];
  readonly uploads: number;
  readonly bytesSent: number;
  readonly readbacks: number;
  /** Textures made. */
  readonly allocations: number;
  /** Bytes of all textures at the end, and the most there were since the device was made. */
  readonly bytes: number;
  readonly peakBytes: number;
}

export interface CountingDevice extends Device {
  readonly profile: DeviceProfile;
  /** What was done since the last call, or since the device was made. */
  take(): Counts;
}

export type CountingOptions = Omit<WebglOptions, "capabilities" | "readsSynchronously" | "poison">;

/** `options` force limits low, switch optimisations off, and so on, as they do for a real device. */
export const countingDevice = (kind: DeviceKind, options: CountingOptions = {}): CountingDevice =>
  new Counting(kind, options);

type Totals = GlTally & { readonly uploads: number; readonly bytesSent: number; readonly readbacks: number };

class Counting implements CountingDevice {
  readonly name: string;
  readonly readsSynchronously = true;
  readonly profile: DeviceProfile;
  readonly #inner: WebglDevice;
  readonly #tally: GlTally;
  readonly #counted = new Map<PlanInfo, PlanCounts>();
  #runs = new Map<PlanInfo, number>();
  #before: Totals;

  constructor(kind: DeviceKind, options: CountingOptions) {
    const { gl, tally } = nullGl();
    this.name = `counting ${kind}`;
    this.#tally = tally;
    this.#inner = createWebglDevice(gl, { ...options, capabilities: kinds[kind], readsSynchronously: true });
    this.profile = this.#inner.profile;
    this.#before = this.#totals();
  }

  compile(request: CompileRequest): Executable {
    const compiled: PlanInfo[] = [];
    this.#inner.onPlan = (info) => compiled.push(info);
    const executable = this.#inner.compile(request);
    this.#inner.onPlan = null;
    const plan = compiled[0]!;
    return {
      leafLayouts: executable.leafLayouts,
      stats: executable.stats,
      run: (args) => {
        this.#runs.set(plan, (this.#runs.get(plan) ?? 0) + 1);
        return executable.run(args);
      },
      kept: () => executable.kept(),
      tensors: () => executable.tensors(),
      dispose: () => executable.dispose(),
    };
  }

  take(): Counts {
    const now = this.#totals();
    const before = this.#before;
    const plans = [...this.#runs].map(([info, runs]) => ({ plan: this.#count(info), runs }));
    this.#runs = new Map();
    this.#before = now;
    return {
      ...plans.reduce((sum, { plan, runs }) => addWork(sum, plan, runs), noWork),
      draws: now.draws - before.draws,
      programs: { made: now.programs - before.programs, total: now.programs },
      plans,
      uploads: now.uploads - before.uploads,
      bytesSent: now.bytesSent - before.bytesSent,
      readbacks: now.readbacks - before.readbacks,
      allocations: now.allocations - before.allocations,
      bytes: now.bytes,
      peakBytes: now.peakBytes,
    };
  }

  upload: Device["upload"] = (...args) => this.#inner.upload(...args);
  checkFits: Device["checkFits"] = (...args) => this.#inner.checkFits(...args);
  memory: Device["memory"] = () => this.#inner.memory();

  #totals(): Totals {
    const { uploads, bytesSent, readbacks } = this.#inner.counters;
    return { ...this.#tally, uploads, bytesSent, readbacks };
  }

  #count(info: PlanInfo): PlanCounts {
    let counts = this.#counted.get(info);
    if (counts === undefined) this.#counted.set(info, (counts = countPlan(info, this.profile)));
    return counts;
  }
}

/** What one run of a compiled plan costs. */
export function countPlan({ plan, programs }: PlanInfo, profile: DeviceProfile): PlanCounts {
  const draws: DrawCounts[] = [];
  plan.kernels.forEach((kernel, i) => {
    if (numel(kernel.shape) === 0) return;
    draws.push({
      ...countDraw(kernel, profile),
      stores: kernel.stores.map((s) => s.label),
      shape: kernel.shape,
      phases: kernel.phases.map((p) => ({
        accumulates: p.accumulators.map((a) => a.label),
        over: p.axes.map((a) => a.extent),
      })),
      reason: kernel.reason,
      why: cutReasons[kernel.reason],
      targets: programs[i]!.targets.length,
      source: programs[i]!.source,
    });
  });
  const sources = new Set(draws.map((d) => d.source));
  draws.push(...copies(plan, profile));
  return { ...draws.reduce((sum, d) => addWork(sum, d), noWork), draws, programs: sources.size };
}

/** As the executable makes them: of roots that are leaves, and of what several roots share. */
function* copies({ leaves, roots, buffers }: KernelPlan, profile: DeviceProfile): Iterable<DrawCounts> {
  for (const [i, from] of roots.entries()) {
    const { width, height, R, shape } = buffers[from]!.layout;
    if (numel(shape) === 0 || !(leaves.includes(from) || roots.indexOf(from) < i)) continue;
    const targets = Math.min(R, profile.maxDrawBuffers);
    const fragments = width * height;
    const texels = fragments * targets;
    const work = { fragments, texelsWritten: texels, texelsRead: texels, fetches: texels, gathers: 0, macs: 0 };
    const why = "a stored value that is asked for twice, or as it was given";
    for (let base = 0; base < R; base += targets) {
      yield { ...work, stores: ["copy"], shape, phases: [], reason: "copy", why, targets, source: null };
    }
  }
}

/**
 * A device that compiles and never draws: what a program would cost on a kind of device, without a context. It is the
 * WebGL2 device itself, on a context that does nothing (null-gl.ts), so that plans, programs, textures and what is sent
 * are those of the real one. Nothing is computed: what a kernel would have written reads as NaN.
 */
import { addWork, noWork, type Work } from "../codegen/glsl/count.ts";
import type { CompileRequest, Device, Executable } from "../ir/device.ts";
import { DeviceError } from "../ir/errors.ts";
import type { DeviceProfile } from "../ir/plan.ts";
import type { Capabilities } from "./capabilities.ts";
import type { PlanInfo } from "./compile.ts";
import { countPlan, type PlanCounts } from "./count-plan.ts";
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

/**
 * A device of this kind to count with (`setDevice`). Parameters that a program updates while it is in use end as NaN: give
 * it a network of its own. `options` force limits low, switch optimisations off, and so on, as they do for a real device.
 * Throws DeviceError for a kind there is not.
 */
export function countingDevice(kind: DeviceKind, options: CountingOptions = {}): CountingDevice {
  if (!Object.hasOwn(kinds, kind)) {
    throw new DeviceError(`countingDevice: "${kind}": takes ${Object.keys(kinds).join(" or ")}`);
  }
  return new Counting(kind, options);
}

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
    if (counts === undefined) this.#counted.set(info, (counts = countPlan(info)));
    return counts;
  }
}

/**
 * The cpu device: the same plans and kernels as on GL, run as JavaScript loops. Needs nothing but an engine, and gives
 * the same bits in Node and in any browser.
 */
import { announcePlan, isObserved } from "../observe.ts";
import { expandMacros } from "../../autodiff/expand.ts";
import { interpreted, kernelFunction, mayGenerate } from "../../codegen/js/compile.ts";
import type { CompileRequest, Device, DeviceBuffer, DeviceMemory, Executable } from "../../ir/device.ts";
import { BYTES_PER_ELEMENT, type DType, type HostArray } from "../../ir/dtype.ts";
import { DeviceError, InvariantError } from "../../ir/errors.ts";
import type { DeviceProfile, KernelPlan } from "../../ir/plan.ts";
import { numel, show, type Shape } from "../../ir/shape.ts";
import { buildPlan } from "../../passes/index.ts";
import type { PlanInfo } from "../compile.ts";
import { newCounters, type Counters } from "../counters.ts";
import { CpuBuffer, Memory } from "./buffer.ts";
import { CpuExecutable } from "./executable.ts";
import { cpuProfile } from "./profile.ts";

export interface CpuOptions {
  /** Bytes all values may take. Default 4 GiB. */
  readonly budget?: number;
  /** Walk kernels instead of generating code. Default: only where generated code is forbidden. */
  readonly interpret?: boolean;
  /** Names of optimisations to switch off. */
  readonly off?: readonly string[];
}

export interface CpuDevice extends Device {
  readonly profile: DeviceProfile;
  readonly counters: Counters;
  /** Whether kernels are walked because functions may not be made from text. */
  readonly interprets: boolean;
  /** Set by the dump: told of every plan compiled. While it is set, plans keep a record of their passes. */
  onPlan: ((info: PlanInfo) => void) | null;
  /** An executable of a plan made elsewhere. */
  load(plan: KernelPlan): Executable;
}

export const createCpuDevice = (options: CpuOptions = {}): CpuDevice => new Cpu(options);

class Cpu implements CpuDevice {
  readonly name = "cpu";
  readonly readsSynchronously = true;
  readonly profile: DeviceProfile;
  readonly counters = newCounters();
  readonly interprets: boolean;
  onPlan: ((info: PlanInfo) => void) | null = null;
  readonly #memory: Memory;

  constructor({ budget = 2 ** 32, interpret = false, off = [] }: CpuOptions) {
    this.profile = cpuProfile(off);
    this.interprets = interpret || !mayGenerate();
    this.#memory = new Memory(budget);
  }

  compile(request: CompileRequest): Executable {
    const plan = buildPlan(request, this.profile, expandMacros, { record: this.onPlan !== null || isObserved() });
    const info: PlanInfo = { profile: this.profile, request, plan, programs: [] };
    this.onPlan?.(info);
    announcePlan(info);
    return this.load(plan);
  }

  load(plan: KernelPlan): Executable {
    this.counters.plans++;
    const functions = plan.kernels.map(this.interprets ? interpreted : kernelFunction);
    return new CpuExecutable(this.#memory, this.counters, plan, functions);
  }

  upload(array: HostArray, dtype: DType, shape: Shape, layout: string): DeviceBuffer {
    if (array.length !== numel(shape)) throw new InvariantError(`upload: ${array.length} values for ${show(shape)}`);
    const own = this.#memory.allocate(dtype, shape);
    own.set(array);
    this.counters.uploads++;
    return new CpuBuffer(this.#memory, dtype, shape, layout, own);
  }

  checkFits(op: string, dtype: DType, shape: Shape): void {
    const bytes = numel(shape) * BYTES_PER_ELEMENT;
    const { budget } = this.#memory;
    if (bytes <= budget) return;
    throw new DeviceError(
      `${op}: ${dtype}${show(shape)} needs ${bytes} bytes, the device's budget is ${budget} (option "budget")`,
    );
  }

  memory(): DeviceMemory {
    const { bytes, buffers, budget } = this.#memory;
    return { bytes, buffers, budget };
  }
}

/**
 * A plan on the cpu: one function call for each kernel, on arrays the plan owns, was given, or makes for the caller.
 *
 * Shares its rules with the GL executable: values that may be asked for live until the next run, the others take
 * turns; everything that can fail is done before the first kernel runs.
 */
import type { KernelFunction } from "../../codegen/js/compile.ts";
import type { DeviceBuffer, Executable, PlanStats, RunArguments, StoredTensor } from "../../ir/device.ts";
import { BYTES_PER_ELEMENT, roundTo, type HostArray } from "../../ir/dtype.ts";
import { DisposedError, InvariantError } from "../../ir/errors.ts";
import type { Node } from "../../ir/node.ts";
import type { KernelPlan, PlanBuffer } from "../../ir/plan.ts";
import { numel } from "../../ir/shape.ts";
import type { Counters } from "../counters.ts";
import { planMemory, storedTensors, type MemoryPlan } from "../memory-plan.ts";
import { CpuBuffer, type Memory } from "./buffer.ts";

/** A kernel with its arguments: refilled and called again in each run. */
interface Call {
  readonly run: KernelFunction;
  readonly kernel: KernelPlan["kernels"][number];
  readonly numbers: number[];
  readonly loads: HostArray[];
  readonly stores: HostArray[];
}

export class CpuExecutable implements Executable {
  readonly leafLayouts: readonly string[];
  readonly stats: PlanStats;
  readonly #memory: Memory;
  readonly #counters: Counters;
  readonly #plan: KernelPlan;
  readonly #slots: MemoryPlan;
  readonly #calls: readonly Call[];
  /** Array of each buffer of the plan in this run. */
  readonly #arrays: (HostArray | null)[];
  /** Arrays of the memory plan's slots; empty until the first run. */
  readonly #owned: HostArray[] = [];
  readonly #kept = new Map<Node, CpuBuffer>();
  #disposed = false;

  constructor(memory: Memory, counters: Counters, plan: KernelPlan, functions: readonly KernelFunction[]) {
    this.#memory = memory;
    this.#counters = counters;
    this.#plan = plan;
    this.leafLayouts = plan.leaves.map((b) => (b < 0 ? "" : plan.buffers[b]!.layout.text));
    this.#slots = planMemory(plan, (b) => storageKey(plan.buffers[b]!));
    this.#arrays = plan.buffers.map(() => null);
    const calls: Call[] = [];
    plan.kernels.forEach((kernel, i) => {
      if (numel(kernel.shape) === 0) return;
      const numbers = kernel.numbers.map((n) => (n.kind === "count" ? roundTo(n.dtype, n.value) : 0));
      calls.push({ run: functions[i]!, kernel, numbers, loads: [], stores: [] });
    });
    this.#calls = calls;
    this.stats = {
      draws: calls.length,
      programs: new Set(calls.map((c) => c.run)).size,
      bytes: this.#slots.slots.reduce((n, s) => n + numel(plan.buffers[s.buffer]!.layout.shape) * BYTES_PER_ELEMENT, 0),
    };
  }

  run(args: RunArguments): readonly DeviceBuffer[] {
    if (this.#disposed) throw new DisposedError("a plan was run after it was disposed of");
    const made: CpuBuffer[] = [];
    try {
      this.#bindSlots();
      this.#bindLeaves(args);
      const outputs = this.#bindOutputs(args, made);
      for (const call of this.#calls) this.#call(call, args.uniforms);
      this.#copyRoots(outputs);
      this.#counters.draws += this.#calls.length;
      return outputs;
    } catch (error) {
      for (const buffer of made) buffer.release();
      // Half of what it needs helps nobody.
      if (this.#owned.length < this.#slots.slots.length) {
        for (const array of this.#owned.splice(0)) this.#memory.free(array);
      }
      throw error;
    }
  }

  kept(): ReadonlyMap<Node, DeviceBuffer> {
    return this.#kept;
  }

  tensors(): readonly StoredTensor[] {
    return storedTensors(this.#plan, this.#slots, (b) => numel(b.layout.shape) * BYTES_PER_ELEMENT, false);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const array of this.#owned.splice(0)) this.#memory.free(array);
    for (const buffer of this.#kept.values()) buffer.move(null);
    this.#kept.clear();
  }

  #call({ run, kernel, numbers, loads, stores }: Call, uniforms: readonly number[]): void {
    kernel.numbers.forEach((n, i) => {
      if (n.kind === "uniform") numbers[i] = roundTo(n.dtype, uniforms[n.uniform]!);
    });
    kernel.loads.forEach((l, i) => (loads[i] = this.#arrays[l.buffer]!));
    kernel.stores.forEach((s, i) => (stores[i] = this.#arrays[s.buffer]!));
    run(numbers, loads, stores);
  }

  #bindSlots(): void {
    const { slots, slotOf } = this.#slots;
    if (this.#owned.length === slots.length) return;
    while (this.#owned.length < slots.length) {
      const { dtype, layout } = this.#plan.buffers[slots[this.#owned.length]!.buffer]!;
      this.#owned.push(this.#memory.allocate(dtype, layout.shape));
    }
    slotOf.forEach((slot, buffer) => {
      if (slot >= 0) this.#arrays[buffer] = this.#owned[slot]!;
    });
    for (const [node, number] of this.#plan.kept) {
      const slot = slotOf[number]!;
      if (slot < 0) continue;
      const { dtype, layout } = this.#plan.buffers[number]!;
      const array = this.#owned[slot]!;
      this.#kept.set(node, new CpuBuffer(this.#memory, dtype, layout.shape, layout.text, array, this));
    }
  }

  #bindLeaves({ leaves }: RunArguments): void {
    for (let i = 0; i < leaves.length; i++) {
      const number = this.#plan.leaves[i]!;
      if (number < 0) continue;
      const wanted = this.#plan.buffers[number]!;
      const given = leaves[i]!;
      if (!("release" in given)) {
        if (given.length !== numel(wanted.layout.shape)) throw mismatch(`an array of ${given.length}`, wanted);
        this.#arrays[number] = given;
        continue;
      }
      if (!(given instanceof CpuBuffer)) throw new InvariantError("a buffer of another device was bound to a cpu plan");
      if (given.layout !== wanted.layout.text || given.dtype !== wanted.dtype) {
        throw mismatch(`a buffer of ${given.dtype} ${given.layout}`, wanted);
      }
      this.#arrays[number] = given.array;
      // Its own value of the last run: this run writes elsewhere.
      if (given.owner === this) this.#replace(given);
    }
  }

  #replace(given: CpuBuffer): void {
    const slot = this.#owned.indexOf(given.array);
    if (slot < 0) return;
    // The old array stays with this run alone; the new one has the same size, so nothing is counted.
    const fresh = given.array.slice();
    this.#owned[slot] = fresh;
    this.#slots.slotOf.forEach((s, buffer) => {
      if (s === slot) this.#arrays[buffer] = fresh;
    });
    for (const [node, buffer] of this.#kept) {
      if (this.#slots.slotOf[this.#plan.kept.get(node)!] === slot) buffer.move(fresh);
    }
  }

  #bindOutputs({ outputs }: RunArguments, made: CpuBuffer[]): CpuBuffer[] {
    return this.#plan.roots.map((number, i) => {
      const wanted = this.#plan.buffers[number]!;
      const given = outputs[i] ?? null;
      let output: CpuBuffer;
      if (given === null) {
        const { dtype, layout } = wanted;
        output = new CpuBuffer(
          this.#memory,
          dtype,
          layout.shape,
          layout.text,
          this.#memory.allocate(dtype, layout.shape),
        );
        made.push(output);
      } else {
        const fits = given instanceof CpuBuffer && given.layout === wanted.layout.text && given.dtype === wanted.dtype;
        if (!fits) throw mismatch(`an output of ${given.dtype} ${given.layout}`, wanted);
        output = given;
      }
      if (!this.#isCopy(i)) this.#arrays[number] = output.array;
      return output;
    });
  }

  /** A root that is a leaf's own buffer, or the second root of one buffer. */
  #isCopy(root: number): boolean {
    const { leaves, roots } = this.#plan;
    return leaves.includes(roots[root]!) || roots.indexOf(roots[root]!) < root;
  }

  #copyRoots(outputs: readonly CpuBuffer[]): void {
    outputs.forEach((output, i) => {
      if (this.#isCopy(i)) output.array.set(this.#arrays[this.#plan.roots[i]!]!);
    });
  }
}

const storageKey = ({ dtype, layout }: PlanBuffer): string => `${dtype} ${numel(layout.shape)}`;

const mismatch = (given: string, { dtype, layout }: PlanBuffer): InvariantError =>
  new InvariantError(`${given} was bound where the plan has ${dtype} ${layout.text}`);

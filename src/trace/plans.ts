/**
 * The plans of one device: found by hash and confirmed, bounded in number, dropped when memory is short.
 */
import type { Device, DeviceBuffer } from "../ir/device.ts";
import { ContextLostError, DeviceError, OutOfMemoryError } from "../ir/errors.ts";
import { isHost } from "./cell.ts";
import { salvage } from "./gone.ts";
import { lost } from "./lost.ts";
import { withLargest } from "./memory-report.ts";
import { Plan, signatureHash, type Bound, type Root, type Run, type Signature, type Variant } from "./plan.ts";
import { snapshots } from "./value.ts";

/** Plans kept; the one not run for longest goes first. */
const PLANS = 128;
/** Part of the budget in use from which a failure is taken for want of memory. */
const CROWDED = 0.5;

export class Plans {
  readonly #device: Device;
  /** Buffers that a run in progress reads. */
  readonly #busy: ReadonlySet<DeviceBuffer>;
  /** Called with each run whose results go with its plan. */
  readonly #retire: (run: Run) => void;
  readonly #byHash = new Map<number, Plan[]>();
  /** All plans with their hashes, the one run last at the end. */
  readonly #recent = new Map<Plan, number>();
  /** Times a plan was known. */
  hits = 0;

  constructor(device: Device, busy: ReadonlySet<DeviceBuffer>, retire: (run: Run) => void) {
    this.#device = device;
    this.#busy = busy;
    this.#retire = retire;
  }

  get all(): readonly Plan[] {
    return [...this.#recent.keys()];
  }

  /** The plan that computes what `key` asks for with leaves bound so; compiled if there is none. */
  find(key: Signature, bound: readonly Bound[], roots: readonly Root[]): readonly [Plan, Variant] {
    const hash = signatureHash(roots);
    const known = this.#byHash.get(hash)?.find((p) => p.fits(key, bound, roots));
    if (known !== undefined) return [known, this.again(known, hash)];
    const layouts = bound.map((b) => (b === null || isHost(b) ? null : b.layout));
    const plan = new Plan(key, layouts, roots);
    // Compiled before it is kept: a graph the device refuses leaves no trace.
    const variant = plan.variant(this.#device);
    this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), plan]);
    this.#recent.set(plan, hash);
    for (const old of this.#recent.keys()) {
      if (this.#recent.size <= PLANS) break;
      if (old !== plan && !old.isBusy(this.#busy)) this.#drop(old);
    }
    return [plan, variant];
  }

  /** The variant of a known plan to run now. */
  again(plan: Plan, hash: number = this.#recent.get(plan)!): Variant {
    const variant = plan.variant(this.#device);
    this.hits += 1;
    this.#recent.delete(plan);
    this.#recent.set(plan, hash);
    return variant;
  }

  /** Runs `f`; where the device fails with much of its memory in use, frees what can be computed or sent again. */
  withRoom<T>(current: Plan | null, f: () => T): T {
    for (;;) {
      try {
        return f();
      } catch (error) {
        if (!(error instanceof DeviceError) || error instanceof ContextLostError) throw error;
        const { bytes, budget } = this.#device.memory();
        if (error instanceof OutOfMemoryError) {
          if (error.needed > budget || !this.#relieve(current)) throw withLargest(error, current);
        } else if (bytes < CROWDED * budget || !this.#relieve(current)) throw error;
      }
    }
  }

  /** Frees the results of the plan not run for longest, or the oldest snapshot; false if there is neither. */
  #relieve(current: Plan | null): boolean {
    for (const plan of this.#recent.keys()) {
      if (plan === current || plan.isBusy(this.#busy)) continue;
      this.#drop(plan);
      return true;
    }
    for (const v of snapshots()) {
      if (v.own === null || v.own.loss !== null || this.#busy.has(v.own)) continue;
      v.unload();
      return true;
    }
    return false;
  }

  /** Disposes of a plan. Results that could not be computed again go to the host. */
  #drop(plan: Plan): void {
    const hash = this.#recent.get(plan)!;
    this.#recent.delete(plan);
    const rest = this.#byHash.get(hash)!.filter((p) => p !== plan);
    if (rest.length === 0) this.#byHash.delete(hash);
    else this.#byHash.set(hash, rest);
    for (const run of plan.runs) {
      for (const v of run.values) {
        const at = v.run === run && v.host === null && v.own === null ? run.result(v.number) : null;
        const values = at !== null && (v.node === null || lost(v.node) !== null) ? salvage(at) : null;
        if (values !== null) v.keep(values);
      }
    }
    for (const run of plan.dispose()) this.#retire(run);
  }

  /** Frees every plan. */
  dispose(): void {
    for (const plan of this.#recent.keys()) this.#drop(plan);
  }
}

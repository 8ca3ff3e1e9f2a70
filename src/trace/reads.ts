/**
 * Reading values: at once where they are stored, else with the next submit. Reads that were asked for without being
 * awaited wait together, so that ten of them are one run.
 */
import type { DeviceBuffer } from "../ir/device.ts";
import type { HostArray } from "../ir/dtype.ts";
import { InvariantError } from "../ir/errors.ts";
import { isHost, type Cell } from "./cell.ts";
import { goneError } from "./gone.ts";
import type { Runner } from "./runner.ts";
import type { Value } from "./value.ts";

interface Reading {
  readonly value: Value;
  readonly resolve: (array: HostArray | Promise<HostArray>) => void;
  readonly reject: (error: unknown) => void;
}

/** What reading needs of the engine. */
interface Submitter {
  readonly runner: Runner;
  submit(asked?: readonly Value[]): void;
}

export class Reads {
  readonly #engine: Submitter;
  #waiting: Reading[] = [];

  constructor(engine: Submitter) {
    this.#engine = engine;
  }

  /** Values that the next submit must compute because somebody waits for them. */
  get values(): Value[] {
    return this.#waiting.map((r) => r.value);
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The value in a buffer or on the host, computed if need be. */
  fetch(v: Value): DeviceBuffer | HostArray {
    const at = v.stored() ?? v.run?.kept(v.number);
    if (at != null) return at;
    v.expression();
    if (v.run === null) this.#engine.submit([v]);
    else this.#engine.runner.recompute([v]);
    const result = v.stored();
    if (result !== null) return result;
    v.expression();
    throw new InvariantError("a value that was submitted has no storage");
  }

  /** Storage of the current version of a cell, after what is assigned to it. */
  fetchCell(cell: Cell): DeviceBuffer | HostArray {
    cell.checkAlive();
    if (cell.pending !== null) this.#engine.submit();
    this.#engine.runner.materialise(cell);
    const at = cell.at(cell.version);
    if (at === null) throw new InvariantError(`${cell.label} has no storage`);
    return at;
  }

  /** Reads a value, now if it was computed, else with the next submit: at the latest when this job ends. */
  read(v: Value): Promise<HostArray> {
    v.checkOutside();
    if (v.host !== null) return Promise.resolve(v.host);
    if (v.reading !== null) return v.reading;
    if (v.stored() !== null || v.run !== null) return this.#download(v, this.fetch(v));
    v.expression();
    const reading = new Promise<HostArray>((resolve, reject) => this.#waiting.push({ value: v, resolve, reject }));
    v.reading = reading;
    queueMicrotask(() => this.#submit());
    return reading;
  }

  readSync(v: Value): HostArray {
    v.checkOutside();
    if (v.host !== null) return v.host;
    const at = this.fetch(v);
    const array = isHost(at) ? at : at.readSync();
    v.keep(array);
    return array;
  }

  /** Starts the reads of what the submit that just ended has computed. */
  answer(): void {
    const waiting = this.#waiting;
    // What was computed answers, and so does what never will be.
    this.#waiting = waiting.filter(({ value }) => value.node !== null && !value.isComputed);
    for (const { value, resolve, reject } of waiting) {
      if (value.node !== null && !value.isComputed) continue;
      try {
        resolve(this.#download(value, this.fetch(value)));
      } catch (error) {
        value.reading = null;
        reject(error);
      }
    }
  }

  /** Fails the reads of values that cannot be computed any more. */
  drop(isLost: (v: Value) => boolean): void {
    const gone = this.#waiting.filter((r) => isLost(r.value));
    this.#waiting = this.#waiting.filter((r) => !gone.includes(r));
    for (const { value, reject } of gone) {
      value.reading = null;
      reject(goneError(value.gone));
    }
  }

  #submit(): void {
    if (this.#waiting.length === 0) return;
    try {
      this.#engine.submit();
    } catch (error) {
      for (const { value, reject } of this.#waiting.splice(0)) {
        value.reading = null;
        reject(error);
      }
    }
  }

  #download(v: Value, at: DeviceBuffer | HostArray): Promise<HostArray> {
    if (isHost(at)) {
      v.keep(at);
      return Promise.resolve(at);
    }
    // The device takes the values when it is asked, whatever is written later.
    v.reading = at
      .read()
      .finally(() => (v.reading = null))
      .then((array) => {
        v.keep(array);
        return array;
      });
    return v.reading;
  }
}

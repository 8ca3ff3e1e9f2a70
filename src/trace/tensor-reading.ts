/** The part of Tensor that gives values back: reading, printing, disposing. */
import { hostArray, type HostArray } from "../ir/dtype.ts";
import { ShapeError } from "../ir/errors.ts";
import { numel, show } from "../ir/shape.ts";
import { isHost } from "./cell.ts";
import { engine } from "./engine.ts";
import { callerLine } from "./lines.ts";
import { formatTensor } from "./print.ts";
import { isRefused, recorder, refuseToRecord } from "./recorder.ts";
import { GradientTensor } from "./tensor-gradient.ts";
import { Value } from "./value.ts";

/** Values nested as the shape is; a number for a scalar. bool gives true and false. */
export type Nested = number | boolean | Nested[];

const READ_LATER = "return the tensor, and read it from what the call gives";

export abstract class ReadingTensor extends GradientTensor {
  /** The values, row-major, in an array of their own: f32, i32 and u32 as such, bool as 0 and 1 in a Uint8Array. */
  async data(): Promise<HostArray> {
    return (await this.#read()).slice();
  }

  /** `data()` without a promise: waits for the device. */
  dataSync(): HostArray {
    return this.#readSync().slice();
  }

  /** The one number of a tensor with one element (bool: 0 or 1). */
  async item(): Promise<number> {
    this.#checkScalar("item");
    return (await this.#read())[0]!;
  }

  /** `item()` without a promise: waits for the device. */
  itemSync(): number {
    this.#checkScalar("itemSync");
    return this.#readSync()[0]!;
  }

  /** The values as nested arrays. */
  async tolist(): Promise<Nested> {
    return nested(this, await this.#read());
  }

  /** Prints the values, once they are there. */
  async print(): Promise<void> {
    const values = await this.#read();
    console.log(formatTensor(this, values));
  }

  /** The values if they are on the host or can be read at no risk, else how to get them. */
  override toString(): string {
    return formatTensor(this, this.#peek());
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  /** Frees the tensor's storage now. Not needed: for what is large and must go before the collector finds it. */
  dispose(): void {
    if (this.state instanceof Value) this.state.dispose(callerLine());
    else this.state.dispose();
    this.gradientTensor = null;
  }
  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkScalar(op: string): void {
    if (numel(this.shape) === 1) return;
    throw new ShapeError(`${op}: a tensor of shape ${show(this.shape)} is not one number; use data() or tolist()`);
  }

  async #read(): Promise<HostArray> {
    // The call fails when its function returns; a rejection besides would be nobody's.
    if (isRefused("a value is read", READ_LATER)) return new Promise(() => {});
    if (this.state instanceof Value) return engine.reads.read(this.state);
    const at = engine.reads.fetchCell(this.state);
    return isHost(at) ? at : at.read();
  }

  #readSync(): HostArray {
    refuseToRecord("a value is read", READ_LATER);
    if (this.state instanceof Value) return engine.reads.readSync(this.state);
    const at = engine.reads.fetchCell(this.state);
    return isHost(at) ? at : at.readSync();
  }

  /** Values for printing: never waits where that could hang a page, never throws. */
  #peek(): HostArray | string {
    const { state } = this;
    if (state.disposed) return "disposed";
    if (state instanceof Value && state.host !== null) return state.host;
    if (numel(state.shape) === 0) return hostArray(state.dtype, 0);
    if (recorder() !== null) return "traced inside a compiled function";
    if (!engine.device.readsSynchronously) return "not computed yet; await t.print() shows the values";
    try {
      return this.#readSync();
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

function nested({ shape, dtype }: ReadingTensor, values: HostArray): Nested {
  let level: Nested[] = Array.from(values, (x) => (dtype === "bool" ? x !== 0 : x));
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const extent = shape[axis]!;
    const rows = numel(shape.slice(0, axis));
    level = Array.from({ length: rows }, (_, i) => level.slice(i * extent, (i + 1) * extent));
  }
  return shape.length === 0 ? level[0]! : level;
}

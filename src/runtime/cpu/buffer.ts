/**
 * A device buffer on the cpu: a row-major array of its own. The layout is only its name in plans.
 */
import { BYTES_PER_ELEMENT, hostArray, type DType, type HostArray } from "../../ir/dtype.ts";
import type { DeviceBuffer } from "../../ir/device.ts";
import { DeviceError, DisposedError, OutOfMemoryError } from "../../ir/errors.ts";
import { numel, show, type Shape } from "../../ir/shape.ts";

/** Bytes and arrays that are alive, against a budget. */
export class Memory {
  bytes = 0;
  buffers = 0;
  readonly budget: number;
  constructor(budget: number) {
    this.budget = budget;
  }

  allocate(dtype: DType, shape: Shape): HostArray {
    const size = numel(shape);
    const bytes = size * BYTES_PER_ELEMENT;
    if (this.bytes + bytes > this.budget) {
      throw new OutOfMemoryError(
        `cpu: ${dtype}${show(shape)} needs ${bytes} bytes and ${this.bytes} are in use, the budget is ${this.budget}; ` +
          "dispose of tensors no longer needed, use smaller batches, or raise the device's budget",
        bytes,
      );
    }
    let array: HostArray;
    try {
      array = hostArray(dtype, size);
    } catch (cause) {
      throw new DeviceError(`cpu: the engine gives no array of ${bytes} bytes for ${dtype}${show(shape)}`, { cause });
    }
    this.bytes += bytes;
    this.buffers++;
    return array;
  }

  free(array: HostArray): void {
    this.bytes -= array.length * BYTES_PER_ELEMENT;
    this.buffers--;
  }
}

export class CpuBuffer implements DeviceBuffer {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly layout: string;
  readonly bytes: number;
  readonly loss = null;
  /** The executable that has kept it; null for one the caller owns. */
  readonly owner: object | null;
  readonly #memory: Memory;
  #array: HostArray | null;

  constructor(
    memory: Memory,
    dtype: DType,
    shape: Shape,
    layout: string,
    array: HostArray,
    owner: object | null = null,
  ) {
    this.dtype = dtype;
    this.shape = shape;
    this.layout = layout;
    this.bytes = array.length * BYTES_PER_ELEMENT;
    this.owner = owner;
    this.#memory = memory;
    this.#array = array;
  }

  get array(): HostArray {
    if (this.#array === null) {
      throw new DisposedError(`buffer of ${this.dtype}${show(this.shape)}: its storage has been given back`);
    }
    return this.#array;
  }

  async read(): Promise<HostArray> {
    return this.readSync();
  }

  readSync(): HostArray {
    return this.array.slice();
  }

  release(): void {
    if (this.#array === null || this.owner !== null) return;
    this.#memory.free(this.#array);
    this.#array = null;
  }

  /** For the owner: the value lies in another array now, or is gone (null). */
  move(array: HostArray | null): void {
    this.#array = array;
  }
}

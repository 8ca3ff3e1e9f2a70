/**
 * A device buffer on GL: a texture, or nothing where there are no elements, under a layout.
 */
import { hostArray, type DType, type HostArray } from "../ir/dtype.ts";
import { ContextLostError, DisposedError } from "../ir/errors.ts";
import type { ContextLoss, DeviceBuffer } from "../ir/device.ts";
import type { Layout } from "../ir/layout.ts";
import type { Shape } from "../ir/shape.ts";
import type { Texture } from "./textures.ts";

/** How a buffer's values reach the host, and where its texture goes when it is released. */
export interface BufferHome {
  read(texture: Texture, layout: Layout, dtype: DType): Promise<HostArray>;
  readSync(texture: Texture, layout: Layout, dtype: DType): HostArray;
  release(texture: Texture): void;
}

/** An executable, as the owner of values it has kept. */
export interface BufferOwner {
  /** While pinned it keeps its textures, whatever the memory pressure. */
  pin(count: 1 | -1): void;
}

export class GlBuffer implements DeviceBuffer {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly layout: string;
  readonly bytes: number;
  readonly #layout: Layout;
  readonly #home: BufferHome;
  /** Whose it is, where that is an executable: it must not overwrite what the same run reads. */
  readonly owner: BufferOwner | null;
  #texture: Texture | null;
  #released = false;

  constructor(
    home: BufferHome,
    dtype: DType,
    layout: Layout,
    texture: Texture | null,
    owner: BufferOwner | null = null,
  ) {
    this.dtype = dtype;
    this.shape = layout.shape;
    this.layout = layout.text;
    this.bytes = texture?.bucket.bytes ?? 0;
    this.#layout = layout;
    this.#home = home;
    this.#texture = texture;
    this.owner = owner;
  }

  get loss(): ContextLoss | null {
    return this.#texture?.loss ?? null;
  }

  /** null where there are no elements. */
  get texture(): Texture | null {
    if (this.#released) throw this.#gone();
    const { loss } = this;
    if (loss !== null) throw new ContextLostError(loss);
    return this.#texture;
  }

  async read(): Promise<HostArray> {
    const texture = this.texture;
    return texture === null ? hostArray(this.dtype, 0) : this.#home.read(texture, this.#layout, this.dtype);
  }

  readSync(): HostArray {
    const texture = this.texture;
    return texture === null ? hostArray(this.dtype, 0) : this.#home.readSync(texture, this.#layout, this.dtype);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    const texture = this.#texture;
    this.#texture = null;
    if (texture !== null && this.owner === null) this.#home.release(texture);
  }

  /** For the owner: the value has moved to another texture, or is gone (null). */
  move(texture: Texture | null): void {
    this.#texture = texture;
    this.#released = texture === null;
  }

  #gone(): DisposedError {
    return new DisposedError(`buffer of ${this.dtype}[${this.shape.join(",")}]: its storage has been given back`);
  }
}

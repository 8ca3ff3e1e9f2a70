/**
 * Texture storage: array textures of four 32-bit lanes, pooled by size, counted in bytes, bounded by a budget.
 *
 * A released texture stays allocated and is handed out again; reaching the budget frees unused textures first, then
 * asks idle owners to give theirs back, and only then fails. Not here: what a texture holds, or how it is addressed.
 */
import type { ContextLoss } from "../ir/device.ts";
import type { DType } from "../ir/dtype.ts";
import { DeviceError, OutOfMemoryError } from "../ir/errors.ts";
import { textureOf, type Layout } from "../ir/layout.ts";
import type { GlFramebuffer, GlTexture, WebGL2 } from "./gl-types.ts";
import type { GlState } from "./state.ts";

export type TextureFormat = "f32" | "i32" | "u32";

/** bool lives as 0.0 and 1.0. Integers never pass through a float texture: drivers flush and quiet their bits. */
export const formatOf: Readonly<Record<DType, TextureFormat>> = { f32: "f32", bool: "f32", i32: "i32", u32: "u32" };

/** How the texels of a format are stored and moved. */
export interface Transfer {
  readonly storage: number;
  readonly format: number;
  readonly type: number;
}

export function transferOf(gl: WebGL2, format: TextureFormat): Transfer {
  switch (format) {
    case "f32":
      return { storage: gl.RGBA32F, format: gl.RGBA, type: gl.FLOAT };
    case "i32":
      return { storage: gl.RGBA32I, format: gl.RGBA_INTEGER, type: gl.INT };
    case "u32":
      return { storage: gl.RGBA32UI, format: gl.RGBA_INTEGER, type: gl.UNSIGNED_INT };
  }
}

/** A framebuffer over layers of textures, kept with each of them; see framebuffers.ts. */
export interface Attachment {
  readonly framebuffer: GlFramebuffer;
  readonly textures: readonly Texture[];
  readonly layers: readonly number[];
}

export class Texture {
  readonly handle: GlTexture;
  readonly bucket: Bucket;
  /** Every framebuffer it is part of; they die with it. */
  readonly attachments: Attachment[] = [];
  /** When it was last released: the longest unused is freed first. */
  releasedAt = 0;
  /** Buffers that lie in it. */
  holders = 0;
  /** Set once its context is lost: it holds nothing, and is never handed out again. */
  loss: ContextLoss | null = null;
  constructor(handle: GlTexture, bucket: Bucket) {
    this.handle = handle;
    this.bucket = bucket;
  }
}

/** All textures of one size and format. */
export class Bucket {
  readonly format: TextureFormat;
  readonly width: number;
  readonly height: number;
  readonly layers: number;
  readonly bytes: number;
  readonly free: Texture[] = [];
  constructor(format: TextureFormat, width: number, height: number, layers: number) {
    this.format = format;
    this.width = width;
    this.height = height;
    this.layers = layers;
    this.bytes = width * height * layers * 16;
  }
}

/** Someone who holds textures it can do without. */
export interface Idle {
  /** Larger is more recent; the least recent is asked first. */
  readonly lastUsed: number;
  /** Releases what it can to the pool; false if there was nothing. */
  giveBack(): boolean;
}

export interface TextureLimits {
  readonly maxTextureSize: number;
  readonly maxArrayLayers: number;
  /** Bytes of all textures, in use or not. */
  readonly budget: number;
}

export class TexturePool {
  readonly limits: TextureLimits;
  /** Bytes of all textures that exist. */
  bytes = 0;
  /** Textures that are handed out. */
  inUse = 0;
  /** Textures made so far. */
  made = 0;
  /** How often everything was lost. */
  epoch = 0;
  /** Called when a texture is about to be destroyed, while it still exists. */
  onDestroy: (texture: Texture) => void = () => {};
  /** Called with each texture handed out; tests fill it with NaN. */
  onAcquire: (texture: Texture) => void = () => {};
  readonly idle = new Set<Idle>();
  readonly #gl: WebGL2;
  readonly #state: GlState;
  readonly #buckets = new Map<string, Bucket>();
  readonly #all = new Set<Texture>();
  #clock = 0;

  constructor(gl: WebGL2, state: GlState, limits: TextureLimits) {
    this.#gl = gl;
    this.#state = state;
    this.limits = limits;
  }

  /** The place of all textures of a size. Throws DeviceError, naming the limit, if there can be none. */
  bucket(format: TextureFormat, width: number, height: number, layers: number): Bucket {
    const key = `${format} ${width}x${height}x${layers}`;
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    const { maxTextureSize, maxArrayLayers, budget } = this.limits;
    if (width > maxTextureSize || height > maxTextureSize) {
      throw new DeviceError(
        `texture: ${width} x ${height} texels needed, this context allows ${maxTextureSize} a side (MAX_TEXTURE_SIZE)`,
      );
    }
    if (layers > maxArrayLayers) {
      throw new DeviceError(
        `texture: ${layers} layers needed, this context allows ${maxArrayLayers} (MAX_ARRAY_TEXTURE_LAYERS)`,
      );
    }
    const made = new Bucket(format, width, height, layers);
    if (made.bytes > budget) throw overBudget(made.bytes, 0, budget);
    this.#buckets.set(key, made);
    return made;
  }

  /** The place of the textures that values of a layout lie in. */
  bucketOf(dtype: DType, layout: Layout): Bucket {
    const { width, height, layers } = textureOf(layout);
    return this.bucket(formatOf[dtype], width, height, layers);
  }

  /** A texture with one holder. */
  acquire(bucket: Bucket): Texture {
    const texture = bucket.free.pop() ?? this.#make(bucket);
    texture.holders = 1;
    this.inUse++;
    this.onAcquire(texture);
    return texture;
  }

  /** One holder less; without any it is free. */
  release(texture: Texture): void {
    // A buffer may outlive its device.
    if (!this.#all.has(texture) || --texture.holders > 0) return;
    texture.releasedAt = ++this.#clock;
    texture.bucket.free.push(texture);
    this.inUse--;
  }

  /** Frees unused textures, longest unused first, until at most `bytes` exist. */
  trim(bytes: number): void {
    if (this.bytes <= bytes) return;
    const unused = [...this.#buckets.values()].flatMap((b) => b.free).sort((a, b) => a.releasedAt - b.releasedAt);
    for (const texture of unused) {
      if (this.bytes <= bytes) return;
      texture.bucket.free.splice(texture.bucket.free.indexOf(texture), 1);
      this.#destroy(texture);
    }
  }

  /** Notes that the context is lost, and with it every texture and framebuffer. */
  lose(loss: ContextLoss): void {
    for (const texture of this.#all) {
      texture.loss = loss;
      texture.attachments.length = 0;
    }
    this.#all.clear();
    for (const bucket of this.#buckets.values()) bucket.free.length = 0;
    this.idle.clear();
    this.bytes = this.inUse = 0;
    this.epoch++;
  }

  /** Destroys every texture, in use or not. */
  dispose(): void {
    for (const texture of this.#all) this.#destroy(texture);
    this.#buckets.clear();
    this.idle.clear();
    this.inUse = 0;
  }

  #make(bucket: Bucket): Texture {
    this.#makeRoom(bucket.bytes);
    let handle = this.#allocate(bucket);
    if (handle === null) {
      // The driver has less than the budget says: free everything that is not in use and ask once more.
      this.trim(0);
      handle = this.#allocate(bucket);
    }
    if (handle === null) {
      throw new OutOfMemoryError(
        `texture: the driver is out of memory for ${bucket.bytes} bytes, with ${this.bytes} bytes in use (OUT_OF_MEMORY)`,
        bucket.bytes,
      );
    }
    this.bytes += bucket.bytes;
    this.made++;
    const texture = new Texture(handle, bucket);
    this.#all.add(texture);
    return texture;
  }

  #makeRoom(bytes: number): void {
    const { budget } = this.limits;
    this.trim(budget - bytes);
    if (this.bytes + bytes <= budget) return;
    for (const owner of [...this.idle].sort((a, b) => a.lastUsed - b.lastUsed)) {
      if (!owner.giveBack()) continue;
      this.trim(budget - bytes);
      if (this.bytes + bytes <= budget) return;
    }
    throw overBudget(bytes, this.bytes, budget);
  }

  #allocate(bucket: Bucket): GlTexture | null {
    const gl = this.#gl;
    const handle = gl.createTexture();
    if (handle === null) return null;
    this.#state.bindForUpload(handle);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.NEAREST);
    }
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, name, gl.CLAMP_TO_EDGE);
    }
    const { storage } = transferOf(gl, bucket.format);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, storage, bucket.width, bucket.height, bucket.layers);
    if (gl.getError() !== gl.OUT_OF_MEMORY) return handle;
    this.#state.deleteTexture(handle);
    return null;
  }

  #destroy(texture: Texture): void {
    this.#all.delete(texture);
    this.onDestroy(texture);
    this.#state.deleteTexture(texture.handle);
    this.bytes -= texture.bucket.bytes;
  }
}

const overBudget = (needed: number, used: number, budget: number): OutOfMemoryError =>
  new OutOfMemoryError(
    `texture: ${needed} bytes needed and ${used} bytes in use, the budget is ${budget} bytes; ` +
      "dispose of tensors no longer needed, use smaller batches, or raise the device's budget",
    needed,
  );

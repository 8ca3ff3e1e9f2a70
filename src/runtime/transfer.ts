/**
 * Values between host arrays and textures: uploads, and reads that wait.
 *
 * Scratch memory is kept between calls, so that a training loop that sends a batch and reads a loss allocates nothing
 * but the arrays it hands out. Reads that do not wait are in readback.ts, the order of texels in packing.ts.
 */
import { hostArray, type DType, type HostArray } from "../ir/dtype.ts";
import { InvariantError } from "../ir/errors.ts";
import type { Layout, Place } from "../ir/layout.ts";
import { numel, show } from "../ir/shape.ts";
import type { Capabilities } from "./capabilities.ts";
import type { Counters } from "./counters.ts";
import type { Framebuffers } from "./framebuffers.ts";
import type { GlData, WebGL2 } from "./gl-types.ts";
import { isPacked, pack, texelCount, unpack, type Texels } from "./packing.ts";
import type { GlState } from "./state.ts";
import { formatOf, transferOf, type Texture, type TextureFormat } from "./textures.ts";

/** Larger scratch memory is given back after use. */
const KEPT_BYTES = 1 << 24;

export class Transfer {
  readonly #gl: WebGL2;
  readonly #state: GlState;
  readonly #framebuffers: Framebuffers;
  readonly #counters: Counters;
  /** headless-gl takes integers only as bytes, and silently uploads nothing from an Int32Array. */
  readonly #intsAsBytes: boolean;
  #scratch = new ArrayBuffer(0);

  constructor(
    gl: WebGL2,
    state: GlState,
    framebuffers: Framebuffers,
    counters: Counters,
    intUpload: Capabilities["intUpload"],
  ) {
    this.#gl = gl;
    this.#state = state;
    this.#framebuffers = framebuffers;
    this.#counters = counters;
    this.#intsAsBytes = intUpload === "bytes";
  }

  /** Fills the layout's part of the texture; padding gets zeros or what `padding` says. */
  upload(texture: Texture, layout: Layout, dtype: DType, array: HostArray, padding = 0): void {
    if (array.length !== numel(layout.shape)) {
      throw new InvariantError(`upload: ${array.length} values for ${show(layout.shape)}`);
    }
    const direct = dtype !== "bool" && isPacked(layout, array.length);
    if (direct) {
      this.#send(texture, array, partOf(layout));
      return;
    }
    const texels = this.#texels(formatOf[dtype], texelCount(layout));
    if (texels.length !== array.length) texels.fill(padding);
    pack(layout, array, texels);
    this.#send(texture, texels, partOf(layout));
  }

  /** One value in every lane. */
  fill(texture: Texture, value: number): void {
    const { format, width, height, layers, bytes } = texture.bucket;
    const texels = this.#texels(format, bytes / 4);
    texels.fill(value);
    this.#send(texture, texels, { y: 0, z: 0, width, height, layers });
  }

  /** Waits for everything queued so far. */
  read(texture: Texture, layout: Layout, dtype: DType): HostArray {
    const texels = this.#texels(formatOf[dtype], texelCount(layout));
    const size = texels.length / layout.R;
    for (let layer = 0; layer < layout.R; layer++) {
      const part = layout.R === 1 ? texels : texels.subarray(layer * size, (layer + 1) * size);
      this.readLayer(texture, layout, layer, part);
    }
    const out = hostArray(dtype, numel(layout.shape));
    unpack(layout, texels, out);
    this.#counters.readbacks++;
    this.#counters.bytesRead += texels.byteLength;
    return out;
  }

  /** A layer of a value, into an array of exactly its size or at a byte offset of the bound pixel pack buffer. */
  readLayer(texture: Texture, layout: Layout, layer: number, into: Texels | number): void {
    const gl = this.#gl;
    const { y, z, width, height } = partOf(layout);
    const { format, type } = transferOf(gl, texture.bucket.format);
    this.#state.bindFramebuffer(this.#framebuffers.of([texture], [z + layer]));
    // The two overloads of readPixels differ in the last argument alone.
    if (typeof into === "number") gl.readPixels(0, y, width, height, format, type, into);
    else gl.readPixels(0, y, width, height, format, type, into);
  }

  #send(texture: Texture, data: GlData, { y, z, width, height, layers }: Place): void {
    const gl = this.#gl;
    const { format: of } = texture.bucket;
    const { format, type } = transferOf(gl, of);
    const sent =
      this.#intsAsBytes && of !== "f32" ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : data;
    this.#state.bindForUpload(texture.handle);
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, y, z, width, height, layers, format, type, sent);
    this.#counters.uploads++;
    this.#counters.bytesSent += data.byteLength;
  }

  /** `length` values of scratch memory; what an earlier call got is overwritten. */
  #texels(format: TextureFormat, length: number): Texels {
    const bytes = length * 4;
    let buffer = this.#scratch;
    if (buffer.byteLength < bytes) {
      buffer = new ArrayBuffer(bytes);
      if (bytes <= KEPT_BYTES) this.#scratch = buffer;
    }
    return texelsOver(format, buffer, length);
  }
}

/** The texels that are the value's own. */
const partOf = ({ place, width, height, R }: Layout): Place => ({
  y: place?.y ?? 0,
  z: place?.z ?? 0,
  width,
  height,
  layers: R,
});

export function texelsOver(format: TextureFormat, buffer: ArrayBuffer, length: number): Texels {
  switch (format) {
    case "f32":
      return new Float32Array(buffer, 0, length);
    case "i32":
      return new Int32Array(buffer, 0, length);
    case "u32":
      return new Uint32Array(buffer, 0, length);
  }
}

/**
 * Reads that do not stop the thread: texels go to a pixel pack buffer at once, a fence tells when they have arrived.
 *
 * All reads asked for in one turn of the event loop share a fence, and fences are tested in the order they were made.
 * The copy is queued when the read is asked for, so a buffer may be released or overwritten right after. Where the
 * context has no such buffers (headless-gl), transfer.ts reads and waits.
 */
import { hostArray, type DType, type HostArray } from "../ir/dtype.ts";
import { DeviceError } from "../ir/errors.ts";
import type { Layout } from "../ir/layout.ts";
import { numel } from "../ir/shape.ts";
import type { Counters } from "./counters.ts";
import type { GlBuffer, GlSync, WebGL2 } from "./gl-types.ts";
import { texelCount, unpack } from "./packing.ts";
import { formatOf, type Texture } from "./textures.ts";
import { texelsOver, type Transfer } from "./transfer.ts";

interface PendingRead {
  readonly pack: GlBuffer;
  readonly bytes: number;
  readonly layout: Layout;
  readonly dtype: DType;
  readonly resolve: (array: HostArray) => void;
  readonly reject: (error: unknown) => void;
}

/** A fence is asked for again after each task at first, then after this many milliseconds. */
const POLL_MS = 1;
const EAGER_POLLS = 20;
/** A NaN that no arithmetic makes; if it was read, asking the GPU costs a moment and does no harm. */
const UNTOUCHED = 0x7fedc0de;

export class Readback {
  readonly #gl: WebGL2;
  readonly #transfer: Transfer;
  readonly #counters: Counters;
  /** Throws ContextLostError if the GPU is gone. Waits for it. */
  readonly #checkAnswers: () => void;
  /** Reads of this turn, not yet fenced. */
  #turn: PendingRead[] = [];
  readonly #fenced: { readonly sync: GlSync; readonly reads: readonly PendingRead[] }[] = [];
  #polling = false;

  constructor(gl: WebGL2, transfer: Transfer, counters: Counters, checkAnswers: () => void) {
    this.#gl = gl;
    this.#transfer = transfer;
    this.#counters = counters;
    this.#checkAnswers = checkAnswers;
  }

  /** Fails all reads under way: what they would have given went with the context. */
  lose(error: Error): void {
    const lost = [...this.#fenced.splice(0).flatMap(({ reads }) => reads), ...this.#turn.splice(0)];
    for (const { reject } of lost) reject(error);
  }

  read(texture: Texture, layout: Layout, dtype: DType): Promise<HostArray> {
    const gl = this.#gl;
    const bytes = texelCount(layout) * 4;
    const pack = this.#packBuffer(bytes);
    for (let layer = 0; layer < layout.R; layer++) {
      this.#transfer.readLayer(texture, layout, layer, (layer * bytes) / layout.R);
    }
    // Left bound, it would turn every plain readPixels into an error.
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    this.#counters.readbacks++;
    this.#counters.bytesRead += bytes;
    return new Promise((resolve, reject) => {
      this.#turn.push({ pack, bytes, layout, dtype, resolve, reject });
      if (this.#turn.length === 1) queueMicrotask(() => this.#fence());
    });
  }

  /** Leaves a new buffer of `bytes` bound. Chromium warns of one that is written again, though it was read before. */
  #packBuffer(bytes: number): GlBuffer {
    const gl = this.#gl;
    const made = gl.createBuffer();
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, made);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, bytes, gl.STREAM_READ);
    if (made === null) {
      this.#checkAnswers();
      throw new DeviceError("read: the context gives no buffer");
    }
    return made;
  }

  #fence(): void {
    const gl = this.#gl;
    const reads = this.#turn;
    this.#turn = [];
    if (reads.length === 0) return;
    const sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    if (sync === null) {
      this.#fail(reads);
      return;
    }
    gl.flush();
    this.#fenced.push({ sync, reads });
    if (!this.#polling) {
      this.#polling = true;
      void this.#poll();
    }
  }

  async #poll(): Promise<void> {
    const gl = this.#gl;
    for (let polls = 0; this.#fenced.length > 0; polls++) {
      await (polls < EAGER_POLLS ? nextTask() : delay(POLL_MS));
      // Lost meanwhile.
      if (this.#fenced.length === 0) break;
      const { sync, reads } = this.#fenced[0]!;
      const status = gl.clientWaitSync(sync, 0, 0);
      if (status === gl.TIMEOUT_EXPIRED && !gl.isContextLost()) continue;
      this.#fenced.shift();
      gl.deleteSync(sync);
      polls = 0;
      if (status === gl.WAIT_FAILED || status === gl.TIMEOUT_EXPIRED) this.#fail(reads);
      else for (const read of reads) this.#finish(read);
    }
    this.#polling = false;
  }

  #finish({ pack, bytes, layout, dtype, resolve, reject }: PendingRead): void {
    const gl = this.#gl;
    try {
      const buffer = new ArrayBuffer(bytes);
      const texels = texelsOver(formatOf[dtype], buffer, bytes / 4);
      const first = new Uint32Array(buffer, 0, 1);
      first[0] = UNTOUCHED;
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, pack);
      gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, texels);
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
      gl.deleteBuffer(pack);
      // A GPU that is gone leaves the array as it is.
      if (first[0] === UNTOUCHED) this.#checkAnswers();
      const out = hostArray(dtype, numel(layout.shape));
      unpack(layout, texels, out);
      resolve(out);
    } catch (error) {
      reject(error);
    }
  }

  #fail(reads: readonly PendingRead[]): void {
    for (const { reject, pack } of reads) {
      this.#gl.deleteBuffer(pack);
      try {
        this.#checkAnswers();
        reject(new DeviceError("read: the driver refused to wait for the values"));
      } catch (error) {
        reject(error);
      }
    }
  }
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Timers are held back to 4 ms, and to a second in a hidden page; messages are not. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

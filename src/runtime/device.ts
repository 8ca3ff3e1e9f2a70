/**
 * The WebGL2 device: puts textures, programs and plans together behind the port of ir/device.ts.
 *
 * A lost context is noticed by its event, at the end of every run and at every read; from then on everything throws
 * ContextLostError, because GL itself would go on silently with zeros. When the browser has restored the context, the
 * device goes on in place: programs are compiled again, plans make their textures anew, and only values are gone.
 * Not here: how a context is come by (select.ts, platform), how values come back (trace/snapshot.ts).
 */
import type { CompileRequest, Device, DeviceBuffer, DeviceMemory, Executable } from "../ir/device.ts";
import type { DType, HostArray } from "../ir/dtype.ts";
import { ContextLostError, DeviceError, InvariantError } from "../ir/errors.ts";
import { layoutByText, type Layout } from "../ir/layout.ts";
import type { DeviceProfile, KernelPlan } from "../ir/plan.ts";
import { numel, type Shape } from "../ir/shape.ts";
import type { ShaderProgram } from "../codegen/glsl/program.ts";
import { GlBuffer, type BufferHome } from "./buffer.ts";
import { probeCapabilities, type Capabilities } from "./capabilities.ts";
import { compileWebgl, describeDraw, type PlanInfo } from "./compile.ts";
import { Loss, watchContext, whatIsWorse } from "./context-loss.ts";
import { newCounters, type Counters } from "./counters.ts";
import { GlExecutable, type ExecutableContext } from "./executable.ts";
import { Framebuffers } from "./framebuffers.ts";
import type { WebGL2 } from "./gl-types.ts";
import { checkFits } from "./limits.ts";
import { announcePlan, isObserved } from "./observe.ts";
import { Programs, type ProgramLimits } from "./programs.ts";
import { Readback } from "./readback.ts";
import { GlState } from "./state.ts";
import { TexturePool, type Texture, type TextureFormat, type TextureLimits } from "./textures.ts";
import { Transfer } from "./transfer.ts";
import { drawForm } from "./warm-up.ts";
import { webglProfile, type ProfileOptions } from "./webgl-profile.ts";

export interface WebglOptions extends ProfileOptions {
  /** Bytes all textures may take. Default 1 GiB: contexts do not say what they have. */
  readonly budget?: number;
  /**
   * Programs kept compiled, 1024 unless told. Beyond it those go that no plan uses, and the one asked for longest ago goes
   * first; what plans use stays.
   */
  readonly maxPrograms?: number;
  /** Characters a program's text may have, 262,144 unless told; an expression that needs more is refused. */
  readonly maxProgramLength?: number;
  /** Whether reading may wait (Node). Default false. */
  readonly readsSynchronously?: boolean;
  /** Already known, or pretended by tests; default: probed. */
  readonly capabilities?: Capabilities;
  /** Fills textures and their padding with NaN (integers: large numbers) before use, so that tests see who reads it. */
  readonly poison?: boolean;
}

const GIB = 2 ** 30;

export interface WebglDevice extends Device {
  readonly gl: WebGL2;
  readonly capabilities: Capabilities;
  /** Plans made from now on follow it; what limits textures stays as it was. */
  profile: DeviceProfile;
  readonly counters: Counters;
  readonly programs: Programs;
  /** Set by the dump: told of every plan compiled. While it is set, plans keep a record of their passes. */
  onPlan: ((info: PlanInfo) => void) | null;
  compile(request: CompileRequest): Executable;
  /** An executable of a plan made elsewhere. */
  load(plan: KernelPlan, programs: readonly ShaderProgram[]): Executable;
  /** Must be called after someone else has used the context. */
  forgetState(): void;
  /** Frees all textures and programs; the context stays the caller's. */
  dispose(): void;
}

export function createWebglDevice(gl: WebGL2, options: WebglOptions = {}): WebglDevice {
  return new GlDevice(gl, options);
}

class GlDevice implements WebglDevice {
  readonly name = "webgl";
  readonly readsSynchronously: boolean;
  readonly gl: WebGL2;
  readonly capabilities: Capabilities;
  profile: DeviceProfile;
  readonly counters = newCounters();
  readonly programs: Programs;
  onPlan: ((info: PlanInfo) => void) | null = null;
  readonly #limits: TextureLimits;
  readonly #state: GlState;
  readonly #pool: TexturePool;
  readonly #transfer: Transfer;
  readonly #context: ExecutableContext;
  readonly #placeholders = new Map<TextureFormat, Texture>();
  readonly #options: WebglOptions;
  /** Of reads that do not stop the thread, where the context can. */
  #readback: Readback | null = null;
  /** The context is away, and may come back. */
  #loss: Loss | null = null;
  /** Why the device is of no more use. */
  #gone: string | null = null;
  readonly #unwatch: () => void;

  constructor(gl: WebGL2, options: WebglOptions) {
    this.gl = gl;
    this.#options = options;
    this.readsSynchronously = options.readsSynchronously ?? false;
    this.capabilities = options.capabilities ?? probeCapabilities(gl);
    requireFloats(this.capabilities);
    this.profile = webglProfile(this.capabilities, options);
    this.#limits = {
      maxTextureSize: this.profile.maxTextureSize,
      maxArrayLayers: this.capabilities.maxArrayLayers,
      budget: options.budget ?? GIB,
    };
    const { counters } = this;
    const state = (this.#state = new GlState(gl));
    const framebuffers = new Framebuffers(gl, state);
    const programs = (this.programs = new Programs(gl, state, counters, programLimits(options)));
    const pool = (this.#pool = new TexturePool(gl, state, this.#limits));
    const transfer = new Transfer(gl, state, framebuffers, counters, this.capabilities.intUpload);
    this.#transfer = transfer;
    pool.onDestroy = (texture) => framebuffers.drop(texture);
    const padding = options.poison === true ? POISON : ZERO;
    if (padding === POISON) pool.onAcquire = (texture) => transfer.fill(texture, POISON[texture.bucket.format]);
    this.#context = {
      gl,
      state,
      framebuffers,
      programs,
      pool,
      transfer,
      counters,
      checkAlive: () => this.#checkAlive(),
      checkPresent: () => this.#checkPresent(),
      checkAnswers: () => this.#checkAnswers(),
      home: this.#home(),
      maxDrawBuffers: this.profile.maxDrawBuffers,
      drawWork: this.profile.drawWork,
      padding,
      placeholder: (format) => this.#placeholder(format),
    };
    this.#unwatch = watchContext(
      gl,
      () => this.#lose(),
      () => this.#restore(),
    );
  }

  compile(request: CompileRequest): Executable {
    this.#checkAlive();
    const record = this.onPlan !== null || isObserved();
    const { programs } = this;
    // The driver compiles one program while the next is spelled.
    const info = this.#present(() =>
      compileWebgl(request, this.profile, record, ({ source }, reads, describe) => {
        programs.prepare(source, describe).forms.add(drawForm(reads));
      }),
    );
    this.onPlan?.(info);
    announcePlan(info);
    return this.#present(() => this.load(info.plan, info.programs));
  }

  load(plan: KernelPlan, programs: readonly ShaderProgram[]): Executable {
    this.counters.plans++;
    const executable = new GlExecutable(this.#context, plan, programs, describeDraw);
    this.programs.linkAll();
    return executable;
  }

  upload(array: HostArray, dtype: DType, shape: Shape, layout: string): DeviceBuffer {
    this.#checkAlive();
    const known = layoutByText(layout);
    if (known === undefined) throw new InvariantError(`upload of ${dtype}[${shape.join(",")}]: no layout "${layout}"`);
    if (numel(shape) === 0) return new GlBuffer(this.#context.home, dtype, known, null);
    const bucket = this.#pool.bucketOf(dtype, known);
    const texture = this.#present(() => this.#pool.acquire(bucket));
    this.#transfer.upload(texture, known, dtype, array, this.#context.padding[bucket.format]);
    return new GlBuffer(this.#context.home, dtype, known, texture);
  }

  /** Runs `f`; what a lost context made it throw becomes ContextLostError. */
  #present<T>(f: () => T): T {
    try {
      return f();
    } catch (error) {
      if (error instanceof DeviceError) this.#checkAnswers();
      throw error;
    }
  }

  checkFits(op: string, dtype: DType, shape: Shape): void {
    checkFits(op, dtype, shape, this.#limits);
  }

  memory(): DeviceMemory {
    return { bytes: this.#pool.bytes, buffers: this.#pool.inUse, budget: this.#limits.budget };
  }

  forgetState(): void {
    this.#state.forget();
  }

  dispose(): void {
    this.#unwatch();
    this.#gone = "the device was disposed of";
    this.#placeholders.clear();
    // A lost context has deleted everything itself.
    if (this.#loss !== null) {
      this.#loss.fail(new DeviceError(this.#gone));
      return;
    }
    this.#pool.dispose();
    this.programs.dispose();
    this.#state.dispose();
  }

  #home(): BufferHome {
    const { pixelPackBuffer, fence } = this.capabilities;
    const transfer = this.#transfer;
    const readSync = (texture: Texture, layout: Layout, dtype: DType): HostArray => {
      this.#checkAlive();
      const values = this.#present(() => transfer.read(texture, layout, dtype));
      // A context lost meanwhile has left zeros, or what was there before.
      this.#checkAnswers();
      return values;
    };
    const release = (texture: Texture): void => this.#pool.release(texture);
    if (this.readsSynchronously || !pixelPackBuffer || !fence) {
      return { readSync, release, read: async (texture, layout, dtype) => readSync(texture, layout, dtype) };
    }
    const readback = new Readback(this.gl, transfer, this.counters, () => this.#checkAnswers());
    this.#readback = readback;
    const read: BufferHome["read"] = (texture, layout, dtype) => {
      this.#checkAlive();
      return this.#present(() => readback.read(texture, layout, dtype));
    };
    return { readSync, release, read };
  }

  #placeholder(format: TextureFormat): Texture {
    let texture = this.#placeholders.get(format);
    if (texture === undefined) {
      texture = this.#pool.acquire(this.#pool.bucket(format, 1, 1, 1));
      this.#placeholders.set(format, texture);
    }
    return texture;
  }

  #lose(): void {
    if (this.#loss !== null) return;
    const loss = (this.#loss = new Loss());
    this.#placeholders.clear();
    this.#pool.lose(loss);
    this.#readback?.lose(new ContextLostError(loss));
  }

  /** Goes on with the context that came back in place of the lost one. */
  #restore(): void {
    this.#lose();
    const loss = this.#loss!;
    const { gl } = this;
    const found = this.#options.capabilities ?? probeCapabilities(gl);
    // Extensions went with the context.
    gl.getExtension("EXT_color_buffer_float");
    const worse = whatIsWorse(found, webglProfile(found, this.#options), this.profile);
    // Lost once more: the next one may do.
    if (gl.isContextLost()) return;
    if (worse !== null) {
      this.#gone = `the WebGL context was lost, and the one restored in its place (${found.renderer}) has ${worse}; make a new device and load a saved state`;
      loss.fail(new DeviceError(this.#gone));
      return;
    }
    this.#state.begin();
    this.programs.restore();
    this.#loss = null;
    loss.end();
  }

  #checkPresent(): void {
    if (this.gl.isContextLost()) this.#lose();
    this.#checkAlive();
  }

  #checkAnswers(): void {
    if (this.#loss === null && (this.gl.isContextLost() || !this.#state.answers)) this.#lose();
    this.#checkAlive();
  }

  #checkAlive(): void {
    if (this.#gone !== null) throw new DeviceError(this.#gone);
    if (this.#loss !== null) throw new ContextLostError(this.#loss);
  }
}

const programLimits = ({ maxPrograms = 1024, maxProgramLength = 2 ** 18 }: WebglOptions): ProgramLimits => ({
  count: maxPrograms,
  characters: maxProgramLength,
});

type Fill = Readonly<Record<TextureFormat, number>>;
const ZERO: Fill = { f32: 0, i32: 0, u32: 0 };
const POISON: Fill = { f32: NaN, i32: -0x5eadbeef, u32: 0x5eadbeef };

function requireFloats({ floatRender, intTextures, renderer }: Capabilities): void {
  const missing = !floatRender ? "32-bit float" : !intTextures ? "32-bit integer" : null;
  if (missing === null) return;
  throw new DeviceError(`webgl: this context (${renderer}) cannot draw to ${missing} textures and read them back`);
}

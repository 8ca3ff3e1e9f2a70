/**
 * A plan on GL: its draws, the textures it owns, and how a run binds what comes from outside.
 *
 * Owned are the textures of intermediates (see memory-plan.ts) and of leaves given as host arrays; they are made in
 * the first run and kept, so a replay makes no texture. Everything that can fail is done before the first draw:
 * compiling, checking what was given, making outputs. Under memory pressure an idle plan gives its textures back and
 * makes them again in its next run; until then it has kept nothing.
 *
 * Not here: how one kernel is drawn (draw.ts), what the plan is (passes).
 */
import type { DeviceBuffer, Executable, PlanStats, RunArguments, StoredTensor } from "../ir/device.ts";
import type { HostArray } from "../ir/dtype.ts";
import { DisposedError, InvariantError } from "../ir/errors.ts";
import type { Kernel } from "../ir/kernel.ts";
import { layoutBytes, textureOf } from "../ir/layout.ts";
import type { Node } from "../ir/node.ts";
import type { KernelPlan, PlanBuffer } from "../ir/plan.ts";
import { numel } from "../ir/shape.ts";
import type { ShaderProgram } from "../codegen/glsl/program.ts";
import { GlBuffer, type BufferHome, type BufferOwner } from "./buffer.ts";
import { copyDraws } from "./copy.ts";
import type { Counters } from "./counters.ts";
import { Draw, type DrawContext } from "./draw.ts";
import { drawWork } from "./draw-work.ts";
import { planMemory, storedTensors, type MemoryPlan } from "./memory-plan.ts";
import { formatOf, type Idle, type Texture, type TextureFormat, type TexturePool } from "./textures.ts";
import type { Transfer } from "./transfer.ts";

/** What an executable needs of its device. */
export interface ExecutableContext extends DrawContext {
  readonly pool: TexturePool;
  readonly transfer: Transfer;
  readonly counters: Counters;
  readonly home: BufferHome;
  readonly maxDrawBuffers: number;
  /** What padding of uploads is filled with. */
  readonly padding: Readonly<Record<TextureFormat, number>>;
  /** A texture of one texel, for a sampler of something that has no elements. */
  placeholder(format: TextureFormat): Texture;
  /** Throws ContextLostError if the context is known to be lost. */
  checkAlive(): void;
  /** Asks the context first: until its event has come, GL takes every call and does nothing. */
  checkPresent(): void;
  /** Asks the GPU, and waits: for failures that may come of its being gone. */
  checkAnswers(): void;
}

export class GlExecutable implements Executable, Idle, BufferOwner {
  readonly leafLayouts: readonly string[];
  readonly stats: PlanStats;
  lastUsed = 0;
  readonly #context: ExecutableContext;
  readonly #plan: KernelPlan;
  readonly #memory: MemoryPlan;
  readonly #draws: readonly Draw[];
  /** Roots that one draw writes to one texture. */
  readonly #shared: readonly (readonly number[])[];
  /** Texture of each buffer of the plan in this run; null where there is none. */
  readonly #textures: (Texture | null)[];
  /** Textures of the memory plan's slots; empty until the first run. */
  readonly #owned: Texture[] = [];
  /** Of each leaf slot: the host array its texture holds, and that texture. */
  readonly #sent: ({ array: HostArray; texture: Texture } | null)[];
  /** Textures replaced in this run, still read by it. */
  readonly #retired: Texture[] = [];
  readonly #kept = new Map<Node, GlBuffer>();
  readonly #keptBySlot = new Map<number, GlBuffer[]>();
  /** Plans whose kept values this run reads. */
  readonly #pinned: BufferOwner[] = [];
  #pins = 0;
  /** The pool's epoch when its textures were made. */
  #epoch: number;
  #disposed = false;

  constructor(context: ExecutableContext, plan: KernelPlan, programs: readonly ShaderProgram[], print: KernelPrinter) {
    this.#context = context;
    this.#plan = plan;
    this.#epoch = context.pool.epoch;
    this.leafLayouts = plan.leaves.map((b) => (b < 0 ? "" : plan.buffers[b]!.layout.text));
    this.#memory = planMemory(plan, (b) => (isEmpty(plan.buffers[b]!) ? null : storageKey(plan.buffers[b]!)));
    this.#shared = sharedRoots(plan);
    this.#textures = plan.buffers.map(() => null);
    this.#placehold();
    this.#sent = plan.leaves.map(() => null);
    const draws: Draw[] = [];
    try {
      plan.draws.forEach((draw, i) => {
        const kernels = draw.map((k) => plan.kernels[k]!);
        if (kernels.every((k) => k.stores.every((s) => isEmpty(plan.buffers[s.buffer]!)))) return;
        const program = programs[i]!;
        draws.push(new Draw(context, { program, work: drawWork(kernels, program), describe: () => print(kernels) }));
      });
      for (const { from, to } of this.#copies()) draws.push(...copyDraws(context, plan.buffers[from]!, from, to));
    } catch (error) {
      for (const draw of draws) draw.release();
      throw error;
    }
    this.#draws = draws;
    this.stats = {
      draws: draws.reduce((n, d) => n + d.count, 0),
      programs: new Set(draws.map((d) => d.program)).size,
      bytes: this.#memory.slots.reduce((n, s) => n + layoutBytes(plan.buffers[s.buffer]!.layout), 0),
    };
  }

  run(args: RunArguments): readonly DeviceBuffer[] {
    const { pool, counters, programs } = this.#context;
    if (this.#disposed) throw new DisposedError("a plan was run after it was disposed of");
    this.#context.checkAlive();
    if (this.#epoch !== pool.epoch) this.#startOver();
    let outputs: GlBuffer[];
    const made: GlBuffer[] = [];
    this.#begin(args);
    try {
      // All before the first draw: browsers answer only once all before is done, and what is drawn need not be waited for.
      for (const draw of this.#draws) programs.link(draw.program);
      this.#bindLeaves(args);
      this.#bindSlots();
      outputs = this.#bindOutputs(args, made);
      for (const draw of this.#draws) draw.run(this.#textures, args.uniforms);
      counters.draws += this.stats.draws;
      this.#context.checkPresent();
    } catch (error) {
      for (const buffer of made) buffer.release();
      // Half of what it needs helps nobody, and what was kept is not in a texture that was to be drawn to.
      if (!this.#ownsAll || this.#retired.length > 0) {
        for (const texture of this.#owned.splice(0)) pool.release(texture);
        for (const buffer of this.#kept.values()) buffer.move(null);
      }
      this.#context.checkAnswers();
      throw error;
    } finally {
      this.#end(pool);
    }
    return outputs;
  }

  get #ownsAll(): boolean {
    return this.#owned.length === this.#memory.slots.length;
  }

  /** Samplers of what has no elements read a texture that is not the plan's. */
  #placehold(): void {
    this.#plan.buffers.forEach((b, i) => {
      this.#textures[i] = isEmpty(b) ? this.#context.placeholder(formatOf[b.dtype]) : null;
    });
  }

  /** Forgets textures that went with a lost context. The pool has, too. */
  #startOver(): void {
    this.#epoch = this.#context.pool.epoch;
    this.#owned.length = 0;
    this.#sent.fill(null);
    for (const buffer of this.#kept.values()) buffer.move(null);
    this.#placehold();
  }

  /** Until `end`, neither this plan nor one whose kept values are read gives its textures back. */
  #begin({ leaves }: RunArguments): void {
    this.lastUsed = ++clock;
    this.#context.pool.idle.add(this);
    this.pin(1);
    for (const given of leaves) {
      if (!isBuffer(given) || !(given instanceof GlBuffer) || given.owner === null) continue;
      given.owner.pin(1);
      this.#pinned.push(given.owner);
    }
  }

  #end(pool: TexturePool): void {
    for (const texture of this.#retired) pool.release(texture);
    this.#retired.length = 0;
    for (const owner of this.#pinned) owner.pin(-1);
    this.#pinned.length = 0;
    this.pin(-1);
  }

  pin(count: 1 | -1): void {
    this.#pins += count;
  }

  kept(): ReadonlyMap<Node, DeviceBuffer> {
    return this.#ownsAll && this.#epoch === this.#context.pool.epoch ? this.#kept : nothing;
  }

  tensors(): readonly StoredTensor[] {
    return storedTensors(this.#plan, this.#memory, ({ layout }) => layoutBytes(layout), true);
  }

  /** Called under memory pressure. What was kept is computed again by whoever asks for it. */
  giveBack(): boolean {
    if (this.#pins > 0 || this.#owned.length + this.#sent.filter(Boolean).length === 0) return false;
    for (const texture of this.#owned.splice(0)) this.#context.pool.release(texture);
    this.#sent.forEach((sent, i) => {
      if (sent !== null) this.#context.pool.release(sent.texture);
      this.#sent[i] = null;
    });
    for (const buffer of this.#kept.values()) buffer.move(null);
    return true;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.giveBack();
    this.#context.pool.idle.delete(this);
    for (const draw of this.#draws) draw.release();
  }

  /** Roots that no kernel writes into their own output: leaves asked for, and further roots of one buffer. */
  *#copies(): Iterable<{ readonly from: number; readonly to: number }> {
    const { leaves, roots, buffers } = this.#plan;
    for (let i = 0; i < roots.length; i++) {
      const from = roots[i]!;
      if (isEmpty(buffers[from]!)) continue;
      if (leaves.includes(from) || roots.indexOf(from) < i) yield { from, to: this.#copyTarget(i) };
    }
  }

  /** Copies write past the plan's buffers: one place for each root. */
  #copyTarget(root: number): number {
    return this.#plan.buffers.length + root;
  }

  #bindLeaves({ leaves }: RunArguments): void {
    for (let i = 0; i < leaves.length; i++) {
      const number = this.#plan.leaves[i]!;
      if (number < 0) continue;
      const buffer = this.#plan.buffers[number]!;
      if (isEmpty(buffer)) continue;
      const given = leaves[i]!;
      // A cell that began with a host array has a buffer from its second version on: what was sent is needed no more.
      if (isBuffer(given)) this.#forgetSent(i);
      this.#textures[number] = isBuffer(given) ? this.#given(given, buffer) : this.#upload(i, given, buffer);
    }
  }

  #given(given: DeviceBuffer, wanted: PlanBuffer): Texture {
    if (!(given instanceof GlBuffer)) throw new InvariantError("a buffer of another device was bound to a GL plan");
    if (given.layout !== wanted.layout.text || given.dtype !== wanted.dtype) {
      throw new InvariantError(
        `a buffer of ${given.dtype} ${given.layout} was bound where the plan has ${wanted.dtype} ${wanted.layout.text}`,
      );
    }
    const texture = given.texture!;
    // Its own value of the last run: this run draws to another texture, and the old one lives until it ends.
    if (given.owner === this) this.#retire(texture);
    return texture;
  }

  #retire(texture: Texture): void {
    const slot = this.#owned.indexOf(texture);
    if (slot < 0) return;
    this.#retired.push(texture);
    this.#own(slot, this.#context.pool.acquire(texture.bucket));
  }

  #upload(leaf: number, array: HostArray, buffer: PlanBuffer): Texture {
    const { pool, transfer, padding } = this.#context;
    const sent = this.#sent[leaf];
    if (sent?.array === array) return sent.texture;
    const texture = sent?.texture ?? pool.acquire(pool.bucketOf(buffer.dtype, buffer.layout));
    // Not marked as sent before it is.
    this.#sent[leaf] = { array: nothingSent, texture };
    transfer.upload(texture, buffer.layout, buffer.dtype, array, padding[texture.bucket.format]);
    this.#sent[leaf] = { array, texture };
    return texture;
  }

  #forgetSent(leaf: number): void {
    const sent = this.#sent[leaf];
    if (sent == null) return;
    this.#context.pool.release(sent.texture);
    this.#sent[leaf] = null;
  }

  #bindSlots(): void {
    const { pool } = this.#context;
    const { slots, slotOf } = this.#memory;
    if (this.#owned.length < slots.length) {
      while (this.#owned.length < slots.length) {
        const { dtype, layout } = this.#plan.buffers[slots[this.#owned.length]!.buffer]!;
        this.#owned.push(pool.acquire(pool.bucketOf(dtype, layout)));
      }
      slotOf.forEach((slot, buffer) => {
        if (slot >= 0) this.#textures[buffer] = this.#owned[slot]!;
      });
      this.#keep();
    }
  }

  #own(slot: number, texture: Texture): void {
    this.#owned[slot] = texture;
    this.#memory.slotOf.forEach((s, buffer) => {
      if (s === slot) this.#textures[buffer] = texture;
    });
    for (const buffer of this.#keptBySlot.get(slot) ?? []) buffer.move(texture);
  }

  /** Names the values that live until the next run. */
  #keep(): void {
    for (const [node, number] of this.#plan.kept) {
      const slot = this.#memory.slotOf[number]!;
      if (slot < 0) continue;
      const known = this.#kept.get(node);
      if (known !== undefined) {
        known.move(this.#owned[slot]!);
        continue;
      }
      const { dtype, layout } = this.#plan.buffers[number]!;
      const buffer = new GlBuffer(this.#context.home, dtype, layout, this.#owned[slot]!, this);
      this.#kept.set(node, buffer);
      this.#keptBySlot.set(slot, [...(this.#keptBySlot.get(slot) ?? []), buffer]);
    }
  }

  #bindOutputs({ outputs }: RunArguments, made: GlBuffer[]): GlBuffer[] {
    const { leaves, roots, buffers } = this.#plan;
    const out: GlBuffer[] = [];
    for (const shared of this.#shared) this.#bindShared(shared, outputs, out, made);
    for (let i = 0; i < roots.length; i++) {
      if (out[i] !== undefined) continue;
      const number = roots[i]!;
      const buffer = buffers[number]!;
      const given = outputs[i] ?? null;
      const output = given === null ? this.#newOutput(buffer, made) : this.#checkOutput(given, buffer);
      out[i] = output;
      if (isEmpty(buffer)) continue;
      const isCopy = leaves.includes(number) || roots.indexOf(number) < i;
      this.#textures[isCopy ? this.#copyTarget(i) : number] = output.texture;
    }
    return out;
  }

  #newOutput(buffer: PlanBuffer, made: GlBuffer[]): GlBuffer {
    const { pool, home } = this.#context;
    const texture = isEmpty(buffer) ? null : pool.acquire(pool.bucketOf(buffer.dtype, buffer.layout));
    const output = new GlBuffer(home, buffer.dtype, buffer.layout, texture);
    made.push(output);
    return output;
  }

  /**
   * Results that share a texture write to one that nobody holds but who gave it for them, or else to a new one; what is
   * given in vain stays its owner's.
   */
  #bindShared(roots: readonly number[], given: RunArguments["outputs"], out: GlBuffer[], made: GlBuffer[]): void {
    const { buffers } = this.#plan;
    const { pool, home } = this.#context;
    const wanted = (root: number): PlanBuffer => buffers[this.#plan.roots[root]!]!;
    const theirs = roots.map((root) => {
      const buffer = given[root] ?? null;
      return buffer === null ? null : this.#checkOutput(buffer, wanted(root));
    });
    const free = theirs.find(
      (b) => b !== null && b.texture?.holders === theirs.filter((e) => e?.texture === b.texture).length,
    );
    const { dtype, layout } = wanted(roots[0]!);
    const texture = free?.texture ?? pool.acquire(pool.bucketOf(dtype, layout));
    // A new texture comes with one holder.
    if (free === undefined) texture.holders = 0;
    roots.forEach((root, i) => {
      let own = theirs[i]!;
      if (own?.texture !== texture) {
        made.push((own = new GlBuffer(home, dtype, wanted(root).layout, texture)));
        texture.holders++;
      }
      out[root] = own;
      this.#textures[this.#plan.roots[root]!] = texture;
    });
  }

  #checkOutput(given: DeviceBuffer, wanted: PlanBuffer): GlBuffer {
    if (given instanceof GlBuffer && given.layout === wanted.layout.text && given.dtype === wanted.dtype) return given;
    throw new InvariantError(
      `an output of ${given.dtype} ${given.layout} was given where the plan writes ${wanted.dtype} ${wanted.layout.text}`,
    );
  }
}

export type KernelPrinter = (kernels: readonly Kernel[]) => string;

/** Of each draw into a texture that values share, the roots it writes. */
const sharedRoots = ({ draws, kernels, buffers, roots }: KernelPlan): number[][] =>
  draws
    .map((draw) => draw.flatMap((k) => kernels[k]!.stores.map((s) => s.buffer)))
    .filter(([first]) => buffers[first!]!.layout.place !== null)
    .map((stored) => stored.map((b) => roots.indexOf(b)));

/** Counts runs of all plans, to tell which has been idle longest. */
let clock = 0;

const nothing: ReadonlyMap<Node, DeviceBuffer> = new Map();
const nothingSent = new Float32Array(0);

const isEmpty = (b: PlanBuffer): boolean => numel(b.layout.shape) === 0;
const isBuffer = (given: DeviceBuffer | HostArray): given is DeviceBuffer => "release" in given;
const storageKey = ({ dtype, layout }: PlanBuffer): string => {
  const { width, height, layers } = textureOf(layout);
  return `${formatOf[dtype]} ${width}x${height}x${layers}`;
};

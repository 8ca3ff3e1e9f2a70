/**
 * One sum of one roster, as its chunks arrive: of a training step's gradients, or of a collective.
 *
 * All or nothing: a member that is dropped leaves no trace. Where its values are in a sum already, that chunk is summed
 * anew from what the others send again. The first chunk of a slot and place counts; repeated ones are ignored.
 * Not here: who is dropped and why, and when the sums are taken (room.ts, collectives.ts).
 */
import { codecs, isFinite32 } from "./codec.ts";
import { encodeExact } from "./codec-topk.ts";
import { toRanges, type Chunk, type Layout } from "./layout.ts";
import { Roster, TreeSum } from "./tree-sum.ts";
import { encodeFrame, WireError, type Frame } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What to write on the frames of the sums. */
export interface Stamp {
  readonly term: number;
  readonly step: number;
  readonly collective: boolean;
}

/** A chunk's sum on its way to the members. */
interface Sum {
  readonly frame: Bytes;
  readonly payload: Bytes;
  /** What the payload was made of, where it may be less: the sum and what earlier ones left out. */
  readonly meant: Float32Array | null;
}

export class Round {
  readonly layout: Layout;
  readonly roster: Roster;
  attempt = 0;
  readonly #stamp: Stamp;
  readonly #window: number;
  readonly #trees: TreeSum[];
  readonly #sums: (Sum | null)[];
  /** What sums of lossy codecs left out so far, which the next ones make up for; null where they leave out nothing. */
  readonly #residual: Float32Array | null;
  #left: number;
  /** The first chunk without a sum, now and at most so far. */
  #lowest = 0;
  #highest = 0;

  /** `window`: how many chunks a member may be ahead of the sums. */
  constructor(
    layout: Layout,
    slots: readonly number[],
    stamp: Stamp,
    { window, residual = null }: { readonly window: number; readonly residual?: Float32Array | null },
  ) {
    this.layout = layout;
    this.roster = new Roster(slots);
    this.#stamp = stamp;
    this.#window = window;
    this.#residual = residual;
    this.#trees = layout.chunks.map(() => new TreeSum(this.roster));
    this.#sums = layout.chunks.map(() => null);
    this.#left = layout.chunks.length;
  }

  /** Whether every chunk has its sum. */
  get isSummed(): boolean {
    return this.#left === 0;
  }

  /** Frames of the sums there are. */
  get frames(): readonly Bytes[] {
    return this.#sums.flatMap((sum) => (sum === null ? [] : [sum.frame]));
  }

  /**
   * Takes a chunk of a slot of the roster. The frame of its sum if that is complete now; "not finite" where the values
   * are not all numbers: then nothing was taken. Throws WireError where there is no such chunk, or it comes too early.
   */
  accept(slot: number, frame: Frame): Bytes | "taken" | "repeated" | "not finite" {
    const chunk = this.layout.find(frame.bucket, frame.offset);
    if (chunk === undefined || frame.count !== chunk.count || frame.codec !== chunk.codec) {
      const { bucket, offset, count, codec } = frame;
      throw new WireError(`grad: no chunk of ${count} ${codec} at ${offset} of bucket ${bucket} in this layout`);
    }
    if (chunk.id >= this.#highest + this.#window) {
      throw new WireError(
        `grad: chunk ${chunk.id}, at most ${this.#window} ahead of the sums, which are at ${this.#highest}`,
      );
    }
    const tree = this.#trees[chunk.id]!;
    if (tree.hasArrived(slot)) return "repeated";
    const values = codecs[chunk.codec].decode(frame.payload, chunk.count);
    if (!isFinite32(values)) return "not finite";
    tree.add(slot, values);
    return tree.result === null ? "taken" : this.#finish(chunk, tree.result);
  }

  /** These slots are out, whatever they sent. Which chunks the others must send again, and frames of sums now complete. */
  drop(slots: readonly number[]): {
    readonly resend: readonly (readonly [number, number])[];
    readonly frames: readonly Bytes[];
  } {
    this.attempt += 1;
    const resend = new Set<number>();
    const finished = new Set<number>();
    for (const slot of slots) {
      this.roster.drop(slot);
      for (const { id } of this.layout.chunks) {
        const tree = this.#trees[id]!;
        if (tree.drop(slot)) {
          if (tree.result !== null && this.#sums[id] === null) finished.add(id);
          continue;
        }
        resend.add(id);
        finished.delete(id);
        if (this.#sums[id] !== null) this.#left += 1;
        this.#sums[id] = null;
        this.#lowest = Math.min(this.#lowest, id);
      }
    }
    const frames = [...finished].map((id) => this.#finish(this.layout.chunks[id]!, this.#trees[id]!.result!));
    return { resend: toRanges([...resend]), frames };
  }

  /** Chunks a slot has not sent, or must send again. */
  missing(slot: number): readonly (readonly [number, number])[] {
    return toRanges(this.layout.chunks.flatMap(({ id }) => (this.#trees[id]!.hasArrived(slot) ? [] : [id])));
  }

  /** Those whose chunk the first unfinished sum waits for; none if all are summed. */
  get laggards(): readonly number[] {
    const tree = this.#trees[this.#lowest];
    return tree === undefined ? [] : this.roster.slots.filter((slot) => !tree.hasArrived(slot));
  }

  /** The sums as every member decodes them: [layout.size]. Only once all are there. */
  decoded(): Float32Array {
    const out = new Float32Array(this.layout.size);
    for (const { id, at, count, codec } of this.layout.chunks) {
      out.set(codecs[codec].decode(this.#sums[id]!.payload, count), at);
    }
    return out;
  }

  /** Has the residual hold what these sums left out. Once, when they are final. */
  settleResidual(): void {
    if (this.#residual === null) return;
    for (const { id, at, count, codec } of this.layout.chunks) {
      const { meant, payload } = this.#sums[id]!;
      if (meant === null) continue;
      const said = codecs[codec].decode(payload, count);
      for (let i = 0; i < count; i++) this.#residual[at + i] = meant[i]! - said[i]!;
    }
  }

  #finish(chunk: Chunk, sum: Float32Array): Bytes {
    const { id, at, bucket, offset, count, codec } = chunk;
    // A sum of sparse contributions is sparse: it travels as it is.
    const isLossy = codecs[codec].lossy && codec !== "topk";
    if (isLossy && this.#residual !== null) {
      for (let i = 0; i < count; i++) sum[i] = sum[i]! + this.#residual[at + i]!;
    }
    const payload = codec === "topk" ? encodeExact(sum) : codecs[codec].encode(sum);
    const { attempt } = this;
    const slot = 0;
    const frame = encodeFrame({ ...this.#stamp, type: "sum", attempt, bucket, offset, count, codec, slot, payload });
    this.#sums[id] = { frame, payload: frame.subarray(frame.length - payload.length), meant: isLossy ? sum : null };
    this.#left -= 1;
    while (this.#lowest < this.#sums.length && this.#sums[this.#lowest] !== null) this.#lowest += 1;
    this.#highest = Math.max(this.#highest, this.#lowest);
    return frame;
  }
}

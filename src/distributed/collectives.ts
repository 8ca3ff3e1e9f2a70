/**
 * allReduce, broadcast and barrier on the server: sums over whoever was there when the first of them called.
 *
 * A member that leaves on the way is taken out, and the others send again what is needed; a broadcast whose root is
 * gone fails. Not here: training steps, whose rosters may be cut (room.ts).
 */
import { flatLayout } from "./layout.ts";
import type { ServerMessage } from "./messages.ts";
import { Round } from "./round.ts";
import { WireError, type Frame } from "./wire.ts";

/** Elements of the largest collective: 64 MiB. */
const MAX_COUNT = 2 ** 24;
/** Collectives of one room that are under way at once. */
const MAX_OPEN = 64;

interface Collective {
  readonly count: number;
  readonly root: number | null;
  /** Who takes part, and of those who has called. */
  readonly members: Set<number>;
  readonly called: Set<number>;
  readonly round: Round;
}

/** What a collective has its room say. */
export interface Voice {
  say(slots: Iterable<number>, message: ServerMessage): void;
  send(slots: Iterable<number>, frames: readonly Uint8Array<ArrayBuffer>[]): void;
}

export class Collectives {
  readonly #open = new Map<number, Collective>();
  readonly #voice: Voice;
  readonly #term: number;
  readonly #window: number;
  /** The number of the next one nobody has called. */
  next = 0;

  constructor(term: number, window: number, voice: Voice) {
    this.#term = term;
    this.#window = window;
    this.#voice = voice;
  }

  /** A member calls collective `seq`. Throws WireError where its arguments differ from those of the others. */
  call(
    slot: number,
    { seq, count, root }: { readonly seq: number; readonly count: number; readonly root: number | null },
    present: readonly number[],
  ): void {
    let c = this.#open.get(seq);
    if (c === undefined) {
      if (seq < this.next) {
        // It ended while this member was away. A barrier has no result that could be lost.
        const lost = { kind: "failed", seq, reason: `collective ${seq}: the connection was lost as it ended` } as const;
        this.#voice.say([slot], count === 0 ? { kind: "collected", seq, roster: [slot] } : lost);
        return;
      }
      if (count > MAX_COUNT) throw new WireError(`collective: ${count} elements, at most ${MAX_COUNT}`);
      if (seq > this.next || this.#open.size >= MAX_OPEN) throw new WireError(`collective: ${seq} before ${this.next}`);
      this.next = seq + 1;
      const slots = root === null ? present : present.filter((s) => s === root);
      const stamp = { term: this.#term, step: seq, collective: true };
      const round = new Round(flatLayout(count), slots, stamp, { window: this.#window });
      c = { count, root, members: new Set(present), called: new Set(), round };
      this.#open.set(seq, c);
      if (slots.length === 0) {
        this.#fail(seq, c, `broadcast: there is no member ${root}`);
        return;
      }
    }
    if (!c.members.has(slot)) throw new WireError(`collective: ${seq} began before this member came`);
    if (c.count !== count || c.root !== root) {
      this.#fail(
        seq,
        c,
        `collective ${seq}: members disagree: ${c.count} elements and ${count}, root ${c.root} and ${root}`,
      );
      return;
    }
    c.called.add(slot);
    this.#settle(seq, c);
  }

  /** Part of a contribution; of a collective that is over it is ignored. */
  accept(slot: number, frame: Frame): void {
    const c = this.#open.get(frame.step);
    if (c === undefined || !c.round.roster.has(slot)) return;
    const result = c.round.accept(slot, frame);
    if (result === "not finite") throw new WireError("collective: a value is not finite");
    if (typeof result !== "string") this.#voice.send(c.members, [result]);
    this.#settle(frame.step, c);
  }

  /** The member is gone. */
  drop(slot: number): void {
    for (const [seq, c] of this.#open) {
      if (!c.members.delete(slot)) continue;
      c.called.delete(slot);
      if (c.members.size === 0) {
        this.#open.delete(seq);
        continue;
      }
      if (c.round.roster.has(slot)) {
        if (c.root === slot && !c.round.isSummed) {
          this.#fail(seq, c, `broadcast: member ${slot}, whose values it was to be, is gone`);
          continue;
        }
        if (c.root !== slot) {
          const { resend, frames } = c.round.drop([slot]);
          this.#voice.say(c.members, { kind: "recollect", seq, attempt: c.round.attempt, resend });
          this.#voice.send(c.members, frames);
        }
      }
      this.#settle(seq, c);
    }
  }

  /** Tells a member that was away what it missed and what it still owes. */
  resume(slot: number): void {
    for (const [seq, c] of this.#open) {
      if (!c.members.has(slot)) continue;
      const resend = c.round.roster.has(slot) ? c.round.missing(slot) : [];
      this.#voice.say([slot], { kind: "recollect", seq, attempt: c.round.attempt, resend });
      this.#voice.send([slot], c.round.frames);
    }
  }

  #settle(seq: number, c: Collective): void {
    if (!c.round.isSummed || c.called.size < c.members.size) return;
    this.#voice.say(c.members, { kind: "collected", seq, roster: [...c.members].sort((a, b) => a - b) });
    this.#open.delete(seq);
  }

  #fail(seq: number, c: Collective, reason: string): void {
    this.#voice.say(c.members, { kind: "failed", seq, reason });
    this.#open.delete(seq);
  }
}

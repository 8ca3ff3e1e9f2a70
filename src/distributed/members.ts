/** Who takes part in a run: sessions and their slots. Not here: what they do. */
import type { State } from "./replica.ts";
import type { Left } from "./leases.ts";

/**
 * greeted: has said its name. registered: its model is known, its state not yet looked at. donor: its state is being
 * taken over. healing: it is taking over the run's. idle: has the run's state, and is busy with something else.
 * ready: waits for samples. working: is in the roster. passed: has no more data.
 */
export type Stage = "greeted" | "registered" | "donor" | "healing" | "idle" | "ready" | "working" | "passed";

export interface Member {
  readonly session: string;
  readonly slot: number;
  name: string;
  /** Its connection; null while it has none. */
  peer: number | null;
  stage: Stage;
  /** Samples it takes a step. */
  batch: number;
  /** The state it says it has, when it last came. */
  at: { readonly term: number; readonly step: number; readonly hash: string } | null;
  /** When its connection was lost. */
  lostAt: number;
  /** Contributions that had to be thrown away. */
  strikes: number;
  /** The state it is pulling, and what was left of the epoch then. */
  serving: { readonly state: State; readonly left: Left | null } | null;
  /** Whether it is told of sums and commits. */
  hears: boolean;
  // For whoever watches.
  steps: number;
  samples: number;
  loss: number | null;
  bytesIn: number;
}

export class Members {
  readonly #bySession = new Map<string, Member>();
  readonly #byPeer = new Map<number, Member>();
  readonly #bySlot = new Map<number, Member>();

  get size(): number {
    return this.#bySession.size;
  }
  /** In the order of their slots. */
  get all(): readonly Member[] {
    return [...this.#bySlot.values()].sort((a, b) => a.slot - b.slot);
  }
  ofPeer(peer: number): Member | undefined {
    return this.#byPeer.get(peer);
  }
  ofSession(session: string): Member | undefined {
    return this.#bySession.get(session);
  }
  ofSlot(slot: number): Member | undefined {
    return this.#bySlot.get(slot);
  }
  in(...stages: readonly Stage[]): readonly Member[] {
    return this.all.filter(({ stage }) => stages.includes(stage));
  }

  /** A new member in the lowest free slot. */
  add(session: string, name: string, peer: number): Member {
    let slot = 0;
    while (this.#bySlot.has(slot)) slot++;
    const member: Member = {
      session,
      slot,
      name,
      peer,
      stage: "greeted",
      batch: 1,
      at: null,
      lostAt: 0,
      strikes: 0,
      serving: null,
      hears: false,
      steps: 0,
      samples: 0,
      loss: null,
      bytesIn: 0,
    };
    this.#bySession.set(session, member);
    this.#bySlot.set(slot, member);
    this.#byPeer.set(peer, member);
    return member;
  }

  attach(member: Member, peer: number): void {
    this.detach(member);
    member.peer = peer;
    this.#byPeer.set(peer, member);
  }

  detach(member: Member): void {
    if (member.peer !== null) this.#byPeer.delete(member.peer);
    member.peer = null;
  }

  remove(member: Member): void {
    this.detach(member);
    this.#bySession.delete(member.session);
    this.#bySlot.delete(member.slot);
  }
}

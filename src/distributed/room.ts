/**
 * A run on the server: events in, actions out. No sockets and no clocks: the time comes with each event.
 *
 * A step is OPEN (a roster, a lease for each member), gathers contributions, and commits them whole, each exactly once,
 * or is cut: a member that is lost, late or sends what is no number is taken out, and the others send again what it had
 * a part in. Steps follow one another without a gap; term and step name every frame, so that nothing old is taken.
 * Sums go to everybody as they are finished; nobody applies them before COMMIT.
 *
 * The server's own replica follows every commit. Who joins, or has drifted, takes it over and then hears the same sums
 * and commits as the others. Where the server knows less than its workers (it was restarted; the optimizer's rule is
 * unknown to it) it takes over the state of one of them first.
 * Not here: sums (round.ts), samples (leases.ts), collectives, connections and files (server/).
 */
import { Collectives } from "./collectives.ts";
import { modelLayout, restSize, type Layout } from "./layout.ts";
import { countOf, Leases, type Left, type Range } from "./leases.ts";
import { Members, type Member } from "./members.ts";
import { readWorkerMessage, type ServerMessage, type UpdateSpec, type WorkerMessage } from "./messages.ts";
import { planDifference, type Plan } from "./model.ts";
import { Replica, updateFault, type State } from "./replica.ts";
import { newRoomMetrics, type RoomMetrics } from "./room-metrics.ts";
import { Round } from "./round.ts";
import { Fetch, offerOf, stateFrame } from "./transfer.ts";
import { knowsRule } from "./update.ts";
import { codecs } from "./codec.ts";
import { decodeFrame, encodeControl, WireError, type Frame } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What the outside tells a room. Peers are connections, numbered by whoever holds them. */
export type RoomEvent =
  | { readonly kind: "open"; readonly peer: number }
  | { readonly kind: "frame"; readonly peer: number; readonly bytes: Bytes }
  | { readonly kind: "close"; readonly peer: number }
  /** Time went by. Every 50 to 250 ms will do. */
  | { readonly kind: "tick" };

/** What a room wants done, in this order. */
export type RoomAction =
  | { readonly kind: "send"; readonly to: readonly number[]; readonly bytes: Bytes }
  | { readonly kind: "close"; readonly peer: number; readonly code: number; readonly reason: string }
  /** A step was committed: this much must survive. */
  | { readonly kind: "committed"; readonly step: number }
  | { readonly kind: "save"; readonly saved: Saved }
  | { readonly kind: "log"; readonly event: string; readonly fields: Readonly<Record<string, unknown>> };

/** A run as it is kept on disk. */
export interface Saved {
  readonly plan: Plan;
  readonly state: State;
  readonly left: Left | null;
}

export interface RoomOptions {
  /** Which life of the server this is: larger than all before. */
  readonly term: number;
  /** A new session's name: unguessable. */
  readonly newSession: () => string;
  /** What the disk has. */
  readonly saved?: Saved | null;
  /** The last step known to be committed, in whatever life. */
  readonly lastStep?: number;
  /** Workers there must be before the first step. Default 1. */
  readonly minWorkers?: number;
  /** Default 64. */
  readonly maxWorkers?: number;
  /** The part of a roster that must be done before the others are left out. Default 0.75. */
  readonly quorum?: number;
  /** How long a step may take at least before anybody is left out; else twice the median of the last 20. Default 1000 ms. */
  readonly minDeadlineMs?: number;
  /** The same before there is a median: workers compile. Default 60,000 ms. */
  readonly firstDeadlineMs?: number;
  /** How long a step waits for a lost connection to come back. Default 500 ms. */
  readonly resumeMs?: number;
  /** How long a lost connection keeps its slot. Default 30,000 ms. */
  readonly sessionMs?: number;
  /** How long a server without a journal waits for other workers when the first one comes that has a state. Default 3000 ms. */
  readonly gatherMs?: number;
  /** How long one with a journal waits for a worker that has the last step it knows of. Default 15,000 ms. */
  readonly searchMs?: number;
  /** Samples of a step over all workers; null: each worker takes its own batch. Default null. */
  readonly globalBatch?: number | null;
  /** Every how many steps workers say their hash. Default 10. */
  readonly hashEvery?: number;
  /** Every how many steps the state is saved; 0: never. Default 0. */
  readonly saveEvery?: number;
  /** Chunks a worker may be ahead of the sums. Default 8: 2 MiB. */
  readonly window?: number;
}

const defaults = {
  saved: null,
  lastStep: 0,
  minWorkers: 1,
  maxWorkers: 64,
  quorum: 0.75,
  minDeadlineMs: 1000,
  firstDeadlineMs: 60_000,
  resumeMs: 500,
  sessionMs: 30_000,
  gatherMs: 3000,
  searchMs: 15_000,
  globalBatch: null,
  hashEvery: 10,
  saveEvery: 0,
  window: 8,
} satisfies Omit<Required<RoomOptions>, "term" | "newSession">;

/** Contributions of a worker that may be thrown away before it is. */
const MAX_STRIKES = 3;
/** After so many deadlines those who hold everybody up are left out, quorum or not. */
const LAST_DEADLINE = 10;

/** What a member said at the end of its contribution. */
interface Ended {
  readonly samples: number;
  readonly loss: number | null;
}

/** The step that is being gathered. */
interface Step {
  readonly number: number;
  readonly openedAt: number;
  readonly epoch: number;
  readonly size: number;
  readonly round: Round;
  readonly leases: Map<number, readonly Range[]>;
  readonly ended: Map<number, Ended>;
  update: UpdateSpec | null;
  deadline: number;
}

export class Room {
  readonly metrics: RoomMetrics = newRoomMetrics();
  readonly members = new Members();
  readonly #options: Required<RoomOptions>;
  readonly #collectives: Collectives;
  #plan: Plan | null = null;
  #layout: Layout | null = null;
  #leases: Leases | null = null;
  #replica: Replica | null = null;
  #committed = 0;
  /** Whether the replica is the state after the last step, or will be once it has settled. */
  #isCurrent = false;
  #residual: Float32Array | null = null;
  #step: Step | null = null;
  /** The donor's state on its way. */
  #adoption: { readonly member: Member; fetch: Fetch | null; left: Left | null } | null = null;
  /** The first step waits for minWorkers, later ones do not. */
  #hasBegun = false;
  #hasCommitted = false;
  #isFinished = false;
  #firstSeenAt: number | null = null;
  /** The last commit's work on the replica, and a state that is due to be saved. */
  #due: (() => void) | null = null;
  #unsaved: Saved | null = null;
  #hash: { readonly step: number; readonly hash: string } | null = null;
  readonly #durations: number[] = [];
  #actions: RoomAction[] = [];
  #now = 0;

  constructor(options: RoomOptions) {
    this.#options = { ...defaults, ...options };
    const { term, window, saved } = this.#options;
    this.#collectives = new Collectives(term, window, {
      say: (slots, message) => this.#say(this.#inSlots(slots), message),
      send: (slots, frames) => this.#send(this.#inSlots(slots), frames),
    });
    if (saved !== null) {
      this.#take(saved.plan);
      this.#replica!.load(saved.state);
      this.#committed = saved.state.step;
      this.#leases = saved.plan.data === null ? null : new Leases(saved.plan.data, saved.left);
      this.#isCurrent = true;
    }
  }

  /** Steps committed. */
  get step(): number {
    return this.#committed;
  }
  get isFinished(): boolean {
    return this.#isFinished;
  }
  get plan(): Plan | null {
    return this.#plan;
  }
  /** The roster of the step that is open, and how far the epoch is. */
  get progress(): { readonly roster: readonly number[]; readonly epoch: number; readonly left: number } {
    const roster = this.#step?.round.roster.slots ?? [];
    const { epoch = 0, ranges = [] } = this.#leases?.left ?? {};
    return { roster, epoch, left: countOf(ranges) };
  }

  /** What follows from an event. `now`: milliseconds, never going back. */
  handle(event: RoomEvent, now: number): readonly RoomAction[] {
    this.settle();
    this.#now = now;
    this.#actions = [];
    if (this.#unsaved !== null) this.#actions.push({ kind: "save", saved: this.#unsaved });
    this.#unsaved = null;
    switch (event.kind) {
      case "open":
        break;
      case "frame":
        this.#receive(event.peer, event.bytes);
        break;
      case "close":
        this.#lose(event.peer);
        break;
      case "tick":
        this.#tick();
        break;
    }
    return this.#actions;
  }

  /** Has the replica catch up with the last commit. May be called when there is time; the next event does it else. */
  settle(): void {
    const due = this.#due;
    this.#due = null;
    due?.();
  }

  /** What to keep of the run now; null where there is nothing yet. */
  save(): Saved | null {
    this.settle();
    if (this.#plan === null || this.#replica === null || !this.#isCurrent) return null;
    return { plan: this.#plan, state: this.#replica.freeze(), left: this.#committedLeft() };
  }

  // Saying.

  #inSlots(slots: Iterable<number>): Member[] {
    return [...slots].flatMap((slot) => this.members.ofSlot(slot) ?? []);
  }

  #send(members: readonly Member[], frames: readonly Bytes[]): void {
    const to = members.flatMap(({ peer }) => (peer === null ? [] : [peer]));
    if (to.length > 0) for (const bytes of frames) this.#actions.push({ kind: "send", to, bytes });
  }

  #say(members: readonly Member[], message: ServerMessage): void {
    this.#send(members, [encodeControl(this.#options.term, message)]);
  }

  #log(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#actions.push({ kind: "log", event, fields });
  }

  get #audience(): readonly Member[] {
    return this.members.all.filter(({ hears }) => hears);
  }

  // Hearing.

  #receive(peer: number, bytes: Bytes): void {
    const member = this.members.ofPeer(peer);
    try {
      const frame = decodeFrame(bytes);
      if (member !== undefined) member.bytesIn += bytes.byteLength;
      this.metrics.bytesIn += bytes.byteLength;
      if (frame.type === "control") this.#obey(peer, member, readWorkerMessage(frame));
      else if (member === undefined) throw new WireError(`${frame.type}: before hello`);
      else if (frame.term !== this.#options.term) this.metrics.staleFrames += 1;
      else if (frame.type === "grad") this.#gather(member, frame);
      else if (frame.type === "state") this.#adopt(member, frame);
      else throw new WireError("sum: workers send none");
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#refuse(peer, error.message, error.code);
    }
  }

  /** Closes a connection whose peer does what it may not; its session ends. */
  #refuse(peer: number, reason: string, code = 1008): void {
    this.metrics.refused += 1;
    this.#log("refused", { peer, reason });
    this.#actions.push({
      kind: "send",
      to: [peer],
      bytes: encodeControl(this.#options.term, { kind: "refused", reason: reason.slice(0, 2000) }),
    });
    this.#actions.push({ kind: "close", peer, code, reason: reason.slice(0, 100) });
    const member = this.members.ofPeer(peer);
    if (member !== undefined) this.#remove(member, "refused");
  }

  #obey(peer: number, member: Member | undefined, message: WorkerMessage): void {
    if (message.kind === "hello") {
      if (member !== undefined) throw new WireError("hello: was said before");
      this.#greet(peer, message);
      return;
    }
    if (member === undefined) throw new WireError(`${message.kind}: before hello`);
    switch (message.kind) {
      case "register":
        return this.#register(member, message);
      case "ready":
        return this.#ready(member);
      case "end":
        return this.#end(member, message);
      case "applied":
        return this.#applied(member, message);
      case "donation":
        return this.#beginAdoption(member, message);
      case "pull":
        return this.#serve(member, message);
      case "pass":
        return this.#pass(member);
      case "leave":
        return this.#remove(member, "left");
      case "collect": {
        const present = this.members.all.filter((m) => m.peer !== null).map((m) => m.slot);
        return this.#collectives.call(member.slot, message, present);
      }
    }
  }

  // Coming and going.

  #greet(peer: number, { name, session, at }: Extract<WorkerMessage, { readonly kind: "hello" }>): void {
    let member = session === null ? undefined : this.members.ofSession(session);
    const resumed = member !== undefined;
    if (member === undefined) {
      if (this.members.size >= this.#options.maxWorkers) {
        return this.#refuse(peer, `this run has its ${this.#options.maxWorkers} workers`, 1008);
      }
      member = this.members.add(this.#options.newSession(), name, peer);
      this.metrics.joins += 1;
    } else {
      if (member.peer !== null) {
        this.#actions.push({
          kind: "close",
          peer: member.peer,
          code: 1008,
          reason: "the session has another connection",
        });
      }
      this.members.attach(member, peer);
      this.metrics.resumes += 1;
    }
    member.at = at;
    this.#firstSeenAt ??= this.#now;
    this.#log(resumed ? "resumed" : "joined", { slot: member.slot, name });
    this.#say([member], {
      kind: "welcome",
      term: this.#options.term,
      session: member.session,
      slot: member.slot,
      resumed,
      window: this.#options.window,
      collective: this.#collectives.next,
    });
    this.#say(this.members.all, { kind: "members", count: this.members.size });
    if (!resumed) return;
    this.#collectives.resume(member.slot);
    this.#resumeStep(member);
  }

  /** What a member of this life of the server missed while it had no connection. */
  #resumeStep(member: Member): void {
    if (member.stage === "greeted") return;
    if (member.stage === "donor") {
      const fetch = this.#adoption?.fetch;
      if (fetch == null) this.#say([member], { kind: "donate" });
      else {
        fetch.restart();
        this.#pull(member, fetch);
      }
      return;
    }
    if (member.stage === "healing" || member.at?.step !== this.step || member.at.term !== this.#options.term) {
      if (member.stage === "working") this.#drop([member], "missed a commit");
      if (member.stage !== "registered") this.#heal(member);
      return;
    }
    this.#catchUp(member);
    const step = this.#step;
    if (member.stage === "working" && step !== null) {
      this.#say([member], this.#openMessage(step, member));
      this.#say([member], this.#abortMessage(step, step.round.missing(member.slot)));
    }
    this.#say([member], { kind: "keep", step: this.step });
    if (this.#isFinished) this.#say([member], { kind: "finish" });
  }

  /** Sends the sums that are finished, to one who has not heard of this step. */
  #catchUp(member: Member): void {
    member.hears = true;
    if (this.#step !== null) this.#send([member], this.#step.round.frames);
  }

  #lose(peer: number): void {
    const member = this.members.ofPeer(peer);
    if (member === undefined) return;
    this.members.detach(member);
    member.lostAt = this.#now;
    this.#log("lost", { slot: member.slot, name: member.name });
  }

  #remove(member: Member, why: string): void {
    this.metrics.leaves += 1;
    this.#log("removed", { slot: member.slot, name: member.name, why });
    if (member.stage === "working") this.#drop([member], why);
    this.#giveUpAdoption(member);
    this.members.remove(member);
    this.#collectives.drop(member.slot);
    this.#say(this.members.all, { kind: "members", count: this.members.size });
    this.#advance();
  }

  // The state of the run.

  #take(plan: Plan): void {
    this.#plan = plan;
    this.#layout = modelLayout(plan.model, plan.codec);
    this.#replica = new Replica(plan.model, this.#layout);
    const carries = codecs[plan.codec].lossy && plan.codec !== "topk";
    this.#residual = carries ? new Float32Array(this.#layout.size) : null;
  }

  #register(
    member: Member,
    { model, data, codec, batch }: Extract<WorkerMessage, { readonly kind: "register" }>,
  ): void {
    if (member.stage !== "greeted") return; // said again, since its connection was lost after the first time
    const plan: Plan = { model, data, codec };
    const difference = this.#plan === null ? null : planDifference(this.#plan, plan);
    if (difference !== null) throw new WireError(`register: ${difference}`);
    if (this.#plan === null) this.#take(plan);
    member.batch = Math.max(1, batch);
    member.stage = "registered";
    if (!this.#hasCommitted && this.#step !== null && stepOf(member) > this.step) {
      // It comes late and knows more than all the others: what was begun without it is given up.
      this.#drop(this.#inSlots(this.#step.round.roster.slots), "a worker has a later state");
    }
    if (this.#isFinished) {
      this.#heal(member);
      this.#say([member], { kind: "finish" });
    }
    this.#advance();
  }

  /** Whatever can happen now does: a state is found, members are given it, a step opens. */
  #advance(): void {
    if (this.#plan === null || this.#isFinished || this.#adoption !== null) return;
    if (this.#step === null && !this.#findState()) return;
    if (this.#isCurrent) for (const member of this.members.in("registered")) this.#welcome(member);
    if (this.#step === null) this.#open();
  }

  /** Whether the replica is the run's state; begins to take over a worker's where one knows more. */
  #findState(): boolean {
    const asked = this.members.in("registered").filter(({ peer }) => peer !== null);
    const { lastStep, gatherMs, searchMs } = this.#options;
    if (this.#hasCommitted) {
      if (this.#isCurrent || asked.length === 0) return true;
      // The rule is not known here: those who hold the state after the last step have it.
      const donor = this.members.in("ready", "idle").find(({ peer }) => peer !== null);
      if (donor === undefined) return false;
      this.#askDonor(donor);
      return false;
    }
    const best = asked.reduce<Member | null>((a, b) => (a === null || stepOf(b) > stepOf(a) ? b : a), null);
    if (best === null) return this.#isCurrent;
    if (this.#isCurrent && this.step >= Math.max(lastStep, stepOf(best))) return true;
    const waited = this.#now - (this.#firstSeenAt ?? this.#now);
    // Somebody may be on the way back who has what was committed last.
    if (stepOf(best) < Math.max(lastStep, this.#isCurrent ? this.step : 0) && waited < searchMs) return false;
    if (lastStep === 0 && !this.#isCurrent && stepOf(best) > 0 && waited < gatherMs) return false;
    if (this.#isCurrent && stepOf(best) <= this.step) return true;
    this.#askDonor(best);
    return false;
  }

  #askDonor(member: Member): void {
    this.#adoption = { member, fetch: null, left: null };
    member.stage = "donor";
    this.#log("adopting", { slot: member.slot, name: member.name });
    this.#say([member], { kind: "donate" });
  }

  #beginAdoption(member: Member, offer: Extract<WorkerMessage, { readonly kind: "donation" }>): void {
    const adoption = this.#adoption;
    if (adoption?.member !== member || adoption.fetch !== null) return;
    adoption.fetch = new Fetch(offer, this.#layout!.trained, restSize(this.#plan!.model));
    adoption.left = offer.left;
    this.#pull(member, adoption.fetch);
  }

  #pull(member: Member, fetch: Fetch): void {
    for (const offset of fetch.wanted()) this.#say([member], { kind: "pull", step: fetch.offer.step, offset });
  }

  #adopt(member: Member, frame: Frame): void {
    const adoption = this.#adoption;
    if (adoption?.member !== member || adoption.fetch === null || frame.step !== adoption.fetch.offer.step) return;
    const { fetch } = adoption;
    fetch.accept(frame);
    if (!fetch.isDone) return this.#pull(member, fetch);
    this.settle();
    this.#replica!.load(fetch.state());
    // Who was given an earlier state, or began with it, is given this one.
    if (!this.#hasCommitted) {
      for (const other of this.members.in("idle", "ready", "passed", "healing")) {
        other.stage = "registered";
        other.at = null;
      }
    }
    this.#committed = fetch.offer.step;
    this.#hash = null;
    this.#isCurrent = true;
    this.#adoption = null;
    const { data } = this.#plan!;
    if (!this.#hasCommitted) this.#leases = data === null ? null : new Leases(data, adoption.left);
    this.#log("adopted", { step: this.step, slot: member.slot });
    member.stage = "idle";
    this.#say([member], { kind: "keep", step: this.step });
    this.#catchUp(member);
    this.#advance();
  }

  /** The donor is gone, or its state was no good: another one is asked. */
  #giveUpAdoption(member: Member): void {
    if (this.#adoption?.member !== member) return;
    this.#adoption = null;
    if (this.#isCurrent || this.#hasCommitted || this.members.size > 1) return;
    // Nobody has anything: what the next one brings is the run's plan.
    this.#plan = null;
  }

  /** A registered member takes part from here on: with its own state where that is the run's, else with ours. */
  #welcome(member: Member): void {
    this.settle();
    // The same step is not the same state: a run may have begun anew.
    if (member.at?.step === this.step && member.at.hash === this.#replica!.hash()) {
      member.stage = "idle";
      this.#say([member], { kind: "keep", step: this.step });
      this.#catchUp(member);
    } else this.#heal(member);
  }

  #heal(member: Member): void {
    if (!this.#isCurrent) {
      member.stage = "registered";
      member.hears = false;
      return;
    }
    this.settle();
    const state = this.#replica!.freeze();
    const left = this.#committedLeft();
    member.stage = "healing";
    member.serving = { state, left };
    this.metrics.heals += 1;
    this.#log("healing", { slot: member.slot, step: state.step });
    this.#say([member], { kind: "heal", ...offerOf(state), left });
    this.#catchUp(member);
  }

  #serve(member: Member, { step, offset }: { readonly step: number; readonly offset: number }): void {
    const { serving } = member;
    if (serving === null || serving.state.step !== step) return;
    this.#send([member], [stateFrame(serving.state, this.#options.term, offset)]);
  }

  #applied(member: Member, { step, hash }: { readonly step: number; readonly hash: string }): void {
    if (member.serving?.state.step === step) {
      member.serving = null;
      if (member.stage === "healing") member.stage = "idle";
    }
    if (this.#hash?.step !== step || this.#hash.hash === hash) return;
    this.metrics.hashMismatches += 1;
    this.#log("drifted", { slot: member.slot, step, hash, ours: this.#hash.hash });
    if (member.stage === "working") this.#drop([member], "its state had drifted");
    this.#heal(member);
  }

  /** What of the epoch has not been committed: what is out counts as left. */
  #committedLeft(): Left | null {
    const left = this.#leases?.left;
    if (left === undefined) return null;
    const out = [...(this.#step?.leases.values() ?? [])].flat();
    const ranges = [...left.ranges, ...out].sort(([a], [b]) => a - b);
    return { epoch: left.epoch, ranges };
  }

  // Steps.

  #ready(member: Member): void {
    if (member.stage !== "idle" && member.stage !== "passed") return;
    member.stage = "ready";
    this.#advance();
  }

  #pass(member: Member): void {
    if (member.stage === "working") this.#drop([member], "has no more data");
    if (member.stage === "idle" || member.stage === "ready") member.stage = "passed";
    this.#advance();
  }

  #open(): void {
    const ready = this.members.in("ready").filter(({ peer }) => peer !== null);
    const busy = this.members.in("idle", "healing", "registered", "donor");
    if (this.#leases?.isOver === true) return this.#finish();
    if (ready.length === 0) {
      if (this.#leases === null && busy.length === 0 && this.members.in("passed").length > 0) this.#finish();
      return;
    }
    if (!this.#hasBegun && ready.length < this.#options.minWorkers) return;
    this.#hasBegun = true;
    const { globalBatch, term, window } = this.#options;
    const leases = new Map<number, readonly Range[]>();
    ready.forEach((member, i) => {
      const share = globalBatch === null ? member.batch : shareOf(globalBatch, ready.length, i);
      const lease = this.#leases?.take(share) ?? [];
      if (this.#leases === null || lease.length > 0) leases.set(member.slot, lease);
    });
    const number = this.step + 1;
    const slots = [...leases.keys()];
    const round = new Round(
      this.#layout!,
      slots,
      { term, step: number, collective: false },
      { window, residual: this.#residual },
    );
    const openedAt = this.#now;
    const step: Step = {
      number,
      openedAt,
      epoch: this.#leases?.epoch ?? 0,
      size: slots.length,
      round,
      leases,
      ended: new Map(),
      update: null,
      deadline: openedAt + this.#patience(),
    };
    this.#step = step;
    for (const member of this.#inSlots(slots)) {
      member.stage = "working";
      this.#say([member], this.#openMessage(step, member));
    }
  }

  #openMessage({ number, round, leases, epoch }: Step, { slot }: Member): ServerMessage {
    const lease = this.#leases === null ? null : leases.get(slot)!;
    return { kind: "open", step: number, attempt: round.attempt, roster: round.roster.slots, epoch, lease };
  }

  #abortMessage({ number, round }: Step, resend: readonly Range[]): ServerMessage {
    return { kind: "abort", step: number, attempt: round.attempt, roster: round.roster.slots, resend };
  }

  /** How long a step may take before anybody is left out of it, in ms. */
  #patience(): number {
    if (this.#durations.length === 0) return this.#options.firstDeadlineMs;
    return Math.max(2 * this.metrics.medianStepMs, this.#options.minDeadlineMs);
  }

  #gather(member: Member, frame: Frame): void {
    if (frame.collective) return this.#collectives.accept(member.slot, frame);
    const step = this.#step;
    if (step?.number !== frame.step || !step.round.roster.has(member.slot) || frame.slot !== member.slot) {
      this.metrics.staleFrames += 1;
      return;
    }
    const result = step.round.accept(member.slot, frame);
    if (result === "repeated") this.metrics.repeatedFrames += 1;
    else if (result === "not finite") {
      this.metrics.notFinite += 1;
      this.#strike(member, "a value of its contribution is not finite");
    } else if (result !== "taken") {
      this.#send(this.#audience, [result]);
      this.#tryCommit();
    }
  }

  /** A contribution is thrown away; after three of them the worker is. */
  #strike(member: Member, why: string): void {
    member.strikes += 1;
    if (member.strikes < MAX_STRIKES || member.peer === null) this.#drop([member], why);
    else this.#refuse(member.peer, `${why}, for the ${MAX_STRIKES}rd time`);
  }

  #end(member: Member, end: Extract<WorkerMessage, { readonly kind: "end" }>): void {
    const step = this.#step;
    if (step?.number !== end.step || !step.round.roster.has(member.slot)) return;
    const lease = step.leases.get(member.slot)!;
    if (end.samples === 0 || (this.#leases !== null && end.samples !== countOf(lease))) {
      throw new WireError(`end: of ${end.samples} samples, ${countOf(lease)} were leased`);
    }
    const fault = updateDifference(step.update, end.update) ?? updateFault(end.update, this.#plan!.model);
    if (fault !== null) throw new WireError(`end: ${fault}`);
    step.update ??= end.update;
    step.ended.set(member.slot, { samples: end.samples, loss: end.loss });
    this.#tryCommit();
  }

  /** Takes members out of the step. The others send again what they had a part in. */
  #drop(members: readonly Member[], why: string): void {
    const step = this.#step;
    if (step === null) return;
    const dropped = members.filter(({ slot }) => step.round.roster.has(slot));
    if (dropped.length === 0) return;
    const { frames, resend } = step.round.drop(dropped.map(({ slot }) => slot));
    for (const member of dropped) {
      this.#leases?.giveBack(step.leases.get(member.slot)!);
      step.leases.delete(member.slot);
      step.ended.delete(member.slot);
      member.stage = "idle";
      this.metrics.dropped += 1;
      this.#log("dropped", { step: step.number, slot: member.slot, why });
    }
    const slots = step.round.roster.slots;
    if (slots.length === 0) {
      this.#say(this.#audience, this.#abortMessage(step, []));
      this.#step = null;
      this.metrics.aborted += 1;
      this.#advance();
      return;
    }
    if (step.ended.size === 0) step.update = null;
    // To all: those dropped learn of it. What comes in twice, because it was under way, is ignored.
    this.#say(this.#audience, this.#abortMessage(step, resend));
    this.#send(this.#audience, frames);
    this.metrics.aborted += 1;
    step.deadline = this.#now + this.#patience();
    this.#tryCommit();
  }

  #tryCommit(): void {
    const step = this.#step;
    if (step === null || !step.round.isSummed || step.ended.size < step.round.roster.size) return;
    const { number, round, leases } = step;
    const update = step.update!;
    let samples = 0;
    let weighed = 0;
    let weight = 0;
    for (const ended of step.ended.values()) {
      samples += ended.samples;
      if (ended.loss === null) continue;
      weighed += ended.loss * ended.samples;
      weight += ended.samples;
    }
    const loss = weight === 0 ? null : weighed / weight;
    const wantsHash = number % this.#options.hashEvery === 0;
    for (const lease of leases.values()) this.#leases?.commit(lease);
    this.#step = null;
    this.#committed = number;
    this.#hasCommitted = true;
    this.#say(this.#audience, {
      kind: "commit",
      step: number,
      roster: round.roster.slots,
      samples,
      loss,
      update,
      hash: wantsHash,
      left: this.#leases?.left ?? null,
    });
    for (const member of this.#inSlots(round.roster.slots)) {
      member.stage = "ready";
      member.steps += 1;
      member.samples += step.ended.get(member.slot)!.samples;
      member.loss = step.ended.get(member.slot)!.loss;
    }
    this.#actions.push({ kind: "committed", step: number });
    const ranges = [...leases.values()].flat();
    this.#log("commit", { step: number, epoch: step.epoch, samples, workers: leases.size, loss, ranges });
    this.#measure(step, samples, loss);
    this.#follow(number, round, samples, update, wantsHash);
    this.#advance();
  }

  /** The replica's part of a commit: computed when there is time, at the latest when somebody asks for it. */
  #follow(number: number, round: Round, samples: number, update: UpdateSpec, wantsHash: boolean): void {
    this.settle();
    const replica = this.#replica!;
    this.#isCurrent &&= update.every(({ rule }) => knowsRule(rule));
    this.#hash = null;
    const { saveEvery } = this.#options;
    const isSaved = this.#isCurrent && saveEvery > 0 && number % saveEvery === 0;
    const left = this.#committedLeft();
    this.#due = () => {
      round.settleResidual();
      if (!this.#isCurrent) return;
      replica.apply(round.decoded(), samples, update);
      if (wantsHash) this.#hash = { step: number, hash: replica.hash() };
      if (isSaved) this.#unsaved = { plan: this.#plan!, state: replica.freeze(), left };
    };
  }

  #measure(step: Step, samples: number, loss: number | null): void {
    const ms = this.#now - step.openedAt;
    this.#durations.push(ms);
    if (this.#durations.length > 20) this.#durations.shift();
    const sorted = [...this.#durations].sort((a, b) => a - b);
    this.metrics.medianStepMs = sorted[sorted.length >> 1]!;
    this.metrics.committed += 1;
    this.metrics.samples += samples;
    this.metrics.loss = loss;
    this.metrics.stepMs.add(ms);
    this.metrics.losses.push({ step: step.number, loss, ms, workers: step.round.roster.size });
    if (this.metrics.losses.length > 500) this.metrics.losses.shift();
  }

  #finish(): void {
    this.#isFinished = true;
    this.#say(this.members.all, { kind: "finish" });
    this.#log("finished", { step: this.step });
    const saved = this.#options.saveEvery > 0 ? this.save() : null;
    if (saved !== null) this.#actions.push({ kind: "save", saved });
  }

  // Time.

  #tick(): void {
    const { resumeMs, sessionMs } = this.#options;
    const away = this.members.all.filter(({ peer }) => peer === null);
    for (const member of away) if (this.#now - member.lostAt >= sessionMs) this.#remove(member, "did not come back");
    const late = away.filter((member) => member.stage === "working" && this.#now - member.lostAt >= resumeMs);
    if (late.length > 0) this.#drop(late, "lost its connection");
    for (const member of away) {
      if (this.#now - member.lostAt < resumeMs) continue;
      this.#collectives.drop(member.slot);
      if (member.stage !== "donor") continue;
      member.stage = "registered";
      this.#giveUpAdoption(member);
    }
    this.#hurry();
    this.#advance();
  }

  /** Past the deadline those whom everybody waits for are left out, if enough are done without them. */
  #hurry(): void {
    const step = this.#step;
    if (step === null || this.#now < step.deadline) return;
    const { round, ended } = step;
    const slots = round.isSummed ? round.roster.slots.filter((slot) => !ended.has(slot)) : round.laggards;
    const others = round.roster.size - slots.length;
    const isLast = this.#now - step.openedAt > LAST_DEADLINE * this.#patience();
    if (others >= Math.ceil(this.#options.quorum * step.size) || isLast) {
      this.metrics.stragglers += slots.length;
      this.#drop(this.#inSlots(slots), "was late");
    }
  }
}

const stepOf = ({ at }: Member): number => at?.step ?? 0;

/** Part i of `total` in n parts that differ by at most 1. */
const shareOf = (total: number, n: number, i: number): number => Math.floor(total / n) + (i < total % n ? 1 : 0);

function updateDifference(ours: UpdateSpec | null, theirs: UpdateSpec): string | null {
  if (ours === null || JSON.stringify(ours) === JSON.stringify(theirs)) return null;
  return (
    `the optimizer's step differs from that of the other workers: ${JSON.stringify(theirs).slice(0, 300)}, ` +
    `theirs is ${JSON.stringify(ours).slice(0, 300)}; give all workers the same optimizer and schedule`
  );
}

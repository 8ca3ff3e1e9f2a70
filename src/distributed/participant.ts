/**
 * A worker's side of a run: what the server says in, what to send out, and promises for whoever trains. No sockets, no
 * clocks, no tensors: frames are handed in and out, values are flat arrays.
 *
 * Sums are staged until COMMIT says of whom they are; then the replica takes the step. A contribution is kept until
 * then, so that any part of it can be sent again. Where lossy codecs leave something out, or a step went on without
 * this worker, the residual carries it to the next contribution.
 * Not here: reconnecting (group.ts), models and optimizers (parallel.ts).
 */
import { TexgradError } from "../ir/errors.ts";
import { codecs } from "./codec.ts";
import { flatLayout, modelLayout, restSize, type Layout } from "./layout.ts";
import type { Left, Range } from "./leases.ts";
import { readServerMessage, type ServerMessage, type UpdateSpec, type WorkerMessage } from "./messages.ts";
import type { Plan } from "./model.ts";
import { Replica, type State } from "./replica.ts";
import { Fetch, offerOf, stateFrame } from "./transfer.ts";
import { decodeFrame, encodeControl, encodeFrame, WireError, type Frame } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Said<K extends ServerMessage["kind"]> = Extract<ServerMessage, { readonly kind: K }>;

/** A step this worker is asked to contribute to. */
export interface Work {
  readonly step: number;
  readonly epoch: number;
  /** Positions in the epoch's order; null where workers bring their own samples. */
  readonly lease: readonly Range[] | null;
}

/** What became of a contribution. */
export interface Outcome {
  readonly step: number;
  /** Whether it is part of a committed step; otherwise its samples are leased again. */
  readonly counted: boolean;
  /** Of the step that was committed, over all its samples; null where it was not or nobody said. */
  readonly loss: number | null;
  readonly samples: number;
  readonly workers: number;
}

/** Values a worker adds to a step: sums over its samples. */
export interface Contribution {
  /** [layout.size]; the participant's from here on. */
  readonly values: Float32Array;
  readonly samples: number;
  readonly loss: number | null;
  readonly update: UpdateSpec;
}

interface Sending extends Contribution {
  readonly work: Work;
  readonly sent: Uint8Array;
  next: number;
  hasEnded: boolean;
  readonly resolve: (outcome: Outcome) => void;
}

interface Collecting {
  readonly values: Float32Array;
  readonly root: number | null;
  readonly layout: Layout;
  readonly sent: Uint8Array;
  readonly summed: Uint8Array;
  readonly sums: Float32Array;
  readonly resolve: (result: { readonly values: Float32Array; readonly roster: readonly number[] }) => void;
  readonly reject: (error: Error) => void;
}

export class Participant {
  readonly #name: string;
  #send: ((bytes: Bytes) => void) | null = null;
  #term = 0;
  #session: string | null = null;
  #slot = 0;
  #window = 1;
  #workers = 0;
  #isGreeted = false;
  #hasFinished = false;
  #failure: Error | null = null;
  bytesOut = 0;
  bytesIn = 0;

  #plan: Plan | null = null;
  #batch = 1;
  #layout: Layout | null = null;
  #replica: Replica | null = null;
  /** Whether the server has said that the replica is the run's, or made it so. */
  #isShared = false;
  /** Counts every time the state was replaced, not stepped. */
  generation = 0;
  #left: Left | null = null;
  #residual: Float32Array | null = null;
  #nextResidual: Float32Array | null = null;

  #fetch: Fetch | null = null;
  /** What came while the state it belongs to was still on its way. */
  #backlog: Frame[] = [];
  #donated: State | null = null;
  #sums: Float32Array | null = null;
  #summed = new Uint8Array(0);
  #lowest = 0;

  #work: Work | null = null;
  /** Whether the server has said since the last connection that this worker is in the roster. */
  #isConfirmed = true;
  #isReady = false;
  #hasPassed = false;
  #sending: Sending | null = null;
  #waiting: ((work: Work | null) => void) | null = null;
  #rejectWaiting: ((error: Error) => void) | null = null;

  #seq = 0;
  readonly #collecting = new Map<number, Collecting>();
  readonly #greeted: (() => void)[] = [];
  readonly #ends: (() => void)[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  // For who trains.

  get slot(): number {
    return this.#slot;
  }
  get term(): number {
    return this.#term;
  }
  get workers(): number {
    return this.#workers;
  }
  get step(): number {
    return this.#replica?.step ?? 0;
  }
  get isFinished(): boolean {
    return this.#hasFinished;
  }
  /** The state as far as this worker knows it. Throws before register(). */
  get replica(): Replica {
    if (this.#replica === null) throw new TexgradError("initProcessGroup: no model was registered yet");
    return this.#replica;
  }
  get layout(): Layout {
    if (this.#layout === null) throw new TexgradError("initProcessGroup: no model was registered yet");
    return this.#layout;
  }

  /** Settles once the server has greeted this worker for the first time. Rejects where it refuses. */
  greeted(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#isGreeted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#greeted.push(() => (this.#failure === null ? resolve() : reject(this.#failure)));
    });
  }

  /** Says what is trained, with the values it would begin with. `batch`: samples this worker takes a step. */
  register(plan: Plan, batch: number, state: State): void {
    if (this.#plan !== null) throw new TexgradError("DistributedDataParallel: a process group trains one model");
    this.#plan = plan;
    this.#batch = batch;
    this.#layout = modelLayout(plan.model, plan.codec);
    this.#replica = new Replica(plan.model, this.#layout);
    this.#replica.load(state);
    this.#sums = new Float32Array(this.#layout.size);
    this.#summed = new Uint8Array(this.#layout.chunks.length);
    if (codecs[plan.codec].lossy) this.#residual = new Float32Array(this.#layout.trained);
    if (this.#isGreeted) this.#register();
  }

  /** The next step to contribute to; null when the run is over. Rejects where the server refuses this worker. */
  next(): Promise<Work | null> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#hasFinished) return Promise.resolve(null);
    if (this.#waiting !== null) return Promise.reject(new TexgradError("DistributedSampler: two loops ask at once"));
    if (this.#work !== null && this.#sending === null) return Promise.resolve(this.#work);
    return new Promise((resolve, reject) => {
      this.#waiting = resolve;
      this.#rejectWaiting = reject;
      this.#askForWork();
    });
  }

  /** Contributes to a step. Settles when it was committed or went on without this worker. */
  contribute(work: Work, contribution: Contribution): Promise<Outcome> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#residual !== null) {
      const { values } = contribution;
      for (let i = 0; i < this.#residual.length; i++) values[i] = values[i]! + this.#residual[i]!;
      this.#nextResidual = values.slice(0, this.#residual.length);
    }
    if (this.#work !== work) {
      this.#residual = this.#nextResidual;
      return Promise.resolve({ step: work.step, counted: false, loss: null, samples: 0, workers: 0 });
    }
    return new Promise((resolve) => {
      const sent = new Uint8Array(this.layout.chunks.length);
      this.#sending = { ...contribution, work, sent, next: 0, hasEnded: false, resolve };
      this.#pump();
    });
  }

  /** Has no more data, but follows the others until the run is over or next() is called again. */
  pass(): void {
    this.#hasPassed = true;
    this.#isReady = false;
    this.#say({ kind: "pass" });
  }

  /** Settles when the run is over. */
  finished(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#hasFinished) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#ends.push(() => (this.#failure === null ? resolve() : reject(this.#failure)));
    });
  }

  leave(): void {
    this.#say({ kind: "leave" });
  }

  /**
   * The sum over all members of their values, or with `root` those of one. All members call the same collectives in
   * the same order. Rejects where they differ, or the server was restarted meanwhile.
   */
  collect(values: Float32Array, root: number | null): Promise<{ values: Float32Array; roster: readonly number[] }> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const layout = flatLayout(values.length);
      const [sent, summed] = [new Uint8Array(layout.chunks.length), new Uint8Array(layout.chunks.length)];
      const sums = new Float32Array(values.length);
      const seq = this.#seq++;
      this.#collecting.set(seq, { values, root, layout, sent, summed, sums, resolve, reject });
      this.#call(seq);
    });
  }

  // For who holds the connection.

  /** A connection is there: says hello. */
  connected(send: (bytes: Bytes) => void): void {
    this.#send = send;
    const at = this.#isShared ? { term: this.#term, step: this.step, hash: this.replica.hash() } : null;
    this.#say({ kind: "hello", name: this.#name, session: this.#session, at });
  }

  disconnected(): void {
    this.#send = null;
    this.#isGreeted = false;
    this.#fetch = null;
    this.#backlog = [];
  }

  /** What makes going on pointless: everything that waits is told. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#send = null;
    this.#rejectWaiting?.(error);
    this.#waiting = this.#rejectWaiting = null;
    for (const c of this.#collecting.values()) c.reject(error);
    this.#collecting.clear();
    for (const f of [...this.#greeted.splice(0), ...this.#ends.splice(0)]) f();
    this.#void();
  }

  get failure(): Error | null {
    return this.#failure;
  }

  /** A frame of the server's. Throws WireError where it is none. */
  receive(bytes: Bytes): void {
    this.bytesIn += bytes.byteLength;
    const frame = decodeFrame(bytes);
    if (frame.type === "control") {
      const message = readServerMessage(frame);
      const isOfTraining = message.kind === "commit" || message.kind === "abort" || message.kind === "open";
      if (this.#fetch !== null && isOfTraining) this.#backlog.push(frame);
      else this.#obey(message);
    } else if (frame.type === "state") this.#takeState(frame);
    else if (frame.type === "grad") throw new WireError("grad: servers send none");
    else if (frame.collective) this.#takeCollected(frame);
    else if (this.#fetch !== null) this.#backlog.push(frame);
    else this.#takeSum(frame);
  }

  // Saying.

  #emit(bytes: Bytes): void {
    this.bytesOut += bytes.byteLength;
    this.#send?.(bytes);
  }

  #say(message: WorkerMessage): void {
    if (this.#send !== null) this.#emit(encodeControl(this.#term, message));
  }

  #register(): void {
    const { model, data, codec } = this.#plan!;
    this.#say({ kind: "register", model, data, codec, batch: this.#batch });
  }

  #askForWork(): void {
    if (this.#isReady || !this.#isShared || this.#fetch !== null || !this.#isGreeted) return;
    this.#isReady = true;
    this.#hasPassed = false;
    this.#say({ kind: "ready", step: this.step });
  }

  /** Sends what may be sent of the contribution; then that it was all. */
  #pump(): void {
    const s = this.#sending;
    if (s === null || !this.#isConfirmed || this.#send === null) return;
    const { chunks } = this.layout;
    const end = Math.min(chunks.length, this.#lowest + this.#window);
    for (; s.next < end; s.next++) {
      if (s.sent[s.next] === 1) continue;
      s.sent[s.next] = 1;
      const { bucket, offset, at, count, codec } = chunks[s.next]!;
      const values = s.values.subarray(at, at + count);
      const payload = codecs[codec].encode(values);
      if (this.#nextResidual !== null && at < this.layout.trained) {
        const said = codecs[codec].decode(payload, count);
        for (let i = 0; i < count; i++) this.#nextResidual[at + i] = values[i]! - said[i]!;
      }
      const { step } = s.work;
      const [term, slot] = [this.#term, this.#slot];
      this.#emit(encodeFrame({ type: "grad", term, step, bucket, offset, count, codec, slot, payload }));
    }
    if (s.next < chunks.length || s.hasEnded) return;
    s.hasEnded = true;
    const { samples, loss, update } = s;
    this.#say({ kind: "end", step: s.work.step, attempt: 0, samples, loss, update });
  }

  // Hearing.

  #obey(message: ServerMessage): void {
    switch (message.kind) {
      case "welcome":
        return this.#welcomed(message);
      case "refused":
        return this.fail(new TexgradError(`the training server refuses this worker: ${message.reason}`));
      case "donate":
        this.#donated = this.replica.freeze();
        return this.#say({ kind: "donation", ...offerOf(this.#donated), left: this.#left });
      case "pull":
        if (this.#donated?.step === message.step) {
          this.#emit(stateFrame(this.#donated, this.#term, message.offset));
        }
        return;
      case "heal":
        return this.#heal(message);
      case "keep":
        return this.#keep();
      case "open":
        return this.#opened(message);
      case "abort":
        return this.#aborted(message);
      case "commit":
        return this.#committed(message);
      case "members":
        this.#workers = message.count;
        return;
      case "collected":
        return this.#collected(message.seq, message.roster);
      case "recollect":
        return this.#recollect(message);
      case "failed": {
        const c = this.#collecting.get(message.seq);
        this.#collecting.delete(message.seq);
        return c?.reject(new TexgradError(message.reason));
      }
      case "finish":
        this.#hasFinished = true;
        this.#waiting?.(null);
        this.#waiting = this.#rejectWaiting = null;
        for (const f of this.#ends.splice(0)) f();
        return this.#void();
    }
  }

  #welcomed({ term, session, slot, window, resumed, collective }: Said<"welcome">): void {
    [this.#term, this.#session, this.#slot, this.#window] = [term, session, slot, window];
    this.#isGreeted = true;
    this.#isReady = false;
    this.#isConfirmed = false;
    if (!resumed) {
      for (const c of this.#collecting.values()) {
        c.reject(new TexgradError("collective: the server was restarted on the way; call it again"));
      }
      this.#collecting.clear();
      this.#seq = collective;
      this.#void();
    }
    for (const f of this.#greeted.splice(0)) f();
    if (this.#plan !== null) this.#register();
    for (const seq of this.#collecting.keys()) this.#call(seq);
  }

  /** The work at hand will not be counted; whoever waits for it is told. */
  #void(): void {
    this.#work = null;
    const s = this.#sending;
    this.#sending = null;
    if (s === null) return;
    // What was meant goes on in the residual, where there is one.
    if (this.#residual !== null) this.#residual = s.values.slice(0, this.#residual.length);
    s.resolve({ step: s.work.step, counted: false, loss: null, samples: 0, workers: 0 });
  }

  #heal({ step, count, states, hash, left }: Said<"heal">): void {
    this.#void();
    this.#fetch = new Fetch({ step, count, states, hash }, this.layout.trained, restSize(this.#plan!.model));
    this.#backlog = [];
    this.#left = left;
    this.#isReady = false;
    this.#clearSums();
    this.#pull();
  }

  #pull(): void {
    for (const offset of this.#fetch!.wanted()) this.#say({ kind: "pull", step: this.#fetch!.offer.step, offset });
  }

  #takeState(frame: Frame): void {
    const fetch = this.#fetch;
    if (fetch === null || frame.step !== fetch.offer.step) return;
    fetch.accept(frame);
    if (!fetch.isDone) return this.#pull();
    this.replica.load(fetch.state());
    this.#fetch = null;
    this.#isShared = true;
    this.generation += 1;
    if (this.#residual !== null) this.#residual.fill(0);
    this.#say({ kind: "applied", step: this.step, hash: fetch.offer.hash });
    for (const waiting of this.#backlog.splice(0)) {
      if (waiting.type === "control") this.#obey(readServerMessage(waiting));
      else this.#takeSum(waiting);
    }
    this.#askAgain();
  }

  /** The server says that this worker's state is the run's. */
  #keep(): void {
    this.#donated = null;
    this.#isShared = true;
    if (!this.#isConfirmed) this.#void();
    this.#isConfirmed = true;
    this.#say({ kind: "applied", step: this.step, hash: this.replica.hash() });
    this.#askAgain();
  }

  #askAgain(): void {
    if (this.#hasPassed) this.#say({ kind: "pass" });
    else if (this.#waiting !== null && this.#work === null) {
      this.#isReady = false;
      this.#askForWork();
    }
  }

  #opened({ step, epoch, lease }: Said<"open">): void {
    this.#isReady = false;
    this.#isConfirmed = true;
    // The same step again, after a lost connection: what was done for it still stands.
    if (this.#work?.step === step && JSON.stringify(this.#work.lease) === JSON.stringify(lease)) return;
    this.#void();
    const work: Work = { step, epoch, lease };
    this.#work = work;
    const give = this.#waiting;
    this.#waiting = this.#rejectWaiting = null;
    give?.(work);
  }

  #aborted({ step, roster, resend }: Said<"abort">): void {
    if (step !== this.step + 1) return;
    for (const [from, to] of resend) {
      this.#summed.fill(0, from, to);
      this.#sending?.sent.fill(0, from, to);
    }
    this.#lowest = this.#firstUnsummed();
    if (!roster.includes(this.#slot)) {
      if (this.#work?.step === step) this.#void();
      this.#isReady = false;
      this.#askAgain();
      return;
    }
    const s = this.#sending;
    if (s === null) return;
    s.next = 0;
    s.hasEnded = false;
    this.#pump();
  }

  #firstUnsummed(): number {
    const at = this.#summed.indexOf(0);
    return at < 0 ? this.#summed.length : at;
  }

  #clearSums(): void {
    this.#summed.fill(0);
    this.#lowest = 0;
  }

  #takeSum(frame: Frame): void {
    if (frame.term !== this.#term || frame.step !== this.step + 1 || this.#layout === null) return;
    const chunk = this.#layout.find(frame.bucket, frame.offset);
    if (chunk === undefined || chunk.count !== frame.count || chunk.codec !== frame.codec) {
      throw new WireError("sum: of a chunk that is none");
    }
    this.#sums!.set(codecs[chunk.codec].decode(frame.payload, chunk.count), chunk.at);
    this.#summed[chunk.id] = 1;
    if (chunk.id !== this.#lowest) return;
    this.#lowest = this.#firstUnsummed();
    this.#pump();
  }

  #committed({ step, roster, samples, loss, update, hash, left }: Said<"commit">): void {
    if (step !== this.step + 1) return;
    if (this.#firstUnsummed() < this.#summed.length)
      throw new WireError(`commit: of step ${step}, whose sums are not all here`);
    this.replica.apply(this.#sums!, samples, update);
    this.#left = left;
    this.#clearSums();
    const isMine = roster.includes(this.#slot);
    const s = this.#sending;
    if (isMine && s?.work.step === step) {
      this.#residual = this.#nextResidual;
      this.#sending = this.#work = null;
      // Who was in the roster is in the next one, unless it says otherwise.
      this.#isReady = true;
      s.resolve({ step, counted: true, loss, samples, workers: roster.length });
    } else if (this.#work !== null && this.#work.step <= step) this.#void();
    if (hash) this.#say({ kind: "applied", step, hash: this.replica.hash() });
  }

  // Collectives.

  #call(seq: number): void {
    if (!this.#isGreeted) return;
    const { layout, root } = this.#collecting.get(seq)!;
    this.#say({ kind: "collect", seq, count: layout.size, root });
    this.#pumpCollected(seq);
  }

  #pumpCollected(seq: number): void {
    const { layout, values, root, sent, summed } = this.#collecting.get(seq)!;
    if (root !== null && root !== this.#slot) return;
    const done = summed.indexOf(0);
    const end = Math.min(layout.chunks.length, (done < 0 ? summed.length : done) + this.#window);
    for (const { id, bucket, offset, at, count, codec } of layout.chunks.slice(0, end)) {
      if (sent[id] === 1) continue;
      sent[id] = 1;
      const payload = codecs[codec].encode(values.subarray(at, at + count));
      const [term, slot] = [this.#term, this.#slot];
      const collective = true;
      this.#emit(
        encodeFrame({ type: "grad", term, step: seq, bucket, offset, count, codec, slot, collective, payload }),
      );
    }
  }

  #takeCollected(frame: Frame): void {
    const c = this.#collecting.get(frame.step);
    const chunk = c?.layout.find(frame.bucket, frame.offset);
    if (c === undefined || frame.term !== this.#term) return;
    if (chunk?.count !== frame.count) throw new WireError("sum: of a chunk that is none");
    c.sums.set(codecs[chunk.codec].decode(frame.payload, chunk.count), chunk.at);
    c.summed[chunk.id] = 1;
    this.#pumpCollected(frame.step);
  }

  #recollect({ seq, resend }: Said<"recollect">): void {
    const c = this.#collecting.get(seq);
    if (c === undefined) return;
    for (const [from, to] of resend) {
      c.sent.fill(0, from, to);
      c.summed.fill(0, from, to);
    }
    this.#pumpCollected(seq);
  }

  #collected(seq: number, roster: readonly number[]): void {
    const c = this.#collecting.get(seq);
    this.#collecting.delete(seq);
    c?.resolve({ values: c.sums, roster });
  }
}

/**
 * A run of many workers in one thread: rooms and participants joined by queues that a seeded schedule delivers, cuts and
 * holds up, with a clock of its own. The same seed gives the same run. It watches what must hold whatever happens:
 *
 * I1 every committed step is the canonical sum of the contributions of its roster, each whole and once (f32);
 * I2 all who hold the state after a step hold the same bits; I3 no two commits of one step differ;
 * I4 every sample is committed once an epoch; I5 steps are committed one after the other.
 */
import { expect } from "vitest";
import { modelLayout } from "../../src/distributed/layout.ts";
import { readServerMessage, type ModelInfo, type UpdateSpec } from "../../src/distributed/messages.ts";
import type { Plan } from "../../src/distributed/model.ts";
import { Participant, type Work } from "../../src/distributed/participant.ts";
import { Replica, type State } from "../../src/distributed/replica.ts";
import { Room, type RoomAction, type RoomOptions, type Saved } from "../../src/distributed/room.ts";
import { treeSum } from "../../src/distributed/tree-sum.ts";
import { decodeFrame, type CodecName } from "../../src/distributed/wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** xorshift32: enough for schedules. */
export function randomNumbers(seed: number): (below: number) => number {
  let s = (Math.imul(seed, 2654435761) ^ 0x9e3779b9) >>> 0 || 1;
  return (below) => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s % below;
  };
}

/** 500 parameters in two tensors and a buffer. */
export const smallModel: ModelInfo = {
  params: [
    { name: "fc.bias", shape: [20] },
    { name: "fc.weight", shape: [20, 24] },
  ],
  buffers: [{ name: "norm.running_mean", shape: [7] }],
  fixed: [{ name: "fixed", shape: [3] }],
};

/** More than one chunk to a bucket. */
export const largeModel: ModelInfo = { ...smallModel, params: [{ name: "w", shape: [200_000] }] };

export const momentumSgd = (model: ModelInfo, lr = 0.1): UpdateSpec => [
  {
    rule: "momentumStep",
    flags: { nesterov: false, decay: false },
    settings: [lr, 0.9, 1],
    initial: [0],
    params: [[0, model.params.length]],
  },
];

export function initialState(plan: Plan, seed = 1): State {
  const layout = modelLayout(plan.model, plan.codec);
  const random = randomNumbers(seed);
  const draw = (n: number): Float32Array => Float32Array.from({ length: n }, () => random(2 ** 24) / 2 ** 24 - 0.5);
  return { step: 0, arrays: [draw(layout.trained), draw(layout.size - layout.trained + 3)] };
}

interface Worker {
  readonly id: number;
  readonly participant: Participant;
  peer: number | null;
  readonly toServer: Bytes[];
  readonly toWorker: Bytes[];
  /** Delivers nothing until then. */
  heldUntil: number;
  /** Does not connect before. */
  backAt: number;
  isDead: boolean;
  lastStep: number;
}

interface Committed {
  readonly roster: readonly number[];
  readonly samples: number;
  readonly term: number;
  /** Who was told of it. */
  readonly heardBy: Set<Worker>;
}

export interface SimulationOptions {
  readonly seed: number;
  readonly workers: number;
  readonly model?: ModelInfo;
  readonly codec?: CodecName;
  readonly samples?: number;
  readonly epochs?: number;
  readonly room?: Partial<RoomOptions>;
  /** One fault in so many events; 0: none. */
  readonly faultEvery?: number;
  readonly serverFaults?: boolean;
}

export class Simulation {
  readonly #random: (below: number) => number;
  readonly #options: Required<SimulationOptions>;
  readonly plan: Plan;
  readonly workers: Worker[] = [];
  room: Room;
  now = 0;
  faults = 0;
  /** What the run began with. */
  initial: State | null = null;
  readonly commits = new Map<number, Committed>();
  readonly hashes = new Map<number, string>();
  /** By term, step and slot. */
  readonly #contributed = new Map<string, { readonly values: Float32Array; readonly work: Work }>();
  #term = 1;
  #nextPeer = 1;
  #nextWorker = 0;
  #saved: Saved | null = null;
  #lastStep = 0;
  /** The state the last fresh beginning was made with, and commits as servers said them. */
  #begun: State | null = null;
  readonly #said = new Map<number, Committed>();

  constructor(options: SimulationOptions) {
    this.#options = {
      model: smallModel,
      codec: "f32",
      samples: 100,
      epochs: 2,
      room: {},
      faultEvery: 0,
      serverFaults: false,
      ...options,
    };
    this.#random = randomNumbers(options.seed);
    const { model, codec, samples, epochs } = this.#options;
    this.plan = { model, codec, data: { length: samples, epochs, shuffle: true, seed: 0 } };
    this.room = this.#newRoom();
    for (let i = 0; i < options.workers; i++) this.addWorker();
  }

  #newRoom(): Room {
    let sessions = 0;
    const term = this.#term;
    return new Room({
      term,
      newSession: () => `${term}-${sessions++}`,
      saved: this.#saved,
      lastStep: this.#lastStep,
      minDeadlineMs: 200,
      firstDeadlineMs: 2000,
      resumeMs: 50,
      sessionMs: 1000,
      gatherMs: 500,
      hashEvery: 1,
      ...this.#options.room,
    });
  }

  addWorker(): void {
    const id = this.#nextWorker++;
    const participant = new Participant(`worker ${id}`);
    const worker: Worker = {
      id,
      participant,
      peer: null,
      toServer: [],
      toWorker: [],
      heldUntil: 0,
      backAt: 0,
      isDead: false,
      lastStep: -1,
    };
    this.workers.push(worker);
    // Everybody begins with other values: only one worker's can be the run's.
    participant.register(this.plan, 4 + (id % 3), initialState(this.plan, id + 1));
    this.#connect(worker);
    // A refusal is seen by run().
    this.#train(worker).catch(() => {});
  }

  #connect(worker: Worker): void {
    const peer = this.#nextPeer++;
    worker.peer = peer;
    worker.toServer.length = worker.toWorker.length = 0;
    this.#act(this.room.handle({ kind: "open", peer }, this.now));
    worker.participant.connected((bytes) => worker.toServer.push(bytes.slice()));
  }

  #disconnect(worker: Worker): void {
    if (worker.peer === null) return;
    const { peer } = worker;
    worker.peer = null;
    worker.toServer.length = worker.toWorker.length = 0;
    worker.participant.disconnected();
    this.#act(this.room.handle({ kind: "close", peer }, this.now));
  }

  /** What a user's loop does; a sample's gradient depends on the sample and on the parameters. */
  async #train(worker: Worker): Promise<void> {
    const { participant } = worker;
    for (;;) {
      const work = await participant.next();
      if (work === null || worker.isDead) return;
      const values = gradients(participant.replica, work, participant.layout.size);
      const samples = work.lease!.reduce((n, [from, to]) => n + to - from, 0);
      this.#contributed.set(`${participant.term} ${work.step} ${participant.slot}`, { values: values.slice(), work });
      await participant.contribute(work, { values, samples, loss: 0.5, update: momentumSgd(this.plan.model) });
      if (worker.isDead) return;
    }
  }

  #act(actions: readonly RoomAction[]): void {
    for (const action of actions) {
      if (action.kind === "send") {
        this.#note(action.bytes);
        for (const peer of action.to) this.workers.find((w) => w.peer === peer)?.toWorker.push(action.bytes.slice());
      } else if (action.kind === "close") {
        const worker = this.workers.find((w) => w.peer === action.peer);
        // The reason is on its way before the connection goes.
        if (worker !== undefined) {
          for (const bytes of worker.toWorker.splice(0)) this.#toWorker(worker, bytes);
          this.#disconnect(worker);
        }
      } else if (action.kind === "save") this.#saved = action.saved;
      else if (action.kind === "committed") this.#lastStep = action.step;
      else if (action.event === "adopted" && action.fields["step"] === 0) this.#begun = this.room.save()!.state;
    }
  }

  #toWorker(worker: Worker, bytes: Bytes): void {
    this.#watch(worker, bytes);
    worker.participant.receive(bytes);
    const { replica } = worker.participant;
    if (replica.step === worker.lastStep) return;
    worker.lastStep = replica.step;
    this.#see(replica);
  }

  /** I2: whoever holds the state after a step the run has committed holds the same bits. */
  #see(replica: Replica): void {
    if (!this.commits.has(replica.step)) return;
    const hash = replica.hash();
    const known = this.hashes.get(replica.step);
    if (known === undefined) this.hashes.set(replica.step, hash);
    else expect(hash, `I2: hash of step ${replica.step}`).toBe(known);
  }

  #note(bytes: Bytes): void {
    const frame = decodeFrame(bytes);
    const message = frame.type === "control" ? readServerMessage(frame) : null;
    if (message?.kind !== "commit") return;
    const { step, roster, samples } = message;
    this.#said.set(step, { roster, samples, term: frame.term, heardBy: new Set() });
  }

  /** I3 and I5, from what workers are told. */
  #watch(worker: Worker, bytes: Bytes): void {
    const frame = decodeFrame(bytes);
    if (frame.type !== "control") return;
    const message = readServerMessage(frame);
    if (message.kind !== "commit") return;
    const { step, roster, samples } = message;
    const known = this.commits.get(step);
    if (known?.term === frame.term) {
      expect({ roster, samples }, `I3: commit ${step}`).toEqual({ roster: known.roster, samples: known.samples });
      known.heardBy.add(worker);
      return;
    }
    if (known !== undefined) {
      // A step may be made anew only if nobody lives who had heard of it: no server can know of it then.
      expect(
        [...known.heardBy].every(({ isDead }) => isDead),
        `I3: commit ${step} was made anew`,
      ).toBe(true);
      for (const of of [this.commits, this.hashes]) for (const s of of.keys()) if (s >= step) of.delete(s);
    }
    // A commit that reached nobody is in the server's replica all the same, as long as the server lives.
    const before = this.#said.get(step - 1);
    if (before?.term === frame.term && !this.commits.has(step - 1)) this.commits.set(step - 1, before);
    expect(step === 1 || this.commits.has(step - 1), `I5: step ${step - 1} before ${step}`).toBe(true);
    if (step === 1 || this.commits.size === 1) this.initial = this.#begun;
    this.commits.set(step, { roster, samples, term: frame.term, heardBy: new Set([worker]) });
  }

  /** One event: a delivery most of the time, else time goes by or something breaks. */
  async event(): Promise<void> {
    const { faultEvery } = this.#options;
    if (faultEvery > 0 && this.#random(faultEvery) === 0) this.#fault();
    const full = this.workers.filter(
      (w) => w.heldUntil <= this.now && (w.toServer.length > 0 || w.toWorker.length > 0),
    );
    if (full.length === 0 || this.#random(20) === 0) {
      this.now += 10;
      this.#act(this.room.handle({ kind: "tick" }, this.now));
      for (const w of this.workers)
        if (w.peer === null && w.participant.failure === null && w.backAt <= this.now) this.#connect(w);
    } else {
      const worker = full[this.#random(full.length)]!;
      const up = worker.toServer.length > 0 && (worker.toWorker.length === 0 || this.#random(2) === 0);
      if (up) {
        const bytes = worker.toServer.shift()!;
        this.#act(this.room.handle({ kind: "frame", peer: worker.peer!, bytes }, this.now));
      } else this.#toWorker(worker, worker.toWorker.shift()!);
    }
    // Let the workers' loops go on as far as they can.
    for (let i = 0; i < 6; i++) await Promise.resolve();
  }

  #fault(): void {
    this.faults++;
    const { serverFaults } = this.#options;
    const worker = this.workers[this.#random(this.workers.length)]!;
    switch (this.#random(serverFaults ? 6 : 5)) {
      case 0: // The connection is cut; what was under way is lost.
      case 1:
        return this.#disconnect(worker);
      case 2: // kill -9, and another one comes.
        this.#disconnect(worker);
        worker.isDead = true;
        this.workers.splice(this.workers.indexOf(worker), 1);
        return this.addWorker();
      case 3: // A laptop sleeps.
        worker.heldUntil = this.now + this.#random(600);
        return;
      case 4: // One more joins, if there are not too many.
        if (this.workers.length < 2 * this.#options.workers) this.addWorker();
        return;
      default:
        return this.restartServer();
    }
  }

  /** kill -9 of the server: its memory is gone, connections with it; the disk stays. */
  restartServer(): void {
    for (const worker of this.workers) {
      if (worker.peer === null) continue;
      worker.peer = null;
      // What the server had sent may still arrive.
      for (const bytes of worker.toWorker.splice(0)) this.#toWorker(worker, bytes);
      worker.toServer.length = 0;
      worker.participant.disconnected();
    }
    this.#term += 1;
    this.room = this.#newRoom();
    // Some come back at once, some when the others have waited for a while.
    for (const worker of this.workers) {
      worker.backAt = this.now + (this.#random(2) === 0 ? 0 : this.#random(3000));
      if (worker.backAt === this.now) this.#connect(worker);
    }
  }

  /** Until every worker knows that the run is over. */
  async run(maxEvents = 300_000): Promise<void> {
    for (let i = 0; i < maxEvents; i++) {
      const refused = this.workers.find((w) => w.participant.failure !== null);
      if (refused !== undefined) throw refused.participant.failure!;
      if (this.workers.every((w) => w.participant.isFinished)) return this.#check();
      await this.event();
    }
    const stages = this.room.members.all.map((m) => `${m.slot} ${m.stage} ${m.peer ?? "away"}`);
    throw new Error(`not finished after ${maxEvents} events, at step ${this.room.step}: ${stages.join(", ")}`);
  }

  /** I1 by a replay of what was contributed, and I4. */
  #check(): void {
    const { samples, epochs } = this.#options;
    const counts = Array.from({ length: epochs }, () => new Uint8Array(samples));
    for (const [step, { roster, term, samples: total }] of this.commits) {
      let sum = 0;
      for (const slot of roster) {
        const { work } = this.#contributed.get(`${term} ${step} ${slot}`)!;
        for (const [from, to] of work.lease!) {
          for (let i = from; i < to; i++) counts[work.epoch]![i]! += 1;
          sum += to - from;
        }
      }
      expect(sum, `samples of step ${step}`).toBe(total);
    }
    for (const count of counts)
      expect(
        [...count].every((n) => n === 1),
        "I4: each sample once an epoch",
      ).toBe(true);
    if (this.plan.codec === "f32") this.#replay();
  }

  /** I1: the run's bits, from the contributions of each commit alone. */
  #replay(): void {
    const replica = new Replica(this.plan.model, modelLayout(this.plan.model, "f32"));
    replica.load(this.initial!);
    for (let step = 1; step <= this.commits.size; step++) {
      const { roster, term, samples } = this.commits.get(step)!;
      const sent = new Map(roster.map((s) => [s, this.#contributed.get(`${term} ${step} ${s}`)!.values] as const));
      replica.apply(treeSum(sent), samples, momentumSgd(this.plan.model));
      // A commit that reached nobody was never looked at; the next one shows whether it was right.
      if (this.hashes.has(step)) expect(replica.hash(), `I1: step ${step}`).toBe(this.hashes.get(step));
    }
  }
}

/** The sum over a lease of what each sample wants, as far as anything here is wanted. */
export function gradients(replica: Replica, work: Work, size: number): Float32Array {
  const out = new Float32Array(size);
  const { params } = replica;
  for (const [from, to] of work.lease!) {
    for (let sample = from; sample < to; sample++) {
      const scale = Math.sin(sample * 12.9898 + work.epoch);
      for (let i = 0; i < size; i++) out[i] = out[i]! + Math.fround((params[i] ?? 1) * scale + i * 1e-3);
    }
  }
  return out;
}

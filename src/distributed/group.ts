/**
 * The process group: a worker's place among the others, with torch.distributed's words. Ranks are slots: they are
 * unique, but workers come and go, so they need not be 0 to worldSize - 1, nor is any of them special.
 */
import { platform } from "#platform";
import { DtypeError, TexgradError } from "../ir/errors.ts";
import { tensor, type Tensor } from "../trace/index.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import type { DataPlan } from "./messages.ts";
import { Participant, type Work } from "./participant.ts";

export interface GroupOptions {
  /** ws://HOST:PORT/runs/NAME. Default: TEXGRAD_SERVER, which `texgrad launch` sets. */
  readonly url?: string;
  /** From the server's operator. Default: TEXGRAD_TOKEN. */
  readonly token?: string;
  /** What the dashboard calls this worker. */
  readonly name?: string;
  /** How long to go on when the server does not answer. Default 5 minutes. */
  readonly patienceMs?: number;
  /** @internal For tests. */
  readonly connect?: ConnectionOptions["connect"];
}

/** What a sampler hands to the model it feeds. */
export interface Fed {
  readonly work: Work;
  /** Samples of the batch that was handed out last. */
  readonly samples: number;
  /** Whether the lease has no more batches. */
  readonly isLast: boolean;
}

/** What a model does for the sampler that feeds it. */
export interface Trained {
  /** Says what is trained, once, and settles when that is done. */
  begin(data: DataPlan | null, batch: number): Promise<void>;
  /** Batches of a step: as many as are accumulated, or trained on locally. */
  readonly batchesPerStep: number;
  /** Has the model hold the run's state. */
  publish(): void;
}

export class ProcessGroup {
  /** @internal */
  readonly participant: Participant;
  readonly #connection: Connection;
  /** @internal The model of this group, and what it is fed. */
  trained: Trained | null = null;
  fed: Fed | null = null;
  data: { readonly plan: DataPlan; readonly batch: number } | null = null;

  constructor(participant: Participant, connection: Connection) {
    this.participant = participant;
    this.#connection = connection;
  }

  get rank(): number {
    return this.participant.slot;
  }
  get worldSize(): number {
    return this.participant.workers;
  }
  /** Bytes of frames this worker sent and received. */
  get traffic(): { readonly sent: number; readonly received: number } {
    return { sent: this.participant.bytesOut, received: this.participant.bytesIn };
  }

  /** The sum over all workers, or their mean, of an f32 tensor of equal shape on each; the same bits on all. */
  async allReduce(t: Tensor, { op = "sum" }: { readonly op?: "sum" | "mean" } = {}): Promise<Tensor> {
    const { values, roster } = await this.participant.collect(await floats("allReduce", t), null);
    return tensor(op === "sum" ? values : values.map((x) => x / roster.length), { shape: t.shape });
  }

  /** The tensor of rank `src`, on every worker; t gives the shape elsewhere. Throws where there is no such worker. */
  async broadcast(t: Tensor, src: number): Promise<Tensor> {
    const { values } = await this.participant.collect(await floats("broadcast", t), src);
    return tensor(values, { shape: t.shape });
  }

  /** Settles when every worker has called it. */
  async barrier(): Promise<void> {
    await this.participant.collect(new Float32Array(0), null);
  }

  /** @internal Cuts the connection as a network would. */
  drop(): void {
    this.#connection.drop();
  }

  /** Leaves: the others go on at once, without waiting for this worker to come back. */
  destroy(): void {
    this.participant.leave();
    this.#connection.close();
    if (current === this) current = null;
  }
}

async function floats(op: string, t: Tensor): Promise<Float32Array> {
  if (t.dtype !== "f32") throw new DtypeError(`${op}: the tensor is ${t.dtype}, takes f32; cast("f32") makes it one`);
  return (await t.data()) as Float32Array; // by its dtype
}

let current: ProcessGroup | null = null;

/** The group that initProcessGroup made last. Throws TexgradError where there is none. */
export function defaultGroup(what: string): ProcessGroup {
  if (current !== null) return current;
  throw new TexgradError(`${what}: there is no process group; await initProcessGroup({ url }) comes first`);
}

/** Connects to a training server. Rejects where it refuses this worker or does not answer. */
export async function initProcessGroup(options: GroupOptions = {}): Promise<ProcessGroup> {
  if (current !== null) throw new TexgradError("initProcessGroup: there is a group; destroyProcessGroup() ends it");
  return (current = await connectGroup(options));
}

/** A group that is not the default one: for several workers in one program, each named by `group` where it matters. */
export async function connectGroup(options: GroupOptions): Promise<ProcessGroup> {
  const url = options.url ?? platform.env("TEXGRAD_SERVER");
  if (url === undefined) {
    throw new TexgradError(
      'initProcessGroup: no server; give { url: "ws://HOST:PORT/runs/NAME" }, or start with `texgrad launch`',
    );
  }
  const token = options.token ?? platform.env("TEXGRAD_TOKEN") ?? null;
  const { name = platform.env("TEXGRAD_WORKER") ?? platform.name, patienceMs = 300_000, connect } = options;
  const participant = new Participant(name);
  const connection = new Connection(participant, {
    url,
    token,
    patienceMs,
    ...(connect === undefined ? {} : { connect }),
  });
  try {
    await participant.greeted();
  } catch (error) {
    connection.close();
    throw error;
  }
  return new ProcessGroup(participant, connection);
}

/** Leaves the group, if there is one. */
export function destroyProcessGroup(): void {
  current?.destroy();
}

/** The sum or mean of a tensor over all workers. */
export const allReduce = (t: Tensor, options?: Parameters<ProcessGroup["allReduce"]>[1]): Promise<Tensor> =>
  defaultGroup("allReduce").allReduce(t, options);
/** The tensor of one worker on all. */
export const broadcast = (t: Tensor, src: number): Promise<Tensor> => defaultGroup("broadcast").broadcast(t, src);
/** Settles when every worker has called it. */
export const barrier = (): Promise<void> => defaultGroup("barrier").barrier();
/** This worker's rank: unique, not necessarily below worldSize. */
export const getRank = (): number => defaultGroup("getRank").rank;
/** How many workers there are now. */
export const getWorldSize = (): number => defaultGroup("getWorldSize").worldSize;

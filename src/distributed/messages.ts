/**
 * What control messages say, each as a table of its fields: types and checks come from the same row, so nothing that
 * was not looked at is ever read. Not here: bytes (wire.ts), when a message may be sent (room.ts, member.ts).
 */
import { codecNames, decodeControl, WireError, type Frame } from "./wire.ts";

/** Gives the value if it is one, else throws WireError naming the place. */
type Check<T> = (x: unknown, at: string) => T;
type Checked<C> = C extends Check<infer T> ? T : never;
type Fields = Readonly<Record<string, Check<unknown>>>;
type Shape<F extends Fields> = { readonly [K in keyof F]: Checked<F[K]> };

const fail = (at: string, wanted: string): never => {
  throw new WireError(`${at}: must be ${wanted}`);
};

const MAX_U32 = 2 ** 32 - 1;
const whole =
  (max: number): Check<number> =>
  (x, at) =>
    Number.isInteger(x) && (x as number) >= 0 && (x as number) <= max
      ? (x as number)
      : fail(at, `a whole number up to ${max}`);
const u16 = whole(65_535);
const u32 = whole(MAX_U32);
const finite: Check<number> = (x, at) => (Number.isFinite(x) ? (x as number) : fail(at, "a finite number"));
const flag: Check<boolean> = (x, at) => (typeof x === "boolean" ? x : fail(at, "true or false"));
const text =
  (max: number): Check<string> =>
  (x, at) =>
    typeof x === "string" && x.length <= max ? x : fail(at, `a text of at most ${max} characters`);
const oneOf =
  <T extends string>(names: readonly T[]): Check<T> =>
  (x, at) =>
    names.find((name) => name === x) ?? fail(at, `one of ${names.join(", ")}`);
const orNull =
  <T>(check: Check<T>): Check<T | null> =>
  (x, at) =>
    x === null ? null : check(x, at);
const list =
  <T>(check: Check<T>, max: number): Check<readonly T[]> =>
  (x, at) =>
    Array.isArray(x) && x.length <= max
      ? x.map((e, i) => check(e, `${at}[${i}]`))
      : fail(at, `a list of at most ${max}`);
const record =
  <F extends Fields>(fields: F): Check<Shape<F>> =>
  (x, at) => {
    if (typeof x !== "object" || x === null || Array.isArray(x)) return fail(at, "an object");
    const given = x as Record<string, unknown>;
    for (const name of Object.keys(given)) {
      if (!Object.hasOwn(fields, name) && name !== "kind") fail(`${at}.${name}`, "absent");
    }
    const entries = Object.entries(fields).map(([name, check]) => [
      name,
      check(Object.hasOwn(given, name) ? given[name] : undefined, `${at}.${name}`),
    ]);
    return Object.fromEntries(entries) as Shape<F>; // one entry for each field
  };

/** [from, to), to above from. */
const range: Check<readonly [number, number]> = (x, at) => {
  const [from, to, ...more] = list(u32, 2)(x, at);
  return from !== undefined && to !== undefined && more.length === 0 && from < to
    ? [from, to]
    : fail(at, "[from, to) with from below to");
};
const ranges = list(range, 2048);

const flags: Check<Readonly<Record<string, string | number | boolean>>> = (x, at) => {
  if (typeof x !== "object" || x === null || Array.isArray(x) || Object.keys(x).length > 16) {
    return fail(at, "an object of at most 16 switches");
  }
  for (const [name, value] of Object.entries(x)) {
    if (!["string", "number", "boolean"].includes(typeof value)) fail(`${at}.${name}`, "a switch");
  }
  return x as Readonly<Record<string, string | number | boolean>>;
};

/** Parameters that an update rule is applied to with the same numbers: what an optimizer's step is, in the open. */
const updateGroup = record({
  rule: text(64),
  flags,
  settings: list(finite, 16),
  /** What each of its states begins with. */
  initial: list(finite, 8),
  /** Positions in the model's list of trained parameters. */
  params: list(range, 512),
});
export type UpdateGroup = Checked<typeof updateGroup>;
const update = list(updateGroup, 64);
/** One step of an optimizer: the same on every worker, or it is refused. */
export type UpdateSpec = readonly UpdateGroup[];

const tensorInfo = record({ name: text(256), shape: list(u32, 8) });
export type TensorInfo = Checked<typeof tensorInfo>;

/** A model as far as its values travel. */
const model = record({
  /** In the order of the arena: the last layer's first. */
  params: list(tensorInfo, 4096),
  /** Averaged each step: running statistics. */
  buffers: list(tensorInfo, 4096),
  /** Never on the wire but in snapshots: frozen parameters. */
  fixed: list(tensorInfo, 4096),
});
export type ModelInfo = Checked<typeof model>;

/** Which samples there are, and in which order they are leased. */
const data = record({ length: u32, epochs: u32, shuffle: flag, seed: whole(Number.MAX_SAFE_INTEGER) });
export type DataPlan = Checked<typeof data>;

const codec = oneOf(codecNames);

const name = text(128);
const hash = text(32);
const slots = list(u16, 4096);

/** What is left of an epoch after a step; null where users bring their own samples. */
const left = orNull(record({ epoch: u32, ranges }));

/** A state that is about to be sent: see transfer.ts. */
const offer = { step: u32, count: u32, states: whole(8), hash, left };

/** What workers say. */
const fromWorkers = {
  hello: record({ name, session: orNull(text(64)), at: orNull(record({ term: u32, step: u32, hash })) }),
  /** The model a worker trains, and how; `batch`: samples it takes a step. */
  register: record({ model, data: orNull(data), codec, batch: u32 }),
  /** It waits for samples. */
  ready: record({ step: u32 }),
  /** All of its contribution has been sent. */
  end: record({ step: u32, attempt: u16, samples: u32, loss: orNull(finite), update }),
  /** It holds the state after `step`, whose hash this is. */
  applied: record({ step: u32, hash }),
  /** Its state is at hand. */
  donation: record(offer),
  /** Asks for a part of a snapshot. */
  pull: record({ step: u32, offset: u32 }),
  /** It has no more data, and goes on applying what the others do. */
  pass: record({}),
  leave: record({}),
  collect: record({ seq: u32, count: u32, root: orNull(u16) }),
} as const;

/** What the server says. */
const fromServer = {
  welcome: record({ term: u32, session: text(64), slot: u16, window: u16, resumed: flag, collective: u32 }),
  refused: record({ reason: text(2048) }),
  /** Asks for the worker's state, chunk by chunk. */
  donate: record({}),
  /** The state it must take over. */
  heal: record(offer),
  /** The state it said it has is right. */
  keep: record({ step: u32 }),
  pull: record({ step: u32, offset: u32 }),
  open: record({ step: u32, attempt: u16, roster: slots, epoch: u32, lease: orNull(ranges) }),
  /** Chunks to send again, as ranges of their numbers. */
  abort: record({ step: u32, attempt: u16, roster: slots, resend: list(range, 2048) }),
  commit: record({ step: u32, roster: slots, samples: u32, loss: orNull(finite), update, hash: flag, left }),
  /** How many workers there are. */
  members: record({ count: u16 }),
  collected: record({ seq: u32, roster: slots }),
  /** A collective loses members: those left send these chunks again. */
  recollect: record({ seq: u32, attempt: u16, resend: list(range, 2048) }),
  /** A collective that cannot be. */
  failed: record({ seq: u32, reason: text(512) }),
  finish: record({}),
} as const;

type Messages<T extends Readonly<Record<string, Check<unknown>>>> = {
  [K in keyof T]: { readonly kind: K } & Checked<T[K]>;
}[keyof T];
export type WorkerMessage = Messages<typeof fromWorkers>;
export type ServerMessage = Messages<typeof fromServer>;

const reader =
  <T extends Readonly<Record<string, Check<unknown>>>>(table: T) =>
  (frame: Frame): Messages<T> => {
    const json = decodeControl(frame);
    const kind = typeof json === "object" && json !== null && "kind" in json ? json.kind : undefined;
    const check = typeof kind === "string" && Object.hasOwn(table, kind) ? table[kind] : undefined;
    if (check === undefined) throw new WireError(`control: there is no message ${JSON.stringify(kind)?.slice(0, 64)}`);
    return { kind, ...(check(json, String(kind)) as object) } as Messages<T>; // the row of this kind has looked at it
  };

/** The message of a control frame. Throws WireError naming the field that is wrong. */
export const readWorkerMessage = reader(fromWorkers);
export const readServerMessage = reader(fromServer);

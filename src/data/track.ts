/**
 * `track(loop)`: the same items, and on the way a progress bar on a terminal, plain lines now and then elsewhere.
 *
 * Not here: what a line looks like and how a rate is measured (progress.ts). It never looks at the items.
 */
import { platform } from "#platform";
import type { Platform } from "../platform/types.ts";
import { barLine, Meter, oneLine, plainLine, type Progress, showValues } from "./progress.ts";

export interface TrackOptions {
  /** Shown before all else, e.g. "epoch 3". Default none. */
  readonly label?: string;
  /** How many items there are. Default: the source's `length` or `size`, where it has one. */
  readonly total?: number;
  /** What an item is called. Default "it". */
  readonly unit?: string;
  /** Called instead of printing: at the first moment, then at most ten times a second, and at the last. */
  readonly onUpdate?: (progress: Progress) => void;
}

/** What a tracked loop can be told on its way. */
export interface Tracker {
  /** Values to show beside the progress from the next redraw on; those of earlier calls stay until set again. */
  set(values: Readonly<Record<string, number | string>>): void;
}

/** Where progress is shown, and the time in milliseconds: the platform's, or a test's. */
export interface Stage extends Pick<Platform, "name" | "env" | "isTerminal" | "columns" | "write"> {
  now(): number;
}

/** A person sees ten frames a second as motion; more is work for nothing. */
const REDRAW_MS = 100;
/** Terminals that say they are narrower (some say 0) do not know. */
const LEAST_COLUMNS = 20;
/** Lines of a log are read later, not watched. */
const LINE_MS = 5000;

/**
 * The items of `source`, tracked: `for await (const batch of track(loader, { label: "train" })) ...`.
 *
 * An async source gives an async iterable, any other a plain one. On a terminal one line is redrawn in place (without
 * colour under NO_COLOR), elsewhere in Node a line is written at first, at most every five seconds, and at last; in
 * browsers the last one only. The last one is also written when the loop is left by break, return or an error.
 * `set({ loss })` on the result adds values. Each iteration counts anew. Throws what the source throws.
 */
export function track<T>(source: AsyncIterable<T>, options?: TrackOptions): AsyncIterable<T> & Tracker;
export function track<T>(source: Iterable<T>, options?: TrackOptions): Iterable<T> & Tracker;
export function track<T>(
  source: AsyncIterable<T> | Iterable<T>,
  options: TrackOptions = {},
): (AsyncIterable<T> | Iterable<T>) & Tracker {
  return trackOn({ ...platform, now: () => performance.now() }, source, options);
}

/** As track, on a stage of the caller's. */
export function trackOn<T>(
  stage: Stage,
  source: AsyncIterable<T> | Iterable<T>,
  options: TrackOptions,
): (AsyncIterable<T> | Iterable<T>) & Tracker {
  const values = new Map<string, number | string>();
  const begin = (): Run => {
    values.clear();
    return new Run(stage, options, options.total ?? sizeOf(source), values);
  };
  const set = (given: Readonly<Record<string, number | string>>): void => {
    for (const [name, value] of Object.entries(given)) values.set(name, value);
  };

  if (isAsync(source)) {
    const iterate = async function* (): AsyncGenerator<T, void, undefined> {
      const run = begin();
      try {
        for await (const item of source) {
          yield item;
          run.step();
        }
        run.end("finished");
      } finally {
        run.end("stopped"); // when it has not ended yet: the loop was left, or the source threw
      }
    };
    return { set, [Symbol.asyncIterator]: iterate };
  }
  const iterate = function* (): Generator<T, void, undefined> {
    const run = begin();
    try {
      for (const item of source) {
        yield item;
        run.step();
      }
      run.end("finished");
    } finally {
      run.end("stopped");
    }
  };
  return { set, [Symbol.iterator]: iterate };
}

function isAsync<T>(source: AsyncIterable<T> | Iterable<T>): source is AsyncIterable<T> {
  return typeof source === "object" && Symbol.asyncIterator in source;
}

/** How many items a source says it has. A string does not: its length is not the number of its characters. */
function sizeOf(source: unknown): number | undefined {
  if (typeof source !== "object" || source === null) return undefined;
  const claims: unknown[] = [
    "length" in source ? source.length : undefined,
    "size" in source ? source.size : undefined,
  ];
  return claims.find((claim): claim is number => typeof claim === "number" && Number.isInteger(claim) && claim >= 0);
}

/** One iteration: when to show, and where. */
class Run {
  readonly #stage: Stage;
  readonly #values: ReadonlyMap<string, number | string>;
  readonly #meter: Meter;
  readonly #show: (progress: Progress) => void;
  readonly #pauseMs: number;
  #shownMs: number;
  #isOver = false;

  constructor(
    stage: Stage,
    { label = "", unit = "it", onUpdate }: TrackOptions,
    total: number | undefined,
    values: ReadonlyMap<string, number | string>,
  ) {
    this.#stage = stage;
    this.#values = values;
    [this.#show, this.#pauseMs] = outlet(stage, onUpdate);
    this.#shownMs = stage.now();
    this.#meter = new Meter(oneLine(label), unit, total, this.#shownMs);
    this.#update(this.#shownMs, "running");
  }

  step(): void {
    const now = this.#stage.now();
    this.#meter.step(now);
    if (now - this.#shownMs >= this.#pauseMs) this.#update(now, "running");
  }

  /** The last word; later calls do nothing. */
  end(state: "finished" | "stopped"): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#update(this.#stage.now(), state);
  }

  #update(now: number, state: Progress["state"]): void {
    this.#shownMs = now;
    this.#show(this.#meter.read(now, showValues(this.#values), state));
  }
}

/** Who is shown the progress, and how often at most. */
function outlet(
  stage: Stage,
  onUpdate: TrackOptions["onUpdate"],
): [show: (progress: Progress) => void, pauseMs: number] {
  if (onUpdate !== undefined) return [onUpdate, REDRAW_MS];
  if (stage.name === "browser") {
    const last = (progress: Progress): void => {
      if (progress.state !== "running") stage.write(`${plainLine(progress)}\n`);
    };
    return [last, Infinity];
  }
  if (!stage.isTerminal() || stage.env("TERM") === "dumb") {
    return [(progress) => stage.write(`${plainLine(progress)}\n`), LINE_MS];
  }
  const colour = (stage.env("NO_COLOR") ?? "") === "";
  const redraw = (progress: Progress): void => {
    // One column is left free: a full line would wrap on some terminals. Then what an earlier line left is erased.
    const line = barLine(progress, Math.max(LEAST_COLUMNS, stage.columns()) - 1, colour);
    stage.write(`\r${line}\x1b[K${progress.state === "running" ? "" : "\n"}`);
  };
  return [redraw, REDRAW_MS];
}

/** Progress: lines as text on a made-up terminal and clock. */
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  barLine,
  Meter,
  plainLine,
  type Progress,
  showDuration,
  showRate,
  showValues,
} from "../../src/data/progress.ts";
import { type Stage, track, trackOn, type TrackOptions } from "../../src/data/track.ts";

interface Scene extends Stage {
  written: string;
  ms: number;
}

/** A stage whose clock moves only when told. */
function scene(changes: Partial<Stage> & { environment?: Record<string, string> } = {}): Scene {
  const { environment = { NO_COLOR: "1" }, ...others } = changes;
  const made: Scene = {
    written: "",
    ms: 0,
    name: "node",
    env: (name) => environment[name],
    isTerminal: () => false,
    columns: () => 80,
    write: (text) => void (made.written += text),
    now: () => made.ms,
    ...others,
  };
  return made;
}

/** Runs a loop of `count` items of `eachMs`. */
function run(stage: Scene, count: number, eachMs: number, options: TrackOptions = {}): void {
  const items = Array.from({ length: count }, (_, i) => i);
  for (const _ of trackOn(stage, items, options) as Iterable<number>) stage.ms += eachMs;
}

const lines = (stage: Scene) => stage.written.split("\n").slice(0, -1);

describe("plain lines", () => {
  it("come first, at most every five seconds, and last", () => {
    const stage = scene();
    run(stage, 12, 1000, { label: "train", unit: "batch" });
    expect(lines(stage)).toEqual([
      "train: 0/12 batch (0%)",
      "train: 5/12 batch (41%), 1.00 batch/s, 0:07 left",
      "train: 10/12 batch (83%), 1.00 batch/s, 0:02 left",
      "train: 12/12 batch (100%), 1.00 batch/s, finished after 0:12",
    ]);
  });

  it("are two for a short loop, and for no items", () => {
    const stage = scene();
    run(stage, 100, 1);
    run(stage, 0, 1);
    expect(lines(stage)).toEqual([
      "0/100 it (0%)",
      "100/100 it (100%), 1000 it/s, finished after 0:00",
      "0/0 it (100%)",
      "0/0 it (100%), finished after 0:00",
    ]);
  });

  it("stand in for the bar on a dumb terminal", () => {
    const stage = scene({ isTerminal: () => true, environment: { TERM: "dumb" } });
    run(stage, 1, 1);
    expect(stage.written).not.toContain("\r");
  });
});

describe("the bar", () => {
  const ERASE = "\x1b[K";

  it("is redrawn at most ten times a second and ends its line", () => {
    const stage = scene({ isTerminal: () => true });
    run(stage, 8, 60, { label: "train", unit: "batch" });
    expect(stage.written.split("\r").slice(1)).toEqual([
      `train   0% ························ 0/8  0:00${ERASE}`,
      `train  25% ██████·················· 2/8  16.7 batch/s  0:00 < 0:00${ERASE}`,
      `train  50% ████████████············ 4/8  16.7 batch/s  0:00 < 0:00${ERASE}`,
      `train  75% ██████████████████······ 6/8  16.7 batch/s  0:00 < 0:00${ERASE}`,
      `train 100% ████████████████████████ 8/8  16.7 batch/s  0:00 < 0:00${ERASE}`,
      `train 100% ████████████████████████ 8/8  16.7 batch/s  0:00${ERASE}\n`,
    ]);
  });

  it("is coloured unless NO_COLOR is set to something", () => {
    const colourOf = (environment: Record<string, string>) => {
      const stage = scene({ isTerminal: () => true, environment });
      run(stage, 1, 1);
      return stage.written.includes("\x1b[36m");
    };
    expect([colourOf({}), colourOf({ NO_COLOR: "" }), colourOf({ NO_COLOR: "1" })]).toEqual([true, true, false]);
  });

  it("never fills the last column, however narrow the terminal says it is", () => {
    for (const columns of [0, 10, 20, 33, 61, 200]) {
      const stage = scene({ isTerminal: () => true, columns: () => columns });
      run(stage, 3, 200, { label: "a long label with words" });
      for (const line of stage.written.split("\r")) {
        expect([...line.replace(ERASE, "").trimEnd()].length).toBeLessThan(Math.max(20, columns));
      }
    }
  });
});

describe("a loop", () => {
  it("shows what it sets, from the next line on, until set again", () => {
    const stage = scene();
    const tracked = trackOn(stage, [0, 1], {}) as Iterable<number> & { set: (values: object) => void };
    for (const i of tracked) {
      stage.ms += 5000;
      tracked.set(i === 0 ? { loss: 0.512345, lr: 1e-3 } : { loss: 3, note: "two\nlines" });
    }
    expect(lines(stage).slice(1)).toEqual([
      "1/2 it (50%), 5.00 s/it, 0:05 left, loss 0.5123, lr 0.001000",
      "2/2 it (100%), 5.00 s/it, 0:00 left, loss 3, lr 0.001000, note two lines",
      "2/2 it (100%), 5.00 s/it, finished after 0:10, loss 3, lr 0.001000, note two lines",
    ]);
  });

  it("that breaks ends with a line that says so", () => {
    const stage = scene();
    for (const i of trackOn(stage, [0, 1, 2], {}) as Iterable<number>) {
      stage.ms += 1000;
      if (i === 1) break;
    }
    expect(lines(stage).at(-1)).toBe("1/3 it (33%), 2.00 s/it, stopped after 0:02");
  });

  it("that throws ends its line first, then throws", async () => {
    const stage = scene({ isTerminal: () => true });
    expect(() => {
      for (const _ of trackOn(stage, [0], {}) as Iterable<number>) throw new Error("body");
    }).toThrow("body");
    expect(stage.written.endsWith("stopped\x1b[K\n")).toBe(true);
  });

  it("whose source throws ends in the same way, and only once", async () => {
    const stage = scene();
    const source = async function* () {
      yield await Promise.resolve(1);
      throw new Error("source");
    };
    const loop = async () => {
      for await (const _ of trackOn(stage, source(), { label: "x" }) as AsyncIterable<number>);
    };
    await expect(loop()).rejects.toThrow("source");
    expect(lines(stage)).toEqual(["x: 0 it", "x: 1 it, stopped after 0:00"]);
  });

  it("closes its source when it is left", async () => {
    const closed: string[] = [];
    const plain = function* () {
      try {
        yield 1;
      } finally {
        closed.push("plain");
      }
    };
    const later = async function* () {
      try {
        yield await Promise.resolve(1);
      } finally {
        closed.push("async");
      }
    };
    for (const _ of trackOn(scene(), plain(), {}) as Iterable<number>) break;
    for await (const _ of trackOn(scene(), later(), {}) as AsyncIterable<number>) break;
    expect(closed).toEqual(["plain", "async"]);
  });

  it("counts anew each time, without the values of the last", () => {
    const stage = scene();
    const tracked = trackOn(stage, [0], {}) as Iterable<number> & { set: (values: object) => void };
    for (const _ of tracked) tracked.set({ a: 1 });
    for (const _ of tracked);
    expect(lines(stage)).toEqual([
      "0/1 it (0%)",
      "1/1 it (100%), finished after 0:00, a 1",
      "0/1 it (0%)",
      "1/1 it (100%), finished after 0:00",
    ]);
  });

  it("takes its total from length or size, or is told", () => {
    const totalOf = (source: Iterable<unknown>, options: TrackOptions = {}) => {
      let total: number | undefined;
      const onUpdate = (progress: Progress) => void (total = progress.total);
      for (const _ of trackOn(scene(), source, { ...options, onUpdate }) as Iterable<unknown>);
      return total;
    };
    const endless = { length: -1, [Symbol.iterator]: () => [1][Symbol.iterator]() };
    expect([totalOf([1, 2]), totalOf(new Set([1])), totalOf(new Map()), totalOf("abc")]).toEqual([2, 1, 0, undefined]);
    expect([totalOf(endless), totalOf(endless, { total: 7 })]).toEqual([undefined, 7]);
  });

  it("stays of the kind it was", async () => {
    const quiet = { onUpdate: () => undefined };
    const plain = track([1, 2], quiet);
    expectTypeOf(plain).toExtend<Iterable<number>>();
    expect([...plain]).toEqual([1, 2]);
    const seen: number[] = [];
    // oxlint-disable-next-line await-thenable -- "for await" over a plain source is what is tested
    for await (const item of track(new Set([3]), quiet)) seen.push(item);
    const source = async function* () {
      yield* await Promise.resolve([4, 5]);
    };
    for await (const item of track(source(), quiet)) seen.push(item);
    expect(seen).toEqual([3, 4, 5]);
  });
});

describe("onUpdate", () => {
  it("is called instead of printing, first, now and then, and last", () => {
    const stage = scene({ isTerminal: () => true });
    const seen: Progress[] = [];
    run(stage, 6, 50, { label: "train", onUpdate: (progress) => seen.push(progress) });
    expect(stage.written).toBe("");
    expect(seen.map(({ count, state }) => `${count} ${state}`)).toEqual([
      "0 running",
      "2 running",
      "4 running",
      "6 running",
      "6 finished",
    ]);
    expect(seen.at(-1)).toEqual({
      label: "train",
      unit: "it",
      count: 6,
      total: 6,
      seconds: 0.3,
      rate: 20,
      secondsLeft: undefined,
      message: "",
      state: "finished",
    });
  });
});

describe("a browser", () => {
  it("is told at the end only", () => {
    const stage = scene({ name: "browser" });
    run(stage, 3, 10_000);
    expect(lines(stage)).toEqual(["3/3 it (100%), 10.0 s/it, finished after 0:30"]);
  });
});

describe("Meter", () => {
  it("forgets a slow first step", () => {
    const meter = new Meter("", "it", 1000, 0);
    meter.step(10_000);
    let now = 10_000;
    for (let i = 0; i < 500; i++) meter.step((now += 10));
    const { rate, secondsLeft } = meter.read(now, "", "running");
    expect(rate).toBeGreaterThan(95);
    expect(secondsLeft).toBeLessThan(6);
    expect(meter.read(now, "", "finished").rate).toBeCloseTo(501 / 15);
  });

  it("claims no rate before the first item, and no rest past the total", () => {
    const meter = new Meter("", "it", 1, 0);
    expect(meter.read(100, "", "running")).toMatchObject({ rate: undefined, secondsLeft: undefined });
    meter.step(100);
    meter.step(200);
    expect(meter.read(200, "", "running")).toMatchObject({ count: 2, rate: 10, secondsLeft: undefined });
  });
});

describe("text", () => {
  const progress: Progress = {
    label: "t",
    unit: "it",
    count: 3,
    total: undefined,
    seconds: 75,
    rate: 0.04,
    secondsLeft: undefined,
    message: "loss 1",
    state: "running",
  };

  it("of an unknown total has neither bar nor percent", () => {
    expect(plainLine(progress)).toBe("t: 3 it, 25.0 s/it, loss 1");
    expect(barLine(progress, 80, true)).toBe("t  3 it  25.0 s/it  1:15  loss 1");
  });

  it("of a bar shows eighths, never more than all", () => {
    const at = (count: number, total: number) => barLine({ ...progress, count, total, message: "" }, 40, false);
    expect(at(1, 64)).toBe("t   1% ▏·········· 1/64  25.0 s/it  1:15");
    expect(at(9, 3)).toBe("t 300% ████████████ 9/3  25.0 s/it  1:15");
    expect(at(0, 0)).toBe("t 100% ████████████ 0/0  25.0 s/it  1:15");
  });

  it("too long for the line is cut and says so", () => {
    expect(barLine({ ...progress, message: "x".repeat(50) }, 30, false)).toBe("t  3 it  25.0 s/it  1:15  xxx…");
  });

  it.each([
    [1234.5, "1235 it/s"],
    [99.96, "100.0 it/s"],
    [12.34, "12.3 it/s"],
    [1, "1.00 it/s"],
    [0.4, "2.50 s/it"],
  ])("shows a rate of %d", (rate, shown) => expect(showRate(rate, "it")).toBe(shown));

  it.each([
    [0.4, "0:00"],
    [59.6, "1:00"],
    [3661, "1:01:01"],
    [90_000, "25:00:00"],
  ])("shows %d seconds", (seconds, shown) => expect(showDuration(seconds)).toBe(shown));

  it("of values keeps whole numbers and shows four digits of others", () => {
    const values = new Map<string, number | string>([
      ["a", 12345],
      ["b", 1 / 3],
      ["c", NaN],
      ["d", "free text"],
    ]);
    expect(showValues(values)).toBe("a 12345, b 0.3333, c NaN, d free text");
  });
});

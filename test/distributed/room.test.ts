/** Runs under seeded schedules and faults: whatever happens, what must hold holds (simulation.ts). */
import { describe, expect, test } from "vitest";
import { hashOf } from "../../src/distributed/replica.ts";
import { codecNames } from "../../src/distributed/wire.ts";
import { largeModel, Simulation } from "./simulation.ts";

const seeds = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe("a run", () => {
  test.each([1, 2, 3, 5, 8])("of %i workers ends, in the bits of a replay", async (workers) => {
    const sim = new Simulation({ seed: workers, workers, room: { minWorkers: workers } });
    await sim.run();
    const last = sim.commits.size;
    for (const w of sim.workers) expect(w.participant.replica.hash()).toBe(sim.hashes.get(last));
    expect(sim.room.metrics).toMatchObject({ aborted: 0, dropped: 0, hashMismatches: 0, refused: 0 });
  });

  test("gives the same bits whatever the order of events", async () => {
    const ends = new Map<string, Set<string>>();
    for (const seed of seeds(12)) {
      const sim = new Simulation({ seed, workers: 3, room: { minWorkers: 3, minDeadlineMs: 1e6, globalBatch: 12 } });
      await sim.run();
      // Whose values the run begins with is decided by who comes first.
      const beginning = hashOf(sim.initial!.arrays);
      ends.set(beginning, (ends.get(beginning) ?? new Set()).add(sim.hashes.get(sim.commits.size)!));
    }
    expect(ends.size).toBe(3);
    for (const set of ends.values()) expect(set.size).toBe(1);
  });

  test.each(codecNames)("with codec %s keeps all replicas equal", async (codec) => {
    const sim = new Simulation({ seed: 3, workers: 3, codec, faultEvery: 150 });
    await sim.run();
  });

  test("of many chunks under faults", async () => {
    for (const seed of seeds(2)) {
      const sim = new Simulation({
        seed,
        workers: 3,
        model: largeModel,
        samples: 40,
        epochs: 1,
        faultEvery: 60,
        room: { window: 2 },
      });
      await sim.run();
      expect(sim.faults).toBeGreaterThan(0);
    }
  });
});

describe("faults", () => {
  test("of workers: 30 seeded runs, cuts, kills, sleeps and joins", async () => {
    let faults = 0;
    for (const seed of seeds(30)) {
      const sim = new Simulation({ seed, workers: 2 + (seed % 4), faultEvery: 40 });
      await sim.run();
      faults += sim.faults;
    }
    expect(faults).toBeGreaterThan(300);
  });

  test("of the server too: 30 seeded runs without a disk, no committed step lost", async () => {
    for (const seed of seeds(30)) {
      const sim = new Simulation({ seed, workers: 2 + (seed % 4), faultEvery: 60, serverFaults: true });
      await sim.run();
    }
  });

  test("of the server too: with snapshots every few steps", async () => {
    for (const seed of seeds(15)) {
      const sim = new Simulation({
        seed,
        workers: 3,
        faultEvery: 60,
        serverFaults: true,
        room: { saveEvery: 3 },
      });
      await sim.run();
    }
  });
});

/** Workers and servers as processes: real training, and kill -9 of either. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Workshop, type Line, type Program } from "./processes.ts";

const folder = join(process.env["TEXGRAD_DATA"] ?? "../shared/data", "mnist");
const digits = existsSync(join(folder, "t10k-images-idx3-ubyte.gz")) ? folder : null;

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.open(["server", "worker"]);
}, 60_000);
afterAll(() => workshop.close());

async function serve(port: number, name: string, room: object): Promise<{ program: Program; port: number }> {
  const program = workshop.start("server", [String(port), join(workshop.folder, name), JSON.stringify({ room })]);
  const line = await program.line(({ event }) => event === "port");
  return { program, port: Number(line["port"]) };
}

const work = (port: number, job: object): Program =>
  workshop.start("worker", [JSON.stringify({ folder: digits, tests: 1000, hidden: 24, ...job })], {
    TEXGRAD_SERVER: `ws://127.0.0.1:${port}/runs/default`,
  });

const end = (p: Program): Promise<Line> => p.line((line) => line["end"] === true);
const stepped = (p: Program, step: number): Promise<Line> => p.line((line) => Number(line["step"]) >= step);

describe("processes", () => {
  test("three workers reach on digits what one reaches, with equal weights", { timeout: 120_000 }, async () => {
    const accuracy: number[] = [];
    for (const workers of [1, 3]) {
      const { program, port } = await serve(0, `train-${workers}`, { minWorkers: workers });
      const job = { samples: 1800, batchSize: 60 / workers, epochs: 2 };
      const all = Array.from({ length: workers }, () => work(port, job));
      const ends = await Promise.all(all.map(end));
      expect(new Set(ends.map(({ hash }) => hash)).size).toBe(1);
      expect(ends[0]!["step"]).toBe(60);
      accuracy.push(Number(ends[0]!["accuracy"]));
      program.kill();
    }
    // Of 1,000 digits at 85 %, three standard deviations of a difference are 48, but the two sets of guesses go together.
    expect(accuracy[0]!).toBeGreaterThan(0.75);
    expect(Math.abs(accuracy[0]! - accuracy[1]!)).toBeLessThan(0.04);
  });

  test("kill -9 of a worker, then of the server: nothing committed is lost", { timeout: 120_000 }, async () => {
    const room = { minWorkers: 3, saveEvery: 5, minDeadlineMs: 500, firstDeadlineMs: 30_000, gatherMs: 2000 };
    const first = await serve(0, "kill", room);
    const job = { samples: 1200, batchSize: 8, epochs: 1, pauseMs: 20 };
    const workers = [work(first.port, job), work(first.port, job), work(first.port, job)];
    await Promise.all(workers.map((w) => stepped(w, 5)));

    workers[2]!.kill();
    const killed = performance.now();
    const before = Math.max(...workers[0]!.lines.map((l) => Number(l["step"])));
    await stepped(workers[0]!, before + 2);
    // The deadline, and 2 s; twice that, for the other tests that run besides.
    expect(performance.now() - killed).toBeLessThan(2 * (500 + 2000));

    await stepped(workers[0]!, before + 6);
    first.program.kill();
    await first.program.ended;
    const committed = Math.max(...workers.flatMap((w) => w.lines.map((l) => Number(l["step"]))));
    const again = await serve(first.port, "kill", { ...room, minWorkers: 1 });
    const restarted = performance.now();
    await again.program.line(({ event }) => event === "port");
    await stepped(workers[0]!, committed + 2);
    expect(performance.now() - restarted).toBeLessThan(2 * 5000);
    expect(Number((await again.program.line(({ event }) => event === "run"))["lastStep"])).toBeGreaterThanOrEqual(
      committed,
    );

    // One more comes, and all end alike.
    const late = work(first.port, job);
    const ends = await Promise.all([workers[0]!, workers[1]!, late].map(end));
    expect(new Set(ends.map(({ hash }) => hash)).size).toBe(1);
    // Committed steps are numbered without a gap, each once.
    const steps = workers[0]!.lines.filter((l) => l["counted"] === true).map((l) => Number(l["step"]));
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
    again.program.kill();
  });
});

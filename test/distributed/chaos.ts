/**
 * Chaos: real workers and a real server, and faults of every kind at moments and bytes a seed chooses. After each run:
 *
 * - all workers that reach the end hold the same bits, and no two living workers ever differed after the same step;
 * - steps are numbered without a gap, and each sample was committed once an epoch;
 * - the run ended, and no program died but by our hand.
 *
 * `npm run chaos -- --runs 20 --faults 25 --seed 1`. The last line is `N passed, N failed`, in runs. Schedules at every
 * message, by the thousand and without processes, are room.test.ts's.
 */
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Workshop, type Line, type Program } from "./processes.ts";
import { randomNumbers } from "./simulation.ts";

const EPOCHS = 1;
const SAMPLES = 600;
const WORKERS = 3;
/** A run that takes longer hangs. */
const RUN_MS = 110_000;
const ROOM = { minWorkers: 1, saveEvery: 7, minDeadlineMs: 300, firstDeadlineMs: 3000, hashEvery: 3 };

/** What stands between a worker and the server, and can cut, hold and truncate. */
class Cable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #target: number;
  /** Bytes that may still pass before the connection is cut; infinite most of the time. */
  #allowance = Infinity;

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((worker) => {
      const server = createConnection(this.#target, "127.0.0.1");
      const pair = [worker, server] as const;
      this.#pairs.add(pair);
      const end = (): void => {
        this.#pairs.delete(pair);
        worker.destroy();
        server.destroy();
      };
      for (const [from, to] of [pair, [server, worker] as const]) {
        from.on("error", end).on("close", end);
        from.on("data", (part: Buffer) => {
          const passed = part.subarray(0, Math.min(part.length, this.#allowance));
          this.#allowance -= part.length;
          if (!to.destroyed) to.write(passed);
          if (this.#allowance > 0) return;
          this.#allowance = Infinity;
          end();
        });
      }
    });
  }
  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }
  /** Cuts after so many more bytes, in the middle of whatever they are. */
  truncate(bytes: number): void {
    this.#allowance = bytes;
  }
  /** Lets nothing through for a while. */
  hold(ms: number): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
    setTimeout(() => {
      for (const pair of this.#pairs) for (const socket of pair) socket.resume();
    }, ms);
  }
  close(): void {
    this.cut();
    this.#server.close();
  }
}

interface Member {
  readonly program: Program;
  readonly line: Cable;
  isDead: boolean;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class ChaosRun {
  readonly #workshop: Workshop;
  readonly #random: (below: number) => number;
  readonly #name: string;
  #members: Member[] = [];
  readonly #everybody: Member[] = [];
  readonly #servers: Program[] = [];
  #port = 0;
  readonly counts = new Map<string, number>();

  constructor(workshop: Workshop, seed: number) {
    this.#workshop = workshop;
    this.#random = randomNumbers(seed);
    this.#name = `chaos-${seed}`;
  }

  async #serve(): Promise<void> {
    const folder = join(this.#workshop.folder, this.#name);
    const program = this.#workshop.start("server", [String(this.#port), folder, JSON.stringify({ room: ROOM })]);
    this.#servers.push(program);
    this.#port = Number((await program.line(({ event }) => event === "port"))["port"]);
  }

  async #join(): Promise<void> {
    const line = new Cable(this.#port);
    const port = await line.open();
    const job = { folder: null, samples: SAMPLES, tests: 10, batchSize: 4, epochs: EPOCHS, hidden: 16, pauseMs: 60 };
    const program = this.#workshop.start("worker", [JSON.stringify(job)], {
      TEXGRAD_SERVER: `ws://127.0.0.1:${port}/runs/chaos`,
    });
    const member = { program, line, isDead: false };
    this.#members.push(member);
    this.#everybody.push(member);
  }

  /** One fault of the seed's choice. */
  async #fault(): Promise<void> {
    const random = this.#random;
    const member = this.#members[random(this.#members.length)]!;
    const faults: readonly (readonly [string, () => Promise<void> | void])[] = [
      ["cut", () => member.line.cut()],
      ["truncate", () => member.line.truncate(random(60_000))],
      ["delay", () => member.line.hold(random(800))],
      ["stop worker", () => this.#stop(member.program, random(900))],
      ["stop server", () => this.#stop(this.#servers.at(-1)!, random(600))],
      [
        "kill worker",
        async () => {
          member.isDead = true;
          member.program.kill();
          member.line.close();
          this.#members = this.#members.filter((m) => m !== member);
          await this.#join();
        },
      ],
      [
        "kill server",
        async () => {
          const server = this.#servers.at(-1)!;
          server.kill();
          await server.ended;
          await wait(random(300));
          await this.#serve();
        },
      ],
    ];
    const [name, act] = faults[random(faults.length)]!;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    await act();
  }

  #stop({ child }: Program, ms: number): void {
    child.kill("SIGSTOP");
    setTimeout(() => child.kill("SIGCONT"), ms);
  }

  /** So many faults, then the end; gives what was violated. */
  async run(faults: number): Promise<string[]> {
    await this.#serve();
    for (let i = 0; i < WORKERS; i++) await this.#join();
    await this.#members[0]!.program.line(({ step }) => Number(step) >= 2);
    for (let i = 0; i < faults; i++) {
      if (this.#members.some(({ program }) => program.lines.some((line) => line["end"] === true))) break;
      await this.#fault();
      await wait(50 + this.#random(350));
    }
    const ends = Promise.all(this.#members.map(({ program }) => program.line((line) => line["end"] === true)));
    const late = wait(RUN_MS).then(() => null);
    let finished: Awaited<typeof ends> | null;
    try {
      finished = await Promise.race([ends, late]);
    } catch (error) {
      return [`a worker ended by itself: ${String(error)}`];
    }
    if (finished === null) return [`not finished after ${RUN_MS / 1000} s: ${this.#state()}`];
    const violations = this.#violations();
    if (new Set(finished.map(({ hash }) => hash)).size !== 1) violations.push("I2: workers end with different weights");
    for (const { program, line } of this.#members) {
      line.close();
      program.kill();
    }
    this.#servers.at(-1)!.kill();
    return violations;
  }

  #state(): string {
    const workers = this.#members.map(({ program }) => JSON.stringify(program.lines.at(-1)));
    const server = this.#servers
      .at(-1)!
      .lines.slice(-8)
      .map((line) => JSON.stringify(line));
    return [...workers, ...server].join("\n  ");
  }

  #violations(): string[] {
    const found: string[] = [];
    // A commit that only the killed have heard of may be made anew.
    const hashes = new Map<number, unknown>();
    for (const { program, isDead } of this.#everybody) {
      if (isDead) continue;
      for (const { at, hash } of program.lines) {
        if (at === undefined) continue;
        const known = hashes.get(Number(at));
        if (known !== undefined && known !== hash) found.push(`I2: two workers differ after step ${Number(at)}`);
        hashes.set(Number(at), hash);
      }
    }
    const logged = this.#servers.flatMap(({ lines }) => lines);
    const commits = new Map<number, Line>();
    for (const { lines } of this.#servers) {
      // What this server did not take over was committed to nobody who lives.
      const began = lines.find(({ event }) => event === "commit");
      if (began !== undefined) {
        for (const step of commits.keys()) if (step >= Number(began["step"])) commits.delete(step);
      }
      for (const line of lines) if (line["event"] === "commit") commits.set(Number(line["step"]), line);
    }
    const seen = Array.from({ length: EPOCHS }, () => new Uint8Array(SAMPLES));
    for (let step = 1; step <= commits.size; step++) {
      const commit = commits.get(step);
      if (commit === undefined) {
        found.push(`I5: there is no commit ${step} of ${commits.size}`);
        break;
      }
      for (const [from, to] of commit["ranges"] as [number, number][]) {
        for (let i = from; i < to; i++) seen[Number(commit["epoch"])]![i]! += 1;
      }
    }
    const wrong = seen.flatMap((epoch) => [...epoch]).filter((n) => n !== 1).length;
    if (wrong > 0) found.push(`I4: ${wrong} samples were not committed once`);
    for (const { event, error } of logged)
      if (event === "internal error") found.push(`internal error: ${String(error)}`);
    return found;
  }
}

const { values } = parseArgs({
  options: { runs: { type: "string" }, faults: { type: "string" }, seed: { type: "string" } },
});
const [runs, faults, first] = [Number(values.runs ?? 20), Number(values.faults ?? 25), Number(values.seed ?? 1)];
const workshop = await Workshop.open(["server", "worker"]);
let [passed, failed, injected] = [0, 0, 0];
try {
  for (let seed = first; seed < first + runs; seed++) {
    const began = performance.now();
    const run = new ChaosRun(workshop, seed);
    const violations = await run.run(faults);
    const counts = [...run.counts].map(([name, n]) => `${n} ${name}`).join(", ");
    injected += [...run.counts.values()].reduce((a, b) => a + b, 0);
    console.log(
      `seed ${seed}: ${violations.length} violations, ${((performance.now() - began) / 1000).toFixed(1)} s (${counts})`,
    );
    for (const violation of violations) console.log(`  ${violation}`);
    if (violations.length === 0) passed++;
    else failed++;
  }
} finally {
  await workshop.close();
}
console.log(`${injected} faults injected`);
console.log(`${passed} passed, ${failed} failed`);
// Timers of runs that are over are nothing to wait for.
process.exit(failed > 0 ? 1 : 0);

/**
 * `texgrad launch`: a server and several workers of one script on this machine, as torchrun does.
 *
 * Workers find the server in TEXGRAD_SERVER and their name in TEXGRAD_WORKER. What they print is printed with their
 * number in front.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { TexgradError } from "../src/index.ts";

export const usage = `texgrad launch --workers N [options] script.js [arguments of the script]

  --workers N          how many; the first step waits for all
  --restarts N         how often workers that fail are started again, in all (default 0)
  --port N             of the server (default 0: any free one); http://127.0.0.1:PORT/ shows the run
  --folder DIR         keep the run here, with a snapshot every 100 steps

The script: await initProcessGroup(), then as alone (docs/distributed.md).`;

export async function run(args: readonly string[]): Promise<number> {
  try {
    return await launch(args);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`texgrad launch: ${error.message}`);
    return 1;
  }
}

interface Plan {
  readonly workers: number;
  readonly restarts: number;
  readonly port: number;
  readonly folder: string | undefined;
  readonly script: string;
  readonly rest: readonly string[];
}

function planOf(args: readonly string[]): Plan {
  // What stands behind the script is the script's own.
  const at = args.findIndex((arg, i) => !arg.startsWith("--") && !(args[i - 1] ?? "").startsWith("--"));
  const own = at < 0 ? args : args.slice(0, at);
  const options = {
    workers: { type: "string" },
    restarts: { type: "string" },
    port: { type: "string" },
    folder: { type: "string" },
  } as const;
  const { values } = parseArgs({ args: [...own], options });
  const count = (name: "workers" | "restarts" | "port", least: number): number => {
    const value = Number(values[name] ?? 0);
    if (Number.isInteger(value) && value >= least) return value;
    throw new TexgradError(`--${name} ${values[name] ?? ""}: takes a whole number from ${least}`);
  };
  const script = at < 0 ? undefined : args[at];
  if (script === undefined) throw new TexgradError(`no script given\n\n${usage}`);
  if (!existsSync(script)) throw new TexgradError(`${script}: there is no such file`);
  const [workers, restarts, port] = [count("workers", 1), count("restarts", 0), count("port", 0)];
  return { workers, restarts, port, folder: values.folder, script, rest: args.slice(at + 1) };
}

async function launch(args: readonly string[]): Promise<number> {
  const { workers, restarts, port, folder, script, rest } = planOf(args);
  // Loaded here: other commands need no server.
  const { createServer } = await import("../src/distributed/server/index.ts");
  const server = await createServer({
    port,
    room: { minWorkers: workers, ...(folder === undefined ? {} : { saveEvery: 100 }) },
    ...(folder === undefined ? {} : { folder }),
  });
  console.error(`texgrad: ${workers} workers, http://127.0.0.1:${server.port}/`);
  const children = new Set<ChildProcess>();
  let left = restarts;
  let isStopping = false;
  const work = (i: number): Promise<number> =>
    new Promise((resolve) => {
      const env = { ...process.env, TEXGRAD_SERVER: server.url(), TEXGRAD_WORKER: `worker ${i}` };
      const child = spawn(process.execPath, [script, ...rest], { env, stdio: ["ignore", "pipe", "pipe"] });
      children.add(child);
      createInterface(child.stdout).on("line", (line) => console.log(`[${i}] ${line}`));
      createInterface(child.stderr).on("line", (line) => console.error(`[${i}] ${line}`));
      child.on("close", (code, signal) => {
        children.delete(child);
        if (code !== 0 && !isStopping) console.error(`texgrad: worker ${i} ended by ${signal ?? `code ${code}`}`);
        if (code === 0 || isStopping || left === 0) return resolve(code ?? 1);
        left -= 1;
        resolve(work(i));
      });
    });
  const stop = (): void => {
    isStopping = true;
    for (const child of children) child.kill();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  const codes = await Promise.all(Array.from({ length: workers }, (_, i) => work(i)));
  await server.close();
  return Math.max(...codes);
}

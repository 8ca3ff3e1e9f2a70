/**
 * `npm run bench [-- W5 W6 ...] [-- --json FILE] [--rounds N] [--engines NAMES]`: texgrad beside TensorFlow.js and jax-js in
 * headless Chromium. Exits with 1 where the run is refused.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { installPeers } from "../peers.ts";
import { engines, serveEngines, texgrad } from "./engines.ts";
import { measure, type Measured } from "./measure.ts";
import { refusals, rowsOf, table } from "./report.ts";
import { workloads } from "./workloads.ts";

const usage = `npm run bench -- [W1 .. W8] [--rounds N] [--engines tfjs-webgl,jax-js-webgl] [--json FILE] [--renderer NAME]`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: "string" },
      rounds: { type: "string", default: "9" },
      engines: { type: "string", default: engines.map(({ name }) => name).join() },
      renderer: { type: "string", default: "llvmpipe" },
    },
  });
  const asked = new Set(positionals.map((name) => name.toUpperCase()));
  const known = new Set(workloads.map(({ name }) => name));
  const rounds = Number(values.rounds);
  const named = new Set(values.engines.split(","));
  const peers = engines.filter((engine) => engine !== texgrad && named.has(engine.name));
  if ([...asked].some((name) => !known.has(name)) || !(rounds >= 1)) {
    console.error(`bench: takes ${[...known].join(" ")}\n${usage}`);
    return 2;
  }
  const root = process.cwd();
  installPeers(root);
  const chosen = workloads.filter(({ name }) => asked.size === 0 || asked.has(name));
  const running = [texgrad, ...peers];
  const site = await serveEngines(root, running);
  try {
    const measured: Measured[] = [];
    for (const workload of chosen) {
      measured.push(await measure(site, running, workload, { rounds, renderer: values.renderer }));
    }
    const rows = measured.flatMap(rowsOf);
    const refused = refusals(measured, rows);
    console.log(`\n${table(rows)}\n`);
    for (const reason of refused) console.log(`REFUSED: ${reason}`);
    const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, date: new Date().toISOString() };
    if (values.json !== undefined) {
      writeFileSync(
        values.json,
        `${JSON.stringify({ machine, rounds, refused, rows, measured: plain(measured) }, null, 1)}\n`,
      );
    }
    return refused.length > 0 ? 1 : 0;
  } finally {
    await site.close();
  }
}

/** Maps as objects, which JSON has. */
const plain = (measured: readonly Measured[]): unknown =>
  measured.map(({ workload, starts, rounds }) => ({
    workload,
    starts: Object.fromEntries(starts),
    rounds: Object.fromEntries(rounds),
  }));

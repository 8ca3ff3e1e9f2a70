/**
 * `node bench/distributed/main.mjs [--workers 8] [--elements 11700000] [--steps 20] [--pairs 3] [--codecs f32,int8]`
 *
 * The training server beside bare ws on the same frames, in interleaved pairs, with a copy of the same bytes as a
 * yardstick of the machine: ms a step, bytes a second in each direction, CPU seconds of the server a GB moved.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundle, sourceAliases } from "../../tools/browser/bundle.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const text = { type: /** @type {const} */ ("string") };
const { values } = parseArgs({ options: { workers: text, elements: text, steps: text, pairs: text, codecs: text } });
const workers = Number(values.workers ?? 8);
const elements = Number(values.elements ?? 11_700_000);
const steps = Number(values.steps ?? 20);
const pairs = Number(values.pairs ?? 3);
const codecs = (values.codecs ?? "f32").split(",");

mkdirSync(join(root, ".texgrad"), { recursive: true });
const folder = mkdtempSync(join(root, ".texgrad", "bench-"));

/** @param {string} name */
async function make(name) {
  const code = await bundle({
    entryPoints: [join(root, "bench/distributed", `${name}.ts`)],
    alias: sourceAliases(root, "node"),
    platform: "node",
    target: "node20",
    external: ["ws", "gl"],
  });
  writeFileSync(join(folder, `${name}.mjs`), code);
}

/**
 * A program and its next line of JSON.
 *
 * @param {string} name
 * @param {(string | number)[]} args
 */
function start(name, args) {
  const child = spawn(process.execPath, [join(folder, `${name}.mjs`), ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return { child, next: async () => JSON.parse((await lines.next()).value) };
}

/**
 * @param {string} mode
 * @param {string} codec
 */
async function measure(mode, codec) {
  const server = start("server", [mode, workers, elements]);
  const { port } = await server.next();
  const clients = start("clients", [mode, port, workers, elements, steps, codec]);
  const { times, bytesUp } = await clients.next();
  server.child.kill("SIGUSR2");
  const { cpu, rss } = await server.next();
  server.child.kill();
  // The first step waits for everybody to come, the second compiles.
  const sorted = times.slice(2).sort((/** @type {number} */ a, /** @type {number} */ b) => a - b);
  const median = sorted[sorted.length >> 1];
  const up = bytesUp / steps;
  return {
    median,
    p99: sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))],
    rate: up / median / 1e6,
    // Up and down; joiners' states are moved too.
    cpu: cpu / ((2 * bytesUp + (mode === "raw" ? 0 : workers * 4 * elements)) / 1e9),
    rss: rss / 2 ** 20,
  };
}

function copyMs() {
  const from = new Uint8Array(4 * elements);
  const to = new Uint8Array(from.length);
  const began = performance.now();
  for (let i = 0; i < 5; i++) to.set(from);
  return (performance.now() - began) / 5;
}

try {
  await Promise.all([make("server"), make("clients")]);
  console.log(`${workers} workers, ${((4 * elements) / 1e6).toFixed(1)} MB of f32, ${steps} steps, ${pairs} pairs`);
  for (const codec of codecs) {
    const ratios = [];
    for (let pair = 0; pair < pairs; pair++) {
      const raw = await measure("raw", codec);
      const ours = await measure("texgrad", codec);
      ratios.push(ours.rate / raw.rate);
      const show = (/** @type {string} */ name, /** @type {typeof raw} */ m) =>
        `${name}: ${m.median.toFixed(0)} ms a step (p99 ${m.p99.toFixed(0)}), ${m.rate.toFixed(2)} GB/s each way, ${m.cpu.toFixed(2)} core-s/GB, ${m.rss.toFixed(0)} MiB`;
      console.log(
        `${codec} ${show("ws", raw)}\n${codec} ${show("texgrad", ours)}; copying the bytes once ${copyMs().toFixed(0)} ms`,
      );
    }
    ratios.sort((a, b) => a - b);
    console.log(`${codec}: ${ratios[ratios.length >> 1].toFixed(2)} of what bare ws moves (median of ${pairs})`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

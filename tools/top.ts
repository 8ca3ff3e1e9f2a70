/** `texgrad top`: a training server at a glance, in the terminal. */
import { parseArgs } from "node:util";
import type { RunStatus } from "../src/distributed/server/index.ts";
import { sparkline } from "./picture.ts";

export const usage = `texgrad top [http://HOST:PORT] [--token TOKEN] [--once]

Shows the runs of a training server, every second; --once shows them once. Default http://127.0.0.1:8740, TEXGRAD_TOKEN.`;

const PAUSE_MS = 1000;

export async function run(args: readonly string[]): Promise<number> {
  const options = { token: { type: "string" }, once: { type: "boolean" } } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const base = positionals[0] ?? "http://127.0.0.1:8740";
  const token = values.token ?? process.env["TEXGRAD_TOKEN"];
  const isLive = values.once !== true && process.stdout.isTTY;
  for (;;) {
    try {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const answer = await fetch(new URL("/status.json", base), { headers });
      if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).trim()}`);
      const runs = (await answer.json()) as readonly RunStatus[]; // what our own server sends
      const text = runs.length === 0 ? "no run yet" : runs.map(describe).join("\n\n");
      process.stdout.write(isLive ? `\x1b[H\x1b[2J${text}\n` : `${text}\n`);
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      console.error(`texgrad top: ${base}: ${cause instanceof Error ? cause.message : String(cause)}`);
      if (!isLive) return 1;
    }
    if (!isLive) return 0;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function describe(run: RunStatus): string {
  const { step, epoch, samplesLeft, loss, medianStepMs, cuts, stragglers, history } = run;
  const losses = history.flatMap((h) => (h.loss === null ? [] : [h.loss]));
  const head =
    `${run.run}${run.isFinished ? " (finished)" : ""}: step ${step}, epoch ${epoch + 1}, ${samplesLeft} samples left, ` +
    `loss ${loss === null ? "-" : loss.toPrecision(4)}, ${Math.round(medianStepMs)} ms a step, ` +
    `${cuts} cuts, ${stragglers} stragglers`;
  const rows = run.workers.map((w) => [
    String(w.slot),
    w.name,
    w.isConnected ? w.stage : "away",
    `${w.steps} steps`,
    `${w.samples} samples`,
    w.loss === null ? "" : `loss ${w.loss.toPrecision(4)}`,
    `${(w.bytesIn / 1e6).toFixed(1)} MB`,
  ]);
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const table = rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")}`.trimEnd());
  return [head, ...(losses.length > 1 ? [`  ${sparkline(losses)}`] : []), ...table].join("\n");
}

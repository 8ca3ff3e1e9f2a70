/**
 * `npm run chaos -- --runs 20 --faults 25 --seed 1`: bundles test/distributed/chaos.ts, which is TypeScript, and runs it.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundle, sourceAliases } from "./browser/bundle.mjs";
import { root } from "./setup.mjs";

const parent = join(root, ".texgrad");
mkdirSync(parent, { recursive: true });
const folder = mkdtempSync(join(parent, "chaos-"));
try {
  const program = join(folder, "chaos.mjs");
  const text = await bundle({
    entryPoints: [join(root, "test/distributed/chaos.ts")],
    alias: sourceAliases(root, "node"),
    platform: "node",
    target: "node20",
    external: ["ws", "gl", "esbuild", "vitest"],
  });
  writeFileSync(program, text);
  const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * `npm start`: set-up, build where stale, then the training job with the arguments given. What set-up finds missing is
 * said in one line, and the job goes on with the cpu device.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildIfStale } from "./build.mjs";
import { root, setUp } from "./setup.mjs";

try {
  const missing = await setUp();
  if (missing !== undefined) console.error(`set-up: ${missing}`);
} catch (error) {
  console.error(`set-up: ${error.message}`);
  process.exit(1);
}
if (!buildIfStale()) process.exit(1);

const job = join(root, "dist/tools/train.js");
if (!existsSync(job)) {
  console.error("npm start: there is no training job yet (tools/train.ts)");
  process.exit(1);
}
const { status } = spawnSync(process.execPath, [job, ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
process.exit(status ?? 1);

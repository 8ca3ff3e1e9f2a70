/**
 * One set-up at a time: a folder, which only one process can make, with a file in it named after that process.
 *
 * A holder that died is passed over. Removing *its* file is what takes the lock from it, so that of several waiters one
 * succeeds and none can take the lock from a holder that lives. Not here: what is done under the lock.
 */
import { mkdirSync, readdirSync, rmdirSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Runs `body` when no other living process holds the lock. */
export async function withLock(folder, say, body) {
  for (let waits = 0; !take(folder); waits++) {
    if (waits === 5) say(`waiting for another set-up (process ${holderOf(folder) ?? "unknown"})`);
    await sleep(200);
  }
  const own = join(folder, String(process.pid));
  try {
    writeFileSync(own, "");
    return await body();
  } finally {
    attempt(() => unlinkSync(own));
    attempt(() => rmdirSync(folder));
  }
}

function take(folder) {
  if (attempt(() => mkdirSync(folder))) return true;
  const holder = holderOf(folder);
  if (holder !== undefined) return !isAlive(Number(holder)) && attempt(() => unlinkSync(join(folder, holder)));
  // Empty for an instant while it is taken or left; for longer only where a process died in that instant.
  attempt(() => Date.now() - statSync(folder).mtimeMs > 10_000 && rmdirSync(folder));
  return false;
}

/** The name of the file in the folder, or undefined. */
function holderOf(folder) {
  try {
    return readdirSync(folder)[0];
  } catch {
    return undefined;
  }
}

/** Whether it went through. Each of these calls fails exactly when another process was faster. */
function attempt(call) {
  try {
    call();
    return true;
  } catch (error) {
    if (["EEXIST", "ENOENT", "ENOTEMPTY"].includes(error.code)) return false;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

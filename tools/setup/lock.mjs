/**
 * One set-up at a time: a file with the holder's process id. Not here: what is done under the lock.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Runs `body` when no other process holds the lock; a holder that died is passed over. */
export async function withLock(path, say, body) {
  for (let waits = 0; !take(path); waits++) {
    const holder = readHolder(path);
    if (holder !== undefined && !isAlive(holder)) {
      // Renaming is atomic, so of several waiters only one gets the dead holder's file.
      try {
        const stale = `${path}.${process.pid}`;
        renameSync(path, stale);
        rmSync(stale);
      } catch {
        // Another waiter was faster.
      }
      continue;
    }
    if (waits === 5) say(`waiting for another set-up (process ${holder ?? "unknown"})`);
    await sleep(200);
  }
  try {
    return await body();
  } finally {
    rmSync(path, { force: true });
  }
}

function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined while the holder is between making the file and writing its number. */
function readHolder(path) {
  try {
    return Number(readFileSync(path, "utf8")) || undefined;
  } catch {
    return undefined;
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

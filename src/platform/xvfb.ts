/**
 * An X server of our own, for one process: Xvfb, started where no display exists.
 *
 * It is started detached with -terminate, so it waits for its first client and leaves when the last one is gone: the
 * process that draws needs no exit handler, and a crash leaves nothing behind. Not here: any GL.
 */
import { spawnSync } from "node:child_process";

export interface OwnDisplay {
  /** For DISPLAY, e.g. ":3". */
  readonly name: string;
  /** For the case that no client ever connects; afterwards the server leaves by itself. */
  stop(): void;
}

/**
 * The shell leaves at once and the server is inherited by init, so this process never has a child to reap. spawnSync
 * returns when the last writer of the pipe is gone, and Xvfb closes its -displayfd once it accepts clients: no polling.
 */
const script =
  'command -v Xvfb >/dev/null || exit 127; Xvfb -displayfd 3 -terminate -nolisten tcp -screen 0 16x16x24 3>&1 >/dev/null 2>&1 </dev/null & echo "pid $!"';

/** Starts Xvfb and waits until it accepts clients. */
export function startOwnDisplay(): OwnDisplay | "not installed" | "did not start" {
  // Two servers that start at once may pick the same number; the loser exits without writing one.
  for (let attempt = 0; attempt < 3; attempt++) {
    const { stdout, status } = spawnSync("/bin/sh", ["-c", script], {
      encoding: "utf8",
      detached: true,
      timeout: 20_000,
      stdio: ["ignore", "pipe", "ignore"],
    } as SpawnSyncDetached);
    if (status === 127) return "not installed";
    const pid = Number(/^pid (\d+)$/m.exec(stdout)?.[1]);
    const display = /^(\d+)$/m.exec(stdout)?.[1];
    const stop = (): void => {
      try {
        process.kill(pid);
      } catch {
        // It has left already.
      }
    };
    if (display !== undefined) return { name: `:${display}`, stop };
    if (pid > 0) stop();
  }
  return "did not start";
}

/** Node's spawnSync honours `detached` (a session of its own, so that Ctrl-C does not reach Xvfb); the types omit it. */
type SpawnSyncDetached = { encoding: "utf8"; detached: true; timeout: number; stdio: ["ignore", "pipe", "ignore"] };

/**
 * texgrad's platform in Node. Not here: how a context is made; see headless-gl.ts.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHeadlessContext } from "./headless-gl.ts";
import type { Platform, TextStorage } from "./types.ts";

export { openSocket } from "./socket-node.ts";

export const platform: Platform = {
  name: "node",
  readsSynchronously: true,
  env: (name) => process.env[name],
  loadOwn: (path) => import(new URL(`../${path}${import.meta.url.slice(-3)}`, import.meta.url).href),
  createContext: createHeadlessContext,
  readBytes,
  writeBytes,
  isTerminal: () => process.stderr.isTTY,
  columns: () => process.stderr.columns ?? 80,
  write: (text) => void process.stderr.write(text),
  warn: (text) => void process.stderr.write(`texgrad: ${text}\n`),
};

/** A name becomes a file's: what no file may be called by becomes a dash. */
export function openStorage(place = cacheFolder()): TextStorage {
  const path = (name: string): string => join(place, `${name.replaceAll(/[^\w.]+/g, "-")}.json`);
  return {
    async read(name) {
      try {
        return await readFile(path(name), "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
        throw new Error(`read ${path(name)}: ${describe(error)}`, { cause: error });
      }
    },
    async write(name, text) {
      try {
        await mkdir(place, { recursive: true });
      } catch (error) {
        throw new Error(`write ${path(name)}: ${describe(error)}`, { cause: error });
      }
      await writeBytes(path(name), new TextEncoder().encode(text));
    },
  };
}

/** As the XDG base directory specification has it. */
const cacheFolder = (): string => join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "texgrad");

async function readBytes(location: string): Promise<Uint8Array> {
  if (/^https?:/.test(location)) {
    const response = await fetch(location);
    if (!response.ok) throw new Error(`read ${location}: the server answered ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
  try {
    return await readFile(location.startsWith("file:") ? fileURLToPath(location) : location);
  } catch (error) {
    throw new Error(`read ${location}: ${describe(error)}`, { cause: error });
  }
}

/** Writes beside the target, then renames: within a folder a rename replaces the file at once or not at all. */
async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  const part = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(part, bytes);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw new Error(`write ${path}: ${describe(error)}`, { cause: error });
  }
}

const reasons: Record<string, string> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
  ENOSPC: "no space left on the disk",
};

function describe(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return reasons[code] ?? (error instanceof Error ? error.message : String(error));
}

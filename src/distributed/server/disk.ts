/**
 * What of a run survives the server: a journal of one record (term and last step), written at every commit, and
 * snapshots, each whole or not there. A kill -9 loses nothing that was written; the loss of power may lose the last
 * writes, which are not flushed.
 */
import { mkdirSync, openSync, readdirSync, readFileSync, closeSync, writeSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "../../ir/errors.ts";
import { bytesOf } from "../codec-float.ts";
import { hashOf } from "../replica.ts";
import type { Saved } from "../room.ts";

/** Bytes of the journal's record: two numbers and spaces. */
const RECORD = 64;
/** Snapshots kept: should the newest be unreadable, there is another one. */
const KEPT = 2;

interface Header {
  readonly plan: Saved["plan"];
  readonly left: Saved["left"];
  readonly step: number;
  readonly lengths: readonly number[];
  readonly hash: string;
}

export class Disk {
  readonly #folder: string;
  readonly #journal: number;
  readonly lastTerm: number;
  readonly lastStep: number;
  #isWriting = false;
  #next: Saved | null = null;
  #done: Promise<void> = Promise.resolve();

  /** Makes the folder where it is not there. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    const path = join(folder, "journal");
    [this.lastTerm, this.lastStep] = readJournal(path);
    this.#journal = openSync(path, "a+");
    closeSync(this.#journal);
    this.#journal = openSync(path, "r+");
  }

  /** Notes a commit: a write into the page cache, which survives the process. */
  commit(term: number, step: number): void {
    writeSync(this.#journal, `${term} ${step}`.padEnd(RECORD - 1) + "\n", 0);
  }

  /** The newest snapshot that can be read, and why newer ones could not. */
  load(): { readonly saved: Saved | null; readonly faults: readonly string[] } {
    const faults: string[] = [];
    for (const name of snapshotsIn(this.#folder)) {
      try {
        return { saved: decodeSaved(readFileSync(join(this.#folder, name))), faults };
      } catch (error) {
        faults.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return { saved: null, faults };
  }

  /** Writes a snapshot when the one before is written; of several that wait, the newest. Tells `failed` of an error. */
  save(saved: Saved, failed: (error: unknown) => void): void {
    this.#next = saved;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#done = this.#write().catch(failed);
  }

  async #write(): Promise<void> {
    try {
      for (let saved = this.#next; saved !== null; saved = this.#next) {
        this.#next = null;
        const name = `step-${String(saved.state.step).padStart(10, "0")}.snapshot`;
        const part = join(this.#folder, `${name}.part`);
        const file = await open(part, "w");
        try {
          for (const bytes of encodeSaved(saved)) await file.writeFile(bytes);
        } finally {
          await file.close();
        }
        await rename(part, join(this.#folder, name));
        for (const old of snapshotsIn(this.#folder).slice(KEPT)) await rm(join(this.#folder, old), { force: true });
      }
    } finally {
      this.#isWriting = false;
    }
  }

  /** Settles when nothing waits to be written. */
  written(): Promise<void> {
    return this.#done;
  }

  async close(): Promise<void> {
    await this.#done;
    closeSync(this.#journal);
  }
}

function readJournal(path: string): [term: number, step: number] {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // There was no run yet.
  }
  const [, term = "0", step = "0"] = /^(\d+) (\d+)\s*$/.exec(text) ?? [];
  return [Number(term), Number(step)];
}

/** Newest first. */
const snapshotsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".snapshot"))
    .sort()
    .reverse();

function encodeSaved({ plan, left, state: { step, arrays } }: Saved): Uint8Array[] {
  const header: Header = { plan, left, step, lengths: arrays.map((a) => a.length), hash: hashOf(arrays) };
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeUInt32LE(json.length);
  return [size, json, ...arrays.map(bytesOf)];
}

/** Throws FormatError where the bytes are not a whole snapshot. */
function decodeSaved(file: Buffer): Saved {
  const size = file.length < 8 ? Infinity : file.readUInt32LE();
  if (size > file.length - 8) throw new FormatError("snapshot: it ends within its header");
  const { plan, left, step, lengths, hash } = JSON.parse(file.toString("utf8", 8, 8 + size)) as Header;
  let at = 8 + size;
  const arrays = lengths.map((length) => {
    const array = new Float32Array(length);
    bytesOf(array).set(file.subarray(at, (at += 4 * length)));
    return array;
  });
  if (at !== file.length || hashOf(arrays) !== hash) throw new FormatError("snapshot: it is not whole");
  return { plan, left, state: { step, arrays } };
}

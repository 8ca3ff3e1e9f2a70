/**
 * What the rest of the trace tells compile() while it records a call (compile.ts): the port only, so that programs that
 * compile nothing carry nothing of it.
 */
import { TexgradError } from "../ir/errors.ts";
import type { Handle } from "./handle.ts";
import type { Root, Run } from "./plan.ts";
import type { Generator } from "./random.ts";
import type { Value } from "./value.ts";

/** A step of an optimizer, as far as one that is replayed must know it. */
export interface Step {
  /** Counts the step once it has happened. */
  readonly commit: () => void;
  /** Whether a step now would trace what this one did; throws where a setting is out of range. */
  readonly stays: () => boolean;
  /** Whose step it is, and null where nobody says. */
  readonly owner: object | null;
  /** Settings as they are: a call that assigns them cannot be replayed. */
  readonly settings: () => readonly unknown[];
}

export interface Recorder {
  /** A tensor was traced. */
  traced(v: Value): void;
  /** A submit has run. */
  submitted(run: Run, roots: readonly Root[]): void;
  /** An optimizer has stepped and counted it. */
  stepped(step: Step): void;
  /** A random draw was taken. */
  drew(generator: Generator): void;
  /** Something happened that no replay does again; the call will fail with this error. */
  refused(error: TexgradError): void;
  /** State that can be assigned was made. */
  made(label: string): void;
  /** A tensor's gradient is about to be looked at, or to be replaced without a look. */
  gradient(holder: Handle, isRead: boolean): void;
}

let active: Recorder | null = null;
let changes = 0;

/** Who records, or null. */
export const recorder = (): Recorder | null => active;

/** Runs `f` with a recorder. */
export function recordedBy<T>(by: Recorder | null, f: () => T): T {
  const before = active;
  active = by;
  try {
    return f();
  } finally {
    active = before;
  }
}

/** Throws where a call is recorded: `what` happens in JavaScript, and would not happen again in a replay. */
export function refuseToRecord(what: string, wayOut: string): void {
  if (isRefused(what, wayOut)) throw new TexgradError(refusal(what, wayOut));
}

/** The same for what only gives a promise: whether a call is recorded, which then fails when the function returns. */
export function isRefused(what: string, wayOut: string): boolean {
  active?.refused(new TexgradError(refusal(what, wayOut)));
  return active !== null;
}

const refusal = (what: string, wayOut: string): string => `compile: ${what} inside the compiled function; ${wayOut}`;

/**
 * Notes that something other than values has changed that traced functions read: a module's mode, whether a parameter
 * is frozen, what an optimizer steps. Compiled functions are then traced again before anything is replayed.
 */
export function noteChange(): void {
  changes += 1;
}

export const changeCount = (): number => changes;

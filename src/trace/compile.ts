/**
 * compile(): a function that is traced until it is known what it does, and from then on run without tracing.
 *
 * The first calls with arguments of some shapes, dtypes and layouts are traced as ever and recorded (recording.ts). Once
 * two of them did the same, later ones are replayed (replay.ts), for as long as nothing has changed that the library can
 * see. What it cannot see, numbers and branches of JavaScript, is compared between the recorded calls, and at the 16th,
 * 32nd, 64th.. call, and then every 1,024 calls, with what the function traces then: a difference is an error.
 */
import type { DType } from "../ir/dtype.ts";
import { GradError, TexgradError } from "../ir/errors.ts";
import { carried, input, uniform } from "../ir/ops/leaf.ts";
import { sameShape, type Shape } from "../ir/shape.ts";
import { isHost } from "./cell.ts";
import { engine } from "./engine.ts";
import { wrap } from "./handle.ts";
import { difference } from "./difference.ts";
import { isGradEnabled } from "./mode.ts";
import { recordedBy, recorder } from "./recorder.ts";
import { ArgumentSource, Recording } from "./recording.ts";
import { notReplayed, Replay } from "./replay.ts";
import { asGiven, withoutGradient, type Argument } from "./replayed-call.ts";
import { putTogether, sameOutline, takeApart } from "./structure.ts";
import { Tensor } from "./tensor.ts";
import { Value } from "./value.ts";

/** What may be given for a parameter of type T: where the function takes a tensor, a number does too. */
export type Given<T> = T extends Tensor
  ? T | number
  : T extends number
    ? never
    : T extends (...args: never[]) => unknown
      ? T
      : T extends object
        ? { readonly [K in keyof T]: Given<T[K]> }
        : T;

export interface Compiled<A extends readonly unknown[], R> {
  (...args: { [K in keyof A]: Given<A[K]> }): R;
  /** Drops what was recorded: the next calls are traced again. For numbers that were changed on purpose. */
  forget(): void;
}

/** Kinds of arguments, calls to replay for each, and recorded calls a new one is compared with. */
const SIGNATURES = 16;
const REPLAYS = 4;
const CANDIDATES = 3;
/** Calls in a row that did something else each, with nothing changed that could explain it. */
const PATIENCE = 8;

/**
 * Gives a function that does what `fn` does, without tracing it again and again. `fn` is synchronous, computes with
 * tensors, and may make any number of optimizer steps; what it gives back (tensors, arrays and plain objects of them)
 * comes fresh from every call, without a gradient, and is computed when the call returns.
 *
 * Arguments are tensors, and arrays and plain objects of them; a number arrives in `fn` as a tensor [] of f32, so that
 * it may be another in every call. Everything else (true, a string, a module) is a reason to trace anew when it
 * changes. Tensors of the code around `fn` may be parameters and state, which are bound as they are when a call runs,
 * and constants. Random draws go on as they would in a loop, optimizer settings are read in every call.
 *
 * **Numbers of JavaScript in `fn` are frozen**: literals, variables around it, fields of layers such as an eps. Pass
 * what changes as an argument. Numbers that differ between the first calls throw a TexgradError at once; later they
 * are only compared from time to time. So do values read inside (`item()`), tensors and state made anew by each call,
 * hooks, and tensors of the code around that are others in each call.
 */
export function compile<A extends readonly unknown[], R>(fn: (...args: A) => R): Compiled<A, R> {
  const compiled = new CompiledFunction(fn as (...args: readonly unknown[]) => unknown);
  return Object.assign((...args: readonly unknown[]) => compiled.call(args) as R, {
    forget: () => compiled.forget(),
  });
}

/** Where a tensor that is given lies: its layout, or null for the host. */
type Seat = { readonly dtype: DType; readonly shape: Shape; readonly layout: string | null } | null;

/** Arguments that are traced alike, and what is known of calls with them. */
interface Signature {
  readonly outline: readonly unknown[];
  /** Null for a number. */
  readonly seats: readonly Seat[];
  readonly isGradEnabled: boolean;
  readonly replays: Replay[];
  readonly candidates: Recording[];
  misses: number;
}

class CompiledFunction {
  readonly #fn: (...args: readonly unknown[]) => unknown;
  /** The one called last first. */
  readonly #signatures: Signature[] = [];

  constructor(fn: (...args: readonly unknown[]) => unknown) {
    if (typeof fn !== "function") throw new TexgradError(`compile: takes a function, got ${typeof fn}`);
    this.#fn = fn;
  }

  forget(): void {
    this.#signatures.length = 0;
  }

  call(args: readonly unknown[]): unknown {
    // Part of another compiled function's call.
    if (recorder() !== null) return this.#fn(...args);
    const outline: unknown[] = [];
    const given: Argument[] = [];
    takeApart(args, isArgument, outline, given);
    for (const x of outline) checkStatic(x);
    engine.settle();
    const seats = given.map(seatOf);
    const signature = this.#signature(outline, seats);
    const known = signature.replays.find((r) => r.stays);
    if (known !== undefined && !known.isDue()) {
      const result = known.run(given);
      if (result !== notReplayed) return result;
    }
    return this.#trace(args, given, seats, signature, known);
  }

  #signature(outline: readonly unknown[], seats: readonly Seat[]): Signature {
    const all = this.#signatures;
    const mode = isGradEnabled();
    const at = all.findIndex(
      (s) =>
        s.isGradEnabled === mode && sameOutline(s.outline, outline) && s.seats.every((a, i) => sameSeat(a, seats[i]!)),
    );
    const found = all[at] ?? { outline, seats, isGradEnabled: mode, replays: [], candidates: [], misses: 0 };
    if (at !== 0) {
      if (at > 0) all.splice(at, 1);
      all.unshift(found);
      all.length = Math.min(all.length, SIGNATURES);
    }
    return found;
  }

  #trace(
    args: readonly unknown[],
    given: readonly Argument[],
    seats: readonly Seat[],
    signature: Signature,
    known: Replay | undefined,
  ): unknown {
    const stand = given.map((a, i) => standIn(a, seats[i]!, i));
    const recording = new Recording(stand);
    const settled = signature.candidates[0]?.steps ?? known?.recording.steps ?? [];
    const settings = settled.map(({ step }) => step.settings());
    let next = 0;
    const inside = putTogether(args, isArgument, () => stand[next++]!) as readonly unknown[];
    const result = recordedBy(recording, () => {
      const made = this.#fn(...inside);
      if (recording.refusal !== null) throw recording.refusal;
      if (typeof made === "object" && made !== null && "then" in made) {
        throw new TexgradError("compile: the function is asynchronous; compile what it does between two awaits");
      }
      recording.finish(made);
      return made;
    });
    if (!settled.every(({ step }, i) => sameOutline(step.settings(), settings[i]!))) {
      throw new TexgradError(
        "compile: the function assigns a setting of an optimizer, which replays would not; assign it between the calls",
      );
    }
    this.#learn(recording, signature, known);
    return putTogether(result, isTensor, (t) => {
      const at = stand.indexOf(t);
      return at < 0 ? withoutGradient(t) : asGiven(given[at]!);
    });
  }

  /** Compares a traced call with those before: finds it known, or makes it one to replay, or fails. */
  #learn(recording: Recording, signature: Signature, known: Replay | undefined): void {
    const { replays, candidates } = signature;
    const same = replays.find((r) => difference(r.recording, recording) === null);
    if (same !== undefined) {
      same.confirm();
      signature.misses = 0;
      return;
    }
    const before = candidates[0];
    candidates.unshift(recording);
    candidates.length = Math.min(candidates.length, CANDIDATES);
    const frozen = known === undefined ? null : difference(known.recording, recording);
    if (known !== undefined && frozen !== null) {
      replays.splice(replays.indexOf(known), 1);
      throw new TexgradError(`${frozen.text}, which ${known.count} calls did not see. ${wayOut}`);
    }
    if (candidates.slice(1).some((c) => difference(c, recording) === null)) {
      replays.unshift(new Replay(recording));
      replays.length = Math.min(replays.length, REPLAYS);
      candidates.length = 0;
      signature.misses = 0;
      return;
    }
    const changed = before === undefined ? null : difference(before, recording);
    // A module's mode or an optimizer's formula may have changed the numbers.
    if (changed === null || before!.changesAfter !== recording.changesBefore) return;
    signature.misses += 1;
    if (changed.isNumber) throw new TexgradError(`${changed.text}. ${wayOut}`);
    if (signature.misses < PATIENCE) return;
    signature.misses = 0;
    throw new TexgradError(`compile: ${PATIENCE} calls in a row did something else each: ${changed.text}`);
  }
}

const wayOut =
  "Numbers and branches of JavaScript are frozen: pass what changes as an argument, or call forget() on the compiled " +
  "function when it was changed on purpose";

const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;
/** Parameters and state are bound by what they are, so they are part of the structure. */
const isArgument = (x: unknown): x is Argument =>
  typeof x === "number" || (x instanceof Tensor && x.state instanceof Value);

/** Throws for arguments whose contents may change unseen. */
function checkStatic(x: unknown): void {
  if (!ArrayBuffer.isView(x) && !(x instanceof ArrayBuffer) && !(x instanceof Map) && !(x instanceof Set)) return;
  throw new TexgradError(
    `compile: an argument is or holds a ${x.constructor.name}, whose contents may change unseen; give tensor(values)`,
  );
}

/** Where an argument lies; computes it if it waits to be. */
function seatOf(a: Argument, i: number): Seat {
  if (typeof a === "number") return null;
  const v = a.state as Value;
  if (a.requiresGrad && isGradEnabled()) {
    throw new GradError(
      `compile: tensor ${i} of the arguments requires a gradient, and gradients do not go through a compiled call; ` +
        `compute it inside the function, or give its detach()`,
    );
  }
  const at = v.stored() ?? engine.reads.fetch(v);
  return { dtype: a.dtype, shape: a.shape, layout: isHost(at) ? null : at.layout };
}

function sameSeat(a: Seat, b: Seat): boolean {
  if (a === null || b === null) return a === b;
  return a.layout === b.layout && a.dtype === b.dtype && sameShape(a.shape, b.shape);
}

/** What stands for an argument in the trace: a leaf of its own. */
function standIn(a: Argument, seat: Seat, index: number): Tensor {
  if (typeof a === "number") return numberTensor(index, a);
  const v = a.state as Value;
  const at = v.stored();
  const node =
    seat!.layout === null && at !== null && isHost(at)
      ? input({ kind: "input", array: at }, v.dtype, v.shape)
      : carried({ kind: "carried", value: v }, v.dtype, v.shape);
  return wrap(engine.trace(node, false, false));
}

/** A number as a tensor that says so where JavaScript takes it for one. */
function numberTensor(index: number, value: number): Tensor {
  const t = wrap(engine.trace(uniform(new ArgumentSource(index, value)), false, false));
  return Object.defineProperty(t, Symbol.toPrimitive, {
    value: (hint: string): string => {
      if (hint === "string") return `Tensor (argument ${index} of a compiled function)`;
      throw new TexgradError(
        `compile: argument ${index} is a number, which arrives in the function as a tensor; a branch on it, or ` +
          `arithmetic of JavaScript with it, would be frozen. Use tensor operations (x.mul(t)), or give it as a string`,
      );
    },
  });
}

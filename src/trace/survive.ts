/**
 * A loop that outlives its WebGL context: it takes a snapshot every so many steps, and when the context is lost it waits
 * until the browser has restored it, goes back to the last snapshot, and does the steps since then again, on the same
 * batches. What comes out is what an undisturbed loop would have given, bit for bit where the device repeats its bits.
 */
import { ContextLostError, TexgradError } from "../ir/errors.ts";
import { isIterable, snapshot, type Keepable, type Snapshot } from "./snapshot.ts";

export interface SurviveOptions {
  /** Steps from snapshot to snapshot. Each is one read of all state; at most so many steps are done again. Default 50. */
  readonly every?: number;
  /** Milliseconds the context may stay away before the loop gives up and throws. Default 60,000. */
  readonly patience?: number;
  /** Given each snapshot, with the number of the step it is the state before: for who wants to keep one elsewhere. */
  readonly onSnapshot?: (state: Snapshot, step: number) => void;
  /** Told of each loss that was survived: the step it happened in, and the one the loop goes on from. */
  readonly onLoss?: (loss: { readonly step: number; readonly from: number }) => void;
}

/**
 * Calls `body(batch, step)` for each batch, steps counted from 0, through any loss of the context. Gives the snapshot
 * of the end. `parts` is everything that a step changes: the network, the optimizer, generators of your own (the common
 * one is always kept). What `body` itself collects should be indexed by `step`, since a step may be done twice.
 *
 * Throws what `body` and `batches` throw; ContextLostError if the context stays away longer than `patience`, or if a
 * step reads something that is lost and is not among the parts.
 */
export async function survive<Batch>(
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  parts: Iterable<Keepable>,
  body: (batch: Batch, step: number) => unknown,
  { every = 50, patience = 60_000, onLoss, onSnapshot }: SurviveOptions = {},
): Promise<Snapshot> {
  if (!Number.isSafeInteger(every) || every < 1) {
    throw new TexgradError(`survive: every is ${every}; it must be a whole number >= 1`);
  }
  if (!isIterable(parts))
    throw new TexgradError("survive: takes a list of parts after the batches, such as [net, opt]");
  if (!isIterable(batches) && !(typeof batches === "object" && Symbol.asyncIterator in (batches ?? {}))) {
    throw new TexgradError("survive: the batches are nothing that can be iterated; give a DataLoader or an array");
  }
  const all = [...parts];
  const source = iterate(batches);
  /** Batches from step `first` on, which the last snapshot belongs to. */
  const kept: Batch[] = [];
  let first = 0;
  let step = 0;
  let last = await snapshot(all);
  onSnapshot?.(last, 0);
  let failed: { readonly error: unknown } | null = null;
  let survived: Promise<void> | null = null;
  let losses = 0;

  const take = (at: number): void => {
    const before = losses;
    snapshot(all).then(
      (made) => {
        // One that was overtaken by a loss belongs to steps that are done again.
        if (losses !== before) return;
        last = made;
        kept.splice(0, at - first);
        first = at;
        onSnapshot?.(made, at);
      },
      (error: unknown) => {
        if (!(error instanceof ContextLostError)) failed = { error };
      },
    );
  };
  const recover = async (error: unknown): Promise<void> => {
    // The same loss again: the step needs what no snapshot has.
    if (!(error instanceof ContextLostError) || error.restored === survived) throw error;
    losses += 1;
    survived = error.restored;
    await within(error, patience);
    last.restore();
    onLoss?.({ step, from: first });
    step = first;
  };

  try {
    for (;;) {
      if (failed !== null) throw (failed as { readonly error: unknown }).error;
      if (step === first + kept.length) {
        const next = await source.next();
        if (next.done === true) {
          try {
            return await snapshot(all);
          } catch (error) {
            await recover(error);
            continue;
          }
        }
        kept.push(next.value);
      }
      try {
        await body(kept[step - first]!, step);
      } catch (error) {
        await recover(error);
        continue;
      }
      step += 1;
      if (step % every === 0 && step > first) take(step);
    }
  } finally {
    await source.return?.();
  }
}

const iterate = <B>(batches: Iterable<B> | AsyncIterable<B>): AsyncIterator<B> | Iterator<B> =>
  Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]();

/** Waits for the context; throws `error` if that takes longer than `patience`. */
async function within(error: ContextLostError, patience: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error), patience);
  });
  try {
    await Promise.race([error.restored, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A sequence of random 32-bit words over Philox, and the few things data needs from it: uniforms, bounded integers,
 * permutations. Same seed, same words, on every platform: only integer arithmetic and exact double operations.
 *
 * Not here: the random leaves of traced code (src/trace); those carry their own (seed, counter).
 */
import { TexgradError } from "../ir/errors.ts";
import { philox4x32, type Words2, type Words4 } from "../ir/philox.ts";

/** Whatever gives random words one after the other; each an integer in [0, 2^32). */
export interface WordSource {
  uint32(): number;
}

const TWO_32 = 2 ** 32;

/** A seed as Philox's key. Throws when it is not an integer in [0, 2^53). `what` names the caller in the message. */
export function seedKey(what: string, seed: number): Words2 {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new TexgradError(`${what}: seed is ${seed}; it must be an integer from 0 to 2^53 - 1`);
  }
  return [seed >>> 0, Math.floor(seed / TWO_32)];
}

/** The words of one key and one stream: (stream, index) name any number of sequences that never overlap. */
export class PhiloxWords implements WordSource {
  readonly #key: Words2;
  readonly #counter: Words4;
  #ready: Words4 = [0, 0, 0, 0];
  #used = 4;

  /** stream: which use of the seed this is; index: which sequence of that use (an epoch, a sample), below 2^53. */
  constructor(key: Readonly<Words2>, stream: number, index: number) {
    this.#key = [key[0], key[1]];
    this.#counter = [0, stream, index >>> 0, Math.floor(index / TWO_32)];
  }

  uint32(): number {
    if (this.#used === 4) {
      this.#ready = philox4x32(this.#counter, this.#key);
      this.#counter[0]++;
      this.#used = 0;
    }
    return this.#ready[this.#used++] as number; // #used is 0..3 here
  }

  /** Uniform in [low, high), in steps of (high - low) / 2^32. */
  uniform(low: number, high: number): number {
    return low + (high - low) * (this.uint32() / TWO_32);
  }
}

/** A uniform integer in [0, bound), 1 <= bound <= 2^32, without the bias of a plain remainder. */
export function below(words: WordSource, bound: number): number {
  const limit = TWO_32 - (TWO_32 % bound);
  let word = words.uint32();
  while (word >= limit) word = words.uint32();
  return word % bound;
}

/** 0..length-1 in random order (Fisher-Yates, from the end). */
export function permutation(words: WordSource, length: number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = below(words, i + 1);
    const kept = order[i] as number; // i and j are below length
    order[i] = order[j] as number;
    order[j] = kept;
  }
  return order;
}

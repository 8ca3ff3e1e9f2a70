/**
 * States on their way: cut in chunks, asked for by whoever wants them, a few at a time, so that neither side holds more
 * than it can send. The same in both directions: to a worker that joins or is healed, from one whose state the server
 * takes over.
 */
import { bytesOf } from "./codec-float.ts";
import { hashOf, type State } from "./replica.ts";
import { CHUNK, encodeFrame, WireError, type Frame } from "./wire.ts";

/** What is said before the first chunk. */
export interface Offer {
  /** Steps the state is after. */
  readonly step: number;
  /** Elements of all arrays, of which `states` are optimizer state. */
  readonly count: number;
  readonly states: number;
  readonly hash: string;
}

export const offerOf = ({ step, arrays }: State): Offer => ({
  step,
  count: arrays.reduce((n, a) => n + a.length, 0),
  states: arrays.length - 2,
  hash: hashOf(arrays),
});

/** Elements [offset, offset + CHUNK) of a state's arrays laid end to end. Throws WireError beyond the end. */
export function stateFrame({ step, arrays }: State, term: number, offset: number): Uint8Array<ArrayBuffer> {
  const total = arrays.reduce((n, a) => n + a.length, 0);
  if (offset >= total || offset % CHUNK !== 0) throw new WireError(`pull: nothing begins at ${offset} of ${total}`);
  const values = new Float32Array(Math.min(CHUNK, total - offset));
  let at = 0;
  for (const array of arrays) {
    const from = Math.max(0, offset - at);
    const to = Math.min(array.length, offset + values.length - at);
    if (from < to) values.set(array.subarray(from, to), at + from - offset);
    at += array.length;
  }
  return encodeFrame({ type: "state", term, step, offset, count: values.length, payload: bytesOf(values) });
}

/** Chunks asked for and not yet there. */
const AHEAD = 8;

/** A state that is being fetched. */
export class Fetch {
  readonly offer: Offer;
  readonly #values: Float32Array;
  readonly #lengths: readonly number[];
  #asked = 0;
  #received = 0;

  /** Of arrays of these lengths: trained values, the rest. Throws WireError where the offer does not fit them. */
  constructor(offer: Offer, trained: number, rest: number) {
    this.#lengths = [trained, ...Array.from({ length: offer.states }, () => trained), rest];
    const total = this.#lengths.reduce((a, b) => a + b, 0);
    if (offer.count !== total) throw new WireError(`state: ${offer.count} elements, this model has ${total}`);
    this.offer = offer;
    this.#values = new Float32Array(total);
  }

  get isDone(): boolean {
    return this.#received === this.#values.length;
  }

  /** Offsets to ask for now. */
  wanted(): number[] {
    const out: number[] = [];
    while (this.#asked < this.#values.length && this.#asked < this.#received + AHEAD * CHUNK) {
      out.push(this.#asked);
      this.#asked += CHUNK;
    }
    return out;
  }

  /** Asks anew for all that is missing: what was asked for was lost. */
  restart(): void {
    this.#asked = this.#received;
  }

  /** Takes the next chunk; chunks come in the order they were asked for, others are ignored. */
  accept({ offset, count, payload }: Frame): void {
    if (offset !== this.#received) return;
    if (count !== Math.min(CHUNK, this.#values.length - offset) || payload.byteLength !== 4 * count) {
      throw new WireError(`state: ${count} elements of ${payload.byteLength} bytes at ${offset}`);
    }
    bytesOf(this.#values).set(payload, 4 * offset);
    this.#received += count;
  }

  /** The state, once it is whole. Throws WireError where its hash is not what was offered. */
  state(): State {
    let at = 0;
    const arrays = this.#lengths.map((length) => this.#values.subarray(at, (at += length)));
    if (hashOf(arrays) !== this.offer.hash) throw new WireError("state: its hash is not the one it was offered with");
    return { step: this.offer.step, arrays };
  }
}

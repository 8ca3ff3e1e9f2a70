/** When to stop: a metric that improves no more. Numbers only; what is done about it is the user's. */
import { TexgradError } from "../ir/errors.ts";

export interface EarlyStoppingOptions {
  /** Checks without improvement that are let pass. Default 10. */
  readonly patience?: number;
  /** Whether the metric shall fall or rise. Default "min". */
  readonly mode?: "min" | "max";
  /** The least that counts as better. Default 0. */
  readonly minDelta?: number;
}

/** `if (stop.update(await loss.item())) break;` */
export class EarlyStopping {
  readonly #patience: number;
  readonly #sign: 1 | -1;
  readonly #minDelta: number;
  #best: number | null = null;
  #waited = 0;

  constructor({ patience = 10, mode = "min", minDelta = 0 }: EarlyStoppingOptions = {}) {
    if (!Number.isInteger(patience) || patience < 0) {
      throw new TexgradError(`EarlyStopping: patience is ${patience}; it must be a whole number >= 0`);
    }
    this.#patience = patience;
    this.#sign = mode === "min" ? -1 : 1;
    this.#minDelta = minDelta;
  }

  /** The best metric so far; null before the first. */
  get best(): number | null {
    return this.#best;
  }
  /** Whether the last metric was the best: the moment to keep a snapshot. */
  get improved(): boolean {
    return this.#best !== null && this.#waited === 0;
  }

  /** Takes a metric and says whether to stop. NaN is no improvement. */
  update(metric: number): boolean {
    const isBetter = this.#best === null ? !Number.isNaN(metric) : this.#sign * (metric - this.#best) > this.#minDelta;
    if (isBetter) [this.#best, this.#waited] = [metric, 0];
    else this.#waited += 1;
    return this.#waited > this.#patience;
  }
}

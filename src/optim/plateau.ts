/** ReduceLROnPlateau, with PyTorch's options and numbers. */
import { TexgradError } from "../ir/errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkState, setLrs, type SchedulerState } from "./scheduler.ts";

export interface PlateauOptions {
  /** Whether the metric shall fall or rise. Default "min". */
  readonly mode?: "min" | "max";
  /** Default 0.1. */
  readonly factor?: number;
  /** Epochs without improvement that are let pass. Default 10. */
  readonly patience?: number;
  /** What counts as one. Default 1e-4. */
  readonly threshold?: number;
  /** Whether the threshold is a part of the best metric or a difference. Default "rel". */
  readonly thresholdMode?: "rel" | "abs";
  /** Epochs after a reduction that do not count. Default 0. */
  readonly cooldown?: number;
  /** Default 0. */
  readonly minLr?: number;
  /** A smaller change than this is not made. Default 1e-8. */
  readonly eps?: number;
}

/** Multiplies the rates by `factor` when a metric has not improved for more than `patience` epochs. */
export class ReduceLROnPlateau {
  readonly optimizer: Optimizer;
  readonly #options: Required<PlateauOptions>;
  #at: { best: number; badEpochs: number; cooldown: number; epoch: number };

  constructor(optimizer: Optimizer, options: PlateauOptions = {}) {
    const defaults = { mode: "min", factor: 0.1, patience: 10, threshold: 1e-4, thresholdMode: "rel" } as const;
    this.#options = { ...defaults, cooldown: 0, minLr: 0, eps: 1e-8, ...options };
    const { factor, mode } = this.#options;
    if (!(factor >= 0 && factor < 1)) {
      throw new TexgradError(`ReduceLROnPlateau: factor is ${factor}; it must be in [0, 1)`);
    }
    this.optimizer = optimizer;
    this.#at = { best: mode === "min" ? Infinity : -Infinity, badEpochs: 0, cooldown: 0, epoch: 0 };
  }

  /** Takes the metric of an epoch. */
  step(metric: number): void {
    const { patience, cooldown } = this.#options;
    const at = this.#at;
    if (typeof metric !== "number") {
      throw new TexgradError(`ReduceLROnPlateau.step: takes a number, got ${typeof metric}; await loss.item() is one`);
    }
    at.epoch += 1;
    if (this.#isBetter(metric)) [at.best, at.badEpochs] = [metric, 0];
    else at.badEpochs += 1;
    if (at.cooldown > 0) [at.cooldown, at.badEpochs] = [at.cooldown - 1, 0];
    if (at.badEpochs <= patience) return;
    this.#reduce();
    [at.cooldown, at.badEpochs] = [cooldown, 0];
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    const { best } = this.#at;
    const sign = mode === "min" ? -1 : 1;
    // Infinite at first, where a part of it is no number.
    if (!Number.isFinite(best)) return sign * metric > sign * best;
    const bar = thresholdMode === "rel" ? best * (1 + sign * threshold) : best + sign * threshold;
    return sign * metric > sign * bar;
  }

  #reduce(): void {
    const { factor, minLr, eps } = this.#options;
    for (const group of this.optimizer.paramGroups) {
      const next = Math.max(group.lr * factor, minLr);
      if (group.lr - next > eps) group.lr = next;
    }
  }

  getLastLr(): readonly number[] {
    return this.optimizer.paramGroups.map((g) => g.lr);
  }

  stateDict(): SchedulerState {
    const { epoch, ...own } = this.#at;
    return { lastEpoch: epoch, baseLrs: [], lastLr: this.getLastLr(), own, parts: [] };
  }

  loadStateDict(state: SchedulerState): void {
    checkState("ReduceLROnPlateau", state, this.optimizer.paramGroups.length, 0);
    this.#at = { ...this.#at, ...state.own, epoch: state.lastEpoch };
    setLrs(this.optimizer.paramGroups, state.lastLr);
  }
}

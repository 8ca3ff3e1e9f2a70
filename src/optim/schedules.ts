/** Schedules that are a formula of the epoch, with PyTorch's arguments and numbers. */
import { TexgradError } from "../ir/errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { LRScheduler } from "./scheduler.ts";

/** Gives `value` back; throws TexgradError unless it is a whole number of at least 1. */
export function checkSteps(owner: string, name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TexgradError(`${owner}: ${name} is ${value}; it must be a whole number >= 1`);
}

/** The functions of all groups: one for all, or one each. */
function perGroup<T>(owner: string, optimizer: Optimizer, given: T | readonly T[]): readonly T[] {
  const groups = optimizer.paramGroups.length;
  const all = Array.isArray(given) ? (given as readonly T[]) : new Array<T>(groups).fill(given as T);
  if (all.length === groups) return all;
  throw new TexgradError(`${owner}: got ${all.length} functions for ${groups} groups`);
}

/** What a rate is multiplied with, by the epoch. */
export type LrLambda = (epoch: number) => number;

/** lr = base f(epoch); one function for all groups or one each. */
export class LambdaLR extends LRScheduler {
  constructor(optimizer: Optimizer, lrLambda: LrLambda | readonly LrLambda[]) {
    const f = perGroup("LambdaLR", optimizer, lrLambda);
    super(optimizer, { next: ({ base, epoch, group }) => base * f[group]!(epoch) });
  }
}

/** lr = lr f(epoch) from epoch 1 on; one function for all groups or one each. */
export class MultiplicativeLR extends LRScheduler {
  constructor(optimizer: Optimizer, lrLambda: LrLambda | readonly LrLambda[]) {
    const f = perGroup("MultiplicativeLR", optimizer, lrLambda);
    super(optimizer, { next: ({ lr, epoch, group }) => (epoch > 0 ? lr * f[group]!(epoch) : lr) });
  }
}

/** lr gamma every `stepSize` epochs. */
export class StepLR extends LRScheduler {
  constructor(optimizer: Optimizer, stepSize: number, { gamma = 0.1 }: { readonly gamma?: number } = {}) {
    checkSteps("StepLR", "stepSize", stepSize);
    super(optimizer, {
      next: ({ lr, epoch }) => (epoch === 0 || epoch % stepSize !== 0 ? lr : lr * gamma),
      from: ({ base, epoch }) => base * gamma ** Math.floor(epoch / stepSize),
    });
  }
}

/** lr gamma at each milestone; one named twice counts twice. */
export class MultiStepLR extends LRScheduler {
  constructor(optimizer: Optimizer, milestones: readonly number[], { gamma = 0.1 }: { readonly gamma?: number } = {}) {
    const passed = (has: (m: number) => boolean): number => gamma ** milestones.filter(has).length;
    super(optimizer, {
      next: ({ lr, epoch }) => lr * passed((m) => m === epoch),
      from: ({ base, epoch }) => base * passed((m) => m <= epoch),
    });
  }
}

/** base factor for `totalIters` epochs, then base. */
export class ConstantLR extends LRScheduler {
  constructor(
    optimizer: Optimizer,
    { factor = 1 / 3, totalIters = 5 }: { readonly factor?: number; readonly totalIters?: number } = {},
  ) {
    if (!(factor > 0 && factor <= 1)) throw new TexgradError(`ConstantLR: factor is ${factor}; it must be in (0, 1]`);
    super(optimizer, {
      next: ({ lr, epoch }) => (epoch === 0 ? lr * factor : epoch === totalIters ? lr / factor : lr),
      from: ({ base, epoch }) => base * (epoch >= totalIters ? 1 : factor),
    });
  }
}

export interface LinearLROptions {
  /** Default 1/3. */
  readonly startFactor?: number;
  /** Default 1. */
  readonly endFactor?: number;
  /** Epochs from one to the other. Default 5. */
  readonly totalIters?: number;
}

/** From base startFactor to base endFactor in a straight line: a warm-up. */
export class LinearLR extends LRScheduler {
  constructor(optimizer: Optimizer, { startFactor = 1 / 3, endFactor = 1, totalIters = 5 }: LinearLROptions = {}) {
    if (!(startFactor > 0 && startFactor <= 1 && endFactor >= 0 && endFactor <= 1)) {
      throw new TexgradError(
        `LinearLR: startFactor is ${startFactor} and endFactor ${endFactor}; they must be in (0, 1] and [0, 1]`,
      );
    }
    const span = endFactor - startFactor;
    super(optimizer, {
      next: ({ lr, epoch }) => {
        if (epoch === 0) return lr * startFactor;
        return epoch > totalIters ? lr : lr * (1 + span / (totalIters * startFactor + (epoch - 1) * span));
      },
      from: ({ base, epoch }) => base * (startFactor + (span * Math.min(totalIters, epoch)) / totalIters),
    });
  }
}

/** lr gamma every epoch. */
export class ExponentialLR extends LRScheduler {
  constructor(optimizer: Optimizer, gamma: number) {
    super(optimizer, {
      next: ({ lr, epoch }) => (epoch === 0 ? lr : lr * gamma),
      from: ({ base, epoch }) => base * gamma ** epoch,
    });
  }
}

/** base (1 - epoch / totalIters)^power, 0 from there on. */
export class PolynomialLR extends LRScheduler {
  constructor(
    optimizer: Optimizer,
    { totalIters = 5, power = 1 }: { readonly totalIters?: number; readonly power?: number } = {},
  ) {
    checkSteps("PolynomialLR", "totalIters", totalIters);
    const left = (epoch: number): number => 1 - epoch / totalIters;
    super(optimizer, {
      next: ({ lr, epoch }) => (epoch === 0 || epoch > totalIters ? lr : lr * (left(epoch) / left(epoch - 1)) ** power),
      from: ({ base, epoch }) => base * left(Math.min(totalIters, epoch)) ** power,
    });
  }
}

/** From base to etaMin along half a cosine of `tMax` epochs, and back, and so on. Loshchilov & Hutter (2017). */
export class CosineAnnealingLR extends LRScheduler {
  constructor(optimizer: Optimizer, tMax: number, { etaMin = 0 }: { readonly etaMin?: number } = {}) {
    checkSteps("CosineAnnealingLR", "tMax", tMax);
    const raised = (epoch: number): number => 1 + Math.cos((Math.PI * epoch) / tMax);
    super(optimizer, {
      next({ lr, base, epoch }) {
        if (epoch === 0) return lr;
        // Where the quotient below is 0 / 0.
        if ((epoch - 1 - tMax) % (2 * tMax) === 0) return lr + ((base - etaMin) * (2 - raised(1))) / 2;
        return (raised(epoch) / raised(epoch - 1)) * (lr - etaMin) + etaMin;
      },
      from: ({ base, epoch }) => etaMin + ((base - etaMin) * raised(epoch)) / 2,
    });
  }
}

export interface WarmupOptions {
  /** Steps of a straight line from 0 to base. */
  readonly warmup: number;
  /** Steps in all. */
  readonly total: number;
  /** What part of base is left at the end. Default 0. */
  readonly minFactor?: number;
}

function checkWarmup(owner: string, { warmup, total }: WarmupOptions): void {
  checkSteps(owner, "total", total);
  if (!Number.isSafeInteger(warmup) || warmup < 0 || warmup >= total) {
    throw new TexgradError(`${owner}: warmup is ${warmup}; it must be a whole number from 0 to below total, ${total}`);
  }
}

/** A straight line up to base in `warmup` steps, then half a cosine down to base minFactor at `total`. */
export class WarmupCosineLR extends LRScheduler {
  constructor(optimizer: Optimizer, options: WarmupOptions) {
    checkWarmup("WarmupCosineLR", options);
    const { warmup, total, minFactor = 0 } = options;
    const next = ({ base, epoch }: { readonly base: number; readonly epoch: number }): number => {
      if (epoch < warmup) return (base * (epoch + 1)) / (warmup + 1);
      const done = Math.min(1, (epoch - warmup) / (total - warmup));
      return base * (minFactor + ((1 - minFactor) * (1 + Math.cos(Math.PI * done))) / 2);
    };
    super(optimizer, { next });
  }
}

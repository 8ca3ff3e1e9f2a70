/** Schedules that go up and down again, with PyTorch's arguments and numbers; those that cycle the momentum too. */
import { TexgradError } from "../ir/errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { LRScheduler, type Group } from "./scheduler.ts";
import { checkSteps } from "./schedules.ts";

/** A group of an optimizer with momentum: SGD's own, or Adam's first beta. */
interface Momentum {
  momentum?: number;
  betas?: readonly [number, number];
}

function setMomentum(group: Group & Momentum, value: number): void {
  if (group.betas !== undefined) group.betas = [value, group.betas[1]];
  else group.momentum = value;
}

function checkMomentum(owner: string, optimizer: Optimizer): void {
  const { momentum, betas }: Group & Momentum = optimizer.paramGroups[0];
  if (momentum !== undefined || betas !== undefined) return;
  throw new TexgradError(`${owner}: the optimizer has no momentum to cycle; pass cycleMomentum: false`);
}

/** One number for all groups, or one each. */
function eachGroup(owner: string, name: string, value: number | readonly number[], groups: number): readonly number[] {
  const all = typeof value === "number" ? new Array<number>(groups).fill(value) : value;
  if (all.length === groups) return all;
  throw new TexgradError(`${owner}: ${name} has ${all.length} numbers for ${groups} groups`);
}

export interface WarmRestartsOptions {
  /** Each period is so many times as long as the one before: a whole number. Default 1. */
  readonly tMult?: number;
  readonly etaMin?: number;
}

/** Half a cosine from base to etaMin in `t0` epochs, then from base again. Loshchilov & Hutter (2017), SGDR. */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  constructor(optimizer: Optimizer, t0: number, { tMult = 1, etaMin = 0 }: WarmRestartsOptions = {}) {
    checkSteps("CosineAnnealingWarmRestarts", "t0", t0);
    checkSteps("CosineAnnealingWarmRestarts", "tMult", tMult);
    const at = { epoch: 0, period: t0 };
    super(optimizer, {
      own: at,
      advance(epoch, isJump) {
        if (isJump || epoch === 0) [at.epoch, at.period] = [epoch, t0];
        else at.epoch += 1;
        while (at.epoch >= at.period) {
          at.epoch -= at.period;
          at.period *= tMult;
        }
      },
      next: ({ base }) => etaMin + ((base - etaMin) * (1 + Math.cos((Math.PI * at.epoch) / at.period))) / 2,
    });
  }
}

export interface OneCycleOptions {
  /** Steps in all; or `epochs` and `stepsPerEpoch`. */
  readonly totalSteps?: number;
  readonly epochs?: number;
  readonly stepsPerEpoch?: number;
  /** The part of the steps that goes up. Default 0.3. */
  readonly pctStart?: number;
  /** Default "cos". */
  readonly annealStrategy?: "cos" | "linear";
  /** Whether the momentum goes the other way. Default true. */
  readonly cycleMomentum?: boolean;
  /** Default 0.85. */
  readonly baseMomentum?: number;
  /** Default 0.95. */
  readonly maxMomentum?: number;
  /** The first rate is maxLr / divFactor. Default 25. */
  readonly divFactor?: number;
  /** The last one is the first / finalDivFactor. Default 1e4. */
  readonly finalDivFactor?: number;
  /** Whether a third phase goes from the first rate to the last. Default false. */
  readonly threePhase?: boolean;
}

interface Phase {
  readonly end: number;
  readonly from: number;
  readonly to: number;
  readonly momentum: readonly [from: number, to: number];
}

function stepsOf({ totalSteps, epochs, stepsPerEpoch }: OneCycleOptions): number {
  if (totalSteps !== undefined) return checkSteps("OneCycleLR", "totalSteps", totalSteps);
  if (epochs === undefined || stepsPerEpoch === undefined) {
    throw new TexgradError("OneCycleLR: takes totalSteps, or epochs and stepsPerEpoch");
  }
  return checkSteps("OneCycleLR", "epochs", epochs) * checkSteps("OneCycleLR", "stepsPerEpoch", stepsPerEpoch);
}

/** Once up to maxLr and down again, a step a batch. Smith & Topin (2018). Throws TexgradError past the last step. */
export class OneCycleLR extends LRScheduler {
  constructor(optimizer: Optimizer, maxLr: number | readonly number[], options: OneCycleOptions) {
    const { pctStart = 0.3, annealStrategy = "cos", cycleMomentum = true, threePhase = false } = options;
    const { baseMomentum = 0.85, maxMomentum = 0.95, divFactor = 25, finalDivFactor = 1e4 } = options;
    const total = stepsOf(options);
    if (!(pctStart >= 0 && pctStart <= 1)) throw new TexgradError(`OneCycleLR: pctStart is ${pctStart}; it is 0 to 1`);
    if (cycleMomentum) checkMomentum("OneCycleLR", optimizer);
    const max = eachGroup("OneCycleLR", "maxLr", maxLr, optimizer.paramGroups.length);
    const first = max.map((e) => e / divFactor);
    const down = [maxMomentum, baseMomentum] as const;
    const up = [baseMomentum, maxMomentum] as const;
    const phases = max.map((high, i): readonly Phase[] => {
      const [start, least] = [first[i]!, first[i]! / finalDivFactor];
      const rise: Phase = { end: pctStart * total - 1, from: start, to: high, momentum: down };
      if (!threePhase) return [rise, { end: total - 1, from: high, to: least, momentum: up }];
      return [
        rise,
        { end: 2 * pctStart * total - 2, from: high, to: start, momentum: up },
        { end: total - 1, from: start, to: least, momentum: [maxMomentum, maxMomentum] },
      ];
    });
    const anneal = (from: number, to: number, part: number): number =>
      annealStrategy === "linear" ? from + (to - from) * part : to + ((from - to) / 2) * (1 + Math.cos(Math.PI * part));
    super(
      optimizer,
      {
        next({ epoch, group }) {
          if (epoch > total) throw new TexgradError(`OneCycleLR: step ${epoch} of ${total}`);
          const all = phases[group]!;
          const found = all.findIndex((p) => epoch <= p.end);
          const i = found < 0 ? all.length - 1 : found;
          const phase = all[i]!;
          const start = all[i - 1]?.end ?? 0;
          const part = (epoch - start) / (phase.end - start);
          if (cycleMomentum) setMomentum(optimizer.paramGroups[group]!, anneal(...phase.momentum, part));
          return anneal(phase.from, phase.to, part);
        },
      },
      first,
    );
  }
}

export interface CyclicOptions {
  /** Steps from the base rate to the largest. Default 2000. */
  readonly stepSizeUp?: number;
  /** Steps back. Default stepSizeUp. */
  readonly stepSizeDown?: number;
  /** Whether cycles are alike, each half as high as the one before, or fall by gamma every step. Default "triangular". */
  readonly mode?: "triangular" | "triangular2" | "expRange";
  /** Of expRange. Default 1. */
  readonly gamma?: number;
  /** The height of a cycle, in place of `mode`, of the cycle's number (from 1) or of the step. */
  readonly scaleFn?: (x: number) => number;
  /** What scaleFn is given. Default "cycle". */
  readonly scaleMode?: "cycle" | "iterations";
  /** Whether the momentum goes the other way. Default true. */
  readonly cycleMomentum?: boolean;
  /** Default 0.8. */
  readonly baseMomentum?: number;
  /** Default 0.9. */
  readonly maxMomentum?: number;
}

/** Between baseLr and maxLr in straight lines, a step a batch. Smith (2017). */
export class CyclicLR extends LRScheduler {
  constructor(
    optimizer: Optimizer,
    baseLr: number | readonly number[],
    maxLr: number | readonly number[],
    options: CyclicOptions = {},
  ) {
    const { stepSizeUp = 2000, stepSizeDown = stepSizeUp, mode = "triangular", gamma = 1 } = options;
    const { cycleMomentum = true, baseMomentum = 0.8, maxMomentum = 0.9 } = options;
    checkSteps("CyclicLR", "stepSizeUp", stepSizeUp);
    checkSteps("CyclicLR", "stepSizeDown", stepSizeDown);
    if (cycleMomentum) checkMomentum("CyclicLR", optimizer);
    const groups = optimizer.paramGroups.length;
    const low = eachGroup("CyclicLR", "baseLr", baseLr, groups);
    const high = eachGroup("CyclicLR", "maxLr", maxLr, groups);
    const total = stepSizeUp + stepSizeDown;
    const rising = stepSizeUp / total;
    const { scaleFn, scaleMode = "cycle" } = options;
    const height = (cycle: number, step: number): number => {
      if (scaleFn !== undefined) return scaleFn(scaleMode === "cycle" ? cycle : step);
      return mode === "triangular" ? 1 : mode === "triangular2" ? 2 ** (1 - cycle) : gamma ** step;
    };
    super(
      optimizer,
      {
        next({ epoch, group }) {
          const cycle = Math.floor(1 + epoch / total);
          const x = 1 + epoch / total - cycle;
          const part = (x <= rising ? x / rising : (x - 1) / (rising - 1)) * height(cycle, epoch);
          if (cycleMomentum) {
            setMomentum(optimizer.paramGroups[group]!, maxMomentum - (maxMomentum - baseMomentum) * part);
          }
          return low[group]! + (high[group]! - low[group]!) * part;
        },
      },
      low,
    );
  }
}

/**
 * Choosing the scheduling constants of a device by measurement: one constant after the other, each value against the
 * one held so far, on kernels that it changes.
 *
 * Two values are timed in turn, so that whatever else the machine does meets both; a pair counts by its ratio, and a
 * value is taken only if the first eight pairs, or three quarters of fifteen, say that it is faster. Where the noise is larger than the
 * difference, the constant stays what it was. Not here: what is timed (tune-cases.ts), where a choice is kept.
 */
import type { DeviceProfile } from "../ir/plan.ts";

/** What of a device profile is found by measurement. */
export type Settings = Pick<DeviceProfile, "fetch" | "tile" | "unroll" | "fragments">;
export type SettingName = keyof Settings;

/** How a value did against the one held so far. */
export interface Comparison {
  readonly setting: SettingName;
  readonly value: string | number;
  readonly against: string | number;
  /** Time under `value` over time under `against`: median and quartiles over all pairs; null without pairs. */
  readonly ratio: { readonly lower: number; readonly median: number; readonly upper: number } | null;
  readonly pairs: number;
  readonly verdict: "faster" | "not faster" | "too noisy" | "same programs" | "no time";
}

/** Values a setting may have, and the kernels it is measured on. */
export interface Candidates {
  readonly setting: SettingName;
  readonly values: readonly (string | number)[];
  readonly cases: readonly string[];
}

export interface Measure {
  /** ms of one run of the case. */
  time(name: string, settings: Settings): Promise<number>;
  /** Tells settings apart that make the same programs of the case. */
  programs(name: string, settings: Settings): string;
  /** ms, from any moment on. */
  now(): number;
}

export interface Choice {
  readonly settings: Settings;
  readonly comparisons: readonly Comparison[];
}

/** What a value must save to be taken: less is within what a driver's mood changes from day to day. */
const SAVES = 0.03;
/** Pairs after which a value may be given up, and after which it may be taken if each of them was faster. */
const TO_DROP = 5;
const TO_TAKE = 8;
/** Pairs after which three quarters decide. */
const MOST_PAIRS = 15;

/** Measures until `budgetMs` is over; what was not measured by then stays as it was. */
export async function choose(
  defaults: Settings,
  candidates: readonly Candidates[],
  measure: Measure,
  budgetMs: number,
): Promise<Choice> {
  const until = measure.now() + budgetMs;
  let settings = defaults;
  const comparisons: Comparison[] = [];
  for (const { setting, values, cases } of candidates) {
    let best: { readonly value: string | number; readonly median: number } | null = null;
    const held = settings;
    for (const value of values) {
      if (value === held[setting]) continue;
      const other: Settings = { ...held, [setting]: value };
      const changed = cases.filter((c) => measure.programs(c, held) !== measure.programs(c, other));
      const ratios = await pairs(changed, held, other, measure, until);
      const compared = judge(setting, value, held[setting], changed.length > 0, ratios);
      comparisons.push(compared);
      const median = compared.ratio?.median ?? 1;
      if (compared.verdict === "faster" && (best === null || median < best.median)) best = { value, median };
    }
    if (best !== null) settings = { ...held, [setting]: best.value };
  }
  return { settings, comparisons };
}

/** Of each pair, the time under `other` over that under `held`: the geometric mean over the cases. */
async function pairs(
  cases: readonly string[],
  held: Settings,
  other: Settings,
  measure: Measure,
  until: number,
): Promise<readonly number[]> {
  const ratios: number[] = [];
  while (cases.length > 0 && ratios.length < MOST_PAIRS && measure.now() < until) {
    let logarithms = 0;
    // Each goes first in every other pair.
    const order = ratios.length % 2 === 0 ? [held, other] : [other, held];
    for (const name of cases) {
      const times = new Map<Settings, number>();
      for (const settings of order) times.set(settings, await measure.time(name, settings));
      logarithms += Math.log(Math.max(times.get(other)!, LEAST_MS) / Math.max(times.get(held)!, LEAST_MS));
    }
    ratios.push(Math.exp(logarithms / cases.length));
    if (ratios.length >= TO_DROP && quantile(ratios, 0.25) > 1 - SAVES) break;
    if (ratios.length >= TO_TAKE && Math.max(...ratios) < 1 - SAVES) break;
  }
  return ratios;
}

/** What a clock cannot tell from nothing. */
const LEAST_MS = 1e-3;

function judge(
  setting: SettingName,
  value: string | number,
  against: string | number,
  differs: boolean,
  ratios: readonly number[],
): Comparison {
  const of = { setting, value, against, pairs: ratios.length };
  if (!differs) return { ...of, ratio: null, verdict: "same programs" };
  if (ratios.length < TO_DROP) return { ...of, ratio: null, verdict: "no time" };
  const ratio = { lower: quantile(ratios, 0.25), median: quantile(ratios, 0.5), upper: quantile(ratios, 0.75) };
  const isFaster = ratio.median < 1 - SAVES;
  if (!isFaster) return { ...of, ratio, verdict: "not faster" };
  // A load of the machine that comes and goes can look like a difference for a few pairs.
  if (ratios.length < TO_TAKE) return { ...of, ratio, verdict: "no time" };
  return { ...of, ratio, verdict: ratio.upper < 1 - SAVES ? "faster" : "too noisy" };
}

/** The value below which the part q of the sorted values lies, linear between neighbours. */
function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const below = sorted[low]!;
  return below + (at - low) * ((sorted[low + 1] ?? below) - below);
}

/** Quartiles of measured times and ratios. */

/** The value below which the part q of the sorted values lies, linear between neighbours. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const below = sorted[low] ?? NaN;
  const above = sorted[Math.min(low + 1, sorted.length - 1)] ?? NaN;
  return below + (above - below) * (at - low);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export interface Quartiles {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}

export const quartiles = (values: readonly number[]): Quartiles => ({
  median: median(values),
  lower: quantile(values, 0.25),
  upper: quantile(values, 0.75),
});

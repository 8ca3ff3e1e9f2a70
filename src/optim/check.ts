/** Checks of optimizers' settings. */
import { GradError } from "../ir/errors.ts";
import type { MomentSettings } from "./rules.ts";

/** Throws GradError unless `value` is a number in [low, high). */
export function checkRange(owner: string, name: string, value: number, low: number, high = Infinity): void {
  if (typeof value === "number" && value >= low && value < high) return;
  const range = high === Infinity ? `a finite number >= ${low}` : `in [${low}, ${high})`;
  throw new GradError(`${owner}: ${name} is ${value}; it must be ${range}`);
}

/** Each of the settings named, finite and at least 0. */
export function checkEach<S>(owner: string, settings: S, names: readonly (keyof S & string)[]): void {
  for (const name of names) checkRange(owner, name, settings[name] as number, 0);
}

/** lr, betas, eps and weightDecay. */
export function checkMoments(owner: string, s: MomentSettings): void {
  checkRange(owner, "lr", s.lr, 0);
  checkRange(owner, "betas[0]", s.betas[0], 0, 1);
  checkRange(owner, "betas[1]", s.betas[1], 0, 1);
  checkEach(owner, s, ["eps", "weightDecay"]);
}

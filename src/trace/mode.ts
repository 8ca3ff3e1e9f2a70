/**
 * Grad mode: whether operations record what a gradient needs. It never outlives a synchronous call, so two loops that
 * take turns at their awaits cannot switch each other's mode.
 */
import { GradError } from "../ir/errors.ts";

let enabled = true;

export const isGradEnabled = (): boolean => enabled;

function within<T>(mode: boolean, name: string, f: () => T): T {
  const before = enabled;
  enabled = mode;
  try {
    const result = f();
    if (typeof result === "object" && result !== null && "then" in result && typeof result.then === "function") {
      throw new GradError(
        `${name}: the function is asynchronous, and what runs after its first await would have no mode; ` +
          `wrap each synchronous part: ${name}(() => net.forward(x)), await outside`,
      );
    }
    return result;
  } finally {
    enabled = before;
  }
}

/** Runs `f` without recording gradients and gives its result. Takes a synchronous function. */
export const noGrad = <T>(f: () => T): T => within(false, "noGrad", f);

/** Runs `f` with gradients recorded, inside a `noGrad`. Takes a synchronous function. */
export const enableGrad = <T>(f: () => T): T => within(true, "enableGrad", f);

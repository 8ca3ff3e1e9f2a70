/**
 * Making the current device ready before it is needed: programs compiled ahead, and constants that are measured.
 */
import type { Device } from "./ir/device.ts";
import { DeviceError } from "./ir/errors.ts";
import type { WebglDevice } from "./runtime/device.ts";
import { applyTo, loadTuningOf, tuneDevice, type TuneOptions, type Tuning } from "./runtime/tuning.ts";
import { manifestOf, warmUpDevice, type ProgramManifest, type WarmUp } from "./runtime/warm-up.ts";
import { version } from "./runtime/version.ts";
import { currentDevice } from "./trace/index.ts";

/**
 * The programs that the current device has compiled and kept, for `warmUp` in a later session: plain JSON, some kB a
 * program. Take it after a few steps. Empty on devices that compile none.
 */
export function programManifest(): ProgramManifest {
  const device = currentDevice();
  return isWebgl(device) ? manifestOf(device) : { texgrad: version, renderer: device.name, programs: [] };
}

/**
 * Compiles the programs of a manifest on the current device, so that the steps it was recorded from compile nothing. The
 * event loop has its turn between two programs, so a page stays alive; other work may go on meanwhile. What the driver
 * refuses is left out; a manifest of another version or renderer does nothing and `ignored` says why. Throws FormatError
 * for what is no manifest, ContextLostError if the context goes meanwhile.
 */
export async function warmUp(manifest: ProgramManifest): Promise<WarmUp> {
  const device = currentDevice();
  if (isWebgl(device)) return warmUpDevice(device, manifest);
  return { compiled: 0, known: 0, refused: 0, ignored: `the ${device.name} device compiles no programs` };
}

/**
 * Measures the constants by which the current device's programs are made (how a texel is fetched, rows of a tile, steps of
 * a loop in one trip, below how many fragments a long sum is split), applies what is faster beyond doubt, and keeps it for
 * `loadTuning`. Takes `budgetMs` and some compiling. Call it before the first step: plans that exist stay as they are.
 * What is computed stays the same but for the order of sums. null on a device that has nothing to tune (cpu).
 */
export async function tune(options: TuneOptions = {}): Promise<Tuning | null> {
  const device = currentDevice();
  return isWebgl(device) ? tuneDevice(device, options) : null;
}

/**
 * Applies what `tune` kept on this machine for the current device; null if it never measured this renderer with this
 * version, and the defaults stay. Nothing is ever loaded unless you call this. `store`: as in `tune`.
 */
export async function loadTuning({ store }: { readonly store?: string } = {}): Promise<Tuning | null> {
  const device = currentDevice();
  return isWebgl(device) ? loadTuningOf(device, store) : null;
}

/**
 * Applies a tuning that came by another way: JSON of a page like this one, or of a colleague with the same GPU. Throws
 * FormatError for what is none, DeviceError if it is another renderer's or version's.
 */
export function applyTuning(tuning: Tuning): void {
  const device = currentDevice();
  if (!isWebgl(device)) throw new DeviceError(`applyTuning: the ${device.name} device has nothing to tune`);
  applyTo(device, tuning);
}

const isWebgl = (device: Device): device is WebglDevice => "gl" in device && "programs" in device;

/**
 * Making the current device ready before it is needed: programs compiled ahead. Nothing here changes what is computed.
 */
import type { Device } from "./ir/device.ts";
import type { WebglDevice } from "./runtime/device.ts";
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

const isWebgl = (device: Device): device is WebglDevice => "gl" in device && "programs" in device;

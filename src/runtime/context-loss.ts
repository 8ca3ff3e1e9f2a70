/**
 * A context that is lost and comes back: its events, what those wait for who want to go on, and whether what came back
 * will do. Not here: what the device makes anew (device.ts), or how values come back (trace/snapshot.ts).
 */
import type { ContextLoss } from "../ir/device.ts";
import type { DeviceError } from "../ir/errors.ts";
import type { DeviceProfile } from "../ir/plan.ts";
import type { Capabilities } from "./capabilities.ts";
import type { WebGL2 } from "./gl-types.ts";

/** One loss, from the moment it is noticed. */
export class Loss implements ContextLoss {
  readonly restored: Promise<void>;
  /** The device works again. */
  end: () => void = () => {};
  /** It never will. */
  fail: (error: DeviceError) => void = () => {};
  constructor() {
    this.restored = new Promise((resolve, reject) => {
      this.end = resolve;
      this.fail = reject;
    });
    // Nobody has to wait for it.
    this.restored.catch(() => {});
  }
}

/** Calls `lost` and `restored` when it happens, until the function it gives is called. */
export function watchContext(gl: WebGL2, lost: () => void, restored: () => void): () => void {
  // Contexts without a canvas (headless-gl) are never lost.
  const { canvas } = gl as {
    readonly canvas?: Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">>;
  };
  const onLost = (event: Event): void => {
    // Without this the browser would not restore it.
    event.preventDefault();
    lost();
  };
  canvas?.addEventListener?.("webglcontextlost", onLost);
  canvas?.addEventListener?.("webglcontextrestored", restored);
  return () => {
    canvas?.removeEventListener?.("webglcontextlost", onLost);
    canvas?.removeEventListener?.("webglcontextrestored", restored);
  };
}

const limitNames = ["maxTextureSize", "maxDrawBuffers", "maxTextureUnits", "maxFragmentUniformVectors"] as const;

/** What plans were made for and the context found cannot do, or null: another GPU may have taken over. */
export function whatIsWorse(probed: Capabilities, found: DeviceProfile, wanted: DeviceProfile): string | null {
  if (!probed.floatRender || !probed.intTextures) return "no float or integer targets";
  if (wanted.fetch === "textureLod" && !probed.exactSampling) return "inexact sampling";
  const worse = limitNames.find((name) => found[name] < wanted[name]);
  return worse === undefined ? null : `${worse} ${found[worse]} instead of ${wanted[worse]}`;
}

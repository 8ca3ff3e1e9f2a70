/**
 * Why a value cannot be had any more. Two kinds: it went stale or out of reach, said in words; or the context it was on
 * was lost, which is nobody's fault, and which a loop may survive.
 */
import type { ContextLoss, DeviceBuffer } from "../ir/device.ts";
import type { HostArray } from "../ir/dtype.ts";
import { ContextLostError, StaleTensorError, type TexgradError } from "../ir/errors.ts";

export type Gone = string | ContextLostError;

export const goneError = (why: Gone): TexgradError => (typeof why === "string" ? new StaleTensorError(why) : why);

/** What took the values of some storage; null while they are there, or where there is none. */
export const lossOf = (at: DeviceBuffer | HostArray | null): ContextLoss | null =>
  at === null || ArrayBuffer.isView(at) ? null : at.loss;

/** The values before a device is left; null where a lost context has taken them. */
export function salvage(buffer: DeviceBuffer): HostArray | null {
  try {
    return buffer.loss === null ? buffer.readSync() : null;
  } catch (error) {
    if (error instanceof ContextLostError) return null;
    throw error;
  }
}

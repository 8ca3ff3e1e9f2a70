/**
 * Where the parts are put together: the device that tensors use unless told otherwise.
 *
 * The engine imports `defaultDevice` by name, so no bundler can drop it, whichever entry is used.
 */
import type { Device } from "./ir/device.ts";
import { createCpuDevice } from "./runtime/cpu/device.ts";
import { selectDevice } from "./runtime/select.ts";

/** Called once, when a value is first needed. */
export const defaultDevice = (): Device => selectDevice();

let cpu: Device | null = null;

/** The one that gives the same bits everywhere, whichever tensors use: for what many machines must agree on. */
export const cpuDevice = (): Device => (cpu ??= createCpuDevice());

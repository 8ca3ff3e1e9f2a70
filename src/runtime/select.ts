/**
 * Which device runs: what the caller says, else TEXGRAD_DEVICE, else WebGL2 where it works and the cpu where not.
 *
 * Falling back says so once, in one line with the reason and the fix; asking for "webgl" makes the same line an error.
 */
import { platform } from "#platform";
import type { Device } from "../ir/device.ts";
import { DeviceError } from "../ir/errors.ts";
import { createCpuDevice } from "./cpu/device.ts";
import { createWebglDevice, type WebglDevice, type WebglOptions } from "./device.ts";
import type { WebGL2 } from "./gl-types.ts";

export type DeviceName = "auto" | "webgl" | "cpu";

export interface DeviceOptions extends WebglOptions {
  /** Default: TEXGRAD_DEVICE, else "auto". */
  readonly device?: DeviceName;
  /** A context to use instead of a new one; it stays the caller's. */
  readonly gl?: WebGL2;
  /** A canvas to make the context on (browsers). */
  readonly canvas?: unknown;
}

/** Throws DeviceError if the device asked for cannot be had. */
export function selectDevice(options: DeviceOptions = {}): Device {
  const wanted = options.device ?? nameFromEnvironment();
  if (wanted === "cpu") return cpu(options);
  const made = tryWebgl(options);
  if ("device" in made) return made.device;
  const line = `no WebGL2: ${made.reason}; to fix it: ${made.fix}`;
  if (wanted === "webgl") throw new DeviceError(line);
  warnOnce(`${line}. Using the cpu device.`);
  return cpu(options);
}

type Made = { readonly device: WebglDevice } | { readonly reason: string; readonly fix: string };

function tryWebgl(options: DeviceOptions): Made {
  const { readsSynchronously = platform.readsSynchronously } = options;
  if (options.gl !== undefined) return build(options.gl, { ...options, readsSynchronously }, () => {});
  const context = platform.createContext(options.canvas === undefined ? {} : { canvas: options.canvas });
  if (!context.ok) return context;
  return build(context.gl, { ...options, readsSynchronously }, () => context.destroy());
}

/** A context that cannot do what is needed is as good as none. */
function build(gl: WebGL2, options: WebglOptions, destroy: () => void): Made {
  try {
    return { device: createWebglDevice(gl, options) };
  } catch (error) {
    destroy();
    if (!(error instanceof DeviceError)) throw error;
    return { reason: error.message, fix: "use another browser or graphics driver" };
  }
}

const cpu = ({ budget, off }: DeviceOptions): Device =>
  createCpuDevice({ ...(budget === undefined ? {} : { budget }), ...(off === undefined ? {} : { off }) });

const names: readonly DeviceName[] = ["auto", "webgl", "cpu"];

function nameFromEnvironment(): DeviceName {
  const value = platform.env("TEXGRAD_DEVICE");
  if (value === undefined || value === "") return "auto";
  const known = names.find((name) => name === value);
  if (known === undefined) throw new DeviceError(`TEXGRAD_DEVICE=${value}: takes ${names.join(", ")}`);
  return known;
}

let warned = false;

function warnOnce(line: string): void {
  if (!warned) platform.warn(line);
  warned = true;
}

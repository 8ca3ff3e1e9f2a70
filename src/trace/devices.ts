/** Which device computes. */
import type { Device } from "../ir/device.ts";
import { engine } from "./engine.ts";

/** The device in use; makes the default one if none was. */
export const currentDevice = (): Device => engine.device;

/** Has everything run on another device from now on. Parameters move when they are next used. */
export function setDevice(device: Device): void {
  engine.setDevice(device);
}

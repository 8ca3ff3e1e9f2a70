/**
 * The device tests run on: TEXGRAD_TEST_DEVICE names it (reference, cpu, webgl), the reference unless told.
 */
import { setDevice, type Device } from "texgrad";
import { referenceDevice } from "texgrad/reference";
import { selectDevice } from "../../src/runtime/select.ts";

export function testDevice(name: string = process.env["TEXGRAD_TEST_DEVICE"] ?? "reference"): Device {
  if (name === "reference") return referenceDevice();
  if (name === "cpu" || name === "webgl") return selectDevice({ device: name });
  throw new Error(`TEXGRAD_TEST_DEVICE: there is no device ${name}; take reference, cpu or webgl`);
}

/** Has everything of this process run on the test's device, from a fresh start. */
export function useTestDevice(): void {
  setDevice(testDevice());
}

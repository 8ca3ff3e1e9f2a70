/**
 * The device tests run on: TEXGRAD_TEST_DEVICE names it (reference, cpu, webgl), the reference unless told.
 */
import { setDevice, type Device } from "texgrad";
import { referenceDevice } from "texgrad/reference";
import { selectDevice } from "../../src/runtime/select.ts";
import { forcedLimits } from "./limits.ts";

/** One for the process: what an earlier test left pending still has its buffers there. */
let device: Device | undefined;

function testDevice(): Device {
  const name = process.env["TEXGRAD_TEST_DEVICE"] ?? "reference";
  switch (name) {
    case "reference":
      return referenceDevice();
    case "cpu":
    case "webgl":
      return selectDevice({ device: name, ...forcedLimits });
    default:
      throw new Error(`TEXGRAD_TEST_DEVICE=${name}: there are reference, cpu and webgl`);
  }
}

/** Has everything of this process run on the test's device. */
export function useTestDevice(): void {
  device ??= testDevice();
  setDevice(device);
}

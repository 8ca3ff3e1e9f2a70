/** Every device a fixture is run on, by name. */
import type { Device } from "texgrad";
import { referenceDevice } from "texgrad/reference";
import { selectDevice } from "../../src/runtime/select.ts";

export const devices: readonly (readonly [name: string, make: () => Device])[] = [
  ["reference", referenceDevice],
  ["cpu", () => selectDevice({ device: "cpu" })],
  ["webgl", () => selectDevice({ device: "webgl" })],
];

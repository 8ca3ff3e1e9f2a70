/** Every device a fixture is run on, by name; under forced limits WebGL alone. */
import type { Device } from "texgrad";
import { referenceDevice } from "texgrad/reference";
import { selectDevice } from "../../src/runtime/select.ts";
import { areLimitsForced, forcedLimits } from "./limits.ts";

type Entry = readonly [name: string, make: () => Device];

const unlimited: readonly Entry[] = [
  ["reference", referenceDevice],
  ["cpu", () => selectDevice({ device: "cpu" })],
];

export const devices: readonly Entry[] = [
  ...(areLimitsForced ? [] : unlimited),
  ["webgl", () => selectDevice({ device: "webgl", ...forcedLimits })],
];

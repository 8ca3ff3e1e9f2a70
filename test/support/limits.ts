/**
 * Limits that contexts of tests are given, lower than they have: TEXGRAD_TEST_LIMITS is options of a device as JSON, as
 * `npm run test:limits` sets it. Not here: which limits are tried; see tools/suites.mjs.
 */
import type { WebglOptions } from "../../src/runtime/device.ts";

const given = process.env["TEXGRAD_TEST_LIMITS"];

/** Options of every WebGL device a test makes. */
export const forcedLimits: WebglOptions = given === undefined ? {} : (JSON.parse(given) as WebglOptions);

/** Whether only contexts are tried: other devices know no such limits. */
export const areLimitsForced = given !== undefined;

/**
 * The GL contexts of tests: one headless context for each test file's process. A test that needs GL fails without it;
 * it is never skipped.
 */
import { platform } from "#platform";
import type { WebGL2 } from "../../src/runtime/gl-types.ts";

let known: WebGL2 | undefined;

export function headlessGl(): WebGL2 {
  if (known === undefined) {
    const result = platform.createContext();
    if (!result.ok) throw new Error(`no GL for tests: ${result.reason}; ${result.fix}`);
    known = result.gl;
  }
  return known;
}

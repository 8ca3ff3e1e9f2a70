/**
 * Every call of layers.json by `F` on a WebGL2 device, in one context. What differs from PyTorch is given back as text.
 * Runs in a page; the test in Node reads the names.
 */
import { setDevice } from "../../../src/index.ts";
import { selectDevice } from "../../../src/runtime/select.ts";
import { fixture } from "../../fixtures/load.ts";
import { checkCase } from "../../support/fixture-case.ts";
import { layerCalls } from "../../support/layer-calls.ts";

const { cases } = fixture("layers");

export const caseIds: readonly string[] = cases.map(({ id }) => id);

/** What is wrong with each case, by its id; nothing for those that are right. */
export async function runCases(): Promise<Record<string, string>> {
  setDevice(selectDevice({ device: "webgl" }));
  const wrong: Record<string, string> = {};
  for (const c of cases) {
    try {
      await checkCase(c, layerCalls[c.op]!);
    } catch (error) {
      wrong[c.id] = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }
  return wrong;
}

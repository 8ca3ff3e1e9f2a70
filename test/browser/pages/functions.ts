/**
 * Every call of functions.json through the public API on a WebGL2 device, in one context. What differs from PyTorch is
 * given back as text. Runs in a page; the test in Node reads the names.
 */
import { setDevice } from "../../../src/index.ts";
import { selectDevice } from "../../../src/runtime/select.ts";
import { fixture } from "../../fixtures/load.ts";
import { different, looser, losesOnGl } from "../../ops/function-exceptions.ts";
import { checkFunction } from "../../support/function-case.ts";

/** The first of each op and every second besides: each takes a browser some programs, and the page five minutes at most. */
const chosen = (id: string): boolean => Number(id.split("/")[1]) % 2 === 1;

const cases = fixture("functions").cases.filter(
  ({ id }) => chosen(id) && different[id] === undefined && losesOnGl[id] === undefined,
);

export const caseIds: readonly string[] = cases.map(({ id }) => id);

/** What is wrong with each case, by its id; nothing for those that are right. */
export async function runCases(): Promise<Record<string, string>> {
  setDevice(selectDevice({ device: "webgl" }));
  const wrong: Record<string, string> = {};
  for (const c of cases) {
    try {
      const text = await checkFunction(c, looser[c.op]?.times);
      if (text !== null) wrong[c.id] = text;
    } catch (error) {
      wrong[c.id] = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }
  return wrong;
}

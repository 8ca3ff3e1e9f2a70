/**
 * Every op in a real browser: the calls of PyTorch's fixtures, with their first and second derivatives, in one page.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openModule, openStage, type ModulePage, type Stage } from "./chromium.ts";
import * as here from "./pages/ops.ts";

let stage: Stage;
let page: ModulePage<typeof here>;
let wrong: Readonly<Record<string, string>>;
beforeAll(async () => {
  stage = await openStage();
  page = await openModule<typeof here>(stage.browser, stage.site, "ops");
  wrong = await page.run.runCases();
});
afterAll(() => stage.close());

describe("in Chromium as the evaluator has it", () => {
  test.each(here.caseIds)("%s", (id) => expect(wrong[id]).toBeUndefined());
});

test("the page says nothing to the console", () => expect(page.complaints).toEqual([]));

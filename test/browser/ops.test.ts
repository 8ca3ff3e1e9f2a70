/**
 * Every op in a real browser, in one page; which cases, and how they are judged: pages/ops.ts.
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

test("every definition is in one of these cases", () => {
  const { all, missed } = here.coverage();
  console.log(`Chromium: ${here.caseIds.length} graphs, ${all} definitions`);
  // State lives between submissions: the training tests have these two, whether random graphs draw them or not.
  expect(missed.filter((name) => name !== "cell" && name !== "carried")).toEqual([]);
});

test("the page says nothing to the console", () => expect(page.complaints).toEqual([]));

/** Convolutions, pools, norms and attention in a real browser against PyTorch, in one page; see pages/layers.ts. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openModule, openStage, type ModulePage, type Stage } from "./chromium.ts";
import * as here from "./pages/layers.ts";

let stage: Stage;
let page: ModulePage<typeof here>;
let wrong: Readonly<Record<string, string>>;
beforeAll(async () => {
  stage = await openStage();
  page = await openModule<typeof here>(stage.browser, stage.site, "layers");
  wrong = await page.run.runCases();
}, 300_000);
afterAll(() => stage.close());

describe("in Chromium as PyTorch has it", () => {
  test.each(here.caseIds)("%s", (id) => expect(wrong[id]).toBeUndefined());
});

test("the page says nothing to the console", () => expect(page.complaints).toEqual([]));

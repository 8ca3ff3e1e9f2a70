/**
 * Warm-up and tuning as a page has them: the event loop goes on meanwhile, and IndexedDB keeps what was measured.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openModule, openStage, type Stage } from "./chromium.ts";
import type * as pages from "./pages/preparing.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

test("after a reload a page that warms up compiles nothing in its steps, and finds its tuning", async () => {
  const it = await openModule<typeof pages>(stage.browser, stage.site, "preparing");
  const { manifest, losses } = await it.run.record();
  const { before, kept, found } = await it.run.tuned();
  expect(before).toBeNull();
  expect(found).toEqual(kept);

  await it.page.reload();
  await it.page.waitForFunction(() => "loaded" in globalThis);
  const warmed = await it.run.warm(manifest);
  const { length } = manifest.programs;
  expect(warmed.warmUp).toEqual({ compiled: length, known: 0, refused: 0, ignored: null });
  expect(warmed).toMatchObject({ compiled: 0, losses });
  expect(warmed.tasks).toBeGreaterThan(1);
  expect(await it.run.found()).toEqual(kept);
  expect(it.complaints).toEqual([]);
  await it.page.close();
});

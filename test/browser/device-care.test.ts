/**
 * What a browser may do to a training: take its context away in the middle of step 20 and bring it back, run it in a
 * dedicated worker, both. The losses are those of an undisturbed run in the page, bit for bit.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openModule, openStage, type ModulePage, type Stage } from "./chromium.ts";
import { bundlePage } from "./site.ts";
import type * as pages from "./pages/device-care.ts";

let stage: Stage;
let it: ModulePage<typeof pages>;
let wanted: pages.Outcome;
beforeAll(async () => {
  stage = await openStage();
  stage.site.texts.set("/device-care-worker.js", await bundlePage("device-care-worker"));
  it = await openModule<typeof pages>(stage.browser, stage.site, "device-care");
  wanted = await it.run.train("none");
});
afterAll(() => stage.close());

const survived = [{ step: 20, from: 16 }];

test("undisturbed, it learns", () => {
  expect(wanted.losses).toHaveLength(30);
  expect(wanted.survived).toEqual([]);
  expect(wanted.losses.slice(-5).reduce((a, b) => a + b) / 5).toBeLessThan(0.7 * wanted.losses[0]!);
});

describe("a context lost in the middle of step 20 and restored", () => {
  test.each(["before the step", "while a read is on its way"] as const)("%s", async (where) => {
    const got = await it.run.train(where);
    expect(got.survived).toEqual(survived);
    expect(got.losses).toEqual(wanted.losses);
    expect(got.ends).toEqual(wanted.ends);
  });

  test("while a snapshot is on its way", async () => {
    const got = await it.run.train("while a snapshot is on its way");
    expect([8, 16]).toContain(got.survived[0]?.from);
    expect(got).toEqual({ ...wanted, survived: got.survived });
  });

  test("because the GPU process died", async () => {
    const training = it.run.train("the GPU process dies");
    await it.page.waitForEvent("console", { predicate: (message) => message.text() === "ready" });
    const browser = await stage.browser.newBrowserCDPSession();
    // The call itself is never answered: what would answer it is gone.
    browser.send("Browser.crashGpuProcess").catch(() => {});
    expect(await training).toEqual({ ...wanted, survived });
  });

  test("of a canvas of the page's", async () => {
    const got = await it.run.onCanvas();
    expect(got).toEqual({ ...wanted, survived: survived, canvas: "HTMLCanvasElement" });
  });

  test("by hand, with snapshot() and error.restored", async () => {
    expect(await it.run.trainByHand()).toEqual(wanted.losses);
  });
});

describe("in a dedicated worker", () => {
  test("it trains on an OffscreenCanvas, with the page's losses", async () => {
    const got = await it.run.inWorker("none");
    expect(got).toEqual({ ...wanted, canvas: "OffscreenCanvas", hasDocument: false });
  });

  test("it survives a lost context as the page does", async () => {
    const got = await it.run.inWorker("before the step");
    expect(got).toEqual({ ...wanted, survived: survived, canvas: "OffscreenCanvas", hasDocument: false });
  });
});

test("nothing is said to the console but the browser's own word of the losses", () => {
  expect(it.complaints.filter((line) => !/CONTEXT_LOST_WEBGL: loseContext/.test(line))).toEqual([]);
});

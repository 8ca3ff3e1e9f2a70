/**
 * Reads, printing and contexts as a page has them: nothing waits, and nothing is said to the console.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startChromium } from "../../tools/browser/chromium.mjs";
import { openModule, openPage, openStage, type ModulePage, type Stage } from "./chromium.ts";
import { bundlePage } from "./site.ts";
import type * as pages from "./pages/reading.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
  stage.site.texts.set("/reading-worker.js", await bundlePage("reading-worker"));
});
afterAll(() => stage.close());

describe("in a page", () => {
  let it: ModulePage<typeof pages>;
  beforeEach(async () => {
    it = await openModule<typeof pages>(stage.browser, stage.site, "reading");
  });
  afterEach(async () => {
    expect(it.complaints).toEqual([]);
    await it.page.close();
  });

  test("reads give the values, in whatever way they are asked for", async () => {
    expect(await it.run.allWays()).toEqual({
      data: [2, 4, 6, 8, 10, 12],
      tolist: [[2, 4, 6], [8, 10, 12]], // prettier-ignore
      item: 42,
      ints: [100_000_007, -200_000_014, 300_000_021],
      bools: [true, false, true],
      empty: [],
      dataSync: [2, 4, 6, 8, 10, 12],
      itemSync: 7,
    });
  });

  test("ten reads at once each get their own", async () => {
    const wanted = Array.from({ length: 10 }, (_, i) => ((i + 1) * 1000 * ((i + 1) * 1000 - 1)) / 2);
    const sums = await it.run.manyReads();
    // Sums of up to 10,000 whole numbers in f32, in the order of the device: n eps of the result at most, less in fact.
    for (const [i, sum] of sums.entries()) expect(Math.abs(sum / wanted[i]! - 1)).toBeLessThan(1e-5);
  });

  test("a read lets the page go on", async () => expect(await it.run.tasksDuringRead()).toBeGreaterThan(1));

  test("a tensor that is not computed says so; print() waits for the values", async () => {
    const { before, after } = await it.run.printing();
    expect(before).toBe("tensor(<not computed yet; await t.print() shows the values>, f32[3])");
    expect(after).toBe("tensor([1.5000, 2.5000, 3.5000], f32[3])");
    expect(it.said).toEqual([`log: ${after}`]);
  });

  test("a context of the page's own serves both, and stays the page's", async () => {
    const [red, green, blue] = [51, 102, 153];
    expect(await it.run.ownContext()).toEqual({
      sums: [1e6, 1e6, 1e6],
      pixels: Array.from({ length: 4 }, () => [red, green, blue, 255]),
      sameContext: true,
      error: 0,
    });
  });

  test("a lost context is an error in words, and another device goes on", async () => {
    // The type of what a page returns as unknown: checked by what follows.
    const { out, again, errors } = (await it.run.lostContext()) as Record<"out" | "again", number[]> & {
      errors: string[];
    };
    expect(errors[0]).toMatch(/ShapeError/);
    for (const error of errors.slice(1)) expect(error).toMatch(/^DeviceError: the WebGL context was lost/);
    expect(again).toEqual(out);
  });

  test("a worker computes as the page does", async () => {
    const answer = { device: "webgl", sum: 999_000 };
    expect(await it.run.inWorker()).toEqual(answer);
    expect(await it.run.defaultDevice()).toEqual(answer);
  });
});

describe("where a page has no WebGL", () => {
  test("the cpu device computes, after one line; where it may not make code, too", async () => {
    const browser = await startChromium({ webgl: false });
    try {
      const it = await openModule<typeof pages>(browser, stage.site, "reading");
      expect(await it.run.defaultDevice()).toEqual({ device: "cpu", sum: 999_000 });
      const line = /^warning: texgrad: no WebGL2: .*; to fix it: .*\. Using the cpu device\.$/;
      expect(it.complaints).toEqual([expect.stringMatching(line)]);

      stage.site.texts.set("/strict.html", strictPage);
      stage.site.texts.set(
        "/strict.js",
        'import("/reading.js").then((m) => m.defaultDevice()).then(JSON.stringify).then(console.log);',
      );
      const strict = await openPage(browser, `${stage.site.origin}/strict.html`);
      await strict.page.waitForEvent("console", { predicate: (message) => message.type() === "log" });
      expect(strict.said.at(-1)).toBe('log: {"device":"cpu","sum":999000}');
      expect(strict.complaints).toEqual([expect.stringMatching(line)]);
    } finally {
      await browser.close();
    }
  });
});

/** Text may not become code here: neither eval nor new Function. */
const strictPage = `<!doctype html><link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy" content="script-src 'self'"><script type="module" src="/strict.js"></script>`;

/**
 * Two tabs of Chromium, on its WebGL, and two Node processes, on the cpu device, train one model together, and end with
 * the same bits. The tabs come by the join page; the dashboard shows all four.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startChromium } from "../../tools/browser/chromium.mjs";
import { createServer, type TrainingServer } from "texgrad/distributed/server";
import { Workshop } from "../distributed/processes.ts";
import { openPage } from "./chromium.ts";
import type { Joined } from "./pages/distributed.ts";
import { bundlePage, repository } from "./site.ts";

const SECRET = "a secret of the browser tests";

let browser: Browser;
let server: TrainingServer;
let workshop: Workshop;
beforeAll(async () => {
  [browser, workshop] = await Promise.all([startChromium(), Workshop.open(["worker"])]);
  const page = await bundlePage("distributed");
  server = await createServer({ page, secret: SECRET, room: { minWorkers: 4, minDeadlineMs: 20_000 } });
});
afterAll(async () => {
  await Promise.all([browser.close(), workshop.close(), server.close()]);
});

test("two tabs and two processes train in one run", async () => {
  const origin = `http://127.0.0.1:${server.port}`;
  const token = server.token({});
  const address = `${origin}/join?token=${token}`;
  const job = { folder: null, samples: 600, tests: 100, batchSize: 8, epochs: 2, hidden: 16, pauseMs: 150 };
  const env = { TEXGRAD_SERVER: server.url(), TEXGRAD_TOKEN: token };
  const processes = [0, 1].map(() => workshop.start("worker", [JSON.stringify(job)], env));
  const tabs = await Promise.all([0, 1].map(() => openPage(browser, address)));
  const dashboard = await openPage(browser, `${origin}/?token=${token}`);

  await processes[0]!.line(({ step }) => Number(step) >= 5);
  // The head and four workers. 38 steps of 150 ms at least are time enough to be seen.
  await dashboard.page.waitForFunction(() => document.querySelectorAll("table tr").length === 5);
  const shots = join(repository, ".texgrad/screenshots");
  mkdirSync(shots, { recursive: true });
  await dashboard.page.screenshot({ path: join(shots, "dashboard.png") });
  await tabs[0]!.page.screenshot({ path: join(shots, "join.png") });

  const ends = await Promise.all(processes.map((p) => p.line((line) => line["end"] === true)));
  const joined: Joined[] = [];
  for (const { page } of tabs) {
    await page.waitForFunction(() => "result" in globalThis);
    joined.push(await page.evaluate(() => (globalThis as unknown as { result: Joined }).result));
    expect(await page.locator("#state").textContent()).toBe("finished");
  }
  expect(new Set([...ends, ...joined].map(({ hash }) => hash)).size).toBe(1);
  // All four were in: 32 samples a step, 19 steps an epoch.
  expect(ends[0]!["step"]).toBe(38);
  expect(joined[0]!.losses.at(-1)!).toBeLessThan(0.9 * joined[0]!.losses[0]!);

  await dashboard.page.waitForFunction(() => document.querySelector("h2")?.textContent === "default (finished)");
  for (const { complaints } of [...tabs, dashboard]) expect(complaints).toEqual([]);
});

test("the join page can be stopped and started again, and says why it cannot join", async () => {
  const { page } = await openPage(
    browser,
    `http://127.0.0.1:${server.port}/join?token=${server.token({})}&run=default`,
  );
  await page.waitForFunction(() => document.body.dataset["state"] === "finished");
  await page.locator("button").click();
  await page.waitForFunction(() => document.body.dataset["state"] !== "stopped");
  const { page: refused } = await openPage(browser, `http://127.0.0.1:${server.port}/join`);
  expect(await refused.textContent("body")).toContain("give a token");
});

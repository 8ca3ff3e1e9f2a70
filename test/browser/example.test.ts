/**
 * examples/browser.html as a visitor meets it: served with the repository, on a desktop, on a phone, without WebGL.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { drawnDigits } from "texgrad/data";
import { startChromium } from "../../tools/browser/chromium.mjs";
import { openPage, openStage, type Stage, type TestPage } from "./chromium.ts";
import { repository } from "./site.ts";

const path = "/examples/browser.html";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage(repository);
});
afterAll(() => stage.close());

const text = (page: Page, id: string): Promise<string> => page.locator(`#${id}`).innerText();
const value = async (page: Page, id: string): Promise<number> => parseFloat((await text(page, id)).replaceAll(",", ""));

async function untilReady(page: Page): Promise<void> {
  await page.locator("#start:enabled").waitFor();
}

/** Trains for at least so many steps, then stops. Returns the losses shown at the first look and at the end. */
async function trainFor(page: Page, steps: number): Promise<{ readonly first: number; readonly last: number }> {
  const reached = (n: number) =>
    page.waitForFunction((least) => Number(document.getElementById("step")!.innerText.replaceAll(",", "")) >= least, n);
  await page.locator("#start").click();
  await reached(1);
  const first = await value(page, "loss");
  await reached(steps);
  await page.locator("#start").click();
  await page.locator("#start:text('Go on')").waitFor();
  return { first, last: await value(page, "loss") };
}

/** An IDX file of bytes. */
function idx(shape: readonly number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((extent, i) => header.writeUInt32BE(extent, 4 + 4 * i));
  return Buffer.concat([header, data]);
}

const file = (name: string, buffer: Buffer): { name: string; mimeType: string; buffer: Buffer } => ({
  name,
  mimeType: "application/octet-stream",
  buffer,
});

describe("the example page", () => {
  let it: TestPage;
  beforeAll(async () => {
    it = await openPage(stage.browser, stage.site.origin + path);
    await untilReady(it.page);
  });

  test("trains: the loss falls, the accuracy rises, the cost is shown", async () => {
    const { page } = it;
    const { first, last } = await trainFor(page, 60);
    expect(last).toBeLessThan(0.75 * first);
    expect(await value(page, "accuracy")).toBeGreaterThan(50);
    expect(await value(page, "draws")).toBeLessThanOrEqual(12);
    expect(await value(page, "programs")).toBeLessThanOrEqual(12);
    expect(await text(page, "device")).toContain("8 render targets");
  });

  test("shows the GLSL of each program of a step", async () => {
    const { page } = it;
    const step = page.locator("#shaders h3", { hasText: "One training step" });
    expect(await step.count()).toBe(1);
    expect(await page.locator("#shaders details").count()).toBeGreaterThanOrEqual(await value(page, "draws"));
    await page.locator("summary").first().click();
    expect(await page.locator("pre").first().innerText()).toMatch(/^#version 300 es[^]*void main\(\)[^]*\}\s*$/);
  });

  test("goes on, and starts anew", async () => {
    const { page } = it;
    const steps = await value(page, "step");
    await page.locator("#start").click();
    await page.waitForFunction((n) => Number(document.getElementById("step")!.innerText) > n, steps);
    await page.locator("#start").click();
    await page.locator("#start:text('Go on')").waitFor();
    await page.locator("#reset").click();
    expect(await text(page, "step")).toBe("0");
    await page.locator("#rule").selectOption("sgd");
    await page.locator("#rate").fill("0.1");
    const { first, last } = await trainFor(page, 25);
    expect(last).toBeLessThan(first);
  });

  test("takes IDX files, and says what is wrong with others", async () => {
    const { page } = it;
    const digits = drawnDigits({ count: 300, seed: 9 });
    const images = file("train-images-idx3-ubyte", idx([300, 28, 28], digits.images));
    const labels = file("train-labels-idx1-ubyte", idx([300], digits.labels));
    const files = page.locator("#files");
    await files.setInputFiles([images, file("notes.txt", Buffer.from("hello"))]);
    await page.locator("#notice").waitFor();
    expect(await text(page, "notice")).toMatch(/^notes\.txt: .*IDX/);
    await files.setInputFiles([images]);
    await page.locator("#notice", { hasText: "No labels" }).waitFor();
    await files.setInputFiles([labels, images]);
    await page.locator("#source", { hasText: "240 digits of your files, 60 to test" }).waitFor();
    expect(await page.locator("#notice").isHidden()).toBe(true);
    expect((await trainFor(page, 5)).last).toBeGreaterThan(0);
  });

  test("says nothing to the console", () => expect(it.complaints).toEqual([]));
});

test("on a phone nothing is wider than the screen", async () => {
  const { page, complaints } = await openPage(stage.browser, stage.site.origin + path, { width: 360, height: 740 });
  await untilReady(page);
  await trainFor(page, 5);
  await page.locator("summary").first().click();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  const { height } = (await page.locator("#start").boundingBox())!;
  // The size of a finger: 44 px, Apple's and the W3C's least.
  expect(height).toBeGreaterThanOrEqual(44);
  expect(complaints).toEqual([]);
  await page.close();
});

test("without WebGL2 it says so in words and trains on the cpu device", async () => {
  const browser = await startChromium({ webgl: false });
  try {
    const { page, complaints } = await openPage(browser, stage.site.origin + path);
    await untilReady(page);
    expect(await text(page, "notice")).toContain("no WebGL2");
    const { first, last } = await trainFor(page, 10);
    expect(last).toBeLessThan(first);
    expect(complaints).toEqual([expect.stringContaining("no WebGL2")]);
  } finally {
    await browser.close();
  }
});

test("where the library was not built it says how to", async () => {
  const { page } = await openPage(stage.browser, "about:blank");
  await page.route("**/dist/texgrad.min.js", (route) => route.fulfill({ status: 404, body: "" }));
  await page.goto(stage.site.origin + path);
  await page.locator("#notice").waitFor();
  expect(await text(page, "notice")).toContain("npm run build");
  await page.close();
});

/**
 * Pages in Chromium that remember everything they complained about: errors, warnings, and what they could not load.
 * Not here: how Chromium is started (tools/browser).
 */
import type { Browser, Page } from "playwright-core";
import { vi } from "vitest";
import { startChromium } from "../../tools/browser/chromium.mjs";
import { serve, type Site } from "../../tools/browser/serve.mjs";
import { bundlePage } from "./site.ts";

/** On a machine that does other things besides, a page of software GL may take long; these tests measure no time. */
const PATIENCE = 120_000;
vi.setConfig({ testTimeout: PATIENCE, hookTimeout: 2 * PATIENCE });

export interface TestPage {
  readonly page: Page;
  /** What the page said to the console, each with its kind in front: "log: 1 2". */
  readonly said: readonly string[];
  /** What may not happen: console errors and warnings (WebGL's among them), uncaught errors, failed requests. */
  readonly complaints: readonly string[];
}

export async function openPage(browser: Browser, url: string, size = { width: 900, height: 700 }): Promise<TestPage> {
  const page = await browser.newPage({ viewport: size });
  page.setDefaultTimeout(PATIENCE);
  const said: string[] = [];
  const complaints: string[] = [];
  page.on("console", (message) => {
    const line = `${message.type()}: ${message.text()}`;
    said.push(line);
    if (message.type() === "error" || message.type() === "warning") complaints.push(line);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack ?? error.message}`));
  page.on("requestfailed", (request) => complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  await page.goto(url);
  return { page, said, complaints };
}

type Functions<M> = { [K in keyof M]: M[K] extends (...args: never[]) => unknown ? M[K] : never };

/** The functions a module of pages/ exports, called from Node: arguments and results travel as JSON does. */
export type Remote<M> = {
  readonly [K in keyof Functions<M>]: (
    ...args: Parameters<Functions<M>[K]>
  ) => Promise<Awaited<ReturnType<Functions<M>[K]>>>;
};

export interface ModulePage<M> extends TestPage {
  readonly run: Remote<M>;
}

/** A page that has loaded pages/<name>.ts. */
export async function openModule<M>(browser: Browser, site: Site, name: string): Promise<ModulePage<M>> {
  if (!site.texts.has(`/${name}.js`)) {
    site.texts.set(`/${name}.js`, await bundlePage(name));
    site.texts.set(
      `/${name}.html`,
      `<!doctype html><title>${name}</title><link rel="icon" href="data:,">
<script type="module">globalThis.loaded = await import("/${name}.js");</script>`,
    );
  }
  const opened = await openPage(browser, `${site.origin}/${name}.html`);
  await opened.page.waitForFunction(() => "loaded" in globalThis);
  const call = async (member: string, args: unknown[]): Promise<unknown> =>
    opened.page.evaluate(
      async ([wanted, given]) => {
        const { loaded } = globalThis as unknown as { loaded: Record<string, (...args: unknown[]) => unknown> };
        return await loaded[wanted]!(...given);
      },
      [member, args] as const,
    );
  const run = new Proxy({} as Remote<M>, {
    get:
      (_, member) =>
      (...args: unknown[]) =>
        call(String(member), args),
  });
  return { ...opened, run };
}

/** A browser and a site for one test file. */
export interface Stage {
  readonly browser: Browser;
  readonly site: Site;
  close(): Promise<void>;
}

export async function openStage(folder?: string): Promise<Stage> {
  const [browser, site] = await Promise.all([startChromium(), serve(folder)]);
  return {
    browser,
    site,
    close: async () => {
      await browser.close();
      await site.close();
    },
  };
}

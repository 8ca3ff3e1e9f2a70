/**
 * The engines, each in a Chromium of its own with a new profile: no engine's memory, caches or garbage are another's.
 */
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { bundle, sourceAliases } from "../../tools/browser/bundle.mjs";
import { startChromium } from "../../tools/browser/chromium.mjs";
import { serve, type Site } from "../../tools/browser/serve.mjs";
import { countGl } from "./gl-counts.ts";
import type * as inPage from "./page.ts";

export interface Engine {
  readonly name: string;
  /** Its statement of the workloads, in bench/. */
  readonly module: string;
  readonly variant: string;
  readonly usesGl: boolean;
}

export const texgrad: Engine = {
  name: "texgrad",
  module: "workloads-texgrad/index.ts",
  variant: "webgl",
  usesGl: true,
};
export const tfjs: Engine = { name: "tfjs-webgl", module: "engines/tfjs.js", variant: "webgl", usesGl: true };
export const engines: readonly Engine[] = [
  texgrad,
  tfjs,
  { name: "jax-js-webgl", module: "engines/jaxjs.js", variant: "webgl-jit", usesGl: true },
  { name: "jax-js-wasm", module: "engines/jaxjs.js", variant: "wasm-jit", usesGl: false },
];

/** A page of its own and workers with shared memory: exact clocks, and threads for WebAssembly. */
const isolated = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Serves the page, and each engine's bundle under its module's name. */
export async function serveEngines(root: string, wanted: readonly Engine[]): Promise<Site> {
  const site = await serve(undefined, isolated);
  const bundled = (path: string): Promise<string> =>
    bundle({ entryPoints: [join(root, "bench", path)], alias: sourceAliases(root, "browser"), minify: true });
  site.texts.set("/page.js", await bundled("browser/page.ts"));
  for (const module of new Set(wanted.map((engine) => engine.module))) {
    site.texts.set(`/${module}.js`, await bundled(module));
  }
  site.texts.set(
    "/page.html",
    `<!doctype html><link rel="icon" href="data:,"><script type="module">globalThis.page = await import("/page.js");</script>`,
  );
  return site;
}

/** Nothing compiled by another process may be found again, by Chromium or by the driver. */
const noCaches = {
  args: ["--disable-gpu-shader-disk-cache", "--disk-cache-size=1"],
  env: { MESA_SHADER_CACHE_DISABLE: "true" },
};

/** As long as the slowest first step of the slowest peer. */
const PATIENCE = 600_000;

type Functions = typeof inPage;

/** An engine at work. */
export class EnginePage {
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.#page = page;
  }

  /** Starts it and refuses every renderer but llvmpipe, or one that the user names: a wrong switch falls back silently. */
  static async open(engine: Engine, site: Site, { counted = false, renderer = "llvmpipe" } = {}): Promise<EnginePage> {
    const browser = await startChromium(noCaches);
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on("pageerror", (error) => console.error(`bench: ${engine.name}: ${error.message}`));
    if (counted) await page.addInitScript(countGl);
    await page.goto(`${site.origin}/page.html`);
    await page.waitForFunction(() => "page" in globalThis);
    const opened = new EnginePage(browser, page);
    const started = await opened.call("start", `/${engine.module}.js`, engine.variant);
    if (engine.usesGl && !started.renderer.includes(renderer)) {
      throw new Error(
        `bench: Chromium draws with ${started.renderer}, not with ${renderer}; --renderer NAME allows it`,
      );
    }
    return opened;
  }

  /** Calls a function of page.ts there; arguments and results travel as JSON does. */
  async call<K extends keyof Functions>(
    name: K,
    ...args: Parameters<Functions[K]>
  ): Promise<Awaited<ReturnType<Functions[K]>>> {
    const result = await this.#page.evaluate(
      async ([name, args]) => {
        const { page } = globalThis as unknown as { page: Record<string, (...args: unknown[]) => unknown> };
        return await page[name]!(...args);
      },
      [name, args] as [string, unknown[]],
    );
    return result as Awaited<ReturnType<Functions[K]>>;
  }

  close(): Promise<void> {
    return this.#browser.close();
  }
}

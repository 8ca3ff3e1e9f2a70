/**
 * Debian's Chromium without a window, its WebGL2 drawn by the same Mesa driver as headless GL's (8 render targets).
 *
 * Not here: pages, and what runs in them (test/browser, bench/browser).
 */
import { chromium } from "playwright-core";
import { findChromium } from "../setup/machine.mjs";

/** Software GL that needs no display. */
const graphics = ["--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist"];
/** Our pages talk to nobody but their own server. */
const quiet = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-domain-reliability",
  "--disable-sync",
  "--no-default-browser-check",
  "--no-first-run",
  "--no-pings",
];

/**
 * A process of its own with a new profile. Without webgl every context is refused, as on a machine whose graphics are
 * switched off.
 *
 * @param {{ webgl?: boolean, args?: string[], env?: Record<string, string> }} [options]
 * `args`: switches besides; `env`: variables besides.
 * @returns {Promise<import("playwright-core").Browser>}
 */
export async function startChromium({ webgl = true, args = [], env = {} } = {}) {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("no Chromium: npm run setup says how to get it");
  const drawing = webgl ? graphics : ["--disable-gpu", "--disable-software-rasterizer"];
  return chromium.launch({
    executablePath,
    // As root, Chromium wants no sandbox; it loads nothing but our own pages.
    args: ["--no-sandbox", ...quiet, ...drawing, ...args],
    env: { ...process.env, ...env },
  });
}

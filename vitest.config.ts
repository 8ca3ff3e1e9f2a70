/**
 * How the tests run: against the sources, each file in a process of its own (headless-gl loads once a process).
 * Not here: which suites exist and their summary; see tools/test.mjs.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: "#platform", replacement: source("platform/node.ts") },
      { find: /^texgrad$/, replacement: source("index.ts") },
      { find: /^texgrad\/(nn|optim|data|distributed|distributed\/server)$/, replacement: source("$1/index.ts") },
      { find: /^texgrad\/(methods|text|debug|reference)$/, replacement: source("$1.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 30_000,
  },
});

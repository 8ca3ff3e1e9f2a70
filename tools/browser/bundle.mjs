/**
 * Bundles made of the library's sources: what pages of tests and measurements load.
 */
import { join } from "node:path";
import { build } from "esbuild";

/**
 * The library's names, led to the sources.
 *
 * @param {string} root The repository.
 * @param {"browser" | "node"} platform
 * @returns {Record<string, string>}
 */
export function sourceAliases(root, platform) {
  const source = (/** @type {string} */ path) => join(root, "src", path);
  return {
    "#platform": source(`platform/${platform}.ts`),
    texgrad: source("index.ts"),
    "texgrad/nn": source("nn/index.ts"),
    "texgrad/optim": source("optim/index.ts"),
    "texgrad/data": source("data/index.ts"),
    "texgrad/distributed/server": source("distributed/server/index.ts"),
    "texgrad/distributed": source("distributed/index.ts"),
    "texgrad/debug": source("debug.ts"),
    "texgrad/reference": source("reference.ts"),
  };
}

/**
 * As a user's bundler would: for browsers, tree-shaken, one file.
 *
 * @param {import("esbuild").BuildOptions} options
 * @returns {Promise<string>}
 */
export async function bundle(options) {
  const { outputFiles } = await build({
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
    ...options,
    write: false,
  });
  return outputFiles[0].text;
}

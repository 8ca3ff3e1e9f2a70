/**
 * `npm run bench` and `npm run bench:node`: bundles bench/<command>/main.ts with the library's sources, so that what is
 * measured is what stands in src, and runs it with the arguments given.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { sourceAliases } from "../tools/browser/bundle.mjs";
import { root, setUp } from "../tools/setup.mjs";

const [command, ...args] = process.argv.slice(2);
const missing = await setUp();
if (missing !== undefined) console.error(`set-up: ${missing}`);

process.chdir(root);
const outfile = join(root, ".texgrad/bench", `${command}.mjs`);
await build({
  entryPoints: [join(root, "bench", command, "main.ts")],
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  alias: sourceAliases(root, "node"),
  sourcemap: "inline",
  outfile,
  logLevel: "warning",
});
const { run } = await import(pathToFileURL(outfile).href);
process.exitCode = await run(args);

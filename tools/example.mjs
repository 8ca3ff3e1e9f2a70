/**
 * `npm run example lenet -- --epochs 3`: runs one of the examples in Node, from source. Options become the fields of
 * what its `main` takes; numbers are numbers.
 */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { root } from "./setup.mjs";

const [name, ...args] = process.argv.slice(2);
const names = readdirSync(join(root, "examples"))
  .filter((file) => file.endsWith(".ts") && file !== "shared.ts" && file !== "train.ts")
  .map((file) => file.slice(0, -3));
if (!names.includes(name)) {
  console.error(`example: there are ${names.join(", ")}`);
  process.exit(1);
}
const options = {};
for (let i = 0; i < args.length; i += 2) {
  const value = args[i + 1];
  if (!args[i].startsWith("--") || value === undefined) {
    console.error(`example: ${args[i]}: options are pairs such as --epochs 3`);
    process.exit(1);
  }
  options[args[i].slice(2)] = Number.isNaN(Number(value)) ? value : Number(value);
}

// Inside the repository, where the program finds gl.
const folder = join(root, ".texgrad", "examples");
mkdirSync(folder, { recursive: true });
const outfile = join(folder, `${name}.mjs`);
await build({
  entryPoints: [join(root, "examples", `${name}.ts`)],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  alias: { "#platform": join(root, "src/platform/node.ts"), texgrad: join(root, "src/index.ts") },
  tsconfigRaw: {},
});
const { main } = await import(pathToFileURL(outfile).href);
const started = performance.now();
await main(options);
console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
process.exit(0);

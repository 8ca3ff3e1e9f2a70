/**
 * What pages load: bundles for browsers.
 *
 * Not here: who serves them (tools/browser), the browser (chromium.ts), what runs in the page (pages/).
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildOptions, Plugin } from "esbuild";
import { bundle, sourceAliases } from "../../tools/browser/bundle.mjs";

export const repository = fileURLToPath(new URL("../../", import.meta.url));

/** In pages, test/fixtures/load.ts reads its JSON files from the bundle. */
const fixtures: Plugin = {
  name: "fixtures",
  setup(build) {
    const folder = join(repository, "test/fixtures");
    const names = ["ops.json", "layers.json", "functions.json"];
    build.onResolve({ filter: /^node:fs$/ }, () => ({ path: "fs", namespace: "fixtures" }));
    build.onLoad({ filter: /.*/, namespace: "fixtures" }, () => ({
      contents: `${names.map((name, i) => `import file${i} from "./${name}";`).join("\n")}
const files = { ${names.map((name, i) => `"${name}": file${i}`).join(", ")} };
export const readFileSync = ({ pathname }) => files[pathname.slice(pathname.lastIndexOf("/") + 1)];`,
      resolveDir: folder,
    }));
  },
};

/** One of pages/*.ts with the library's sources: pages and the tests in Node then compare the same code. */
export const bundlePage = (name: string): Promise<string> =>
  bundle({
    entryPoints: [join(repository, "test/browser/pages", `${name}.ts`)],
    alias: sourceAliases(repository, "browser"),
    plugins: [fixtures],
    loader: { ".json": "text" },
    sourcemap: "inline",
  });

/**
 * A program that imports the built package by its name, found through package.json's exports as in a user's project:
 * the repository's own name leads to its dist. Not by tsconfig's paths, which lead our own tools to the sources.
 */
export const bundleProgram = (contents: string, options: BuildOptions = {}): Promise<string> =>
  bundle({ stdin: { contents, loader: "ts", resolveDir: repository }, tsconfigRaw: {}, ...options });

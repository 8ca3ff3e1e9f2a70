/**
 * Bundles a tool from the sources into a folder of its own, so that tests can run it as a process: against this gl,
 * against a made-up one, or with none. Needs no build of dist.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

export const repository = fileURLToPath(new URL("../../", import.meta.url));

export interface Sandbox {
  readonly folder: string;
  /** Path of the bundled tool, laid out as in the published package. */
  tool(name: string): string;
  remove(): void;
}

/** Inside the repository the tools find its gl; outside they find only what `fakeGl` put there. */
export function makeSandbox(tools: readonly string[], place: "inside" | "outside"): Sandbox {
  const parent = place === "inside" ? join(repository, ".texgrad") : tmpdir();
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "sandbox-"));
  buildSync({
    entryPoints: tools.map((name) => join(repository, "tools", `${name}.ts`)),
    outdir: join(folder, "dist/tools"),
    bundle: true,
    // What is loaded when it is needed stays so.
    splitting: true,
    platform: "node",
    format: "esm",
    packages: "external",
    // tsconfig.json maps "#platform" to its types.
    alias: { "#platform": join(repository, "src/platform/node.ts") },
    logLevel: "error",
  });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "sandbox", version: "0.0.0", type: "module" }));
  return {
    folder,
    tool: (name) => join(folder, "dist/tools", `${name}.js`),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Puts a package `gl` with this code into the sandbox; without `isBuilt`, as a blocked install script leaves it. */
export function fakeGl(sandbox: Sandbox, code: string, isBuilt = true): void {
  const folder = join(sandbox.folder, "node_modules/gl");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "build/Release"), { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "gl", version: "9.0.0-test", main: "index.js" }));
  writeFileSync(join(folder, "index.js"), code);
  if (isBuilt) writeFileSync(join(folder, "build/Release/webgl.node"), "");
}

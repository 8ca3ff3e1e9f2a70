/**
 * Compiles src/* to dist/* and tools/*.ts to dist/tools/*, and bundles the library into dist/texgrad.min.js for pages
 * without a bundler. Whole or not at all: dist is replaced when tsc and esbuild are content.
 *
 * `node tools/build.mjs` always builds; `buildIfStale` looks at the sources first. Not here: type-checking of tests.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./setup.mjs";

const dist = join(root, "dist");
const hashFile = join(dist, ".source-hash");

/** Builds unless dist was made from exactly these sources. Returns whether dist is good. */
export function buildIfStale() {
  const current = existsSync(hashFile) && readFileSync(hashFile, "utf8") === sourceHash();
  return current || build();
}

/** Compiles and replaces dist. Returns false, with tsc's messages on the screen, where the sources have errors. */
export function build() {
  const hash = sourceHash();
  const work = mkdtempSync(join(root, ".build-"));
  try {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const args = [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", work];
    if (spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status !== 0) return false;
    const next = join(work, "src");
    renameSync(join(work, "tools"), join(next, "tools"));
    for (const file of filesUnder(join(next, "tools"))) redirectToDist(file);
    if (!bundleForPages(next)) return false;
    chmodSync(join(next, "tools/cli.js"), 0o755);
    writeFileSync(join(next, ".source-hash"), hash);
    if (existsSync(dist)) renameSync(dist, join(work, "previous"));
    renameSync(next, dist);
    return true;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * One minified file with everything of the main entry. esbuild is run, not imported: where it is not yet installed,
 * this file is loaded all the same, by those who run set-up.
 */
function bundleForPages(folder) {
  const { version, license, author } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const options = [
    ..."--bundle --format=esm --platform=browser --target=es2022 --minify --log-level=warning".split(" "),
    // package.json leads to the dist that is about to be replaced.
    `--alias:#platform=${join(folder, "platform/browser.js")}`,
    `--banner:js=/*! texgrad ${version}, ${license}, ${author} */`,
    `--outfile=${join(folder, "texgrad.min.js")}`,
  ];
  const args = [join(root, "node_modules/esbuild/bin/esbuild"), join(folder, "index.js"), ...options];
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status === 0;
}

/** In the repository a tool finds the library in ../src; in dist, where src lost its folder, it is one level nearer. */
function redirectToDist(file) {
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(/(from\s*|import\s*\(?\s*)(["'])((?:\.\.\/)+)src\//g, "$1$2$3"));
}

/** A digest of everything the build reads; times are no help, a checkout sets them all to now. */
function sourceHash() {
  const files = ["src", "tools"].flatMap((folder) => filesUnder(join(root, folder)));
  const settings = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "tools/build.mjs"];
  const hash = createHash("sha256");
  for (const file of [...files.filter((name) => name.endsWith(".ts")), ...settings.map((name) => join(root, name))]) {
    hash.update(relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

function filesUnder(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !build()) process.exitCode = 1;

/**
 * Compiles src/* to dist/* and tools/*.ts to dist/tools/*, whole or not at all: dist is replaced when tsc is content.
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
    chmodSync(join(next, "tools/cli.js"), 0o755);
    writeFileSync(join(next, ".source-hash"), hash);
    if (existsSync(dist)) renameSync(dist, join(work, "previous"));
    renameSync(next, dist);
    return true;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
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

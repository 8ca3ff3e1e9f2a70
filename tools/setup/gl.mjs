/**
 * The native package `gl`: built from source with the flags it needs, linked to Vulkan's loader, tried, and stamped.
 *
 * Why -O0: headless-gl 9.0.0-rc.10 has a function without a return value, and g++ with optimisation makes of it that
 * only the first render target is ever written. Ready-made binaries have the same fault, so none is taken.
 */
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { lockfileHash, runNpm } from "./packages.mjs";

const flags = { CXXFLAGS: "-O0" };
const built = "node_modules/gl/build";
const binary = `${built}/Release/webgl.node`;
const stampFile = `${built}/texgrad-stamp.json`;
const vulkanLink = `${built}/Release/libvulkan.so.1`;

/** What a build depends on. A stamp with anything else is a build that is not ours. */
function buildFacts(root) {
  const { version } = JSON.parse(readFileSync(join(root, "node_modules/gl/package.json"), "utf8"));
  return { gl: version, node: process.version, platform: process.platform, arch: process.arch, flags };
}

/** The stamp's contents, or undefined where there is none: a plain `npm ci` removes it with the build. */
export function readStamp(root) {
  try {
    return JSON.parse(readFileSync(join(root, stampFile), "utf8"));
  } catch {
    return undefined;
  }
}

export function writeStamp(root, probe) {
  const stamp = { build: buildFacts(root), lockfile: lockfileHash(root), probe };
  writeFileSync(join(root, stampFile), `${JSON.stringify(stamp, null, 2)}\n`);
  return stamp;
}

/** Whether the binary there is was built here, for this Node, with our flags. */
export function glIsBuilt(root) {
  const stamp = readStamp(root);
  return stamp !== undefined && existsSync(join(root, binary)) && same(stamp.build, buildFacts(root));
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Builds gl; what npm and the compiler said goes to the log. Returns a line when it failed, undefined when built. */
export function buildGl(root) {
  const log = join(root, ".texgrad/build-gl.log");
  rmSync(join(root, built), { recursive: true, force: true });
  const headers = headersOfThisNode();
  const { status } = runNpm(
    root,
    ["rebuild", "gl", "--ignore-scripts=false", "--foreground-scripts"],
    { ...flags, npm_config_build_from_source: "true", ...(headers && { npm_config_nodedir: headers }) },
    log,
  );
  if (status === 0 && existsSync(join(root, binary))) return undefined;
  return `building gl failed; the compiler's words are in ${log}`;
}

/** Node's own prefix, where its headers lie beside it: then node-gyp need not fetch them. */
function headersOfThisNode() {
  const prefix = dirname(dirname(process.execPath));
  try {
    const header = readFileSync(join(prefix, "include/node/node_version.h"), "utf8");
    const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(header)?.[1];
    const version = `v${part("MAJOR")}.${part("MINOR")}.${part("PATCH")}`;
    return version === process.version ? prefix : undefined;
  } catch {
    return undefined;
  }
}

/** ANGLE looks for Vulkan's loader beside its own library and nowhere else; the link is the second route to a context. */
export function linkVulkan(root) {
  const folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
  const triplet = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch];
  if (triplet) folders.unshift(`/usr/lib/${triplet}`);
  const loader = folders.map((folder) => join(folder, "libvulkan.so.1")).find((path) => existsSync(path));
  const link = join(root, vulkanLink);
  if (process.platform !== "linux" || loader === undefined || lstatSync(link, { throwIfNoEntry: false })) return;
  symlinkSync(loader, link);
}

export function vulkanIsLinked(root) {
  return existsSync(join(root, vulkanLink));
}

/** Makes a context and reads its capabilities back, in a child process so that a driver's crash stays there. */
export function probe(root) {
  const script = join(root, ".texgrad/probe.mjs");
  mkdirSync(dirname(script), { recursive: true });
  const esbuild = join(root, "node_modules/esbuild/bin/esbuild");
  const options = ["--bundle", "--platform=node", "--format=esm", "--packages=external", "--log-level=error"];
  const bundle = spawnSync(process.execPath, [esbuild, "tools/probe.ts", ...options, `--outfile=${script}`], {
    cwd: root,
    encoding: "utf8",
  });
  if (bundle.status !== 0)
    return { ok: false, reason: `the probe does not build: ${bundle.stderr.trim()}`, fix: "npm ci" };
  const { status, signal, stdout } = spawnSync(process.execPath, [script], {
    cwd: root,
    encoding: "utf8",
    timeout: 60_000,
  });
  try {
    return JSON.parse(stdout);
  } catch {
    return {
      ok: false,
      reason: `the driver ended the probe (${signal ?? `exit code ${status}`})`,
      fix: "npx texgrad doctor",
    };
  }
}

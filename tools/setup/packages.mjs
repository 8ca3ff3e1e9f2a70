/**
 * The npm packages: whether node_modules holds what package-lock.json says, and `npm ci` when it does not.
 *
 * Install scripts are left out, so that a compiler that is not there cannot stop the rest; gl.mjs builds gl afterwards.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export function lockfileHash(root) {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
}

/** npm leaves a list of what it installed; every package of ours must be on it, in our version. */
export function packagesAreInstalled(root) {
  let installed;
  try {
    installed = JSON.parse(readFileSync(join(root, "node_modules/.package-lock.json"), "utf8")).packages;
  } catch {
    return false;
  }
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  return Object.entries(wanted).every(([path, { version, optional, peer }]) => {
    const present = installed[path];
    return path === "" || (present ? present.version === version : Boolean(optional || peer));
  });
}

export function installPackages(root) {
  const { status, output } = runNpm(root, ["ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund"]);
  if (status !== 0) throw new Error(`npm ci failed:\n${output.trim().split("\n").slice(-12).join("\n")}`);
}

/** Runs npm with the given additions to the environment, its output kept and, where asked, logged. */
export function runNpm(root, args, env = {}, log) {
  // Under `npm start` this is the npm that was called; by hand it is the one on PATH.
  const script = process.env.npm_execpath?.endsWith("npm-cli.js") ? process.env.npm_execpath : undefined;
  const [program, first] = script ? [process.execPath, [script]] : ["npm", []];
  const { status, stdout, stderr, error } = spawnSync(program, [...first, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    shell: script === undefined && process.platform === "win32",
  });
  const output = error ? error.message : stdout + stderr;
  if (log !== undefined) {
    mkdirSync(dirname(log), { recursive: true });
    writeFileSync(log, output);
  }
  return { status, output };
}

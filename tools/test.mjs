/**
 * `npm test -- [suite...] [vitest's filters]`: set-up, build, then vitest for each suite, then a summary whose last line
 * is `N passed, N failed`. A suite or file that did not run counts as one failure. Suites: see suites.mjs.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildIfStale } from "./build.mjs";
import { root, setUp } from "./setup.mjs";
import { suites } from "./suites.mjs";

const args = process.argv.slice(2);
const named = args.filter((arg) => arg in suites);
const passedOn = args.filter((arg) => !(arg in suites));

const results = [];
const blocked = await prepare();
if (blocked !== undefined) {
  console.error(blocked);
  results.push({ name: "set-up", passed: 0, failed: 1, skipped: 0 });
} else {
  for (const name of chooseSuites()) results.push(runSuite(name, suites[name]));
}

const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
console.log();
for (const { name, passed, failed, skipped } of results) {
  console.log(`${name.padEnd(10)}${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
}
console.log(`${total("passed")} passed, ${total("failed")} failed`);
process.exitCode = total("failed") > 0 ? 1 : 0;

/** A line that says why nothing can be tested, or undefined. */
async function prepare() {
  try {
    const missing = await setUp();
    if (missing !== undefined) return `set-up: ${missing}`;
  } catch (error) {
    return `set-up: ${error.message}`;
  }
  return buildIfStale() ? undefined : "build: tsc found errors";
}

/** Suites named; all of `npm test` without a name; with filters only, the suite that takes any file. */
function chooseSuites() {
  if (named.length > 0) return named;
  return Object.keys(suites).filter((name) => (passedOn.length > 0 ? name === "unit" : suites[name].inNpmTest));
}

function runSuite(name, { filters, options, env }) {
  const report = join(root, ".texgrad", `test-${name}.json`);
  mkdirSync(join(root, ".texgrad"), { recursive: true });
  rmSync(report, { force: true });
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const { status } = spawnSync(process.execPath, [vitest, "run", ...filters, ...options, ...reporters, ...passedOn], {
    cwd: root,
    stdio: "inherit",
    env: { ...env, ...process.env },
  });
  return { name, ...count(report, status) };
}

/** From vitest's JSON: tests, files that did not load, and one more where it failed for a reason that is neither. */
function count(report, status) {
  let json;
  try {
    json = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const unloaded = json.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  const failed = json.numFailedTests + unloaded.length;
  return {
    passed: json.numPassedTests,
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: json.numPendingTests + json.numTodoTests,
  };
}

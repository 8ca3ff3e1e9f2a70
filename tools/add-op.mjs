/**
 * `npm run add-op`: does what CONTRIBUTING.md says of adding an op, in a copy of this checkout, and shows that the suites
 * cover the new op without a line written for it.
 *
 * The patch is the document's own. In the copy it is applied, `npm run docs` writes the op table, and then: the types
 * hold, the op's generated tests exist and pass, the text round trip and the table know it, and every fault planted in
 * it is noticed. Not here: a second copy of the patch.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, setUp } from "./setup.mjs";

/** The op of the document, and the only files that adding it may touch. */
const OP = "squareplus";
const TOUCHED = ["src/ir/ops/transcendental.ts", "src/trace/tensor-elementwise.ts"];

let passed = 0;
let failed = 0;
function check(what, ok, detail = "") {
  if (ok) passed++;
  else failed++;
  console.log(`${ok ? "ok    " : "FAILED"} ${what}${ok || detail === "" ? "" : `\n${detail}`}`);
  return ok;
}

const missing = await setUp();
if (missing !== undefined) console.error(`set-up: ${missing}`);

const patch = /^```diff\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, "CONTRIBUTING.md"), "utf8"))?.[1];
if (check("CONTRIBUTING.md shows the patch", patch !== undefined)) {
  mkdirSync(join(root, ".texgrad"), { recursive: true });
  const copy = mkdtempSync(join(root, ".texgrad/add-op-"));
  try {
    tryPatch(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

function tryPatch(copy) {
  copyCheckout(copy);
  const run = (command, ...args) => spawnSync(command, args, { cwd: copy, encoding: "utf8", env: environment() });
  const node = (script, ...args) => run(process.execPath, join(copy, script), ...args);

  const files = [...patch.matchAll(/^\+\+\+ b\/(.*)$/gm)].map((m) => m[1]);
  check(`it touches ${TOUCHED.join(" and ")}, and nothing else`, files.join() === TOUCHED.join(), files.join(", "));
  writeFileSync(join(copy, "op.patch"), patch);
  // Outside any repository's eyes: git would else think of paths from the root of this one.
  const applied = spawnSync("git", ["apply", "--verbose", "op.patch"], {
    cwd: copy,
    encoding: "utf8",
    env: { ...environment(), GIT_CEILING_DIRECTORIES: dirname(copy) },
  });
  if (!check("it applies", applied.status === 0, applied.stderr)) return;

  const types = node("node_modules/typescript/bin/tsc", "-p", "tsconfig.json");
  check("the types hold", types.status === 0, types.stdout);
  const vitest = "node_modules/vitest/vitest.mjs";
  const page = () => readFileSync(join(copy, "docs/ops.md"), "utf8");
  const stale = node(vitest, "run", "test/docs/ops.test.ts");
  check("the test of docs/ops.md sees that it is stale", stale.status !== 0);
  node(vitest, "run", "test/docs/ops.test.ts", "-u");
  check("npm run docs writes its row", page().includes(`| \`${OP}\``));

  const report = join(copy, "report.json");
  const suites = ["test/ir", "test/ops", "test/passes", "test/docs/ops.test.ts"];
  const tests = node(vitest, "run", ...suites, "--reporter=json", `--outputFile=${report}`);
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
  const all = testResults.flatMap((file) => file.assertionResults);
  const own = all.filter((t) => t.fullName.includes(OP));
  const broken = all.filter((t) => t.status === "failed").map((t) => `  ${t.fullName}`);
  check(`the suites pass: ${numPassedTests} tests`, tests.status === 0 && numFailedTests === 0, broken.join("\n"));
  console.log(own.map((t) => `         ${t.fullName}`).join("\n"));
  for (const what of ["JavaScript form", "derivatives"])
    check(
      `some test of ${OP} is of its ${what}`,
      own.some((t) => t.fullName.includes(what)),
    );

  const mutate = node("tools/mutate.mjs", "--only", OP, "--jobs", "1");
  const faults = /^(\d+) killed, (\d+) survived/m.exec(mutate.stdout);
  check(
    `every fault planted in it is noticed: ${faults?.[0] ?? "mutate did not run"}`,
    mutate.status === 0 && faults !== null && Number(faults[1]) > 0,
    mutate.stdout + mutate.stderr,
  );
}

function environment() {
  const { TEXGRAD_DEVICE: _, ...rest } = process.env;
  return rest;
}

/** What git would commit, as it lies here, with this checkout's packages. */
function copyCheckout(copy) {
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  for (const file of listed.stdout.split("\0").filter(Boolean)) {
    try {
      cpSync(join(root, file), join(copy, file));
    } catch (error) {
      // Deleted here and not yet in git.
      if (error.code !== "ENOENT") throw error;
    }
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
}

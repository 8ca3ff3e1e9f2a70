/** TEXGRAD_DEBUG and TEXGRAD_DUMP: any program tells of its plans, as built. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

const script = fileURLToPath(new URL("script.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "texgrad-environment-"));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (env: Record<string, string>): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [script], { env: { ...process.env, ...env } });

/** What each level adds; a level has all of those below. */
const levels: readonly (readonly [level: string, text: RegExp])[] = [
  ["1", /^texgrad: plan-01: \d+ traced nodes, 1 draws, 1 programs, \d+ bytes of results$/m],
  ["2", /^ {2}0: stores sum; 1 x 1 x 1 texels; 1 phases, reads 1 textures, /m],
  ["3", /^kernel 0\n {2}stores .*asked for$/m],
  ["4", /^#version 300 es$/m],
  ["5", /^-- 04-simplify\.ir\n/m],
];

test.each(levels)("TEXGRAD_DEBUG=%s", { timeout: 60_000 }, async (level) => {
  const { stdout, stderr } = await run({ TEXGRAD_DEBUG: level, TEXGRAD_DEVICE: "webgl" });
  expect(stdout).toBe("30\n");
  for (const [at, text] of levels) {
    if (at <= level) expect(stderr).toMatch(text);
    else expect(stderr).not.toMatch(text);
  }
});

test("TEXGRAD_DUMP=FOLDER writes the files of every plan", { timeout: 60_000 }, async () => {
  const { stdout, stderr } = await run({ TEXGRAD_DUMP: folder, TEXGRAD_DEVICE: "webgl" });
  expect([stdout, stderr]).toEqual(["30\n", ""]);
  const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { plan: string; files: string[] }[];
  expect(index).toHaveLength(1);
  const want = index.flatMap(({ plan, files }) => files.map((file) => `${plan}-${file}`));
  expect(readdirSync(folder).sort()).toEqual([...want, "index.json"].sort());
  expect(readFileSync(join(folder, "plan-01-kernel-00.glsl"), "utf8")).toContain("void main()");
});

test("a folder that is not there is said, and the program goes on", { timeout: 60_000 }, async () => {
  const { stdout, stderr } = await run({ TEXGRAD_DUMP: join(folder, "none"), TEXGRAD_DEVICE: "cpu" });
  expect(stdout).toBe("30\n");
  expect(stderr).toMatch(/TEXGRAD_DUMP: .*none.*no such file or folder/);
});

test("without them nothing is said", { timeout: 60_000 }, async () => {
  expect(await run({ TEXGRAD_DEVICE: "webgl" })).toEqual({ stdout: "30\n", stderr: "" });
});

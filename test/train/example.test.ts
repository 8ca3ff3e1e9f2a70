/** examples/train.ts as a user would run it: it trains, saves, loads and says a number above chance. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { expect, test } from "vitest";
import { repository } from "../setup/bundle.ts";

test("the example in examples/train.ts runs", () => {
  // Inside the repository, where the program finds gl.
  const folder = join(repository, ".texgrad", `example-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  buildSync({
    entryPoints: [join(repository, "examples/train.ts")],
    outfile: join(folder, "train.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    alias: {
      "#platform": join(repository, "src/platform/node.ts"),
      texgrad: join(repository, "src/index.ts"),
    },
    tsconfigRaw: {},
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, ["train.mjs"], { cwd: folder, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  const [, percent] = /^([\d.]+) % of 500 drawn digits$/m.exec(stdout) ?? [];
  // Measured: 86.6 %.
  expect(Number(percent)).toBeGreaterThan(75);
  // 101,770 weights of four bytes, and a header.
  expect(statSync(join(folder, "digits.safetensors")).size).toBeGreaterThan(4 * 101_770);
  rmSync(folder, { recursive: true });
}, 120_000);

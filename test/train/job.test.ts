/**
 * The main job as a process: a training run that always happens (on synthetic digits), what it prints, what it refuses.
 * Real digits: digits.test.ts.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseOptions, UsageError } from "../../tools/train/options.ts";
import { repository } from "../setup/bundle.ts";

/** Inside the repository, where the job finds gl; with no digits beside it. */
const folder = join(repository, ".texgrad", `job-${process.pid}`);
const job = join(folder, "dist/tools/train.js");

beforeAll(() => {
  buildSync({
    entryPoints: [join(repository, "tools/train.ts")],
    outfile: job,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    alias: { "#platform": join(repository, "src/platform/node.ts") },
    tsconfigRaw: {},
  });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "job", type: "module" }));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Summary {
  readonly accuracy: number;
  readonly losses: readonly number[];
  readonly drawsPerStep: number;
  readonly programs: number;
  readonly bytes: number;
  readonly msPerStep: number;
  readonly device: string;
  readonly realDigits: boolean;
}

function run(args: readonly string[], program = job): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: dirname(program),
    encoding: "utf8",
    // Nothing of whoever runs the tests: there are no digits here.
    env: { ...process.env, TEXGRAD_DATA: "", TEXGRAD_DEVICE: "" },
  });
  return { status, out: stdout, err: stderr };
}

function summary(...args: string[]): Summary {
  const { status, out, err } = run([...args, "--json"]);
  expect(status, err).toBe(0);
  return JSON.parse(out.trimEnd().split("\n").at(-1) ?? "") as Summary;
}

describe("on drawn digits", () => {
  test("95 % of the held-back ones are told right after 5 epochs on headless GL", () => {
    const { status, out, err } = run(["--device", "webgl", "--json"]);
    expect(status, err).toBe(0);
    expect(out).toMatch(/^8000 digits to train, 2000 to test \(synthetic: /);
    for (const part of [/^epoch 5: mean loss 0\.\d+, \d+ samples\/s$/m, /^truth +0 +1 .*recall$/m, /taken for a \d/]) {
      expect(out).toMatch(part);
    }
    const result = JSON.parse(out.trimEnd().split("\n").at(-1) ?? "") as Summary;
    // Measured: 96.35 %.
    expect(result.accuracy).toBeGreaterThan(0.95);
    expect(result.losses).toHaveLength(5 * 125);
    expect(result).toMatchObject({ drawsPerStep: 9, device: "webgl", realDigits: false });
    const [, shaders = ""] = /^the GLSL of every draw: (.*)$/m.exec(out) ?? [];
    const plan = join(dirname(job), shaders, "plan-01");
    expect(readdirSync(plan)).toContain("draw-01.glsl");
    expect(readFileSync(join(plan, "draw-01.glsl"), "utf8")).toMatch(/^#version 300 es/);
  }, 180_000);

  test("the same seed gives the same losses, the cpu device nearly the same", () => {
    const one = ["--epochs", "1"];
    const [a, b] = [summary(...one, "--device", "webgl"), summary(...one, "--device", "webgl")];
    expect(b.losses).toEqual(a.losses);
    const cpu = summary(...one, "--device", "cpu");
    for (const [i, loss] of cpu.losses.slice(0, 20).entries()) {
      expect(Math.abs(loss / a.losses[i]! - 1)).toBeLessThan(1e-4);
    }
    expect(cpu.device).toBe("cpu");
  }, 180_000);
});

describe("refuses in one line", () => {
  const one = (args: readonly string[], program?: string): string => {
    const { status, out, err } = run(args, program);
    expect([status, out]).toEqual([1, ""]);
    const lines = err.trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    return lines[0]!;
  };

  test("unknown and malformed options", () => {
    expect(one(["--foo"])).toBe("texgrad: Unknown option '--foo'; --help tells the options");
    expect(one(["--device", "gpu"])).toBe("texgrad: --device gpu: there are cpu and webgl");
  });

  test("a folder that is missing, or has no digits", () => {
    expect(one(["--data", "nowhere"])).toBe("texgrad: --data nowhere: there is no such folder");
    expect(one(["--data", folder])).toContain("no t10k-images-idx3-ubyte[.gz]");
  });

  test("files that are not what their names say", () => {
    const bad = join(folder, "bad");
    mkdirSync(bad);
    writeFileSync(join(bad, "t10k-images-idx3-ubyte"), "not an image");
    writeFileSync(join(bad, "t10k-labels-idx1-ubyte"), "nor a label");
    expect(one(["--data", bad])).toContain("t10k-images-idx3-ubyte: bytes 0 and 1 are 0x6e and 0x6f");
    writeFileSync(join(bad, "t10k-images-idx3-ubyte.gz"), Uint8Array.of(0x1f, 0x8b, 8, 0, 0));
    expect(one(["--data", bad])).toContain("t10k-images-idx3-ubyte.gz: ");
  });

  test("webgl where there is none", () => {
    // Far from the repository there is no package gl.
    const away = mkdtempSync(join(tmpdir(), "texgrad-job-"));
    copyFileSync(job, join(away, "train.mjs"));
    const line = one(["--device", "webgl"], join(away, "train.mjs"));
    expect(line).toMatch(/^texgrad: no WebGL2: .*; to fix it: /);
    rmSync(away, { recursive: true });
  });
});

describe("options", () => {
  test("have defaults", () => {
    expect(parseOptions([])).toEqual({ data: null, device: null, epochs: 5, seed: 0, json: false });
    expect(parseOptions(["--epochs=2", "--seed", "7", "--json", "--data", "x", "--device", "cpu"])).toEqual({
      data: "x",
      device: "cpu",
      epochs: 2,
      seed: 7,
      json: true,
    });
    expect(parseOptions(["-h"])).toBeNull();
    expect(parseOptions(["--help", "--epochs", "nonsense"])).toBeNull();
  });

  test.each([
    [["--epochs", "0"], "--epochs 0: it must be a whole number of at least 1"],
    [["--epochs", "many"], "--epochs many: it must be a whole number"],
    [["--seed", "-1"], "--seed"],
    [["--seed", "1.5"], "--seed 1.5: it must be a whole number of at least 0"],
    [["--epochs"], "argument missing"],
    [["extra"], "Unexpected argument 'extra'"],
  ])("%j", (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });
});

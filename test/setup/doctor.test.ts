/**
 * `texgrad doctor` reports what it finds, and survives a driver that does not.
 */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeGl, makeSandbox, type Sandbox } from "./bundle.ts";

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function texgrad(sandbox: Sandbox, ...args: string[]): Outcome {
  return spawnSync(process.execPath, [sandbox.tool("cli"), ...args], { cwd: sandbox.folder, encoding: "utf8" });
}

describe("with this machine's gl", () => {
  let sandbox: Sandbox;
  beforeAll(() => void (sandbox = makeSandbox(["cli", "probe"], "inside")));
  afterAll(() => sandbox.remove());

  test("--json tells versions, the route and proven capabilities", () => {
    const { status, stdout } = texgrad(sandbox, "doctor", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      node: process.version,
      gl: { version: "9.0.0-rc.10", isBuilt: true, setUpFlags: "CXXFLAGS=-O0" },
      probe: { ok: true, capabilities: { maxDrawBuffers: 8, floatRender: true, intTextures: true } },
      remarks: [],
    });
    expect(status).toBe(0);
  });

  test("text has a line for each", () => {
    const { stdout } = texgrad(sandbox, "doctor");
    for (const line of [/^node +v\d+/m, /^context +\S/m, /^maxDrawBuffers +8$/m, /^intTextures +yes$/m]) {
      expect(stdout).toMatch(line);
    }
  });

  test("unknown commands and options are named, with the usage", () => {
    expect(texgrad(sandbox, "docter")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/there is no command "docter"\n\ntexgrad <command>/),
    });
    expect(texgrad(sandbox, "doctor", "--jason")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("unknown option --jason"),
    });
    expect(texgrad(sandbox, "--help")).toMatchObject({ status: 0, stdout: expect.stringContaining("doctor") });
    expect(texgrad(sandbox, "doctor", "--help")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("--json"),
    });
  });
});

describe("with a driver that crashes", () => {
  let sandbox: Sandbox;
  beforeAll(() => {
    sandbox = makeSandbox(["cli", "probe"], "outside");
    fakeGl(sandbox, 'module.exports = () => process.kill(process.pid, "SIGSEGV")');
  });
  afterAll(() => sandbox.remove());

  test("the crash is a line of the report", () => {
    const { status, stdout } = texgrad(sandbox, "doctor", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      gl: { version: "9.0.0-test", isBuilt: true, setUpFlags: null },
      probe: { ok: false, reason: "the graphics driver ended the probing process with signal SIGSEGV" },
    });
    expect(status).toBe(1);
  });
});

/**
 * The platform in Node: what it says when there is no context, that it leaves no X server behind, and its files.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { platform } from "#platform";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeGl, makeSandbox, type Sandbox } from "./bundle.ts";

/** Runs the probe as a process of its own and gives what it wrote. */
function runProbe(sandbox: Sandbox, env: Record<string, string> = {}): unknown {
  const { DISPLAY: _, ...rest } = process.env;
  const { stdout } = spawnSync(process.execPath, [sandbox.tool("probe")], {
    cwd: sandbox.folder,
    env: { ...rest, ...env },
    encoding: "utf8",
  });
  return JSON.parse(stdout);
}

describe("no context: the reason and the fix, one line each", () => {
  const nothing = { PATH: "/nonexistent" };
  const noContext = "module.exports = () => null";
  let sandbox: Sandbox;
  beforeAll(() => void (sandbox = makeSandbox(["probe"], "outside")));
  afterAll(() => sandbox.remove());

  test("gl is not installed", () => {
    rmSync(join(sandbox.folder, "node_modules"), { recursive: true, force: true });
    expect(runProbe(sandbox)).toEqual({
      ok: false,
      reason: 'the optional package "gl" is not installed',
      fix: "npm install gl@9.0.0-rc.10",
    });
  });

  test("gl is installed but was not built", () => {
    fakeGl(sandbox, noContext, false);
    expect(runProbe(sandbox)).toMatchObject({
      reason: "gl is installed but was not built (its install script did not run or failed)",
      fix: expect.stringMatching(/^CXXFLAGS=-O0 npm rebuild gl /),
    });
  });

  test("gl is built but a library is missing", () => {
    fakeGl(sandbox, 'throw new Error("libX11.so.6: cannot open shared object file\\nstack")');
    expect(runProbe(sandbox)).toMatchObject({
      reason: "gl is built but does not load: libX11.so.6: cannot open shared object file",
      fix: expect.stringMatching(/^sudo apt-get install -y xvfb .*libx11-6/),
    });
  });

  test("no display and no Xvfb", () => {
    fakeGl(sandbox, noContext);
    expect(runProbe(sandbox, nothing)).toMatchObject({
      reason: "there is no display; Xvfb is not installed; Vulkan is not linked to gl",
      fix: expect.stringMatching(/^sudo apt-get install -y xvfb /),
    });
  });

  test("the driver fails on the display there is", () => {
    expect(runProbe(sandbox, { ...nothing, DISPLAY: ":99" })).toMatchObject({
      reason: expect.stringMatching(/^the driver gave no WebGL2 context on display :99; Xvfb is not installed; /),
    });
  });

  test("the driver fails on an Xvfb of our own, which is then stopped", async () => {
    const found = 'require("fs").writeFileSync("display", process.env.DISPLAY ?? "")';
    fakeGl(sandbox, `module.exports = () => { ${found}; return null; }`);
    expect(runProbe(sandbox)).toMatchObject({
      reason: expect.stringContaining("the driver gave no WebGL2 context on an Xvfb of our own"),
    });
    const display = readFileSync(join(sandbox.folder, "display"), "utf8");
    expect(display).toMatch(/^:\d+$/);
    await expectGone(display);
  });
});

describe("an Xvfb of our own", () => {
  let sandbox: Sandbox;
  beforeAll(() => void (sandbox = makeSandbox(["probe"], "inside")));
  afterAll(() => sandbox.remove());

  test("leaves with the process that started it", async () => {
    const { how } = runProbe(sandbox) as { how: string };
    expect(how).toMatch(/^own Xvfb :\d+$/);
    await expectGone(how.slice("own Xvfb ".length));
  });

  test("is not handed to child processes", () => {
    const before = process.env["DISPLAY"];
    const context = platform.createContext();
    expect(context.ok).toBe(true);
    expect(process.env["DISPLAY"]).toBe(before);
    if (context.ok) context.destroy();
  });

  test("serves one context after another", () => {
    for (let i = 0; i < 3; i++) {
      const context = platform.createContext();
      expect(context.ok).toBe(true);
      if (context.ok) context.destroy();
    }
  });
});

/** The server's lock file is the last thing it removes. Another server may take the number, so its process is compared. */
async function expectGone(display: string): Promise<void> {
  const lock = `/tmp/.X${display.slice(1)}-lock`;
  const read = (): string => (existsSync(lock) ? readFileSync(lock, "utf8") : "");
  const first = read();
  if (first === "") return;
  for (let i = 0; i < 100 && read() === first; i++) await sleep(50);
  expect(read()).not.toBe(first);
}

describe("files", () => {
  const folder = mkdtempSync(join(tmpdir(), "texgrad-files-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("are written whole and replace what was there", async () => {
    const path = join(folder, "a.bin");
    await platform.writeBytes(path, Uint8Array.of(1, 2, 3));
    await platform.writeBytes(path, Uint8Array.of(4));
    expect([...(await platform.readBytes(path))]).toEqual([4]);
    expect([...(await platform.readBytes(`file://${path}`))]).toEqual([4]);
    expect(readdirSync(folder)).toEqual(["a.bin"]);
  });

  test("that cannot be written leave nothing half-written", async () => {
    const path = join(folder, "missing");
    await expect(platform.writeBytes(join(path, "x"), Uint8Array.of(1))).rejects.toThrow(
      `write ${path}/x: no such file or folder`,
    );
    mkdirSync(join(folder, "full"));
    await expect(platform.writeBytes(join(folder, "full"), Uint8Array.of(1))).rejects.toThrow("it is a folder");
    rmdirSync(join(folder, "full"));
    expect(readdirSync(folder)).toEqual(["a.bin"]);
  });

  test("that are not there are named", async () => {
    await expect(platform.readBytes("/nowhere/x.bin")).rejects.toThrow("read /nowhere/x.bin: no such file or folder");
  });
});

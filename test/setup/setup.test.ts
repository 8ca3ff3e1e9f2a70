/**
 * Set-up's parts as processes: what it says is missing, that it is quick when there is nothing to do, and its lock.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repository } from "./bundle.ts";

/** Runs a line of JavaScript that may name set-up's modules as `machine`, `packages` and `lock`. */
function script(body: string): string {
  const names = ["machine", "packages", "lock"];
  const imports = names.map(
    (name) => `import * as ${name} from ${JSON.stringify(join(repository, `tools/setup/${name}.mjs`))};`,
  );
  return `${imports.join("\n")}\n${body}`;
}

function evaluate(body: string, env: Record<string, string> = {}): string {
  const { DISPLAY: _, CHROMIUM: __, ...rest } = process.env;
  const args = ["--input-type=module", "--eval", script(body)];
  const { stdout, stderr } = spawnSync(process.execPath, args, { env: { ...rest, ...env }, encoding: "utf8" });
  return stdout + stderr;
}

describe.runIf(process.platform === "linux")("what is missing", () => {
  const describeMissing = (facts: string): string =>
    `console.log(machine.describeMissing(machine.missingPrograms(${facts})))`;

  test("is named in one line, with its purpose and the command that gets it", () => {
    const line = evaluate(describeMissing("{ glIsBuilt: false, vulkanIsLinked: false }"), { PATH: "/nonexistent" });
    expect(line).toBe(
      "missing g++, make, python3 (to build gl), Xvfb (to draw without a window), chromium (for the browser tests). " +
        "Get them: sudo apt-get install -y build-essential python3 xvfb chromium " +
        "libgl1 libgl1-mesa-dri libx11-6 libxext6 libxcb1 libdrm2 (and have them on PATH)\n",
    );
  });

  test("is only what is still needed", () => {
    const list = "machine.missingPrograms({ glIsBuilt: true, vulkanIsLinked: false }).map((r) => r.name).join()";
    expect(evaluate(`console.log(${list})`, { PATH: "/nonexistent" })).toBe("Xvfb,chromium\n");
    expect(evaluate(`console.log(${list})`, { PATH: "/nonexistent", DISPLAY: ":5" })).toBe("chromium\n");
  });
});

describe("packages", () => {
  test("of another version, or none, are not the lockfile's", () => {
    const folder = mkdtempSync(join(tmpdir(), "texgrad-packages-"));
    const installed = (lock: object, present: object | undefined): string => {
      writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: lock }));
      rmSync(join(folder, "node_modules"), { recursive: true, force: true });
      const write = `import { mkdirSync, writeFileSync } from "node:fs"; mkdirSync("node_modules");
        writeFileSync("node_modules/.package-lock.json", ${JSON.stringify(JSON.stringify({ packages: present }))});`;
      const body = `process.chdir(${JSON.stringify(folder)}); ${present ? write : ""}
        console.log(packages.packagesAreInstalled(process.cwd()))`;
      return evaluate(body).trim();
    };
    const lock = {
      "": {},
      "node_modules/a": { version: "1.0.0" },
      "node_modules/b": { version: "2.0.0", optional: true },
    };
    expect(installed(lock, undefined)).toBe("false");
    expect(installed(lock, {})).toBe("false");
    expect(installed(lock, { "node_modules/a": { version: "1.0.1" } })).toBe("false");
    expect(installed(lock, { "node_modules/a": { version: "1.0.0" } })).toBe("true");
    expect(installed(lock, { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "1.0.0" } })).toBe(
      "false",
    );
    rmSync(folder, { recursive: true });
  });
});

describe("the lock", () => {
  test("lets one process at a time in, and passes over a dead holder", async () => {
    const folder = mkdtempSync(join(tmpdir(), "texgrad-lock-"));
    const [lock, log] = [join(folder, "lock"), join(folder, "log")].map((path) => JSON.stringify(path));
    // Process numbers end below 2^22 on Linux: this holder cannot be alive.
    mkdirSync(join(folder, "lock"));
    writeFileSync(join(folder, "lock", "99999999"), "");
    const body = script(`
      import { appendFileSync } from "node:fs";
      await lock.withLock(${lock}, () => {}, async () => {
        appendFileSync(${log}, "in ");
        await new Promise((resolve) => setTimeout(resolve, 50));
        appendFileSync(${log}, "out ");
      });`);
    const finished = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, ["--input-type=module", "--eval", body], { stdio: "inherit" });
      return new Promise((resolve) => child.on("close", resolve));
    });
    expect(await Promise.all(finished)).toEqual([0, 0, 0, 0]);
    expect(readFileSync(join(folder, "log"), "utf8")).toBe("in out ".repeat(4));
    rmSync(folder, { recursive: true });
  });
});

describe("a second set-up", () => {
  // Best of three: the machine may be busy.
  test("says nothing and takes less than a second", () => {
    const times = [1, 2, 3].map(() => {
      const start = performance.now();
      const { status, stderr } = spawnSync(process.execPath, ["tools/setup.mjs"], {
        cwd: repository,
        encoding: "utf8",
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(1000);
  });
});

/** docs/dump.md explains a dump of the main job: what it shows must be what is dumped. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("the page shows lines of the dump of the main job", { timeout: 120_000 }, async () => {
  const out = mkdtempSync(join(tmpdir(), "texgrad-page-"));
  try {
    const job = ["dist/tools/train.js", "--out", out, "--", "--epochs", "1"];
    await promisify(execFile)(process.execPath, ["dist/tools/cli.js", "dump", ...job], {
      cwd: root,
      env: { ...process.env, TEXGRAD_DEVICE: "webgl" },
    });
    const plans = JSON.parse(readFileSync(join(out, "index.json"), "utf8")) as { folder: string; kernels: object[] }[];
    const step = plans.find((p) => p.kernels.length === 12)!.folder;
    const dumped = ["nodes.txt", "kernels.txt"].map((name) => readFileSync(join(out, step, name), "utf8")).join("");
    const blocks = [...readFileSync(join(root, "docs/dump.md"), "utf8").matchAll(/```text\n([\s\S]*?)```/g)];
    expect(blocks).toHaveLength(2);
    for (const [, text] of blocks) expect(dumped).toContain(text);
  } finally {
    rmSync(out, { recursive: true });
  }
});

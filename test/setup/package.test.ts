/**
 * The package as it is published: packed, unpacked into an empty project, looked at and run from there, without gl.
 *
 * Runs on dist, which `npm test` builds first. Not here: bundles in a browser; see test/browser/bundles.test.ts.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync, transformSync } from "esbuild";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDocument } from "../docs/markdown.ts";
import { repository } from "./bundle.ts";

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly jsdelivr: string;
  readonly unpkg: string;
}
// Our own file, whose exports the tests below compare with what is there.
const manifest = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as Manifest;
const entries = Object.entries(manifest.exports).filter(([, target]) => typeof target !== "string");
const specifiers = entries.map(([path]) => path.replace(/^\./, "texgrad"));

const project = mkdtempSync(join(tmpdir(), "texgrad-consumer-"));
const installed = join(project, "node_modules/texgrad");
let tarball = "";

function run(program: string, args: readonly string[], cwd = project): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

/** A module of the project, run by Node. */
function runModule(code: string, env: Readonly<Record<string, string>> = {}): ReturnType<typeof spawnSync> {
  const file = join(project, "program.mjs");
  writeFileSync(file, code);
  return spawnSync(process.execPath, [file], {
    cwd: project,
    encoding: "utf8",
    env: { ...process.env, TEXGRAD_DEVICE: "", ...env },
  });
}

beforeAll(() => {
  const pack = ["pack", "--silent", "--ignore-scripts", "--pack-destination", project];
  const { stdout } = spawnSync("npm", pack, { cwd: repository, encoding: "utf8" });
  tarball = join(project, stdout.trim().split("\n").at(-1) ?? "");
  mkdirSync(installed, { recursive: true });
  run("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
  // What `npm install` would fetch: the dependencies, and not the optional peer.
  for (const name of Object.keys(manifest.dependencies)) {
    cpSync(join(repository, "node_modules", name), join(project, "node_modules", name), { recursive: true });
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", type: "module", private: true }));
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe("the packed package", () => {
  test("holds dist and nothing of the repository besides", () => {
    const { output } = run("tar", ["-tzf", tarball]);
    const files = output
      .trim()
      .split("\n")
      .map((path) => path.replace(/^package\//, ""));
    const expected = /^(dist\/.*\.(js|d\.ts)|package\.json|README\.md|LICENSE)$/;
    expect(files.filter((file) => !expected.test(file))).toEqual([]);
    expect(files).toContain("LICENSE");
  });

  test("has an executable bin that answers", () => {
    const bin = join(installed, "dist/tools/cli.js");
    expect(statSync(bin).mode & 0o111).toBe(0o111);
    expect(run(bin, ["--help"])).toMatchObject({ status: 0, output: expect.stringContaining("doctor") });
  });

  test.each(specifiers)("%s can be imported in Node without gl", (specifier) => {
    const body = `import * as it from ${JSON.stringify(specifier)}; console.log(Object.keys(it).length > 0)`;
    expect(run(process.execPath, ["--input-type=module", "--eval", body])).toEqual({ status: 0, output: "true\n" });
  });

  test("has the file that CDNs serve, and it needs nothing else", () => {
    expect(manifest.unpkg).toBe(manifest.jsdelivr);
    const copy = join(project, "alone.mjs");
    cpSync(join(installed, manifest.unpkg), copy);
    const { stdout, stderr } = runModule(`import { tensor } from ${JSON.stringify(copy)};
      console.log(await tensor([1, 2]).mul(3).sum().item());`);
    // It is made for pages: in Node it finds no canvas, and says so.
    expect({ stdout, stderr }).toEqual({ stdout: "9\n", stderr: expect.stringContaining("Using the cpu device.") });
  });

  test("is content with publint", async () => {
    const { messages } = await publint({ pkgDir: installed, strict: true });
    expect(messages).toEqual([]);
  });

  test("is content with attw", () => {
    const attw = join(repository, "node_modules/@arethetypeswrong/cli/dist/index.js");
    const { status, output } = run(process.execPath, [
      attw,
      tarball,
      "--profile",
      "esm-only",
      "--no-emoji",
      "--no-color",
    ]);
    expect({ status, output }).toMatchObject({ status: 0 });
  }, 120_000);
});

describe("in Node without gl", () => {
  const training = `
    import { F, manualSeed, tensor } from "texgrad";
    import { Linear } from "texgrad/nn";
    import { Adam } from "texgrad/optim";
    manualSeed(0);
    const net = new Linear(4, 3);
    const opt = new Adam(net.parameters(), { lr: 0.1 });
    const x = tensor([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]]);
    const losses = [];
    for (let i = 0; i < 30; i++) {
      const loss = F.crossEntropy(net.forward(x), tensor([0, 1, 2], { dtype: "i32" }));
      opt.zeroGrad();
      loss.backward();
      opt.step();
      losses.push(await loss.item());
    }
    console.log(JSON.stringify(losses));`;
  const reason = 'no WebGL2: the optional package "gl" is not installed; to fix it: npm install gl@9.0.0-rc.10';

  test("it trains on the cpu device, after one line with the reason and the fix", () => {
    const { status, stdout, stderr } = runModule(training);
    expect({ status, stderr }).toEqual({ status: 0, stderr: `texgrad: ${reason}. Using the cpu device.\n` });
    const losses = JSON.parse(String(stdout)) as number[];
    expect(losses.at(-1)).toBeLessThan(0.2 * losses[0]!);
  });

  test("with TEXGRAD_DEVICE=cpu it says nothing, with TEXGRAD_DEVICE=webgl it stops at that line", () => {
    expect(runModule(training, { TEXGRAD_DEVICE: "cpu" })).toMatchObject({ status: 0, stderr: "" });
    const { status, stderr } = runModule(training, { TEXGRAD_DEVICE: "webgl" });
    expect(status).toBe(1);
    expect(stderr).toContain(`DeviceError: ${reason}`);
  });
});

const readme = readDocument("README.md").fences.filter(({ language }) => language === "ts");

describe("the README's first program", () => {
  const [{ text: first } = { text: "" }] = readme;

  test("runs as it stands", () => {
    const { code } = transformSync(first, { loader: "ts" });
    expect(runModule(code, { TEXGRAD_DEVICE: "cpu" })).toMatchObject({ status: 0 });
  });
});

describe("its types", () => {
  // The server is for Node alone, whose types it needs.
  const anywhere = specifiers.filter((path) => path !== "texgrad/distributed/server");
  const program = anywhere.map((path, i) => `import * as entry${i} from "${path}";\nvoid entry${i};`).join("\n");
  const check = (
    name: string,
    options: object,
    files: readonly string[] = ["consumer.ts"],
  ): { status: number | null; output: string } => {
    const compilerOptions = {
      module: "nodenext",
      target: "es2022",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
      types: [],
      ...options,
    };
    writeFileSync(join(project, "consumer.ts"), program);
    writeFileSync(join(project, `${name}.json`), JSON.stringify({ compilerOptions, files }));
    return run(process.execPath, [join(repository, "node_modules/typescript/bin/tsc"), "-p", `${name}.json`]);
  };
  const fine = { status: 0, output: "" };

  test("need no more than lib es2022", () => expect(check("es2022", { lib: ["es2022"] })).toEqual(fine));

  test("are enough for the README's programs", () => {
    const files = readme.map(({ line, text }) => {
      const name = `readme-${line}.ts`;
      writeFileSync(join(project, name), `${text}export {};\n`);
      return name;
    });
    expect(files.length).toBeGreaterThan(0);
    // They print, and a few need a page.
    expect(check("readme", { lib: ["es2022", "dom"] }, files)).toEqual(fine);
  });

  test("agree with lib dom, lib esnext and @types/node where those are", () => {
    const typeRoots = [join(repository, "node_modules/@types")];
    expect(check("everything", { lib: ["esnext", "dom"], types: ["node"], typeRoots })).toEqual(fine);
  });
});

describe("bundled for browsers", () => {
  test("it holds nothing of Node, gl, ws or ohm-js", () => {
    const contents = `import * as texgrad from "texgrad"; import * as nn from "texgrad/nn"; import * as optim from "texgrad/optim";
      import * as data from "texgrad/data"; globalThis.all = [texgrad, nn, optim, data];`;
    const { outputFiles, metafile } = buildSync({
      stdin: { contents, resolveDir: project },
      bundle: true,
      format: "esm",
      platform: "browser",
      write: false,
      metafile: true,
      logLevel: "silent",
    });
    const packages = Object.keys(metafile.inputs).filter((path) => /node_modules\/(?!texgrad\/)/.test(path));
    expect(packages).toEqual([]);
    expect(outputFiles[0]?.text).not.toMatch(/["']node:|require\(["']gl["']\)/);
  });
});

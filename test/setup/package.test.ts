/**
 * The package as it is published: packed, unpacked into an empty project, and looked at from there.
 *
 * Runs on dist, which `npm test` builds first. Not here: whether it trains; these tests ask whether it arrives.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repository } from "./bundle.ts";

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
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

beforeAll(() => {
  const pack = ["pack", "--silent", "--ignore-scripts", "--pack-destination", project];
  const { stdout } = spawnSync("npm", pack, { cwd: repository, encoding: "utf8" });
  tarball = join(project, stdout.trim().split("\n").at(-1) ?? "");
  mkdirSync(installed, { recursive: true });
  run("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
  // What `npm install` would fetch: the dependencies, and neither of the optional peers.
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
  });
});

describe("its types", () => {
  const program = specifiers.map((path, i) => `import * as entry${i} from "${path}";\nvoid entry${i};`).join("\n");
  const check = (name: string, options: object): { status: number | null; output: string } => {
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
    writeFileSync(join(project, `${name}.json`), JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
    return run(process.execPath, [join(repository, "node_modules/typescript/bin/tsc"), "-p", `${name}.json`]);
  };
  const fine = { status: 0, output: "" };

  test("need no more than lib es2022", () => expect(check("es2022", { lib: ["es2022"] })).toEqual(fine));

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

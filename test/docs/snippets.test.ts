/**
 * What the documents show is true: every TypeScript snippet type-checks and runs (on the cpu device), every command
 * exists, every link leads to a file.
 *
 * A fence marked `ts browser` needs a page and is only type-checked; one marked `ts continued` goes on where the
 * snippet before it stopped. Not here: figures and GLSL that README shows; see readme.test.ts.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { selectDevice, setDevice } from "texgrad";
import { documentPaths, exists, readDocument, root } from "./markdown.ts";

// Read when a device is first needed.
process.env["TEXGRAD_DEVICE"] = "cpu";

const paths = documentPaths();
for (const path of paths.filter((e) => !exists(e))) console.log(`${path} does not exist yet: skipped`);
const documents = paths.filter(exists).map(readDocument);

interface Snippet {
  /** `README.md:8`. */
  readonly title: string;
  /** The module it was written to. */
  readonly file: string;
  readonly code: string;
  readonly runs: boolean;
}

const folder = join(root, ".texgrad/snippets");

function snippetsOf({ path, fences }: (typeof documents)[number]): Snippet[] {
  const all: Snippet[] = [];
  for (const { line, language, marks, text } of fences) {
    if (language !== "ts" && language !== "typescript") continue;
    const before = marks.includes("continued") ? all.at(-1) : undefined;
    all.push({
      title: `${path}:${line}`,
      file: join(folder, `${path.replaceAll(/\W+/g, "-")}-${line}.ts`),
      code: `${before?.code ?? ""}${text}`,
      runs: !marks.includes("browser"),
    });
  }
  return all;
}

const snippets = documents.flatMap(snippetsOf);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
// A module, so that `await` may stand at its top.
for (const { file, code } of snippets) writeFileSync(file, `${code}export {};\n`);

describe("TypeScript snippets", () => {
  it("type-check", () => {
    const settings = {
      extends: "../../tsconfig.json",
      // A snippet may show a name it does not use.
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["*.ts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { cwd: root, encoding: "utf8" });
    // Errors of the sources are the type check's.
    const errors = stdout.split("\n").filter((e) => e.includes("snippets/"));
    expect(errors).toEqual([]);
  });

  it.each(snippets.filter((s) => s.runs))(
    "$title runs",
    async ({ file }) => {
      // A snippet may have set another.
      setDevice(selectDevice({ device: "cpu" }));
      await import(/* @vite-ignore */ file);
    },
    120_000,
  );
});

describe("commands", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const commands = [...readFileSync(join(root, "tools/cli.ts"), "utf8").matchAll(/^ {2}(\w+): \{ summary/gm)].map(
    (m) => m[1],
  );
  const shell = ["sh", "bash", "shell", "console"];

  /** Whether the project has what a command line calls; anything else is not ours to know. */
  function isKnown(line: string): boolean {
    const words = line
      .replace(/^[$>]\s*/, "")
      .replace(/^(\w+=\S*\s+)+/, "")
      .split(/\s+/);
    const [first, second, third] = words;
    if (first === "npm" && second === "run") return third !== undefined && third in scripts;
    if (first === "npm" && (second === "start" || second === "test")) return second in scripts;
    if (first === "npx" && second === "texgrad") return third === undefined || commands.includes(third);
    if (first === "node" && second?.startsWith("tools/")) return exists(second);
    return true;
  }

  it.each(documents)("of $path exist", ({ fences, inline }) => {
    const lines = fences.filter((f) => shell.includes(f.language)).flatMap((f) => f.text.split("\n"));
    expect([...lines, ...inline].map((e) => e.trim()).filter((e) => !isKnown(e))).toEqual([]);
  });
});

it.each(documents)("links of $path lead to files", ({ path, links }) => {
  const own = links
    .filter((e) => !/^(\w+:|#)/.test(e))
    .map((e) => normalize(join(dirname(path), e.replace(/#.*/, ""))));
  expect(own.filter((e) => !exists(e))).toEqual([]);
});

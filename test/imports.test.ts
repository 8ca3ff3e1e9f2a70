/**
 * Imports go one way (design 2): this reads the import lines of src and holds the direction, that no file waits for
 * itself, and that nothing but the platform knows Node or gl. Directions hold for types too; cycles are looked for in
 * what runs, since two types may name each other. Not here: what a name means; only the lines are read.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const source = fileURLToPath(new URL("../src/", import.meta.url));

/** Which folders the files of a folder may import, besides their own. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  ir: [],
  platform: [],
  autodiff: ["ir"],
  passes: ["ir"],
  codegen: ["ir"],
  trace: ["autodiff", "ir", "platform"],
  runtime: ["codegen", "passes", "autodiff", "ir", "platform"],
  functions: ["trace", "ir"],
  nn: ["functions", "trace", "ir", "platform"],
  optim: ["trace", "ir", "platform"],
  data: ["trace", "ir", "platform"],
  distributed: ["nn", "optim", "trace", "ir", "platform"],
};

/** Public entries and the place where the parts are put together. Those of the root may import everything. */
const rootFiles = ["compose.ts", "index.ts", "methods.ts", "text.ts", "debug.ts", "reference.ts", "prepare.ts"];
const folderEntries = ["nn/index.ts", "optim/index.ts", "data/index.ts"];

/**
 * Types with no code behind them: the platform must say what kind of context it hands out. And the names by which
 * the engine, and updates that many machines agree on, reach a device: a call that no bundler can drop, as it may drop what an entry does (ARCHITECTURE.md).
 */
const exceptions = new Set([
  "trace/engine.ts -> compose.ts",
  "distributed/update.ts -> compose.ts",
  "platform/types.ts -> runtime/gl-types.ts",
  "platform/headless-gl.ts -> runtime/gl-types.ts",
]);

/** The training server is for Node alone: an entry of its own. */
const server = /^distributed\/server\//;

/** The reader of textual IR, which only the entry texgrad/text reaches. */
const packages: Readonly<Record<string, RegExp>> = {
  "ohm-js": /^ir\/text\//,
  ws: server,
  "node:crypto": server,
  "node:fs": server,
  "node:fs/promises": server,
  "node:http": server,
  "node:net": server,
  "node:path": server,
  "node:stream": server,
};

interface ImportLine {
  readonly from: string;
  /** A path under src, or the name of a package as it is written. */
  readonly to: string;
  readonly isOurs: boolean;
  /** `import type`: gone when compiled. */
  readonly isType: boolean;
}

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"))
  .sort();

const importLines: readonly ImportLine[] = files.flatMap(readImports);

function readImports(file: string): ImportLine[] {
  const text = readFileSync(join(source, file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const matches = [
    ...text.matchAll(/^\s*(?:import|export)\b(\s+type\b)?[^;"'`]*?\bfrom\s*["']([^"']+)["']/gm),
    ...text.matchAll(/^\s*import()\s*["']([^"']+)["']/gm),
    ...text.matchAll(/\bimport()\(\s*["']([^"']+)["']/g),
    ...text.matchAll(/\brequire()\(\s*["']([^"']+)["']/g),
  ];
  return matches.map(([, type = "", specifier = ""]) => {
    const isOurs = specifier.startsWith(".");
    const to = isOurs ? normalize(join(dirname(file), specifier)).replaceAll("\\", "/") : specifier;
    return { from: file, to, isOurs, isType: type !== "" };
  });
}

const folderOf = (file: string): string => (file.includes("/") ? file.slice(0, file.indexOf("/")) : "");
const show = ({ from, to }: ImportLine): string => `${from} -> ${to}`;

describe("imports of src", () => {
  test("every file is in a folder of the design, or an entry", () => {
    const strangers = files.filter((file) => !(folderOf(file) in allowed) && !rootFiles.includes(file));
    expect(strangers).toEqual([]);
  });

  test("go one way", () => {
    const wrong = importLines.filter((line) => {
      const [from, to] = [folderOf(line.from), line.to === "#platform" ? "platform" : folderOf(line.to)];
      if (from === "" || (!line.isOurs && line.to !== "#platform")) return false;
      if (from === to || exceptions.has(show(line))) return false;
      if (line.to === "compose.ts" && folderEntries.includes(line.from)) return false;
      return !allowed[from]?.includes(to);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("name no package, Node module or gl outside the platform", () => {
    const wrong = importLines.filter(({ from, to, isOurs }) => {
      if (isOurs || to === "#platform" || folderOf(from) === "platform") return false;
      return !packages[to]?.test(from);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("reach the platform by its name only, so that a bundler can choose", () => {
    const inside = importLines.filter(({ from, to }) => folderOf(to) === "platform" && folderOf(from) !== "platform");
    expect(inside.filter(({ to }) => to !== "platform/types.ts").map(show)).toEqual([]);
    const browser = importLines.filter(({ from }) => from === "platform/browser.ts");
    expect(browser.map(({ to }) => to)).toEqual(["platform/types.ts"]);
  });

  test("make no cycle between files", () => {
    const targets = new Map(files.map((file) => [file, [] as string[]]));
    for (const { from, to, isOurs, isType } of importLines) if (isOurs && !isType) targets.get(from)?.push(to);
    expect(findCycle(targets)).toBeUndefined();
  });
});

/** A path from a file to itself, or undefined. Depth first; a file that is left behind is in no cycle. */
function findCycle(targets: ReadonlyMap<string, readonly string[]>): string | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string | undefined => {
    if (done.has(file)) return undefined;
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(" -> ");
    path.push(file);
    for (const next of targets.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of targets.keys()) {
    const cycle = visit(file);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

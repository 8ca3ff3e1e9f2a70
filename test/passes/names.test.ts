/**
 * Nothing in passes, codegen and runtime knows an op by its name (design 3): only kinds, and what the definition
 * declares. A law of the rewriter names definitions, as values; what is fast is so by its index maps.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { definitions } from "../../src/ir/ops/index.ts";

const source = fileURLToPath(new URL("../../src/", import.meta.url));
const folders = ["passes", "codegen", "runtime"];
const files = folders.flatMap((folder) =>
  readdirSync(join(source, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`),
);

/** Without comments. */
const code = (file: string): string =>
  readFileSync(join(source, file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");

/** Words of the IR itself: kinds and roles, which are also names of the ops that are alone in theirs. */
const kinds = new Set<string>(["leaf", "map", "view", "reduce", "gather", "macro", "item"]);
const roles = new Set<string>(definitions.flatMap((d) => (d.kind === "leaf" ? [d.role, d.name] : [])));
const names = definitions.map((d) => d.name).filter((name) => !kinds.has(name) && !roles.has(name));

test("there are files and ops to look at", () => {
  expect(files.length).toBeGreaterThan(30);
  expect(names.length).toBeGreaterThan(40);
  expect(names).toContain("sum");
});

test.each(files)("%s compares no name", (file) => {
  const compared = code(file).match(/\.name\s*[!=]==?[^=].*|.*[!=]==?\s*[\w.!]*\.name\b|switch \([^)]*\.name\)/g);
  expect(compared ?? []).toEqual([]);
});

/** Kinds of an index' parts (ir/affine.ts), which have names of ops. */
const ofIndices = ["div"];

test.each(files)("%s has no op's name as a string", (file) => {
  const text = code(file);
  const found = names.filter((name) => new RegExp(`["'\`]${name}["'\`]`).test(text));
  expect(found.filter((name) => !ofIndices.includes(name))).toEqual([]);
});

/**
 * The documents: their fenced blocks, inline code and links. Headings and prose are nobody's business here.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Fence {
  /** First line inside, from 1. */
  readonly line: number;
  readonly language: string;
  /** What stands after the language: "browser", "continued". */
  readonly marks: readonly string[];
  readonly text: string;
}

export interface Document {
  /** Path from the root. */
  readonly path: string;
  readonly fences: readonly Fence[];
  /** Inline code, fences apart. */
  readonly inline: readonly string[];
  /** Targets of links. */
  readonly links: readonly string[];
}

const named = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/** Paths of all documents; those that must exist may be missing while the project is young. */
export function documentPaths(): readonly string[] {
  const docs = existsSync(join(root, "docs")) ? readdirSync(join(root, "docs")) : [];
  return [
    ...named,
    ...docs
      .filter((e) => e.endsWith(".md"))
      .sort()
      .map((e) => `docs/${e}`),
  ];
}

export const exists = (path: string): boolean => existsSync(join(root, path));

export function readDocument(path: string): Document {
  const lines = readFileSync(join(root, path), "utf8").split("\n");
  const fences: Fence[] = [];
  const prose: string[] = [];
  let open: { fence: string; line: number; info: readonly string[]; lines: string[] } | null = null;
  lines.forEach((line, i) => {
    const at = /^\s*(`{3,})\s*(.*)$/.exec(line);
    if (open !== null) {
      if (at !== null && at[1] === open.fence && at[2] === "") {
        const [language = "", ...marks] = open.info;
        fences.push({ line: open.line, language, marks, text: `${open.lines.join("\n")}\n` });
        open = null;
      } else open.lines.push(line);
    } else if (at !== null) open = { fence: at[1]!, line: i + 2, info: at[2]!.split(/\s+/).filter(Boolean), lines: [] };
    else prose.push(line);
  });
  const text = prose.join("\n");
  return {
    path,
    fences,
    inline: [...text.matchAll(/`([^`]+)`/g)].map((m) => m[1]!),
    links: [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((m) => m[1]!),
  };
}

/**
 * What a shader that does not compile looks like to a person: the message, the numbered source with a caret under the
 * guilty word, and the kernel it came from. It is always our fault, or the driver's, never the user's.
 */
import { InvariantError } from "../ir/errors.ts";

/** Lines of source shown before and after a guilty one. */
const CONTEXT = 4;

interface Complaint {
  /** From 1; 0 where the driver did not say. */
  readonly line: number;
  readonly message: string;
}

/** ANGLE and Mesa: `ERROR: 0:12: 'x' : undeclared identifier`; NVIDIA: `0(12) : error C1008: undefined variable "x"`. */
const forms = [/^(?:ERROR|WARNING):\s*\d+:(\d+):\s*(.*)$/, /^\d+\((\d+)\)\s*:\s*(.*)$/, /^\d+:(\d+)\(\d+\):\s*(.*)$/];

function complaints(log: string): Complaint[] {
  const out: Complaint[] = [];
  for (const text of log.split("\n").map((l) => l.replace(/\0/g, "").trim())) {
    if (text === "") continue;
    const match = forms.map((form) => form.exec(text)).find((m) => m !== null);
    out.push(match ? { line: Number(match[1]), message: match[2]! } : { line: 0, message: text });
  }
  return out;
}

/** `kernel` prints the kernel the source was made from. */
export function shaderError(stage: string, log: string | null, source: string, kernel: () => string): InvariantError {
  const found = complaints(log ?? "");
  const first = found.find((c) => c.line > 0)?.message ?? found[0]?.message ?? "the driver does not say why";
  return new InvariantError(
    `the ${stage} does not compile: ${first}`,
    `${annotate(source, found)}\n\nfrom the kernel\n${kernel()}`,
  );
}

function annotate(source: string, found: readonly Complaint[]): string {
  const lines = source.split("\n");
  const guilty = new Map<number, string[]>();
  for (const c of found) guilty.set(c.line, [...(guilty.get(c.line) ?? []), c.message]);
  const located = [...guilty.keys()].filter((line) => line > 0);
  const shown = (line: number): boolean => located.length === 0 || located.some((at) => Math.abs(at - line) <= CONTEXT);
  const gutter = String(lines.length).length;
  const out = [...(guilty.get(0) ?? [])];
  lines.forEach((text, i) => {
    const line = i + 1;
    if (!shown(line)) {
      if (shown(line - 1) && line > 1) out.push(`${" ".repeat(gutter)} ...`);
      return;
    }
    out.push(`${String(line).padStart(gutter)} | ${text}`);
    for (const message of guilty.get(line) ?? []) {
      out.push(`${" ".repeat(gutter)} | ${" ".repeat(guiltyColumn(text, message))}^ ${message}`);
    }
  });
  return out.join("\n");
}

/** Drivers name the word, not the column: the first quoted word that stands in the line, else its first character. */
function guiltyColumn(text: string, message: string): number {
  for (const [, word] of message.matchAll(/['"`]([^'"`]+)['"]/g)) {
    const at = text.indexOf(word!);
    if (at >= 0) return at;
  }
  return text.length - text.trimStart().length;
}

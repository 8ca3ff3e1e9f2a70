/**
 * What a reader or an interpreter of GLSL says when it refuses: the place in the source, drawn with a caret, and why.
 *
 * GlslError is a fault of the shader's text (outside of the subset, or wrongly typed); GlslRunError is a fault of the
 * run (a missing texture, a uniform of the wrong length, an index past an array). Neither is ever caught to continue.
 */

/** A part of the source: [start, end) in characters. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The one-based line and column of a character. */
export function lineAndColumn(source: string, at: number): { readonly line: number; readonly column: number } {
  const before = source.slice(0, at).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

/** The guilty line between its neighbours with a caret (and tildes) below it, in the form ohm's own messages have. */
export function drawSpan(source: string, at: Span): string {
  const { line, column } = lineAndColumn(source, at.start);
  const lines = source.split("\n");
  const width = String(line + 1).length;
  const shown: string[] = [`Line ${line}, col ${column}:`];
  for (let n = Math.max(1, line - 1); n <= Math.min(lines.length, line + 1); n++) {
    const text = (lines[n - 1] ?? "").trimEnd();
    shown.push(`${n === line ? ">" : " "} ${String(n).padStart(width)} | ${text}`);
    if (n !== line) continue;
    const length = Math.min(at.end - at.start, Math.max(1, text.length - column + 1));
    shown.push(" ".repeat(width + 4 + column) + "^" + "~".repeat(Math.max(0, length - 1)));
  }
  return shown.join("\n");
}

/** The text is not a shader of the subset. `line` and `column` count from one. */
export class GlslError extends Error {
  override name = "GlslError";
  readonly line: number;
  readonly column: number;
  readonly reason: string;

  constructor(source: string, at: Span, reason: string) {
    super(`${drawSpan(source, at)}\n${reason}`);
    this.reason = reason;
    ({ line: this.line, column: this.column } = lineAndColumn(source, at.start));
  }
}

/** A shader that cannot be run with what it was given. */
export class GlslRunError extends Error {
  override name = "GlslRunError";
}

/** What a training reports: rows of numbers, as CSV and JSON lines, and curves drawn in a terminal. */
import { TexgradError } from "../ir/errors.ts";

export type Row = Readonly<Record<string, number | string>>;

/** Rows in the order they come. Give `write` to have each one written out at once, to a file say. */
export class History {
  readonly rows: Row[] = [];
  readonly #write: ((line: string) => void) | null;

  constructor({
    write = null,
  }: { /** Gets each row as a line of JSON. */ readonly write?: ((line: string) => void) | null } = {}) {
    this.#write = write;
  }

  add(row: Row): void {
    this.rows.push(row);
    this.#write?.(`${JSON.stringify(row)}\n`);
  }

  /** The numbers of one column, rows that lack it left out. */
  column(name: string): number[] {
    return this.rows.flatMap((row) => (typeof row[name] === "number" ? [row[name]] : []));
  }

  /** One JSON object a line. */
  toJsonLines(): string {
    return this.rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  }

  /** A line of names, then one a row; RFC 4180's quotes where they are needed. */
  toCsv(): string {
    const names = [...new Set(this.rows.flatMap(Object.keys))];
    const cell = (v: number | string | undefined): string => {
      const text = v === undefined ? "" : String(v);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [names, ...this.rows.map((row) => names.map((n) => row[n]))]
      .map((r) => `${r.map(cell).join(",")}\n`)
      .join("");
  }

  /** Curves of columns by the row's number; see plot. */
  plot(names: readonly string[], options: PlotOptions = {}): string {
    return plot(Object.fromEntries(names.map((n) => [n, this.column(n)])), options);
  }
}

export interface PlotOptions {
  /** Characters. Default 60 and 12. */
  readonly width?: number;
  readonly height?: number;
  /** Whether the scale is logarithmic; values must be above 0. Default false. */
  readonly log?: boolean;
}

/** What the curves are drawn with, in turn. */
const marks = "*o+x#@";

/**
 * Curves as lines of text, each scaled to the width: means where several values share a column. Throws TexgradError
 * where there is no finite value to draw.
 */
export function plot(
  curves: Readonly<Record<string, readonly number[]>>,
  { width = 60, height = 12, log = false }: PlotOptions = {},
): string {
  const shown = Object.entries(curves).map(([name, values], k) => {
    const scaled = values.map((v) => (log ? Math.log10(v) : v));
    const columns = Array.from({ length: width }, (_, c) => {
      const from = Math.floor((c * scaled.length) / width);
      const part = scaled.slice(from, Math.max(from + 1, Math.floor(((c + 1) * scaled.length) / width)));
      const finite = part.filter(Number.isFinite);
      return finite.reduce((a, b) => a + b, 0) / finite.length;
    });
    return { name, columns, mark: marks[k % marks.length]! };
  });
  const all = shown.flatMap(({ columns }) => columns.filter(Number.isFinite));
  if (all.length === 0) throw new TexgradError("plot: no finite value to draw");
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const grid = Array.from({ length: height }, () => new Array<string>(width).fill(" "));
  for (const { columns, mark } of shown) {
    for (const [c, v] of columns.entries()) {
      if (!Number.isFinite(v)) continue;
      const row = high === low ? 0 : Math.round(((high - v) / (high - low)) * (height - 1));
      grid[row]![c] = mark;
    }
  }
  const label = (r: number): string => {
    const v = high - ((high - low) * r) / Math.max(1, height - 1);
    return (log ? 10 ** v : v).toPrecision(4).padStart(10);
  };
  const lines = grid.map(
    (row, r) => `${r === 0 || r === height - 1 ? label(r) : " ".repeat(10)} |${row.join("").trimEnd()}`,
  );
  const names = shown.map(({ name, mark }) => `${mark} ${name}`).join("   ");
  return `${lines.join("\n")}\n${" ".repeat(11)}+${"-".repeat(width)}\n${" ".repeat(12)}${names}`;
}

/**
 * Small pictures made of text for a terminal: a confusion table, a digit, a line of bars, pictures side by side.
 *
 * Pure functions from numbers to text: nothing is written here, no colour, no terminal asked. Lines have no trailing
 * spaces and no line end after the last.
 */

/** Dark to bright on a dark terminal; each step is a visible one in most fonts. */
const RAMP = " .:-=+*#%@";

/** Eighths of a character cell, lowest first. */
const BARS = "▁▂▃▄▅▆▇█";

/**
 * counts: [classes, classes], counts[truth][guess]. Result: a table with a row per truth, a column per guess, zeros
 * shown as dots so that mistakes stand out, and the recall of each row in percent ("-" for a class never seen).
 * Throws RangeError when a row is not as long as there are rows.
 */
export function confusion(counts: readonly (readonly number[])[]): string {
  const classes = counts.length;
  for (const [truth, row] of counts.entries()) {
    if (row.length !== classes) {
      throw new RangeError(`confusion: row ${truth} has ${row.length} counts, there are ${classes} classes`);
    }
  }
  const cells = counts.map((row) => row.map((count) => (count === 0 ? "." : String(count))));
  const width = Math.max(2, ...cells.flat().map((cell) => cell.length));
  const labelWidth = Math.max("truth".length, String(classes - 1).length);
  const header = ["truth".padStart(labelWidth), ...counts.map((_, guess) => String(guess).padStart(width)), "recall"];
  const rows = cells.map((row, truth) => [
    String(truth).padStart(labelWidth),
    ...row.map((cell) => cell.padStart(width)),
    recall(counts[truth] ?? [], truth).padStart("recall".length),
  ]);
  return [header, ...rows].map((row) => row.join(" ").trimEnd()).join("\n");
}

function recall(row: readonly number[], truth: number): string {
  const seen = row.reduce((sum, count) => sum + count, 0);
  return seen === 0 ? "-" : `${((100 * (row[truth] ?? 0)) / seen).toFixed(1)}%`;
}

/**
 * pixels: [height, width], row-major, 0 dark to 255 bright. Result: ceil(height / 2) lines of at most `width`
 * characters; each character stands for two pixels, one above the other, since a cell is about twice as high as wide.
 * Throws RangeError when pixels is not width * height long.
 */
export function asciiDigit(pixels: ArrayLike<number>, width: number, height: number): string {
  if (pixels.length !== width * height) {
    throw new RangeError(`asciiDigit: ${pixels.length} pixels are not ${width} x ${height}`);
  }
  const pixel = (x: number, y: number): number => pixels[Math.min(y, height - 1) * width + x] ?? 0;
  const lines: string[] = [];
  for (let y = 0; y < height; y += 2) {
    let text = "";
    for (let x = 0; x < width; x++) text += shade((pixel(x, y) + pixel(x, y + 1)) / 2);
    lines.push(text.trimEnd());
  }
  return lines.join("\n");
}

function shade(grey: number): string {
  const step = Math.floor((Math.max(0, Math.min(255, grey)) / 256) * RAMP.length);
  return RAMP.charAt(step);
}

/**
 * One bar a value, lowest to highest over the finite values' own range; a flat line is drawn in the middle and what is
 * not finite as "?". More than `width` values are averaged in equal groups. Result: one line, "" for no values.
 */
export function sparkline(values: readonly number[], width = 60): string {
  const groups = Math.min(values.length, width);
  const means = Array.from({ length: groups }, (_, i) => {
    const group = values.slice(
      Math.floor((i * values.length) / groups),
      Math.floor(((i + 1) * values.length) / groups),
    );
    return group.reduce((sum, value) => sum + value, 0) / group.length;
  });
  const finite = means.filter(Number.isFinite);
  const low = Math.min(...finite);
  const range = Math.max(...finite) - low;
  const bar = (value: number): string => {
    if (!Number.isFinite(value)) return "?";
    const part = range === 0 ? 0.5 : (value - low) / range;
    return BARS.charAt(Math.min(BARS.length - 1, Math.floor(part * BARS.length)));
  };
  return means.map(bar).join("");
}

/** A picture made of lines, and the line below it. */
export interface Picture {
  readonly text: string;
  readonly caption: string;
}

/**
 * Pictures side by side, each as wide as its widest line, captions aligned in one row below the highest picture.
 * Those that do not fit in `columns` begin a new row of pictures, after an empty line. Result: "" for no pictures.
 */
export function sideBySide(pictures: readonly Picture[], columns = 80, gap = 2): string {
  const rows: Picture[][] = [];
  let room = -1;
  for (const picture of pictures) {
    const width = widthOf(picture);
    if (width + gap > room) {
      rows.push([]);
      room = columns + gap;
    }
    rows.at(-1)?.push(picture);
    room -= width + gap;
  }
  return rows.map((row) => joinRow(row, gap)).join("\n\n");
}

function joinRow(row: readonly Picture[], gap: number): string {
  const blocks = row.map(({ text }) => text.split("\n"));
  const height = Math.max(...blocks.map((block) => block.length));
  const lines = Array.from({ length: height }, (_, y) => blocks.map((block) => block[y] ?? ""));
  lines.push(row.map(({ caption }) => caption));
  const widths = row.map(widthOf);
  return lines
    .map((parts) => {
      const padded = parts.map((part, i) => part + " ".repeat(Math.max(0, (widths[i] ?? 0) - lengthOf(part))));
      return padded.join(" ".repeat(gap)).trimEnd();
    })
    .join("\n");
}

function widthOf({ text, caption }: Picture): number {
  return Math.max(lengthOf(caption), ...text.split("\n").map(lengthOf));
}

/** Characters, not UTF-16 units. */
function lengthOf(text: string): number {
  return [...text].length;
}

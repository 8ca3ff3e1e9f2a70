/**
 * How far a loop is, how fast, and how that reads: a meter fed with times, and its state as one line of text.
 *
 * Not here: clocks, terminals or loops (track.ts). Times are milliseconds of any one clock that does not go back.
 */

/** The state of a loop at one moment. */
export interface Progress {
  readonly label: string;
  /** What is counted, e.g. "batch". */
  readonly unit: string;
  /** Items done. */
  readonly count: number;
  /** Items there are, where that is known. */
  readonly total: number | undefined;
  /** Seconds since the loop began. */
  readonly seconds: number;
  /** Items a second: of late while running, over all when over. undefined before the first item. */
  readonly rate: number | undefined;
  /** Seconds left at that rate; undefined when not running or the total is unknown or passed. */
  readonly secondsLeft: number | undefined;
  /** What the loop set, e.g. "loss 0.2512, lr 0.001"; "" for nothing. */
  readonly message: string;
  /** "stopped": left before its end, by break, return or an error. */
  readonly state: "running" | "finished" | "stopped";
}

/** The recent rate is measured over windows of at least this. */
const WINDOW_MS = 250;
/** The share of the newest window in the recent rate: about the last ten windows count, so a slow start is forgotten. */
const NEWEST = 0.3;

/** Counts items. The first step of a training loop compiles for seconds; the recent rate lets the estimate recover. */
export class Meter {
  readonly #label: string;
  readonly #unit: string;
  readonly #total: number | undefined;
  readonly #startMs: number;
  #windowMs: number;
  #windowCount = 0;
  #recentRate: number | undefined;
  #count = 0;

  constructor(label: string, unit: string, total: number | undefined, nowMs: number) {
    this.#label = label;
    this.#unit = unit;
    this.#total = total;
    this.#startMs = nowMs;
    this.#windowMs = nowMs;
  }

  /** One more item done. */
  step(nowMs: number): void {
    this.#count++;
    const elapsedMs = nowMs - this.#windowMs;
    if (elapsedMs < WINDOW_MS) return;
    const rate = (1000 * (this.#count - this.#windowCount)) / elapsedMs;
    this.#recentRate = this.#recentRate === undefined ? rate : this.#recentRate + NEWEST * (rate - this.#recentRate);
    this.#windowMs = nowMs;
    this.#windowCount = this.#count;
  }

  read(nowMs: number, message: string, state: Progress["state"]): Progress {
    const seconds = Math.max(0, nowMs - this.#startMs) / 1000;
    const count = this.#count;
    const overall = count > 0 && seconds > 0 ? count / seconds : undefined;
    const rate = state === "running" ? (this.#recentRate ?? overall) : overall;
    const left = this.#total === undefined ? -1 : this.#total - count;
    const secondsLeft = state === "running" && rate !== undefined && left >= 0 ? left / rate : undefined;
    return {
      label: this.#label,
      unit: this.#unit,
      count,
      total: this.#total,
      seconds,
      rate,
      secondsLeft,
      message,
      state,
    };
  }
}

/** A line for a log: "train: 45/100 batch (45%), 4.50 batch/s, 0:12 left, loss 0.2512". */
export function plainLine(progress: Progress): string {
  const { label, unit, count, total, seconds, rate, secondsLeft, message, state } = progress;
  const parts = [total === undefined ? `${count} ${unit}` : `${count}/${total} ${unit} (${percent(count, total)})`];
  if (rate !== undefined) parts.push(showRate(rate, unit));
  if (secondsLeft !== undefined) parts.push(`${showDuration(secondsLeft)} left`);
  else if (state !== "running") parts.push(`${state} after ${showDuration(seconds)}`);
  if (message !== "") parts.push(message);
  return `${label === "" ? "" : `${label}: `}${parts.join(", ")}`;
}

const BAR_LEAST = 8;
const BAR_MOST = 24;
const CYAN = "\x1b[36m";
const PLAIN = "\x1b[39m";

/**
 * A line that fills at most `columns` characters of a terminal, with a bar where the total is known and there is room:
 * "train  45% ████▌      45/100  4.50 batch/s  0:10 < 0:12  loss 0.2512". `colour` adds escapes that take no room.
 */
export function barLine(progress: Progress, columns: number, colour: boolean): string {
  const { label, unit, count, total, seconds, rate, secondsLeft, message, state } = progress;
  const head = [label, total === undefined ? "" : percent(count, total).padStart(4)].filter((part) => part !== "");
  const tail = [total === undefined ? `${count} ${unit}` : `${count}/${total}`];
  if (rate !== undefined) tail.push(showRate(rate, unit));
  tail.push(showDuration(seconds) + (secondsLeft === undefined ? "" : ` < ${showDuration(secondsLeft)}`));
  if (state === "stopped") tail.push("stopped");
  if (message !== "") tail.push(message);

  const [left, right] = [head.join(" "), tail.join("  ")];
  const room = columns - lengthOf(left) - lengthOf(right) - 2;
  if (total === undefined || room < BAR_LEAST) {
    return cut([left, right].filter((part) => part !== "").join("  "), columns);
  }
  const filled = bar(total === 0 ? 1 : count / total, Math.min(room, BAR_MOST));
  return `${left} ${colour ? `${CYAN}${filled}${PLAIN}` : filled} ${right}`;
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"] as const;

function bar(part: number, width: number): string {
  const eighths = Math.floor(Math.max(0, Math.min(1, part)) * width * 8);
  return ("█".repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? "")).padEnd(width, "·");
}

/** Rounded down, so that 100% means all of them. */
function percent(count: number, total: number): string {
  return `${total === 0 ? 100 : Math.floor((100 * count) / total)}%`;
}

/** "1234 it/s", "12.3 it/s", and below one a second "2.50 s/it". */
export function showRate(rate: number, unit: string): string {
  if (rate < 1) return `${significant(1 / rate)} s/${unit}`;
  return `${significant(rate)} ${unit}/s`;
}

/** Three digits, or all those before the point: a rate is not known better. */
function significant(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** "0:07", "12:34", "1:02:03". */
export function showDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** "loss 0.2512, epoch 3": numbers that are not whole with four digits; line ends become spaces. */
export function showValues(values: ReadonlyMap<string, number | string>): string {
  const show = (value: number | string): string =>
    typeof value === "string" || !Number.isFinite(value) || Number.isInteger(value)
      ? String(value)
      : value.toPrecision(4);
  return oneLine([...values].map(([name, value]) => `${name} ${show(value)}`).join(", "));
}

/** A text that stays on its line. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ");
}

/** At most `width` characters; an ellipsis says that there were more. */
function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}

/** Characters, not UTF-16 units. */
function lengthOf(text: string): number {
  return [...text].length;
}

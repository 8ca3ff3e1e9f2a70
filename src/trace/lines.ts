/**
 * Which line of the user's program did something. Capturing a stack costs microseconds, so it is off until a debug
 * level asks for it: TEXGRAD_DEBUG=1, or `captureLines(true)`.
 */
import { platform } from "#platform";
import type { Node } from "../ir/node.ts";

let capturing = Number(platform.env("TEXGRAD_DEBUG") ?? 0) >= 1;

/** Whether errors name the user's line that traced or assigned something, from now on. */
export function captureLines(on: boolean): void {
  capturing = on;
}

export const isCapturing = (): boolean => capturing;

/** "file:line:column" of the first frame outside the library, or "" where lines are not captured. */
export function callerLine(): string {
  if (!capturing) return "";
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const stack = new Error().stack ?? "";
  Error.stackTraceLimit = limit;
  for (const frame of stack.split("\n").slice(1)) {
    const place = /\(?((?:file:\/\/|https?:\/\/|[A-Za-z]:\\|\/)[^)]*:\d+:\d+)\)?$/.exec(frame.trim());
    if (place !== null && !isOurs(place[1]!)) return place[1]!;
  }
  return "";
}

/** Frames of this library: the folder above this file's, whether sources or a build. */
const home = new URL("..", import.meta.url).href;
const isOurs = (place: string): boolean => {
  const url = place.startsWith("/") ? `file://${place}` : place;
  return url.startsWith(home) && !url.includes(".test.");
};

/** Lines of nodes, where lines were captured. */
const lines = new WeakMap<Node, string>();

/** Notes that a line made `root`, and with it what below it has no line yet: an operation may be many nodes. */
export function noteLine(root: Node, line: string): void {
  if (line === "") return;
  const stack = [root];
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    // Numbers are made at many lines, cells at their own.
    if (lines.has(n) || (n.inputs.length === 0 && n.source?.kind !== "input")) continue;
    lines.set(n, line);
    stack.push(...n.inputs);
  }
}

/** The line that made a node; "" where lines were not captured, or it was made by no line (gradients, what passes make). */
export const lineOf = (n: Node): string => lines.get(n) ?? "";

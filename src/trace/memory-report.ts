/**
 * Which tensors take the memory, for the error that says there is not enough: those of the plan that did not fit, and
 * what is kept besides, with the user's lines where lines are captured.
 */
import { OutOfMemoryError, type TensorMemory } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { show } from "../ir/shape.ts";
import { isHost, liveCells } from "./cell.ts";
import { isCapturing, lineOf } from "./lines.ts";
import type { Plan } from "./plan.ts";
import { snapshots } from "./value.ts";

const NAMED = 10;
/** Nodes looked at for the nearest line below one that has none. */
const NEAR = 10_000;

/** The error again, with the largest tensors. `plan` is what was to run. */
export function withLargest(error: OutOfMemoryError, plan: Plan | null): OutOfMemoryError {
  const all = [...inCells(), ...inSnapshots(), ...(plan === null ? [] : inPlan(plan))];
  const largest = all.sort((a, b) => b.bytes - a.bytes).slice(0, NAMED);
  if (largest.length === 0) return error;
  const bytes = largest.map((t) => t.bytes.toLocaleString("en-US"));
  const width = Math.max(...bytes.map((b) => b.length));
  const rows = largest.map(({ dtype, shape, what, line }, i) => {
    const at = line === "" ? "" : ` at ${line}`;
    return `  ${bytes[i]!.padStart(width)} bytes  ${dtype}${show(shape)}  ${what}${at}`;
  });
  const hint = isCapturing() ? [] : ["TEXGRAD_DEBUG=1 adds the lines that made them."];
  const text = [`${error.message}. The largest tensors:`, ...rows, ...hint].join("\n");
  return new OutOfMemoryError(text, error.needed, largest);
}

function* inCells(): Iterable<TensorMemory> {
  for (const { label, dtype, shape, storage, made } of liveCells()) {
    const held = [storage.current, storage.previous, storage.spare].filter((at) => at !== null && !isHost(at));
    const bytes = held.reduce((n, at) => n + ((at as { readonly bytes: number }).bytes ?? 0), 0);
    const what = held.length === 1 ? label : `${label} (${held.length} versions)`;
    if (bytes > 0) yield { dtype, shape, bytes, what, line: made };
  }
}

function* inSnapshots(): Iterable<TensorMemory> {
  for (const { dtype, shape, own, line } of snapshots()) {
    if (own !== null) yield { dtype, shape, bytes: own.bytes, what: "a copy (clone)", line };
  }
}

function* inPlan(plan: Plan): Iterable<TensorMemory> {
  for (const { dtype, shape, bytes, node, traced, root } of plan.tensors()) {
    // The next version of a cell takes turns with those it has.
    if (root !== null && plan.assigns(root)) continue;
    const own = traced === null ? lineOf(node) : lineOf(traced) || lineOf(node);
    const line = own === "" ? nearestLine(node) : own;
    const what = own === "" && line !== "" ? `${node.op.name} of what was computed` : node.op.name;
    yield { dtype, shape, bytes, what, line };
  }
}

/** The line of the nearest node that an expression reads and that has one. */
function nearestLine(root: Node): string {
  const seen = new Set([root]);
  for (const n of seen) {
    const line = lineOf(n);
    if (line !== "" || seen.size > NEAR) return line;
    for (const x of n.inputs) seen.add(x);
  }
  return "";
}

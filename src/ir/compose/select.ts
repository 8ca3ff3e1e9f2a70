/** Tensors side by side, one-hot rows, clamping: selections by coordinate or value. */
import type { DType } from "../dtype.ts";
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { expand } from "../ops/broadcast.ts";
import { cast, eq, gt, lt, where } from "../ops/compare.ts";
import { isInt, type Operand } from "../ops/define.ts";
import { gather } from "../ops/gather.ts";
import { count, input, iota } from "../ops/leaf.ts";
import { pad, reshape } from "../ops/view.ts";
import { normalizeAxis, show } from "../shape.ts";
import { positions } from "./reduction.ts";

/**
 * x0, x1, .. along `axis`. Each is padded to the full extent and the coordinate selects among them; padding is never
 * added, so a NaN or infinity of one stays its own.
 */
export function concat(parts: readonly Node[], axis: number): Node {
  const first = parts[0];
  if (first === undefined) throw new ShapeError("concat: no tensors; takes at least one");
  const a = normalizeAxis("concat", axis, first.shape.length);
  for (const x of parts) {
    if (x.dtype !== first.dtype) throw new DtypeError(`concat: ${first.dtype} and ${x.dtype}; cast one`);
    if (x.shape.length !== first.shape.length || x.shape.some((e, i) => i !== a && e !== first.shape[i])) {
      throw new ShapeError(`concat: ${parts.map((e) => show(e.shape)).join(", ")} must be equal but for axis ${a}`);
    }
  }
  const total = parts.reduce((n, x) => n + x.shape[a]!, 0);
  const shape = first.shape.map((e, i) => (i === a ? total : e));
  const here = positions(shape, a);
  let end = total;
  let out: Node | null = null;
  for (const x of [...parts].reverse()) {
    const start = end - x.shape[a]!;
    const only = (n: number): number[] => shape.map((_, i) => (i === a ? n : 0));
    const placed = pad(x, only(start), only(total - end), 0);
    out = out === null ? placed : where(lt(here, count(end, "i32")), placed, out);
    end = start;
  }
  return out!;
}

/** index: [..] -> [.., n], 1 where the last coordinate is the index. */
export function oneHot(index: Node, n: number, dtype: DType = "i32"): Node {
  if (!isInt(index.dtype)) throw new DtypeError(`oneHot: got ${index.dtype}, takes i32, u32; x.cast("i32") would fit`);
  return cast(eq(reshape(cast(index, "i32"), [...index.shape, 1]), iota(n)), dtype);
}

/** x between the bounds, either of which may be absent; at a bound the gradient still goes to x, as torch. */
export function clamp(x: Node, low?: Operand, high?: Operand): Node {
  const raised = low === undefined ? x : where(lt(x, low), low, x);
  return high === undefined ? raised : where(gt(x, high), high, raised);
}

/** The positions `index`, which the host knows, of one axis. */
export function gatherAlong(x: Node, axis: number, index: Int32Array): Node {
  const leaf = input({ kind: "input", array: index }, "i32", [index.length]);
  const rows = reshape(
    leaf,
    x.shape.map((_, i) => (i === axis ? index.length : 1)),
  );
  return gather(
    x,
    axis,
    expand(
      rows,
      x.shape.map((e, i) => (i === axis ? index.length : e)),
    ),
  );
}

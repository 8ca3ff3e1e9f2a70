/** Rows of a table by index. Its gradient is gather's: a sum over the positions that read a row. */
import { DtypeError, ShapeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { expand } from "../ops/broadcast.ts";
import { cast, detach, eq, where } from "../ops/compare.ts";
import { isInt } from "../ops/define.ts";
import { gather } from "../ops/gather.ts";
import { reshape } from "../ops/view.ts";
import { numel, show } from "../shape.ts";

/**
 * index: [..] of i32 or u32, w: [rows, d] -> [.., d]. The row `paddingIdx` (negative: from the end) gets no gradient. An
 * index that names no row reads 0. Throws DtypeError or ShapeError where the operands do not fit.
 */
export function embedding(index: Node, w: Node, paddingIdx: number | null): Node {
  if (!isInt(index.dtype)) {
    throw new DtypeError(`embedding: indices are ${index.dtype}, take i32 or u32; x.cast("i32") would fit`);
  }
  if (w.shape.length !== 2) throw new ShapeError(`embedding: weight is ${show(w.shape)}, must be [rows, d]`);
  const [rows, d] = w.shape as readonly [number, number];
  if (paddingIdx !== null && (!Number.isInteger(paddingIdx) || paddingIdx < -rows || paddingIdx >= rows)) {
    throw new ShapeError(`embedding: paddingIdx is ${paddingIdx}, weight ${show(w.shape)} has ${rows} rows`);
  }
  const n = numel(index.shape);
  const flat = reshape(index, [n, 1]);
  const y = gather(w, 0, expand(flat, [n, d]));
  const padded =
    paddingIdx === null
      ? y
      : where(eq(cast(flat, "i32"), paddingIdx < 0 ? paddingIdx + rows : paddingIdx), detach(y), y);
  return reshape(padded, [...index.shape, d]);
}

/**
 * Reading at computed coordinates along one axis.
 *
 * A fragment shader gathers and cannot scatter, so the adjoint compares: the cotangent of x[i] is the sum of g over the
 * positions whose index is i. That costs n comparisons an element; indices the host knows are inverted there instead.
 */
import { DtypeError, ShapeError } from "../errors.ts";
import { gatherNode, type GatherDefinition, type Node } from "../node.ts";
import { normalizeAxis, show } from "../shape.ts";
import { expand, sum } from "./broadcast.ts";
import { cast, eq, where } from "./compare.ts";
import { isInt } from "./define.ts";
import { iota } from "./leaf.ts";
import { pad, reshape } from "./view.ts";

export const gatherDefinition: GatherDefinition = {
  kind: "gather",
  name: "gather",
  doc: "y[.., j, ..] = x[.., index[.., j, ..], ..] along one axis, torch's gather. An index out of range reads 0.",
  vjp(g, x, index, attrs) {
    const axis = attrs["axis"] as number;
    const n = x.shape[axis]!;
    const m = g.shape[axis]!;
    // [.., n, m, ..]: does position j along the axis read element i?
    const before = g.shape.slice(0, axis);
    const after = g.shape.slice(axis + 1);
    const paired = [...before, n, m, ...after];
    const along = (y: Node): Node => expand(reshape(y, [...before, 1, m, ...after]), paired);
    const element = expand(reshape(iota(n), [n, 1, ...after.map(() => 1)]), paired);
    const scattered = sum(where(eq(along(cast(index, "i32")), element), along(g), 0), [axis + 1]);
    // index may be smaller than x on the other axes; what it does not cover has no cotangent.
    const rest = x.shape.map((e, i) => e - scattered.shape[i]!);
    return pad(
      scattered,
      rest.map(() => 0),
      rest,
      0,
    );
  },
};

/** x: [.., n, ..], index: i32 or u32 of the same rank, no larger than x on the other axes. Result: index's shape. */
export function gather(x: Node, axis: number, index: Node): Node {
  if (!isInt(index.dtype)) {
    throw new DtypeError(`gather: index is ${index.dtype}, takes i32 or u32; index.cast("i32") would fit`);
  }
  if (x.shape.length !== index.shape.length) {
    throw new ShapeError(
      `gather: x ${show(x.shape)} and index ${show(index.shape)} differ in rank; unsqueeze or expand the index`,
    );
  }
  const a = normalizeAxis("gather", axis, x.shape.length);
  const over = index.shape.findIndex((e, i) => i !== a && e > x.shape[i]!);
  if (over >= 0) {
    throw new ShapeError(
      `gather: index ${show(index.shape)} is larger than x ${show(x.shape)} on axis ${over}; only axis ${a} may be`,
    );
  }
  return gatherNode(gatherDefinition, x, index, a);
}

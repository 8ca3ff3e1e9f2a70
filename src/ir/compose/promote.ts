/** Implicit casts, which only methods on tensors make; builders over nodes take one dtype. */
import { promote, type DType } from "../dtype.ts";
import { DtypeError } from "../errors.ts";
import type { Node } from "../node.ts";
import { cast } from "../ops/compare.ts";

/** Both operands in the dtype torch would compute in; `allowed` names what the op takes after that. */
export function promoted(op: string, a: Node, b: Node, allowed?: readonly DType[]): [Node, Node] {
  const dtype = promote(a.dtype, b.dtype);
  if (allowed !== undefined && !allowed.includes(dtype)) {
    throw new DtypeError(`${op}: got ${a.dtype} and ${b.dtype}, takes ${allowed.join(", ")}; cast one first`);
  }
  return [cast(a, dtype), cast(b, dtype)];
}

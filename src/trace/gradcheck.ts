/** `gradcheck` for users: of a function of tensors. */
import { checkGradients, type GradcheckOptions } from "../autodiff/check.ts";
import type { HostArray } from "../ir/dtype.ts";
import type { Node } from "../ir/node.ts";
import type { Cell } from "./cell.ts";
import { engine } from "./engine.ts";
import { operand, wrap } from "./handle.ts";
import type { Tensor } from "./tensor.ts";
import { Value } from "./value.ts";

/**
 * Compares the gradient of `f` at the given tensors with central differences, both in double precision by the
 * evaluator, and throws GradError naming the first element that differs. `f` must be a function of its arguments:
 * parameters and random numbers it reads are taken as they are.
 */
export function gradcheck(f: (...x: Tensor[]) => Tensor, inputs: readonly Tensor[], options?: GradcheckOptions): void {
  const point = inputs.map((t) => ({ shape: t.shape, values: t.dataSync() }));
  engine.scratch(() =>
    checkGradients(
      (...nodes) => operand(f(...nodes.map((n) => wrap(new Value(n, true)))), true),
      point,
      options,
      valueOf,
    ),
  );
}

/** Values of the leaves `f` reads besides its arguments. */
function valueOf(leaf: Node): HostArray | undefined {
  const { source } = leaf;
  if (source?.kind === "carried" && source.value instanceof Value) return engine.reads.readSync(source.value);
  if (source?.kind !== "cell") return undefined;
  const cell = source.cell as Cell;
  const at = source.version === cell.version ? engine.reads.fetchCell(cell) : cell.at(source.version);
  return at === null || ArrayBuffer.isView(at) ? (at ?? undefined) : at.readSync();
}

/** Many tensors at once: computing them in one submit, assigning all or none. */
import { ShapeError } from "../ir/errors.ts";
import { sameShape, show } from "../ir/shape.ts";
import { engine } from "./engine.ts";
import { assign, type Handle } from "./handle.ts";
import { noGrad } from "./mode.ts";
import { Value } from "./value.ts";

/**
 * Computes the tensors, and all that is due, in one submit; reading them afterwards computes nothing. Waits for
 * nothing. Like every result they stay readable until the run after the next of the same plan.
 */
export function realize(...tensors: readonly Handle[]): void {
  engine.submit(tensors.flatMap(({ state }) => (state instanceof Value ? [state] : [])));
  for (const { state } of tensors) {
    if (state instanceof Value) engine.reads.fetch(state);
    else engine.reads.fetchCell(state);
  }
}

/**
 * Assigns each state the values of its tensor; dtypes are cast, shapes must be equal. Nothing is assigned if any does
 * not fit. Pending until the next submit.
 */
export function loadValues(pairs: Iterable<readonly [state: Handle, value: Handle]>): void {
  const all = [...pairs];
  for (const [state, value] of all) {
    if (!sameShape(state.shape, value.shape)) {
      throw new ShapeError(`${state.cell.label}: is ${show(state.shape)}, the value ${show(value.shape)}`);
    }
  }
  noGrad(() => {
    for (const [state, value] of all) assign(state, value);
  });
}

/**
 * What the trace offers to nn, optim and data; what users get of it is in public.ts.
 *
 * For nn:     `new Parameter(tensor)` and `new StateTensor(tensor)` are the two kinds of module state; `x.copy_(y)`
 *             assigns (running statistics), pending until the next submit. `apply(f, [x, w])` lifts a graph function
 *             from src/ir/compose into tensors. `x.clone()` is a snapshot; `loadValues([[state, tensor], ..])` assigns
 *             all or nothing.
 * For optim:  `updateRule`, `setting` and `applyUpdates` (update.ts). `p.hasGrad()` looks without making p.grad a
 *             result of the next submit, as reading `p.grad` does.
 */
export * from "./public.ts";
export { apply, numberDtype, scalar } from "./handle.ts";
export { updateRule, setting, applyUpdates } from "./update.ts";
export type { ParameterUpdate, UpdateRule } from "./update.ts";
export { loadValues } from "./batch.ts";
export { captureLines } from "./lines.ts";
export { noteChange } from "./recorder.ts";

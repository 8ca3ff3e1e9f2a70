/**
 * State dicts: tensors by name, checked against what is there before anything is assigned. Not here: files (see
 * checkpoint.ts), or which names a module has (module.ts).
 */
import { TexgradError } from "../ir/errors.ts";
import { sameShape, show } from "../ir/shape.ts";
import { loadValues, type Parameter, type StateTensor, type Tensor } from "../trace/index.ts";

/** Tensors by name, in the order of the module's parts. */
export type StateDict = Readonly<Record<string, Tensor>>;

/** Names on one side only; both empty after a strict load. */
export interface LoadReport {
  readonly missingKeys: readonly string[];
  readonly unexpectedKeys: readonly string[];
}

/**
 * Assigns dict[name] to each named part, all at once. `owner` names the module in the error, which lists all that does
 * not fit; then nothing has been assigned.
 */
export function loadInto(
  owner: string,
  parts: readonly (readonly [name: string, part: Parameter | StateTensor])[],
  dict: StateDict,
  strict: boolean,
): LoadReport {
  const given = new Map(Object.entries(dict));
  const names = new Set(parts.map(([name]) => name));
  const missingKeys = [...names].filter((name) => !given.has(name));
  const unexpectedKeys = [...given.keys()].filter((name) => !names.has(name));
  // Keyed by part: of the values for a tied weight the last wins, as in PyTorch.
  const values = new Map<Parameter | StateTensor, Tensor>();
  const misshapen: string[] = [];
  for (const [name, part] of parts) {
    const value = given.get(name);
    if (value === undefined) continue;
    if (!sameShape(value.shape, part.shape)) {
      misshapen.push(`${name} is ${show(part.shape)}, given ${show(value.shape)}`);
    } else values.set(part, value);
  }
  const faults = [
    ...(strict && missingKeys.length > 0 ? [`missing: ${missingKeys.join(", ")}`] : []),
    ...(strict && unexpectedKeys.length > 0 ? [`unexpected: ${unexpectedKeys.join(", ")}`] : []),
    ...(misshapen.length > 0 ? [`shapes differ: ${misshapen.join("; ")}`] : []),
  ];
  if (faults.length > 0) {
    const way = misshapen.length === 0 ? "\n  { strict: false } would load the names both sides have" : "";
    throw new TexgradError(`loadStateDict: ${owner}: nothing was loaded\n  ${faults.join("\n  ")}${way}`);
  }
  loadValues([...values].map(([part, value]) => [part, value.cast(part.dtype)] as const));
  return { missingKeys, unexpectedKeys };
}

/**
 * The builders, and the table of all definitions: whatever a file of this folder exports that is one or carries one.
 * A new op is a row in its file and nothing here.
 */
import type { Definition } from "../node.ts";
import * as arithmetic from "./arithmetic.ts";
import * as bits from "./bits.ts";
import * as broadcast from "./broadcast.ts";
import * as compare from "./compare.ts";
import * as gamma from "./gamma.ts";
import * as gather from "./gather.ts";
import * as integer from "./integer.ts";
import * as leaf from "./leaf.ts";
import * as reduce from "./reduce.ts";
import * as special from "./special.ts";
import * as transcendental from "./transcendental.ts";
import * as view from "./view.ts";

export * from "./arithmetic.ts";
export * from "./bits.ts";
export * from "./broadcast.ts";
export * from "./compare.ts";
export * from "./gamma.ts";
export * from "./gather.ts";
export * from "./integer.ts";
export * from "./leaf.ts";
export * from "./reduce.ts";
export * from "./special.ts";
export * from "./transcendental.ts";
export * from "./view.ts";

function collect(files: readonly object[]): readonly Definition[] {
  const found: Definition[] = [];
  for (const file of files) {
    for (const value of Object.values(file) as unknown[]) {
      const candidate = typeof value === "function" && "definition" in value ? value.definition : value;
      if (isDefinition(candidate)) found.push(candidate);
    }
  }
  return found;
}

/** The files hold definitions, builders and plain functions; only a definition has both. */
const isDefinition = (x: unknown): x is Definition =>
  typeof x === "object" && x !== null && "kind" in x && "name" in x && "doc" in x;

/** Every definition but macros, grouped by file. */
export const definitions: readonly Definition[] = /* @__PURE__ */ collect([
  leaf,
  arithmetic,
  transcendental,
  special,
  gamma,
  integer,
  compare,
  bits,
  view,
  broadcast,
  reduce,
  gather,
]);

const byName: ReadonlyMap<string, Definition> = /* @__PURE__ */ new Map(definitions.map((d) => [d.name, d]));

export const definitionByName = (name: string): Definition | undefined => byName.get(name);

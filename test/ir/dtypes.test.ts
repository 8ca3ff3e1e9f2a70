/**
 * What definitions say of dtypes: they take what they are probed with and refuse everything else, in a message that
 * names the op; what has a gradient gives floats.
 */
import { describe, expect, it } from "vitest";
import { dtypes, type DType } from "../../src/ir/dtype.ts";
import { DtypeError } from "../../src/ir/errors.ts";
import { noAttrs, type MapDefinition } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";

const maps = o.definitions.filter((d) => d.kind === "map");
const reductions = o.definitions.filter((d) => d.kind === "reduce");

/** Every choice of n dtypes. */
function choices(n: number): DType[][] {
  return n === 0 ? [[]] : choices(n - 1).flatMap((rest) => dtypes.map((t) => [...rest, t]));
}

const probesOf = (d: MapDefinition): readonly (readonly DType[])[] => d.probes ?? [d.samples.map((): DType => "f32")];

describe.each(maps)("$name", (d) => {
  const attrs = d.probeAttrs?.[0] ?? noAttrs;
  const probed = new Set(probesOf(d).map((p) => p.join()));

  it("takes the dtypes it is probed with and no others", () => {
    for (const operands of choices(d.arity)) {
      if (probed.has(operands.join())) expect(dtypes).toContain(d.dtype(operands, attrs));
      else {
        const taken = (): DType => d.dtype(operands, attrs);
        expect(taken, operands.join(", ")).toThrow(DtypeError);
        expect(taken, operands.join(", ")).toThrow(new RegExp(`^${d.name}: `));
      }
    }
  });

  const floats = probesOf(d).filter((p) => p.at(-1) === "f32");
  if (d.vjp === null || floats.length === 0) return;
  it("gives floats of floats, having a gradient", () => {
    for (const operands of floats) {
      const given = (d.probeAttrs ?? [noAttrs]).map((a) => d.dtype(operands, a));
      expect(given).toContain("f32");
    }
  });
});

it.each(reductions)("$name takes the dtypes it is probed with and no others", (d) => {
  const probed = d.probes ?? ["f32"];
  for (const t of dtypes) {
    if (probed.includes(t)) expect(dtypes).toContain(d.dtype(t, noAttrs));
    else expect(() => d.dtype(t, noAttrs), t).toThrow(DtypeError);
  }
  if (d.vjp !== null) expect(d.dtype("f32", noAttrs)).toBe("f32");
});

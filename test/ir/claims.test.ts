/**
 * What definitions claim so that passes may rely on it, held both ways: a claim that is false changes results, one that
 * is missing costs draws. (Views' claims are in views.test.ts, neutral operands in maps.test.ts.)
 */
import { describe, expect, it } from "vitest";
import { roundTo, type DType } from "../../src/ir/dtype.ts";
import { noAttrs, type MapDefinition } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";

const binary = o.definitions.filter((d): d is MapDefinition => d.kind === "map" && d.arity === 2);

/** Values of both operands' samples, of either sign and in any order. */
function values(d: MapDefinition, dtype: DType): number[] {
  const raw = d.samples.flatMap((s) => ("values" in s ? s.values : [s.from, 0.4 * s.from + 0.6 * s.to, s.to]));
  return [...new Set([...raw, 0, 1, -1.5, 2.25].map((v) => roundTo(dtype, v)))];
}

describe("commutative", () => {
  it.each(binary)("$name, exactly where its operands may change places", (d) => {
    const differs = (d.probes ?? [["f32", "f32"]]).some((dtypes) =>
      values(d, dtypes[0]!).some((a) =>
        values(d, dtypes[0]!).some((b) => {
          const [x, y] = [d.evaluate([a, b], noAttrs, dtypes), d.evaluate([b, a], noAttrs, dtypes)];
          return !Object.is(x, y) && !(x === 0 && y === 0);
        }),
      ),
    );
    expect(d.commutative === true).toBe(!differs);
  });
});

/**
 * Generated JavaScript against the interpreter: the same bits, for random kernels of every form. Both are made from
 * the kernel alone, one as text and one by walking it. That the kernel means what its graph means is tested where
 * graphs are (test/graphs).
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kernelFunction } from "../../src/codegen/js/compile.ts";
import { generateJs } from "../../src/codegen/js/generate.ts";
import { interpret } from "../../src/codegen/js/interpret.ts";
import { hostArray, type HostArray } from "../../src/ir/dtype.ts";
import { numel } from "../../src/ir/shape.ts";
import { randomKernel, type RandomKernel } from "../support/random-kernel.ts";

/** What both leave in the stores' arrays, which begin as garbage. */
function outputs({ kernel, numbers, loads }: RandomKernel, run: typeof interpret): HostArray[] {
  const stores = kernel.stores.map(() => hostArray(kernel.stores[0]!.dtype, numel(kernel.shape)).fill(1));
  run(kernel, numbers, loads, stores);
  return stores;
}

const generated: typeof interpret = (kernel, numbers, loads, stores) => kernelFunction(kernel)(numbers, loads, stores);

/** Bits, with all NaNs alike. */
const bits = (array: HostArray): readonly (number | string)[] =>
  Array.from(array, (x) => (Object.is(x, -0) ? "-0" : x !== x ? "NaN" : x));

const seen = new Map<string, number>();
const note = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);

describe("generated JavaScript", () => {
  test("gives the interpreter's bits for random kernels", () => {
    fc.assert(
      fc.property(fc.nat({ max: 14 }), fc.integer(), (size, seed) => {
        const random = randomKernel(size, seed);
        const { kernel } = random;
        note(`phases ${kernel.phases.length}`);
        if (kernel.rows.concat(kernel.cols).some((a) => a.extent === 256)) note("two digits");
        const text = generateJs(kernel);
        for (const mark of ["continue", "Math.min(", "_3 =", " ? b", ">> ", "% "]) if (text.includes(mark)) note(mark);
        const wanted = outputs(random, interpret).map(bits);
        const got = outputs(random, generated).map(bits);
        try {
          expect(got).toEqual(wanted);
        } catch (error) {
          throw new Error(`kernel ${size}, ${seed}:\n${text}`, { cause: error });
        }
      }),
      { numRuns: 600 },
    );
    // Every form has come up.
    for (const mark of ["phases 0", "phases 1", "phases 2", "two digits", "_3 =", " ? b", ">> ", "% "]) {
      expect(seen.get(mark) ?? 0, mark).toBeGreaterThan(5);
    }
  });

  test("is the same text for the same kernel, and one function", () => {
    const [a, b] = [randomKernel(10, 5), randomKernel(10, 5)];
    expect(generateJs(a.kernel)).toBe(generateJs(b.kernel));
    expect(kernelFunction(a.kernel)).toBe(kernelFunction(b.kernel));
  });
});

/**
 * Kernels of one key have one program: over small programs under several profiles, over the same programs built anew,
 * and over pairs that differ in one thing.
 */
import { describe, expect, test } from "vitest";
import { generate } from "../../src/codegen/glsl/generate.ts";
import { kernelKey } from "../../src/codegen/glsl/key.ts";
import type { Kernel } from "../../src/ir/kernel.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { DeviceProfile } from "../../src/ir/plan.ts";
import { requestOf } from "../support/run-graph.ts";
import { planFor, profile } from "./plans.ts";
import { on, programs } from "./programs.ts";

const profiles: readonly DeviceProfile[] = [
  profile,
  { ...profile, maxDrawBuffers: 1 },
  { ...profile, maxTextureSize: 64, fragments: 128 },
  { ...profile, off: ["lanes", "guards", "outputs"] },
];

const kernelsOf = (roots: readonly Node[], under = profile): readonly Kernel[] =>
  planFor(requestOf(roots), under).kernels;
/** The program, which buffers it takes aside. */
const textOf = (kernel: Kernel): string =>
  JSON.stringify({ ...generate([kernel], profile), loads: [], numbers: [], targets: [] });

test("equal keys are equal programs", () => {
  const seen = new Map<string, string>();
  let met = 0;
  for (const program of Object.values(programs)) {
    for (const under of profiles) {
      for (const kernel of kernelsOf(program(), under)) {
        if (kernel.layout.R * kernel.stores.length > profile.maxDrawBuffers) continue;
        const key = kernelKey(kernel);
        const text = textOf(kernel);
        if (seen.has(key)) met++;
        expect(seen.get(key) ?? text).toBe(text);
        seen.set(key, text);
      }
    }
  }
  // Not for want of equal keys.
  expect(met).toBeGreaterThan(50);
});

test.each(Object.entries(programs))("%s built anew has the same keys", (_, program) => {
  expect(kernelsOf(program()).map(kernelKey)).toEqual(kernelsOf(program()).map(kernelKey));
});

describe("one difference is another key", () => {
  const of = (f: (...x: Node[]) => Node, ...shapes: readonly (readonly number[])[]): string =>
    kernelsOf(on(shapes, f).slice(0, 1)).map(kernelKey).join("\n\n");
  const padded = (fill: number) => (x: Node) => o.exp(o.pad(x, [1, 0], [0, 2], fill));
  test.each<readonly [string, string, string]>([
    ["the op", of(o.exp, [4, 5]), of(o.tanh, [4, 5])],
    ["the reduction", of((x) => o.sum(x, [1]), [4, 5]), of((x) => o.amax(x, [1]), [4, 5])],
    ["a literal", of((x) => o.mul(x, 2), [4, 5]), of((x) => o.mul(x, 3), [4, 5])],
    ["the sign of a literal zero", of((x) => o.maximum(x, 0), [4, 5]), of((x) => o.maximum(x, -0), [4, 5])],
    ["a fill", of(padded(0), [4, 5]), of(padded(-Infinity), [4, 5])],
    ["the outermost extent, which the text does not name", of(o.exp, [4, 5]), of(o.exp, [6, 5])],
    ["an inner extent", of(o.exp, [4, 5]), of(o.exp, [4, 9])],
    ["which operand", of((x) => o.sub(o.exp(x), x), [4, 5]), of((x) => o.sub(x, o.exp(x)), [4, 5])],
  ])("%s", (_, a, b) => expect(a).not.toBe(b));
});

/**
 * What a draw costs, counted from its kernel, is what the interpreter of tools/glsl counts as it runs the program:
 * fragments, fetches, texels read, numbers taken in by accumulators.
 */
import { describe, expect, test } from "vitest";
import * as c from "../../src/ir/compose/index.ts";
import type { Node } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { DeviceProfile } from "../../src/ir/plan.ts";
import { countDraw } from "../../src/codegen/glsl/count.ts";
import { interpretPlan, requestOf } from "../support/run-graph.ts";
import { leaf, planFor, profile } from "./plans.ts";
import { on, programs } from "./programs.ts";

const keepingSums = (x: Node): Node => o.expand(o.reshape(o.sum(x, [1]), [x.shape[0]!, 1]), x.shape);

const all: Readonly<Record<string, () => Node[]>> = {
  ...programs,
  "a strided convolution of an odd image": () =>
    on(
      [
        [3, 3, 9, 7],
        [5, 3, 3, 3],
      ],
      (x, w) => c.conv2d(x, w, undefined, { stride: 2, padding: 2, dilation: [2, 1] }),
    ),
  "rows past the end": () => on([[70, 5]], (x) => o.mul(x, keepingSums(x))),
};

const profiles: Readonly<Record<string, DeviceProfile>> = {
  "eight targets": profile,
  "one target, small textures, sampled": { ...profile, maxDrawBuffers: 1, maxTextureSize: 64, fetch: "textureLod" },
};

/** Fetches once more for each lane of each number that an accumulator takes in. */
function tallied(source: string): string {
  const isWide = (name: string): boolean => new RegExp(`vec4 ${name} = `).test(source);
  const [, prefix = ""] = /uniform highp (i|u|)sampler2DArray t0;/.exec(source) ?? [];
  const once = `{ ${prefix}vec4 tally = texelFetch(t0, ivec3(0, 0, 0), 0); }`;
  return source.replaceAll(/^ *(?:(s\d+(?:_\d+)?) = |if \(.*\) \{ b\d).*$/gm, (line, name?: string) =>
    [...Array<string>(name !== undefined && isWide(name) ? 4 : 1).fill(once), line].join("\n"),
  );
}

describe.each(Object.entries(profiles))("%s", (_, device) => {
  test.each(Object.entries(all))("%s", (_, program) => {
    const roots = program();
    const plan = planFor(requestOf(roots), device);
    const counted = plan.kernels.map((k) => countDraw(k, device));
    const { draws } = interpretPlan(plan, device, roots);
    expect(counted.map(({ fragments, fetches, texelsRead }) => ({ fragments, fetches, texelsRead }))).toEqual(draws);
  });
});

describe("multiply-adds and their like", () => {
  test.each(Object.entries(all))("%s", (_, program) => {
    const roots = program();
    const plan = planFor(requestOf(roots));
    const counted = plan.kernels.map((k) => countDraw(k, profile));
    const { draws } = interpretPlan(plan, profile, roots, tallied);
    expect(counted.map(({ fetches, macs }) => fetches + macs)).toEqual(draws.map((d) => d.fetches));
  });
});

test("what is read at computed coordinates is no more than is counted", () => {
  const roots = [o.gather(leaf([40, 8]), 0, o.expand(o.reshape(leaf([6], "i32"), [6, 1]), [6, 8]))];
  const plan = planFor(requestOf(roots));
  const [counted] = plan.kernels.map((k) => countDraw(k, profile));
  const [draw] = interpretPlan(plan, profile, roots).draws;
  expect(counted!.fetches).toBe(draw!.fetches);
  expect(counted!.texelsRead).toBeGreaterThanOrEqual(draw!.texelsRead);
  expect(counted!.texelsRead).toBeLessThan(40 * 2);
});

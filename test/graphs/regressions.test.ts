/**
 * Graphs that once gave wrong numbers, each under the name of its symptom, on the cpu device and on GL.
 *
 * Inputs are filled with eighths in [-2, 2] (integers with -1 to 9), so sums are exact; padding on GL holds NaN.
 */
import { describe, expect, it } from "vitest";
import type { Node } from "../../src/ir/node.ts";
import { parse } from "../../src/ir/text/parse.ts";
import { createCpuDevice } from "../../src/runtime/cpu/device.ts";
import { createWebglDevice, type WebglOptions } from "../../src/runtime/device.ts";
import { headlessGl } from "../support/gl.ts";
import { forcedLimits } from "../support/limits.ts";
import { arrayOf, difference, runOn, truth, type PlanDevice } from "../support/run-graph.ts";

interface Case {
  readonly text: string;
  /** Of GL. */
  readonly options?: WebglOptions;
}

function graph(text: string): readonly Node[] {
  const { arguments: args, roots } = parse(text);
  args.forEach((leaf, seed) => {
    const array = arrayOf(leaf);
    for (let i = 0; i < array.length; i++) {
      const n = (i * 7 + seed * 5 + ((i * i) % 11)) % 33;
      array[i] =
        leaf.dtype === "f32"
          ? (n - 16) / 8
          : leaf.dtype === "bool"
            ? n % 2
            : leaf.dtype === "i32"
              ? (n % 11) - 1
              : n % 10;
    }
  });
  return roots;
}

function check(device: PlanDevice, text: string): void {
  const roots = graph(text);
  const want = truth(roots);
  const got = runOn(device, roots, { verified: true });
  roots.forEach((n, i) => expect(difference(n, got[i]!, want[i]!), `root ${i}`).toBeNull());
}

const cases: Readonly<Record<string, Case>> = {
  "gather: an index out of range reads another row": {
    text: `func @f(%0: f32[5,4], %1: i32[5,7], %2: u32[5,3]) {
      %3 = gather %0, %1 {axis=1} : f32[5,7]
      %4 = gather %0, %2 {axis=1} : f32[5,3]
      return %3, %4
    }`,
  },
  "gather: a sum over rows found by argmax ran before argmax": {
    text: `func @f(%0: f32[5,4], %1: f32[9,4]) {
      %2 = argmax %0 {axes=[1]} : i32[5]
      %3 = reshape %2 {shape=[5,1]} : i32[5,1]
      %4 = expand %3 {shape=[5,4]} : i32[5,4]
      %5 = gather %1, %4 {axis=0} : f32[5,4]
      %6 = sum %5 {axes=[1]} : f32[5]
      return %6
    }`,
  },
  "gather: from nothing": {
    text: `func @f(%0: f32[0], %1: i32[3]) {
      %2 = gather %0, %1 {axis=0} : f32[3]
      return %2
    }`,
  },
  "same node as two roots of a device with one target: no layout": {
    text: `func @f(%0: f32[4,7], %1: f32[7,130]) {
      %2 = reshape %0 {shape=[4,7,1]} : f32[4,7,1]
      %3 = expand %2 {shape=[4,7,130]} : f32[4,7,130]
      %4 = reshape %1 {shape=[1,7,130]} : f32[1,7,130]
      %5 = expand %4 {shape=[4,7,130]} : f32[4,7,130]
      %6 = mul %3, %5 : f32[4,7,130]
      %7 = sum %6 {axes=[1]} : f32[4,130]
      return %7, %7
    }`,
  },
  "a sum over earlier sums of its own kernel read the diagonal": {
    text: `func @f(%0: f32[2,2]) {
      %1 = amax %0 {axes=[1]} : f32[2]
      %2 = reshape %1 {shape=[2,1]} : f32[2,1]
      %3 = expand %2 {shape=[2,2]} : f32[2,2]
      %4 = sub %0, %3 : f32[2,2]
      %5 = exp %4 : f32[2,2]
      %6 = sum %5 {axes=[1]} : f32[2]
      %7 = add %1, %6 : f32[2]
      %8 = reshape %0 {shape=[2,2,1]} : f32[2,2,1]
      %9 = reshape %7 {shape=[1,2,1]} : f32[1,2,1]
      %10 = expand %9 {shape=[2,2,1]} : f32[2,2,1]
      %11 = mul %8, %10 : f32[2,2,1]
      %12 = sum %11 {axes=[1]} : f32[2,1]
      %13 = reshape %12 {shape=[2]} : f32[2]
      return %13, %7, %6
    }`,
  },
  "argmax over a flattened transposition took a later one of ties": {
    text: `func @f(%0: i32[5,3,4], %1: i32[5,12]) {
      %2 = permute %0 {axes=[0,2,1]} : i32[5,4,3]
      %3 = reshape %2 {shape=[5,12]} : i32[5,12]
      %4 = cast %3 {to="bool"} : bool[5,12]
      %5 = cast %4 {to="i32"} : i32[5,12]
      %6 = argmax %5 {axes=[1]} : i32[5]
      %7 = argmin %5 {axes=[1]} : i32[5]
      return %6, %7
    }`,
  },
  "a quotient of a negative index was rounded towards zero": {
    text: `func @f(%0: f32[5,130]) {
      %1 = dilate %0 {step=[1,3]} : f32[5,388]
      %2 = flip %1 {axes=[0,1]} : f32[5,388]
      %3 = add %1, %2 : f32[5,388]
      return %3
    }`,
    options: { off: ["tiles"] },
  },
};

const cpu = createCpuDevice();
const walked = createCpuDevice({ interpret: true });

describe.each(Object.entries(cases))("%s", (_, { text, options }) => {
  it("cpu", () => check(cpu, text));
  it("cpu without generated code", () => check(walked, text));
  it("gl", () =>
    check(
      createWebglDevice(headlessGl(), { poison: true, readsSynchronously: true, ...options, ...forcedLimits }),
      text,
    ));
});

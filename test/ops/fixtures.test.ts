/**
 * Every call of test/fixtures/ops.json and distml.json through the Tensor API, on each device: values, gradients and
 * second derivatives against PyTorch's.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { F, setDevice } from "texgrad";
import { where, cat, stack, type Range, type Tensor } from "../../src/trace/index.ts";
import type { DType } from "../../src/ir/dtype.ts";
import { fixture } from "../fixtures/load.ts";
import { devices } from "../support/devices.ts";
import { attributes, checkCase, input, type Attributes, type Call } from "../support/fixture-case.ts";

/** A method of Tensor by name; fixtures name ops as torch does. */
type Method = (...args: unknown[]) => ReturnType<Call>;

const methodOf = (x: Tensor, name: string): Method => {
  const method = (x as unknown as Record<string, unknown>)[name];
  if (typeof method !== "function") throw new Error(`Tensor has no ${name}`);
  return method.bind(x) as Method;
};

const dims = (a: Attributes): unknown[] => (a["keepdim"] === undefined ? [a["dim"]] : [a["dim"], a["keepdim"]]);

/** How an op of the fixture is called, where it is not the method of its name on all inputs and its one number. */
const calls: Readonly<Record<string, Call>> = {
  clamp: ([x], a) => x!.clamp(a["min"] as number, a["max"] as number),
  to: ([x], a) => x!.to(a["dtype"] as DType),
  softplus: ([x], a) => x!.softplus(a["beta"] as number | undefined, a["threshold"] as number | undefined),
  pow: ([x, y], a) => x!.pow(y ?? (a["exponent"] as number)),
  where: ([c, x, y]) => where(c!, x!, y!),
  reshape: ([x], a) => x!.reshape(a["shape"] as number[]),
  expand: ([x], a) => x!.expand(a["shape"] as number[]),
  flatten: ([x], a) => x!.flatten(a["startDim"] as number, a["endDim"] as number),
  permute: ([x], a) => x!.permute(a["dims"] as number[]),
  flip: ([x], a) => x!.flip(a["dims"] as number[]),
  transpose: ([x], a) => x!.transpose(a["dim0"] as number, a["dim1"] as number),
  pad: ([x], a) => x!.pad(a["pad"] as number[], a["value"] as number),
  select: ([x], a) => x!.select(a["dim"] as number, a["index"] as number),
  narrow: ([x], a) => x!.narrow(a["dim"] as number, a["start"] as number, a["length"] as number),
  unfold: ([x], a) => x!.unfold(a["dim"] as number, a["size"] as number, a["step"] as number),
  window: ([x], a) => x!.window(a["dim"] as number, a["size"] as number, a),
  cat: (x, a) => cat(x, a["dim"] as number),
  stack: (x, a) => stack(x, a["dim"] as number),
  oneHot: ([x], a) => x!.oneHot(a["numClasses"] as number),
  gather: ([x, i], a) => x!.gather(a["dim"] as number, i!),
  indexSelect: ([x, i], a) => x!.indexSelect(a["dim"] as number, i!),
  linear: ([x, w, b]) => F.linear(x!, w!, b),
  conv2d: ([x, w, b], a) => x!.conv2d(w!, b ?? null, a),
  avgPool2d: ([x], a) => x!.avgPool2d(a["kernelSize"] as number, a),
  crossEntropy: ([x, y], a) => F.crossEntropy(x!, y!, a),
  mseLoss: ([x, y], a) => F.mseLoss(x!, y!, a),
  slice: ([x], a) => {
    let y = x!;
    for (const r of a["ranges"] as { dim: number; start?: number; end?: number; step?: number }[]) {
      const range: Range[] = y.shape.map(() => null);
      range[r.dim < 0 ? r.dim + y.ndim : r.dim] = [r.start ?? null, r.end ?? null, r.step ?? 1];
      y = y.slice(...range);
    }
    return y;
  },
};
const byDims = "sum mean prod amax amin any all max min argmax argmin logsumexp softmax logSoftmax squeeze unsqueeze";
for (const op of byDims.split(" ")) {
  if (calls[op] === undefined)
    Object.assign(calls, { [op]: ([x]: Tensor[], a: Attributes) => methodOf(x!, op)(...dims(a)) });
}

/** How the call of a case is made. */
const callOf = ({ op }: { readonly op: string }): Call =>
  calls[op] ?? (([first, ...rest], a) => methodOf(first!, op)(...(a["other"] === undefined ? rest : [a["other"]])));

/** Where ours parts from torch on purpose; test/ir/fixtures.test.ts says why. */
const different: readonly string[] = ["logsumexp/16", "pow/41"];
/** torch 1.13 reads uninitialised memory there. */
const noSecond: readonly string[] = ["abs"];
/** Values only the host could refuse. */
const readsValues: readonly string[] = ["crossEntropy/error2", "gather/error2"];

const { cases: all, errors: refused } = fixture("ops");
const cases = all.filter((c) => !different.includes(c.id));
const errors = refused.filter((e) => !readsValues.includes(e.id));

/**
 * NaN among what is compared: llvmpipe folds `x != x` away in selections, so relu, max and min may lose a NaN on GL.
 * docs/ops.md says so of each op.
 */
const losesNaN: readonly string[] = ["relu/5", "maximum/14", "minimum/14", "amax/31", "amin/31", "logsumexp/14"];

const exceptedOn: Readonly<Record<string, readonly string[]>> = { webgl: losesNaN };

describe.each(devices)("on %s", (name, make) => {
  const excepted = exceptedOn[name] ?? [];
  beforeAll(() => {
    setDevice(make());
    if (excepted.length > 0) console.log(`${name}: without ${excepted.join(", ")}, whose operands hold NaN`);
  });

  describe("ops", () => {
    test.each(cases.filter((c) => !excepted.includes(c.id)).map((c) => [c.id, c] as const))("%s", (_, c) =>
      checkCase(c, callOf(c), !noSecond.includes(c.op)),
    );
  });

  describe("calls torch refuses", () => {
    test.each(errors.map((e) => [e.id, e] as const))("%s", (_, e) => {
      const x = e.inputs.map(input);
      expect(() => callOf(e)(x, attributes(e.attrs))).toThrow(/^\w+: /);
    });
  });

  describe("what DistML.js gets wrong", () => {
    test.each(fixture("distml").cases.map((c) => [c.id, c] as const))("%s", (_, c) =>
      checkCase(c, callOf(c), !noSecond.includes(c.op)),
    );
  });
});

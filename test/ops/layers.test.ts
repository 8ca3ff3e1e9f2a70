/**
 * What layers are made of, by `F`: every call of test/fixtures/layers.json on each device, values, gradients and second
 * derivatives against PyTorch's. Layers with state are in layer-modules.test.ts.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { setDevice } from "texgrad";
import { fixture } from "../fixtures/load.ts";
import { devices } from "../support/devices.ts";
import { attributes, checkCase, input } from "../support/fixture-case.ts";
import { layerCalls } from "../support/layer-calls.ts";

const { cases, errors } = fixture("layers");

describe.each(devices)("on %s", (_, make) => {
  beforeAll(() => {
    setDevice(make());
  });

  test.each(cases.map((c) => [c.id, c] as const))("%s", (_, c) => checkCase(c, layerCalls[c.op]!));
});

describe("calls torch refuses", () => {
  test.each(errors.map((e) => [e.id, e] as const))("%s", (_, e) => {
    const x = e.inputs.map(input);
    expect(() => layerCalls[e.op]!(x, attributes(e.attrs))).toThrow(new RegExp(`^${e.op}: `));
  });
});

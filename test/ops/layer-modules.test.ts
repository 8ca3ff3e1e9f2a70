/**
 * Layers with state, as modules: every one of test/fixtures/layers.json on each device, loaded with PyTorch's weights by
 * PyTorch's names; results, gradients of inputs and weights, running statistics.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { nn, realize, setDevice, type Tensor } from "texgrad";
import { grad } from "../../src/trace/index.ts";
import { fixture, type FixtureTensor, type ModuleCase } from "../fixtures/load.ts";
import { devices } from "../support/devices.ts";
import { close, constant, input } from "../support/fixture-case.ts";

/** Results as the fixture lists them: nested ones in order. */
type Result = Tensor | readonly Result[];
const flat = (r: Result): Tensor[] => (Array.isArray(r) ? (r as readonly Result[]).flatMap(flat) : [r as Tensor]);

/** A layer of any arguments: fixtures name them. */
type Layer = nn.Module & { forward(...x: unknown[]): Result };
type Constructor = new (...args: unknown[]) => Layer;
const layers = new Map(Object.entries(nn) as unknown as [string, Constructor][]);

const isTensor = (v: ModuleCase["keywords"][string]): v is FixtureTensor => typeof v === "object" && "shape" in v;

async function check(c: ModuleCase): Promise<void> {
  const layer = new (layers.get(c.layer)!)(...c.args, c.options);
  layer.train(c.train);
  expect(Object.keys(layer.stateDict()).sort()).toEqual(Object.keys(c.state).sort());
  layer.loadStateDict(Object.fromEntries(Object.entries(c.state).map(([k, v]) => [k, constant(v)])));
  const x = c.inputs.map(input);
  const given = c.layer.startsWith("LSTM") && x.length === 3 ? [x[0], [x[1], x[2]]] : x;
  const keywords = Object.entries(c.keywords).map(([k, v]) => [k, isTensor(v) ? constant(v) : v] as const);
  // Recurrent layers take their options behind the state.
  const state = "lengths" in c.keywords ? [null] : [];
  const run = (): Tensor[] =>
    flat(layer.forward(...given, ...state, ...(keywords.length === 0 ? [] : [Object.fromEntries(keywords)])));
  let outputs = run();
  for (let i = 1; i < c.calls; i++) outputs = run();
  expect(outputs).toHaveLength(c.outputs.length);

  const parameters = new Map(layer.namedParameters());
  const wanted = [
    ...c.grads.flatMap((g, i) => (g === null ? [] : [[`gradient ${i}`, x[i]!, g] as const])),
    ...Object.entries(c.paramGrads).map(([name, g]) => [`gradient of ${name}`, parameters.get(name)!, g] as const),
  ];
  const loss = outputs.map((y, i) => y.mul(constant(c.cotangents[i]!)).sum()).reduce((a, b) => a.add(b));
  const grads =
    wanted.length === 0
      ? []
      : grad(
          loss,
          wanted.map(([, t]) => t),
        );
  // One plan for all: read one by one, each would be compiled.
  realize(...outputs, ...grads);
  for (const [k, [what, , g]] of wanted.entries()) await close(what, grads[k]!, g);
  for (const [i, want] of c.outputs.entries()) await close(`output ${i}`, outputs[i]!, want);
  const buffers = new Map(layer.namedBuffers());
  expect([...buffers.keys()].sort()).toEqual(Object.keys(c.after).sort());
  for (const [name, want] of Object.entries(c.after)) await close(name, buffers.get(name)!, want);
}

describe.each(devices)("on %s", (_, make) => {
  beforeAll(() => {
    setDevice(make());
  });

  test.each(fixture("layers").modules.map((c) => [c.id, c] as const))("%s", (_, c) => check(c));
});

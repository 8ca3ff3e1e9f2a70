/**
 * Weights to a file and back, and files that are not what they say. The format itself is tested in test/data.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FormatError, load, nn, ones, save, tensor, type Tensor } from "texgrad";
import { useTestDevice } from "../support/device.ts";

const folder = mkdtempSync(join(tmpdir(), "texgrad-"));
const path = join(folder, "net.safetensors");
afterAll(() => rmSync(folder, { recursive: true }));

class Net extends nn.Module {
  layers = [new nn.Linear(3, 4), new nn.Linear(4, 2)];
  runningMean = new nn.Buffer(tensor([0.5, -0.25]));
  steps = new nn.Buffer(tensor([7], { dtype: "i32" }));

  forward(x: Tensor): Tensor {
    return this.layers.reduce((value, layer) => layer.forward(value), x).add(this.runningMean);
  }
}

beforeAll(async () => {
  useTestDevice();
  await save(new Net().stateDict(), path);
});

test("a net loaded from a file computes the same", async () => {
  const [a, b] = [new Net(), new Net()];
  const own = join(folder, "own.safetensors");
  await save(a.stateDict(), own);
  b.loadStateDict(await load(own));
  expect([...(await b.forward(ones([2, 3])).data())]).toEqual([...(await a.forward(ones([2, 3])).data())]);
  expect(await b.steps.item()).toBe(7);
  rmSync(own);
});

test("names and dtypes are those of the state dict", async () => {
  const dict = await load(path);
  expect(Object.keys(dict).sort()).toEqual(
    ["layers.0.bias", "layers.0.weight", "layers.1.bias", "layers.1.weight", "running_mean", "steps"].sort(),
  );
  expect(dict["steps"]!.dtype).toBe("i32");
  expect(dict["layers.0.weight"]!.shape).toEqual([4, 3]);
});

test.each([4, 20, 200, -1])("a file cut at byte %i says so", async (length) => {
  const cut = join(folder, "cut.safetensors");
  writeFileSync(cut, readFileSync(path).subarray(0, length < 0 ? -1 : length));
  const loaded = load(cut);
  await expect(loaded).rejects.toThrow(FormatError);
  await expect(loaded).rejects.toThrow(/cut\.safetensors: .*(truncated|offset|ends)/);
  rmSync(cut);
});

test("a missing file, a folder that is not there", async () => {
  await expect(load(join(folder, "none"))).rejects.toThrow(/none: no such file/);
  await expect(save(new Net().stateDict(), join(folder, "no/where.safetensors"))).rejects.toThrow(/no such file/);
  expect(readdirSync(folder)).toEqual(["net.safetensors"]);
});

test("a file of another net changes nothing", async () => {
  const other = new nn.Linear(3, 4);
  const before = [...(await other.weight.data())];
  const dict = await load(path);
  expect(() => other.loadStateDict(dict)).toThrow("missing: weight, bias");
  expect([...(await other.weight.data())]).toEqual(before);
});

/** `texgrad/methods`: every function that takes a tensor first is a method, with its types. */
import { expect, test } from "vitest";
import { methodNames } from "texgrad/methods";
import * as texgrad from "texgrad";
import { Tensor, tensor } from "texgrad";
import * as functions from "../../src/functions/index.ts";

/** What takes a list of tensors or a specification first; `var` and `variance` are Tensor's own `var`. */
const alone = ["einsum", "hstack", "meshgrid", "vstack", "variance"];

test("each function is a method, or takes no tensor first", () => {
  const missing = Object.keys(functions).filter((name) => !alone.includes(name) && !(name in Tensor.prototype));
  expect(missing).toEqual([]);
  expect(alone.filter((name) => name in Tensor.prototype)).toEqual([]);
  expect(methodNames.length).toBeGreaterThan(80);
});

test("methods give what the functions give, and chain", async () => {
  const x = tensor([
    [0.5, -1, 2],
    [0.25, 3, -0.5],
  ]);
  expect(await x.tril().erf().cumsum(1).tolist()).toEqual(
    await texgrad.cumsum(texgrad.erf(texgrad.tril(x)), 1).tolist(),
  );
  expect(await x.median().item()).toBe(0.25);
  expect(await x.median(1).indices.tolist()).toEqual([0, 0]);
  const { values } = x.sort(1, { descending: true });
  expect(await values.tolist()).toEqual([
    [2, 0.5, -1],
    [3, 0.25, -0.5],
  ]);
  expect(await x.hypot(1).repeat([2, 1]).isnan().tolist()).toEqual(
    Array.from({ length: 4 }, () => [false, false, false]),
  );
});

test("Tensor's own methods stay as they are, and nothing new can be listed on a tensor", () => {
  expect(Tensor.prototype.std.length).toBe(texgrad.Tensor.prototype.std.length);
  const seen: string[] = [];
  for (const name in tensor([1])) seen.push(name);
  expect(seen).not.toContain("erf");
});

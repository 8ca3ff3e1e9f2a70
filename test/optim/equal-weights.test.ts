/** Weights of one shape begin with one value for all their momenta: each still has its own from the first step on. */
import { expect, test } from "vitest";
import { nn, optim, ones, setDevice, type Tensor } from "texgrad";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";

test("more equal weights than a tile leaves targets for", () => {
  setDevice(createWebglDevice(stubGl().gl, { capabilities: stubCapabilities, readsSynchronously: true }));
  const layers = Array.from({ length: 6 }, () => new nn.Conv2d(64, 64, 3, { padding: 1, bias: false }));
  const opt = new optim.SGD(
    layers.flatMap((l) => [...l.parameters()]),
    { lr: 0.1, momentum: 0.9 },
  );
  const step = (): void => {
    opt.zeroGrad();
    layers
      .reduce((x: Tensor, l) => l.forward(x).relu(), ones([2, 64, 8, 8]))
      .sum()
      .backward();
    opt.step();
  };
  expect(() => {
    step();
    step();
  }).not.toThrow();
});

/**
 * What README says in figures and in GLSL is what the library does. (That its snippets run is snippets.test.ts.)
 */
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { F, nn, optim, setDevice, tensor, type Tensor } from "texgrad";
import { createWebglDevice, type WebglDevice } from "../../src/runtime/device.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
/** Tables are padded by the formatter. */
const words = readme.replaceAll(/ +/g, " ");

let device: WebglDevice;
let sources: string[];
beforeEach(() => {
  device = createWebglDevice(stubGl().gl, { capabilities: stubCapabilities, readsSynchronously: true });
  sources = [];
  device.onPlan = ({ programs }) => sources.push(...programs.map((p) => p.source));
  setDevice(device);
});

/** Draws of one repeated SGD step of an MLP with relu between layers of these sizes. */
function drawsOf(sizes: readonly number[]): number {
  const layers = sizes.slice(1).map((out, i) => new nn.Linear(sizes[i]!, out));
  const opt = new optim.SGD(
    layers.flatMap((l) => [...l.parameters()]),
    { lr: 0.1 },
  );
  const x = tensor(new Float32Array(64 * sizes[0]!), { shape: [64, sizes[0]!] });
  const y = tensor(new Int32Array(64), { dtype: "i32" });
  const step = (): void => {
    const logits = layers.reduce<Tensor>((h, l, i) => (i === 0 ? l.forward(h) : l.forward(h.relu())), x);
    const loss = F.crossEntropy(logits, y);
    opt.zeroGrad();
    loss.backward();
    opt.step();
  };
  step();
  const before = device.counters.draws;
  step();
  return device.counters.draws - before;
}

describe("README", () => {
  it("shows the GLSL its example becomes", () => {
    drawsOf([784, 128, 10]);
    const shown = /```glsl\n([^`]*)```/.exec(readme)![1]!;
    expect(sources).toContain(shown);
  });

  it("counts the draws of the example and of the table's network", () => {
    expect(readme).toContain(`forward, backward and update: ${drawsOf([784, 128, 10])} draws`);
    sources.length = 0;
    const draws = drawsOf([784, 256, 128, 10]);
    expect(words).toContain(`| draws of an MLP 784-256-128-10 training step (cross entropy, SGD) | ${draws} |`);
    expect(words).toContain(`| programs of it | ${new Set(sources).size} |`);
  });
});

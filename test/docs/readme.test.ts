/**
 * What README says in figures and in GLSL is what the library does. (That its snippets run is snippets.test.ts.)
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { F, nn, optim, setDevice, tensor, type Tensor } from "texgrad";
import { countingDevice, type Counts, type DeviceKind } from "texgrad/debug";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

/** One repeated SGD step of an MLP with relu between layers of these sizes. */
function stepOf(sizes: readonly number[], kind: DeviceKind): Counts {
  const device = countingDevice(kind);
  setDevice(device);
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
  device.take();
  step();
  return device.take();
}

const programsOf = ({ plans }: Counts): number => plans.reduce((n, { plan }) => n + plan.programs, 0);

/** The first group of `at` with the number in the place of what stands there, in as many columns. */
function figure(text: string, at: RegExp, n: number): string {
  expect(text).toMatch(at);
  return text.replace(
    at,
    (_, before: string, old: string) => before + String(n).padStart(old.startsWith(" ") ? old.length : 0),
  );
}

describe("README", () => {
  it("shows the GLSL its example becomes", () => {
    const { plans } = stepOf([784, 128, 10], "gpu");
    const shown = /```glsl\n([^`]*)```/.exec(readme)![1]!;
    expect(plans.flatMap(({ plan }) => plan.draws.map((d) => d.source))).toContain(shown);
  });

  it("counts the draws of the example and of the table's network, on the peers' kind of device (npm run docs)", async () => {
    const table = stepOf([784, 256, 128, 10], "software");
    let page = figure(
      readme,
      /(forward, backward and update: )(\d+)(?= draws)/,
      stepOf([784, 128, 10], "software").draws,
    );
    page = figure(page, /(\| draws of an MLP 784-256-128-10 training step[^|]*\|)( +\d+)/, table.draws);
    page = figure(page, /(\| programs of it +\|)( +\d+)/, programsOf(table));
    await expect(page).toMatchFileSnapshot("../../README.md");
  });
});

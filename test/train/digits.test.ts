/**
 * The main job's recipe, whole: 8,000 real digits, 5 epochs of Adam on headless GL; and what must repeat exactly.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { DataLoader, drawnDigits, ImageDataset, mnist, setDevice, type Tensor } from "texgrad";
import { selectDevice, type DeviceName } from "../../src/runtime/select.ts";
import { trainer } from "./mlp.ts";

type Split = ReturnType<ImageDataset["split"]>;

const folder = process.env["TEXGRAD_DATA"] ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const haveReal = existsSync(`${folder}/mnist/t10k-images-idx3-ubyte.gz`);
if (!haveReal)
  console.log(`no real digits at ${folder}/mnist (TEXGRAD_DATA names another folder): only drawn ones are trained on`);

interface Run {
  readonly losses: number[];
  readonly accuracy: number;
}

async function run(name: DeviceName, { train, test }: Split, epochs: number, steps = Infinity): Promise<Run> {
  setDevice(selectDevice({ device: name }));
  const { net, step } = trainer("adam");
  const loader = new DataLoader(train, { batchSize: 64, shuffle: true, seed: 0 });
  const losses: number[] = [];
  for (let epoch = 0; epoch < epochs && losses.length < steps; epoch++) {
    for await (const { x, y } of loader) {
      losses.push(await step({ x, y }).item());
      if (losses.length === steps) break;
    }
  }
  let right = 0;
  const hits = (x: Tensor, y: Tensor): Promise<number> => net.forward(x).argmax(1).eq(y).sum().item();
  for await (const { x, y } of new DataLoader(test, { batchSize: 500 })) right += await hits(x, y);
  return { losses, accuracy: right / test.length };
}

describe.runIf(haveReal)("8,000 real digits", () => {
  let data: Split;
  beforeAll(async () => {
    data = (await mnist(`${folder}/mnist`, { shape: [784] })).split(8000);
  });

  it("5 epochs reach 94.0 % on the last 2,000 (PyTorch: 94.2 to 94.7)", { timeout: 240_000 }, async () => {
    const { accuracy, losses } = await run("webgl", data, 5);
    console.log(`real digits: ${(accuracy * 100).toFixed(2)} % after ${losses.length} steps`);
    expect(losses).toHaveLength(625);
    expect(accuracy).toBeGreaterThanOrEqual(0.94);
  });

  it(
    "the same seed gives identical losses, and the cpu device the same within 1e-4",
    { timeout: 120_000 },
    async () => {
      const first = await run("webgl", data, 1, 20);
      const again = await run("webgl", data, 1, 20);
      expect(again.losses).toEqual(first.losses);
      const cpu = await run("cpu", data, 1, 20);
      cpu.losses.forEach((loss, i) => expect(Math.abs(loss / first.losses[i]! - 1)).toBeLessThan(1e-4));
    },
  );
});

describe("drawn digits (synthetic)", () => {
  // Measured 95 to 96 % over seeds; 93 % leaves room for another rounding, none for a wrong gradient.
  it("8,000 of them, 5 epochs: at least 93 % on 2,000 others", { timeout: 240_000 }, async () => {
    const drawn = new ImageDataset(drawnDigits({ count: 10_000, seed: 0 }), { shape: [784] });
    const { accuracy } = await run("webgl", drawn.split(8000), 5);
    console.log(`drawn digits: ${(accuracy * 100).toFixed(2)} %`);
    expect(accuracy).toBeGreaterThanOrEqual(0.93);
  });
});

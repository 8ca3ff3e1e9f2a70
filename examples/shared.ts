/** What the examples share: how long they run and what they say, and where data comes from. */
import { readFile } from "node:fs/promises";
import { drawnDigits, ImageDataset, mnist, type ImageOptions, type Tensor } from "texgrad";

export interface Run {
  /** Stops after so many steps. Default: none, the example's own epochs. */
  readonly steps?: number;
  readonly seed?: number;
  /** Called after each step with its loss, which is not read unless you do. Default: prints it now and then. */
  readonly report?: (step: number, loss: Tensor) => void | Promise<void>;
}

/** Prints every `every`-th loss. */
export const printing = (every: number) => async (step: number, loss: Tensor) => {
  if (step % every === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(4)}`);
};

const folder = process.env["TEXGRAD_DATA"] ?? "../shared/data";

/** MNIST's files in TEXGRAD_DATA/mnist, or as many digits drawn by the library: 8,000 to train on and 2,000 to test. */
export async function digits(options: ImageOptions = {}): Promise<ReturnType<ImageDataset["split"]>> {
  const all = await mnist(`${folder}/mnist`, options).catch(() => null);
  if (all === null) console.log(`no digits in ${folder}/mnist: drawn ones take their place`);
  return (all ?? new ImageDataset(drawnDigits({ count: 10_000 }), options)).split(8000);
}

/** Shakespeare from TEXGRAD_DATA/text, or a verse of his again and again. */
export async function shakespeare(): Promise<string> {
  const text = await readFile(`${folder}/text/tinyshakespeare.txt`, "utf8").catch(() => null);
  if (text === null) console.log(`no text in ${folder}/text: one verse takes its place`);
  return text ?? "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n".repeat(200);
}

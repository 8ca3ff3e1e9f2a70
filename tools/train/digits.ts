/**
 * Which digits the main job trains on: real ones where they are found, else drawn ones.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { drawnDigits, ImageDataset, mnist, TexgradError } from "../../src/index.ts";
import { UsageError } from "./options.ts";

export interface Digits {
  readonly train: ImageDataset;
  readonly test: ImageDataset;
  /** For the reader: what they are and where from. */
  readonly description: string;
  readonly real: boolean;
}

/** One x is a row of 784 in [0, 1]. */
const form = { shape: [784] };

/** How many are drawn; the same ones every time, whatever the run's seed. */
const DRAWN = 10_000;

/** Of one file alone, this part trains and the rest tests: 8,000 and 2,000 of MNIST's 10,000. */
const TRAIN_PART = 0.8;

/** folder: what --data says, or null. Throws UsageError when there are no digits in it, or files that cannot be read. */
export async function findDigits(folder: string | null): Promise<Digits> {
  if (folder !== null) {
    if (!existsSync(folder)) throw new UsageError(`--data ${folder}: there is no such folder`);
    if (!has(folder, "train") && !has(folder, "t10k")) {
      throw new UsageError(
        `--data ${folder}: no t10k-images-idx3-ubyte[.gz] (nor train-images-idx3-ubyte[.gz]) there, with its labels`,
      );
    }
    return await readDigits(folder);
  }
  const found = usualPlaces().find((place) => has(place, "train") || has(place, "t10k"));
  return found === undefined ? draw() : await readDigits(found);
}

function usualPlaces(): string[] {
  const given = process.env["TEXGRAD_DATA"];
  const beside = join(projectRoot(), "..", "shared", "data", "mnist");
  return given === undefined || given === "" ? [beside] : [join(given, "mnist"), beside];
}

/** The folder with package.json, above this file as a source and in dist. */
function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

const has = (folder: string, set: "train" | "t10k"): boolean =>
  [`${set}-images-idx3-ubyte`, `${set}-labels-idx1-ubyte`].every((name) =>
    ["", ".gz"].some((ending) => existsSync(join(folder, name + ending))),
  );

/** Throws UsageError where the files are not what their names say, or cannot be read. */
async function readDigits(folder: string): Promise<Digits> {
  try {
    return await parseDigits(folder);
  } catch (error) {
    if (!(error instanceof TexgradError)) throw error;
    throw new UsageError(error.message.replaceAll(/\n\s*/g, " "));
  }
}

async function parseDigits(folder: string): Promise<Digits> {
  if (has(folder, "train") && has(folder, "t10k")) {
    const train = await mnist(folder, { set: "train", ...form });
    const test = await mnist(folder, { set: "t10k", ...form });
    return { train, test, description: describe(train, test, `MNIST from ${folder}`), real: true };
  }
  const all = await mnist(folder, { set: has(folder, "t10k") ? "t10k" : "train", ...form });
  const { train, test } = all.split(Math.floor(all.length * TRAIN_PART));
  return { train, test, description: describe(train, test, `MNIST from ${folder}`), real: true };
}

function draw(): Digits {
  const all = new ImageDataset(drawnDigits({ count: DRAWN }), form);
  const { train, test } = all.split(Math.floor(DRAWN * TRAIN_PART));
  const description = describe(train, test, "synthetic: drawn by this program, no handwriting was found");
  return { train, test, description, real: false };
}

const describe = (train: ImageDataset, test: ImageDataset, source: string): string =>
  `${train.length} digits to train, ${test.length} to test (${source})`;

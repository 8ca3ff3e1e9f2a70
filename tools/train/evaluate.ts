/**
 * How well a network tells digits apart: guesses on a test set, counted, and a look at some of the wrong ones.
 */
import { DataLoader, noGrad, type ImageDataset, type Tensor } from "../../src/index.ts";
import { asciiDigit, sideBySide } from "../picture.ts";

const BATCH = 500;
const CLASSES = 10;

export interface Evaluation {
  /** Part of the digits guessed right. */
  readonly accuracy: number;
  /** [truth][guess]. */
  readonly counts: readonly (readonly number[])[];
  /** Positions in the test set. */
  readonly wrong: readonly { readonly index: number; readonly truth: number; readonly guess: number }[];
}

/** logits: [n, 784] -> [n, 10]. */
export async function evaluate(test: ImageDataset, logits: (x: Tensor) => Tensor): Promise<Evaluation> {
  const guesses: number[] = [];
  for await (const { x } of new DataLoader(test, { batchSize: BATCH })) {
    guesses.push(...(await noGrad(() => logits(x).argmax(1)).data()));
  }
  const counts = Array.from({ length: CLASSES }, () => Array.from({ length: CLASSES }, () => 0));
  const wrong = [];
  for (const [index, guess] of guesses.entries()) {
    const truth = test.labels[index]!;
    counts[truth]![guess]! += 1;
    if (guess !== truth) wrong.push({ index, truth, guess });
  }
  return { accuracy: 1 - wrong.length / test.length, counts, wrong };
}

/** Pictures of the first few wrong guesses, side by side; "" where there are none. */
export function wrongOnes(test: ImageDataset, { wrong }: Evaluation, columns: number, most = 4): string {
  const { width, height } = test;
  const pictures = wrong.slice(0, most).map(({ index, truth, guess }) => {
    const pixels = test.images.subarray(index * width * height, (index + 1) * width * height);
    return { text: asciiDigit(pixels, width, height), caption: `a ${truth}, taken for a ${guess}` };
  });
  return sideBySide(pictures, columns);
}

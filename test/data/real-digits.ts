/** Where the tests find 10,000 real handwritten digits, or a skipped test and a line that says so. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";

export interface RealDigits {
  readonly folder: string;
  readonly images: string;
  readonly labels: string;
}

/** The files, or none: then the test is skipped with a line in the run's output. */
export function realDigits(context: TestContext): RealDigits {
  const folder = join(process.env["TEXGRAD_DATA"] ?? "../shared/data", "mnist");
  const images = join(folder, "t10k-images-idx3-ubyte.gz");
  const labels = join(folder, "t10k-labels-idx1-ubyte.gz");
  if (!existsSync(images) || !existsSync(labels)) {
    const reason = `no real digits in ${folder} (TEXGRAD_DATA names another folder)`;
    console.warn(`skipped "${context.task.name}": ${reason}`);
    context.skip(reason);
  }
  return { folder, images, labels };
}

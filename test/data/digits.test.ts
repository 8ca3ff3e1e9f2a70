/** The drawn digits: the laws their documentation states, and that they stay the same from machine to machine. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { drawnDigits } from "../../src/data/digits.ts";

const histogram = (labels: Uint8Array) => {
  const counts = Array<number>(10).fill(0);
  for (const label of labels) counts[label]!++;
  return counts;
};

describe("drawnDigits", () => {
  it("draws the same pictures on every machine", () => {
    const { images, labels } = drawnDigits({ count: 200, seed: 7 });
    const digest = createHash("sha256").update(images).update(labels).digest("hex");
    // Changes only when the drawing is meant to change; then accuracies stated elsewhere must be measured again.
    expect(digest).toBe("1d3dee30ff1224248c307339650fd97c0ec5f0db5daa3d525372de918f56967e");
  });

  it("gives each digit once in every ten", () => {
    const { labels } = drawnDigits({ count: 100, seed: 3 });
    for (let i = 0; i < 100; i += 10) expect(histogram(labels.subarray(i, i + 10))).toEqual(Array(10).fill(1));
  });

  it("begins with the pictures of a smaller count", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.nat(), (a, b, seed) => {
        const few = drawnDigits({ count: Math.min(a, b), seed });
        const many = drawnDigits({ count: Math.max(a, b), seed });
        expect(many.labels.subarray(0, few.labels.length)).toEqual(few.labels);
        expect(many.images.subarray(0, few.images.length)).toEqual(few.images);
      }),
      { numRuns: 20 },
    );
  });

  it("draws others for another seed, also above 2^32", () => {
    const seeds = [0, 1, 2 ** 32, 2 ** 53 - 1];
    const pictures = seeds.map((seed) => drawnDigits({ count: 10, seed }).images.join());
    expect(new Set(pictures).size).toBe(seeds.length);
  });

  it("keeps the ink inside: the frame holds only noise", () => {
    const { images } = drawnDigits({ count: 500, seed: 1 });
    let frame = 0;
    let inside = 0;
    for (let i = 0; i < images.length; i++) {
      const x = i % 28;
      const y = Math.floor(i / 28) % 28;
      if (x === 0 || y === 0 || x === 27 || y === 27) frame += images[i]!;
      else inside += images[i]!;
    }
    const mean = { frame: frame / (500 * 108), inside: inside / (500 * (784 - 108)) };
    expect(mean.inside).toBeGreaterThan(25);
    expect(mean.frame).toBeLessThan(8);
  });

  it("can be told apart by their mean pictures, but not too easily", () => {
    const nearest = nearestMeanAccuracy(drawnDigits({ count: 3000, seed: 5 }), 2500);
    expect(nearest).toBeGreaterThan(0.5);
    expect(nearest).toBeLessThan(0.9);
  });

  it("draws 8,000 in a few seconds", () => {
    const start = performance.now();
    drawnDigits({ count: 8000 });
    // 0.8 s alone on two old cores; the bound leaves room for a machine that others use too.
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it.each([
    [{ count: -1 }, "drawnDigits: count is -1; it must be a whole number >= 0"],
    [{ count: 1.5 }, "drawnDigits: count is 1.5; it must be a whole number >= 0"],
    [{ count: 1, seed: -3 }, "drawnDigits: seed is -3; it must be an integer from 0 to 2^53 - 1"],
    [{ count: 1, seed: NaN }, "drawnDigits: seed is NaN; it must be an integer from 0 to 2^53 - 1"],
  ])("refuses %o", (options, message) => {
    expect(() => drawnDigits(options)).toThrow(message);
  });
});

/** Labels each picture after `cut` by the nearest class mean of those before it. */
function nearestMeanAccuracy({ images, labels }: ReturnType<typeof drawnDigits>, cut: number): number {
  const means = Array.from({ length: 10 }, () => new Float64Array(784));
  const counts = histogram(labels.subarray(0, cut));
  for (let i = 0; i < cut; i++) {
    const mean = means[labels[i]!]!;
    for (let p = 0; p < 784; p++) mean[p]! += images[i * 784 + p]! / counts[labels[i]!]!;
  }
  let right = 0;
  for (let i = cut; i < labels.length; i++) {
    const distances = means.map((mean) => mean.reduce((sum, m, p) => sum + (m - images[i * 784 + p]!) ** 2, 0));
    if (distances.indexOf(Math.min(...distances)) === labels[i]) right++;
  }
  return right / (labels.length - cut);
}

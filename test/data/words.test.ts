/** Random words: streams that do not overlap, integers without bias, permutations that are permutations. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { below, permutation, PhiloxWords, seedKey, type WordSource } from "../../src/data/words.ts";

const sequence = (...values: number[]): WordSource => ({ uint32: () => values.shift() ?? 0 });

describe("PhiloxWords", () => {
  it("gives Philox's words in order, then those of the next counter", () => {
    const words = new PhiloxWords([0, 0], 0, 0);
    const first = Array.from({ length: 5 }, () => words.uint32());
    expect(first.slice(0, 4)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(first[4]).not.toBe(first[0]);
  });

  it("differs by key, stream and index, also above 2^32", () => {
    const firsts = [
      new PhiloxWords([1, 0], 0, 0),
      new PhiloxWords([0, 1], 0, 0),
      new PhiloxWords([0, 0], 1, 0),
      new PhiloxWords([0, 0], 0, 1),
      new PhiloxWords([0, 0], 0, 2 ** 32),
    ].map((words) => words.uint32());
    expect(new Set(firsts).size).toBe(5);
  });

  it("draws uniforms inside their range, around its middle", () => {
    const words = new PhiloxWords([5, 0], 0, 0);
    const draws = Array.from({ length: 10_000 }, () => words.uniform(-1, 3));
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...draws)).toBeLessThan(3);
    // The mean's deviation is 4 / sqrt(12 * 10,000) = 0.0115; the bound is five of them.
    expect(draws.reduce((a, b) => a + b) / draws.length).toBeCloseTo(1, 1);
  });
});

describe("below", () => {
  it("draws again where a remainder would be biased", () => {
    // 2^32 = 1 mod 3, so the last word is left out.
    expect(below(sequence(0xffffffff, 7), 3)).toBe(1);
    expect(below(sequence(0xfffffffe), 3)).toBe(2);
  });

  it("takes a bound of 1 and of 2^32", () => {
    expect(below(sequence(0xffffffff), 1)).toBe(0);
    expect(below(sequence(0xffffffff), 2 ** 32)).toBe(0xffffffff);
  });
});

describe("permutation", () => {
  it("holds each index once", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(), (length, seed) => {
        const order = permutation(new PhiloxWords(seedKey("test", seed), 0, 0), length);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
      }),
    );
  });

  it("gives each order of three equally often", () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = permutation(new PhiloxWords([9, 0], 0, i), 3).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    // 1,000 expected, deviation 29; the bound is five of them.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(145);
  });
});

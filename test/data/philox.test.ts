/** Known answers of Philox4x32-10 (Random123's kat_vectors), and one law. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { philox4x32 } from "../../src/ir/philox.ts";

const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

describe("philox4x32", () => {
  const answers = [
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      bits: "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      bits: "408f276d 41c83b0e a20bc7c6 6d5451fd",
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      bits: "d16cfe09 94fdcceb 5001e420 24126ea1",
    },
  ] as const;

  it.each(answers)("gives $bits", ({ counter, key, bits }) => {
    expect(hex(philox4x32(counter, key))).toBe(bits);
  });

  const word = fc.integer({ min: 0, max: 0xffffffff });

  it("agrees with the same rounds written with BigInt", () => {
    const slow = (counter: bigint[], key: bigint[]): number[] => {
      const mask = 0xffffffffn;
      let [c0, c1, c2, c3] = counter as [bigint, bigint, bigint, bigint];
      let [k0, k1] = key as [bigint, bigint];
      for (let round = 0; round < 10; round++) {
        const p0 = 0xd2511f53n * c0;
        const p1 = 0xcd9e8d57n * c2;
        [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
        k0 = (k0 + 0x9e3779b9n) & mask;
        k1 = (k1 + 0xbb67ae85n) & mask;
      }
      return [c0, c1, c2, c3].map(Number);
    };
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        const want = slow(counter.map(BigInt), key.map(BigInt));
        expect(philox4x32(counter, key)).toEqual(want);
      }),
    );
  });
});

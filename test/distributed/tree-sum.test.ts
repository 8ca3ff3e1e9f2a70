/** The canonical sum: its bits depend on who contributed and on nothing else. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codecs } from "../../src/distributed/codec.ts";
import { Roster, treeSum, TreeSum } from "../../src/distributed/tree-sum.ts";
import { codecNames } from "../../src/distributed/wire.ts";

const bits = (x: Float32Array): number[] => [...new Uint32Array(x.buffer, x.byteOffset, x.length)];
/** Where adding infinities made one, which NaN it is says nothing. */
const canonical = (x: Float32Array): number[] => bits(x.map((v) => (Number.isNaN(v) ? NaN : v)));

/** Values whose sums depend on the order: all magnitudes, both zeros, the smallest and the largest floats. */
const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 2 ** -149, -(2 ** -149), 2 ** 24, -(2 ** 24), 1, -1, 3.4028234663852886e38),
);
const rosters = fc.uniqueArray(fc.oneof(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 63 })), {
  minLength: 1,
  maxLength: 12,
});

/** All that two runs of one step may differ in, and must not show. */
const runs = rosters.chain((slots) =>
  fc.record({
    contributions: fc
      .array(fc.array(value, { minLength: 5, maxLength: 5 }), { minLength: slots.length, maxLength: slots.length })
      .map((rows) => new Map(slots.map((slot, i) => [slot, Float32Array.from(rows[i]!)]))),
    order: fc.shuffledSubarray(slots, { minLength: slots.length }),
    /** Where a contribution of 5 is cut in chunks. */
    cut: fc.integer({ min: 0, max: 5 }),
    /** Slots of a summing node: 2^block. */
    block: fc.integer({ min: 0, max: 5 }),
    codec: fc.constantFrom(...codecNames),
    /** Slots that leave after so many arrivals, with or without having contributed. */
    leavers: fc.subarray(slots, { maxLength: slots.length - 1 }),
    leaveAfter: fc.nat(slots.length),
  }),
);

/** By arrival, on one node. */
function summed(contributions: ReadonlyMap<number, Float32Array>, order: readonly number[]): Float32Array {
  const sum = new TreeSum(new Roster(order));
  for (const slot of order) {
    expect(sum.result).toBeNull();
    sum.add(slot, contributions.get(slot)!.slice());
  }
  return sum.result!;
}

/** By arrival, on one node for each block of slots and one above them. */
function summedInBlocks(
  contributions: ReadonlyMap<number, Float32Array>,
  order: readonly number[],
  block: number,
): Float32Array {
  const blocks = [...new Set(order.map((slot) => slot >> block))];
  const edges = new Map(
    blocks.map((b) => [b, new TreeSum(new Roster(order.filter((slot) => slot >> block === b)))] as const),
  );
  const top = new TreeSum(new Roster(blocks));
  for (const slot of order) {
    const edge = edges.get(slot >> block)!;
    edge.add(slot, contributions.get(slot)!.slice());
    if (edge.result !== null) top.add(slot >> block, edge.result);
  }
  return top.result!;
}

describe("the sum in the tree", () => {
  test("equals its definition bit for bit, whatever the order, the chunks, the codec and the nodes: 10,000 cases", () => {
    fc.assert(
      fc.property(runs, ({ contributions, order, cut, block, codec }) => {
        const sent = new Map(
          [...contributions].map(
            ([slot, x]) => [slot, codecs[codec].decode(codecs[codec].encode(x), x.length)] as const,
          ),
        );
        const wanted = canonical(treeSum(sent));
        expect(canonical(summed(sent, order))).toEqual(wanted);
        expect(canonical(summedInBlocks(sent, order, block))).toEqual(wanted);
        const parts = [
          [0, cut],
          [cut, 5],
        ].map(([from, to]) => summed(new Map([...sent].map(([s, x]) => [s, x.slice(from, to)])), order));
        expect(parts.flatMap((part) => canonical(part))).toEqual(wanted);
      }),
      { numRuns: 10_000 },
    );
  });

  test("after members left equals the definition over those who stayed", () => {
    fc.assert(
      fc.property(runs, ({ contributions, order, leavers, leaveAfter }) => {
        const roster = new Roster(order);
        const sum = new TreeSum(roster);
        order.slice(0, leaveAfter).forEach((slot) => sum.add(slot, contributions.get(slot)!.slice()));
        for (const slot of leavers) {
          const mixed = sum.hasArrived(slot);
          roster.drop(slot);
          // Only values that are in the sum already spoil it; then all is asked for again.
          if (!sum.drop(slot)) expect(mixed).toBe(true);
        }
        for (const slot of order) {
          if (!roster.has(slot) || sum.hasArrived(slot)) continue;
          sum.add(slot, contributions.get(slot)!.slice());
        }
        const stayed = new Map([...contributions].filter(([slot]) => !leavers.includes(slot)));
        expect(canonical(sum.result!)).toEqual(canonical(treeSum(stayed)));
      }),
      { numRuns: 3000 },
    );
  });

  test("skips a missing slot: -0 stays -0", () => {
    const x = new Map([[2, new Float32Array([-0])]]);
    expect(bits(treeSum(x))).toEqual([0x80000000]);
    expect(bits(summed(x, [2]))).toEqual([0x80000000]);
  });

  test("is not the sum in order of arrival", () => {
    const x = new Map([1, 2 ** 24, 1, 1].map((v, slot) => [slot, new Float32Array([v])]));
    expect(treeSum(x)[0]).toBe(2 ** 24 + 2);
    expect([...x.values()].reduce((sum, [v]) => Math.fround(sum + v!), 0)).toBe(2 ** 24);
  });

  test("takes a slot once, and only of the roster", () => {
    const sum = new TreeSum(new Roster([0, 1]));
    sum.add(0, new Float32Array(1));
    expect(() => sum.add(0, new Float32Array(1))).toThrow("slot 0 twice");
    expect(() => sum.add(2, new Float32Array(1))).toThrow("slot 2");
  });
});

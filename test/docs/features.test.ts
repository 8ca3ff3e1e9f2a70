/**
 * FEATURES.md says what the code does: every name exists or is left out with a reason, what is left out does not exist,
 * and the file is fresh. `npm run coverage:ops` prints the counts.
 */
import { expect, test } from "vitest";
import { definitions } from "../../src/ir/ops/index.ts";
import { comparedCalls, counts, features, groups, leftOut, spellings } from "./features.ts";

const all = Object.values(groups).flat();

test("each operation can be called, or is left out with a reason", () => {
  expect(all.filter((name) => leftOut[name] === undefined && spellings(name).length === 0)).toEqual([]);
  expect(Object.keys(leftOut).filter((name) => spellings(name).length > 0)).toEqual([]);
  expect(Object.keys(leftOut).filter((name) => !all.includes(name))).toEqual([]);
  expect(all.filter((name, i) => all.indexOf(name) !== i)).toEqual([]);
});

/** Aliases and draws, which have tests of their own. */
const uncompared = ["view", "to", "rand", "randn", "bernoulli", "randint", "randperm", "manualSeed"];

test("each operation is compared with PyTorch", () => {
  const compared = comparedCalls();
  const without = all.filter((name) => leftOut[name] === undefined && !compared.has(name));
  expect(without.filter((name) => !uncompared.includes(name))).toEqual([]);
});

test("FEATURES.md is fresh (npm run docs)", async () => {
  await expect(await features()).toMatchFileSnapshot("../../FEATURES.md");
});

/** Ask of each above whether a composition would not do. */
const MOST_DEFINITIONS = 90;

test("definitions are few", () => {
  const c = counts();
  console.log(
    `${c.ops} operations of ${definitions.length} definitions; ${c.calls} calls compared, gradients of ${c.gradients}, ` +
      `second derivatives of ${c.second}; ${c.looser} looser tolerances; ${c.leftOut} left out`,
  );
  expect(definitions.length).toBeLessThanOrEqual(MOST_DEFINITIONS);
});

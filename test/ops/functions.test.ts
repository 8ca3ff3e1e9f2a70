/**
 * Every call of test/fixtures/functions.json on each device: values, gradients and second derivatives against PyTorch's;
 * and calls that must be refused. Exceptions stand in function-exceptions.ts, with their reasons.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { setDevice } from "texgrad";
import { TexgradError } from "../../src/ir/errors.ts";
import { fixture } from "../fixtures/load.ts";
import { devices } from "../support/devices.ts";
import { checkFunction, makeCall } from "../support/function-case.ts";
import { accepted, different, looser, losesOnGl } from "./function-exceptions.ts";

const { cases: all, errors } = fixture("functions");
const cases = all.filter((c) => different[c.id] === undefined);

describe.each(devices)("functions on %s", (name, make) => {
  beforeAll(() => {
    setDevice(make());
  });
  const run = name === "webgl" ? cases.filter((c) => losesOnGl[c.id] === undefined) : cases;
  test.each(run.map((c) => [c.id, c] as const))("%s", async (_, c) => {
    expect(await checkFunction(c, looser[c.op]?.times)).toBeNull();
  });
});

/** Who refuses: some are another function with checked arguments. */
const says: Readonly<Record<string, string>> = {
  bmm: "bmm|matmul",
  mm: "mm|matmul",
  mv: "mv|matmul",
  dot: "dot|matmul",
};
const saysOf = (op: string): string => `(${says[op] ?? op.replace("F.", "")})`;

describe("calls that are refused", () => {
  test.each(errors.filter((e) => accepted[e.id] === undefined).map((e) => [e.id, e] as const))("%s", (_, e) => {
    let thrown: unknown;
    try {
      makeCall(e);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TexgradError);
    // Named as it was called; F.pad says pad.
    expect((thrown as Error).message).toMatch(new RegExp(`^${saysOf(e.op)}: \\S`));
  });
});

test("exceptions name cases that exist", () => {
  const ids = new Set([...all, ...errors].map(({ id }) => id));
  const named = [different, losesOnGl, accepted].flatMap((list) => Object.keys(list));
  expect(named.filter((id) => !ids.has(id))).toEqual([]);
  const ops = new Set(all.map(({ op }) => op));
  expect(Object.keys(looser).filter((op) => !ops.has(op))).toEqual([]);
});

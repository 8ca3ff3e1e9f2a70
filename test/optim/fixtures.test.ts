/**
 * 20 steps of every optimizer, in groups and on odd shapes, against test/fixtures/optimizers.json: PyTorch's, and the
 * papers' formulas where PyTorch 1.13 has none.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { nn, optim, realize, setDevice, type Tensor } from "texgrad";
import { devices } from "../support/devices.ts";
import { fixture, toArray, type FixtureParams, type OptimizerCase } from "../fixtures/load.ts";
import { constant } from "../support/fixture-case.ts";

const { data, cases } = fixture("optimizers");

/**
 * Over the largest value of the tensor, before or after: a number that came near 0 has the roundings of where it came
 * from. 1e-5 as everywhere; Muon's iteration has slope 3.4 at small singular values, to
 * the power of 5, and so magnifies a rounding a few hundred times.
 */
const tolerance = (type: string): number => (type === "Muon" ? 1e-4 : 1e-5);

type Constructor = new (groups: readonly object[], options: object) => optim.Optimizer;
const constructors = new Map(Object.entries(optim) as unknown as [string, Constructor][]);

async function check(c: OptimizerCase): Promise<void> {
  const names = c.groups.flatMap((g) => g.params);
  const params = new Map(names.map((n) => [n, new nn.Parameter(constant(data[n]!.initial))]));
  const opt = new (constructors.get(c.type)!)(
    c.groups.map((g) => ({ params: g.params.map((n) => params.get(n)!), ...g.options })),
    c.options,
  );
  const given = new Map(
    names.map((n) => [n, { target: constant(data[n]!.target), square: constant(data[n]!.scale).square() }]),
  );
  for (let step = 1; step <= 20; step++) {
    opt.zeroGrad();
    const losses = names.map((n) => {
      const { target, square } = given.get(n)!;
      const p = params.get(n)!;
      return p
        .sub(target)
        .square()
        .mul(square)
        .mul(0.5)
        .add(p.mul(0.5 * Math.sin(step)))
        .sum();
    });
    losses.reduce((a, b) => a.add(b)).backward();
    opt.step();
    const want = c.paramsAfter[step];
    if (want !== undefined) await checkAll(c.type, step, params, want);
  }
}

async function checkAll(
  type: string,
  step: number,
  params: ReadonlyMap<string, Tensor>,
  want: FixtureParams,
): Promise<void> {
  realize(...params.values());
  for (const [name, values] of Object.entries(want)) {
    const got = await params.get(name)!.data();
    const wanted = toArray(values);
    const scale = Math.max(...[...wanted, ...toArray(data[name]!.initial)].map(Math.abs));
    const worst = Math.max(...wanted.map((w, i) => Math.abs(w - got[i]!) / scale));
    expect(worst, `${name} after ${step} steps`).toBeLessThan(tolerance(type));
  }
}

/** Formulas, whose updates are elementwise: the oracle has nothing to add to the cpu device. */
const computing = devices.filter(([name]) => name !== "reference");

describe.each(computing)("on %s", (_, make) => {
  beforeAll(() => {
    setDevice(make());
  });
  test.each(cases.map((c) => [c.id, c] as const))("%s", (_id, c) => check(c));
});

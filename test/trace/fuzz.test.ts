/**
 * Random programs against a model that computes everything at once: operations, reads, steps, assignments, carried
 * values, clones, other devices, failures. A read gives the model's number or throws StaleTensorError, and that only
 * where the value is old; it never gives another number.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { GradError, noGrad, Parameter, realize, setDevice, StaleTensorError, StateTensor, tensor } from "texgrad";
import type { Device, Tensor } from "texgrad";
import { referenceDevice } from "../../src/reference.ts";
import { deviceName, failing, fresh, sgd, testDevice } from "./training.ts";

const RATE = 0.25;

/** A value of the model, with what its gradient needs. */
class Model {
  readonly values: readonly number[];
  /** Operands with the local derivative of each element. */
  readonly from: readonly (readonly [Model, readonly number[]])[];
  readonly records: boolean;
  grad: number[] | null = null;
  constructor(values: readonly number[], from: Model["from"] = [], records = from.some(([m]) => m.records)) {
    this.values = values;
    this.from = from;
    this.records = records;
  }
}

/** A handle of the program beside its model; for cells the model is replaced when they are assigned. */
interface Pair {
  readonly tensor: Tensor;
  model: Model;
  /** Versions of all cells when it, or the oldest it was computed from, was traced. */
  readonly born: readonly number[];
  readonly isCell: boolean;
}

/** Adds d sum(y) / d leaf to every leaf. */
function differentiate(y: Model): void {
  const cotangents = new Map<Model, number[]>([[y, y.values.map(() => 1)]]);
  const order: Model[] = [];
  const visit = (m: Model): void => {
    if (order.includes(m) || !m.records) return;
    for (const [x] of m.from) visit(x);
    order.push(m);
  };
  visit(y);
  for (const m of order.reverse()) {
    const g = cotangents.get(m);
    if (g === undefined) continue;
    if (m.from.length === 0) m.grad = g.map((e, i) => e + (m.grad?.[i] ?? 0));
    for (const [x, d] of m.from) {
      if (!x.records) continue;
      cotangents.set(
        x,
        d.map((e, i) => e * g[i]! + (cotangents.get(x)?.[i] ?? 0)),
      );
    }
  }
}

type Action = { readonly kind: string; readonly a: number; readonly b: number };

class Program {
  readonly pairs: Pair[] = [];
  readonly params: Pair[] = [];
  readonly states: Pair[] = [];
  readonly log: string[] = [];
  stale = 0;
  read = 0;
  refused = 0;
  failing = false;
  readonly opt: ReturnType<typeof sgd>;

  constructor() {
    fresh();
    setDevice(this.newDevice());
    for (let i = 0; i < 2; i++) {
      const values = [0.3 + i, -0.5 + i];
      const param = new Parameter(tensor(values), { label: `p${i}` });
      this.params.push({ tensor: param, model: new Model(values.map(Math.fround), [], true), born: [], isCell: true });
      const state = new StateTensor(tensor(values), { label: `s${i}` });
      this.states.push({ tensor: state, model: new Model(values.map(Math.fround)), born: [], isCell: true });
    }
    this.pairs.push(...this.params, ...this.states);
    this.opt = sgd(
      this.params.map((p) => p.tensor),
      RATE,
    );
  }

  /** The device under test, or the reference; both fail when told to. */
  newDevice(other = false): Device {
    return failing(other ? referenceDevice() : testDevice({ keeps: () => false }), () => this.failing);
  }

  pick(n: number): Pair {
    // The youngest are picked more often.
    const back = Math.floor(((n % 1000) ** 2 / 1000 ** 2) * this.pairs.length);
    return this.pairs[this.pairs.length - 1 - back]!;
  }

  /** A result is as old as the oldest of what it was computed from. */
  add(t: Tensor, model: Model): void {
    const born = this.versionsNow().map((v, i) =>
      Math.min(v, ...this.operands.map((p) => (p.isCell ? v : p.born[i]!))),
    );
    this.pairs.push({ tensor: t, model, born, isCell: false });
  }
  operands: readonly Pair[] = [];
  versionsNow(): number[] {
    return [...this.params, ...this.states].map((p) => p.tensor.cell.version);
  }
  /** Whether a cell has moved twice since. */
  isOld(p: Pair): boolean {
    return !p.isCell && this.versionsNow().some((v, i) => v - p.born[i]! >= 2);
  }

  async check(p: Pair, sync: boolean): Promise<void> {
    const expected = p.model.values;
    let got: ArrayLike<number>;
    try {
      got = sync ? p.tensor.dataSync() : await p.tensor.data();
    } catch (error) {
      if (error instanceof StaleTensorError && this.isOld(p)) {
        this.stale += 1;
        return;
      }
      throw error;
    }
    this.read += 1;
    expected.forEach((e, i) => expect(Math.abs(got[i]! - e)).toBeLessThan(1e-3 * Math.max(1, Math.abs(e))));
  }

  /** Using a value that is gone fails at the line that uses it, and changes nothing. */
  readonly allow = (error: unknown): void => {
    if (!(error instanceof StaleTensorError)) throw error;
    this.refused += 1;
  };

  async run({ kind, a, b }: Action): Promise<void> {
    const [x, y] = [this.pick(a), this.pick(b)];
    const [u, v] = [x.model.values, y.model.values];
    this.operands = kind === "input" ? [] : kind === "mul" || kind === "add" ? [x, y] : [x];
    switch (kind) {
      case "input": {
        const values = [Math.sin(a), Math.cos(b)];
        return this.add(tensor(values), new Model(values.map(Math.fround)));
      }
      case "mul":
        return this.add(
          x.tensor.mul(y.tensor).tanh(),
          new Model(
            u.map((e, i) => Math.tanh(e * v[i]!)),
            [
              [x.model, u.map((e, i) => (1 - Math.tanh(e * v[i]!) ** 2) * v[i]!)],
              [y.model, u.map((e, i) => (1 - Math.tanh(e * v[i]!) ** 2) * e)],
            ],
          ),
        );
      case "add":
        return this.add(
          x.tensor.add(y.tensor).mul(0.5),
          new Model(
            u.map((e, i) => (e + v[i]!) / 2),
            [
              [x.model, u.map(() => 0.5)],
              [y.model, u.map(() => 0.5)],
            ],
          ),
        );
      case "sin":
        return this.add(x.tensor.sin(), new Model(u.map(Math.sin), [[x.model, u.map(Math.cos)]]));
      case "flip":
        return this.add(
          noGrad(() => x.tensor.flip(0).flip(0).neg()),
          new Model(u.map((e) => -e)),
        );
      case "detach":
        if (x.isCell) return;
        return this.add(x.tensor.detach(), new Model(u));
      case "clone":
        return this.add(x.tensor.clone(), new Model(u, [[x.model, u.map(() => 1)]]));
      case "read":
        return this.check(x, false);
      case "readSync":
        return this.check(x, true);
      case "readBoth":
        await Promise.all([this.check(x, false), this.check(y, false)]);
        return;
      case "realize":
        try {
          realize(x.tensor, y.tensor);
        } catch (error) {
          if (!(error instanceof StaleTensorError)) throw error;
        }
        return;
      case "assign": {
        const s = this.states[a % this.states.length]!;
        if (b % 3 === 0) {
          const values = [Math.sin(b), Math.sin(a)];
          s.tensor.copy_(tensor(values));
          s.model = new Model(values.map(Math.fround));
        } else {
          s.tensor.copy_(y.tensor);
          s.model = new Model(v);
        }
        return;
      }
      case "assignParam": {
        const p = this.params[a % this.params.length]!;
        noGrad(() => p.tensor.copy_(y.tensor));
        this.versions[a % this.params.length]!.push(p.model);
        const model = new Model(v, [], true);
        model.grad = p.model.grad;
        p.model.grad = null;
        p.model = model;
        return;
      }
      case "fail":
      case "step":
      case "stepWithoutZero":
        return this.step(x, kind);
      case "backward":
        if (x.model.records) this.backward(x);
        return;
      case "device":
        if (b % 5 !== 0) return;
        setDevice(this.newDevice(b % 10 === 0));
        return;
    }
  }

  /** Whether it could be differentiated. */
  backward(x: Pair): boolean {
    try {
      x.tensor.sum().backward();
    } catch (error) {
      if (error instanceof GradError || error instanceof StaleTensorError) return false;
      throw error;
    }
    const before = this.params.map((p) => p.model.grad);
    differentiate(x.model);
    // Gradients of older versions belong to the parameter.
    this.params.forEach((p, i) => {
      let total = p.model.grad;
      for (const old of this.versions[i]!) {
        if (old === p.model || old.grad === null) continue;
        const g = old.grad;
        total = g.map((e, k) => e + (total?.[k] ?? 0));
        old.grad = null;
      }
      p.model.grad = total;
      if (before[i] === null && total === null) expect(p.tensor.hasGrad()).toBe(false);
    });
    return true;
  }
  /** Models of all versions a parameter has had. */
  readonly versions: Model[][] = [[], []];

  step(x: Pair, kind: string): void {
    this.params.forEach((p, i) => this.versions[i]!.push(p.model));
    if (kind !== "stepWithoutZero") {
      this.opt.zeroGrad();
      for (const p of this.params) p.model.grad = null;
    }
    if (x.model.records) this.backward(x);
    if (kind === "fail") {
      // A host value that was assigned is published as soon as it is read, whatever becomes of the step.
      const before = this.params.map((p) => (p.tensor.cell.pending === null ? p.tensor.cell.version : null));
      this.failing = true;
      let failed = false;
      try {
        this.opt.step();
      } catch (error) {
        failed = error instanceof Error && error.message === "the device failed";
        if (!failed) throw error;
      } finally {
        this.failing = false;
      }
      if (failed) this.params.forEach((p, i) => expect(p.tensor.cell.version).toBe(before[i] ?? p.tensor.cell.version));
      else if (this.params.some((p) => p.model.grad !== null)) throw new Error("the step did not fail");
    }
    try {
      this.opt.step();
    } catch (error) {
      // The gradient reads state that was assigned twice since.
      if (!(error instanceof StaleTensorError)) throw error;
      this.opt.zeroGrad();
      for (const p of this.params) p.model.grad = null;
      return;
    }
    for (const p of this.params) {
      const { values, grad } = p.model;
      if (grad === null) continue;
      const model = new Model(
        values.map((e, i) => Math.fround(e - RATE * grad[i]!)),
        [],
        true,
      );
      model.grad = grad;
      p.model.grad = null;
      p.model = model;
    }
  }
}

/** As often as they are named. */
const kinds = (
  "input mul mul mul add add sin sin flip detach clone read readSync readBoth realize assign assignParam " +
  "step step step stepWithoutZero backward fail device"
).split(" ");

const action = fc.record({
  kind: fc.constantFrom(...kinds),
  a: fc.nat(999),
  b: fc.nat(999),
});

/** Programs a run: what each device does in some seconds. */
const usual = { reference: 150, cpu: 60, webgl: 12 };

const total = { read: 0, stale: 0 };

test("random programs give the numbers of a model that computes at once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 70 }), async (actions) => {
      const program = new Program();
      for (const a of actions) await program.run(a).catch(program.allow);
      for (const p of program.pairs.slice(-12)) await program.check(p, false);
      total.read += program.read;
      total.stale += program.stale + program.refused;
    }),
    { numRuns: Number(process.env["TEXGRAD_FUZZ"] ?? usual[deviceName]) },
  );
  console.log(`${total.read} reads, ${total.stale} of them stale besides`);
  expect(total.read).toBeGreaterThan(4 * total.stale);
}, 120_000);

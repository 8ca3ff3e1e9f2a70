/** One call of a PyTorch fixture through the Tensor API: value, gradients and second derivatives against torch's. */
import { expect } from "vitest";
import { grad, tensor, type Tensor, type ValuesAndIndices } from "../../src/trace/index.ts";
import { attr, toArray, type FixtureTensor, type OpCase } from "../fixtures/load.ts";

/** Relative to the largest value of the tensor, as the issue asks of GL. */
const TOLERANCE = 1e-5;

export type Attributes = Readonly<Record<string, unknown>>;
/** How an op of a fixture is called. */
export type Call = (x: Tensor[], a: Attributes) => Tensor | ValuesAndIndices;

/** Attributes with their strings for NaN and the infinities made numbers. */
export const attributes = (a: Attributes): Attributes =>
  Object.fromEntries(Object.entries(a).map(([k, v]) => [k, attr(v)]));

/** A tensor of a fixture; floats require a gradient. */
export const input = (t: FixtureTensor): Tensor =>
  tensor(toArray(t), { shape: t.shape, dtype: t.dtype, requiresGrad: t.dtype === "f32" });

/** A tensor of a fixture that no gradient flows to. */
export const constant = (t: FixtureTensor): Tensor => tensor(toArray(t), { shape: t.shape, dtype: t.dtype });

export async function close(what: string, got: Tensor, want: FixtureTensor): Promise<void> {
  expect(got.shape, what).toEqual(want.shape);
  expect(got.dtype, what).toBe(want.dtype);
  const values = Array.from(await got.data());
  const wanted = toArray(want);
  const scale = Math.max(1e-30, ...wanted.filter(Number.isFinite).map(Math.abs));
  wanted.forEach((w, i) => {
    const g = values[i]!;
    const same = Object.is(g, w) || g === w || Math.abs(g - w) <= TOLERANCE * Math.max(scale, Math.abs(w));
    if (!same) expect(`${what}[${i}] = ${g}`).toBe(`${what}[${i}] = ${w}`);
  });
}

/** `second`: whether second derivatives are compared too, where the fixture has them. */
export async function checkCase(c: OpCase, call: Call, second = true): Promise<void> {
  const x = c.inputs.map(input);
  const result = call(x, attributes(c.attrs));
  const y = "values" in result ? result.values : result;
  await close("value", y, c.output);
  if (c.indices !== undefined && "indices" in result) await close("indices", result.indices, c.indices);
  if (c.cotangent === null || c.grads === null) return;
  const wanted = c.grads.flatMap((g, i) => (g === null ? [] : [[x[i]!, g, i] as const]));
  if (wanted.length === 0) return;
  const options = { gradOutputs: [constant(c.cotangent)], allowUnused: true as const };
  if (!y.requiresGrad) {
    for (const [, g] of wanted) expect(toArray(g).every((e) => e === 0)).toBe(true);
    return;
  }
  const inputs = wanted.map(([t]) => t);
  const grads = grad(y, inputs, options);
  for (const [k, [t, g, i]] of wanted.entries()) {
    await close(`gradient ${i}`, grads[k] ?? zerosOf(t), g);
  }
  const { grad2 } = c;
  if (grad2 === undefined || !second) return;
  const first = grad(y, inputs, { ...options, createGraph: true });
  let total: Tensor | null = null;
  for (const [k, [, , i]] of wanted.entries()) {
    const weights = grad2.weights[i];
    const g = first[k];
    if (weights == null || g == null) continue;
    const part = g.mul(constant(weights)).sum();
    total = total === null ? part : total.add(part);
  }
  const again = total === null ? [] : grad(total, inputs, { allowUnused: true });
  for (const [k, [t, , i]] of wanted.entries()) {
    await close(`second gradient ${i}`, again[k] ?? zerosOf(t), grad2.grads[i]!);
  }
}

const zerosOf = (t: Tensor): Tensor => tensor(new Float32Array(t.numel), { shape: t.shape });

/**
 * One call of a PyTorch fixture through the Tensor API: value, gradients and second derivatives against torch's, as one
 * submit. Throws where they differ; nothing here knows a test runner, so that pages can use it, too.
 */
import { grad, realize, tensor, type Tensor, type ValuesAndIndices } from "../../src/trace/index.ts";
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

/** Throws an error that says both, unless `got` has the shape, dtype and values of `want`. */
export async function close(what: string, got: Tensor, want: FixtureTensor): Promise<void> {
  if (got.dtype !== want.dtype || got.shape.join() !== want.shape.join()) {
    throw new Error(`${what} is ${got.dtype}[${got.shape.join()}], should be ${want.dtype}[${want.shape.join()}]`);
  }
  const values = await got.data();
  const wanted = toArray(want);
  const scale = Math.max(1e-30, ...wanted.filter(Number.isFinite).map(Math.abs));
  wanted.forEach((w, i) => {
    const g = values[i]!;
    const same = Object.is(g, w) || g === w || Math.abs(g - w) <= TOLERANCE * Math.max(scale, Math.abs(w));
    if (!same) throw new Error(`${what}[${i}] is ${g}, should be ${w} (largest ${scale})`);
  });
}

type Comparison = readonly [what: string, got: Tensor, want: FixtureTensor];

/** `second`: whether second derivatives are compared too, where the fixture has them. Throws where something differs. */
export async function checkCase(c: OpCase, call: Call, second = true): Promise<void> {
  const x = c.inputs.map(input);
  const result = call(x, attributes(c.attrs));
  const y = "values" in result ? result.values : result;
  const all: Comparison[] = [["value", y, c.output]];
  if (c.indices !== undefined && "indices" in result) all.push(["indices", result.indices, c.indices]);
  all.push(...derivatives(c, x, y, second));
  // One plan for all: read one by one, each would be compiled.
  realize(...all.map(([, got]) => got));
  for (const comparison of all) await close(...comparison);
}

function derivatives(
  { cotangent, grads, grad2 }: OpCase,
  x: readonly Tensor[],
  y: Tensor,
  second: boolean,
): Comparison[] {
  if (cotangent === null || grads === null) return [];
  const wanted = grads.flatMap((g, i) => (g === null ? [] : [[x[i]!, g, i] as const]));
  if (wanted.length === 0) return [];
  if (!y.requiresGrad) return wanted.map(([t, g, i]) => [`gradient ${i}`, zerosOf(t), g]);
  const inputs = wanted.map(([t]) => t);
  const withSecond = grad2 !== undefined && second;
  const first = grad(y, inputs, { gradOutputs: [constant(cotangent)], allowUnused: true, createGraph: withSecond });
  const found = wanted.map(([t, g, i], k): Comparison => [`gradient ${i}`, first[k] ?? zerosOf(t), g]);
  if (!withSecond) return found;
  let total: Tensor | null = null;
  for (const [k, [, , i]] of wanted.entries()) {
    const weights = grad2.weights[i];
    const g = first[k];
    if (weights == null || g == null || !g.requiresGrad) continue;
    const part = g.mul(constant(weights)).sum();
    total = total === null ? part : total.add(part);
  }
  const again = total === null ? [] : grad(total, inputs, { allowUnused: true });
  return [
    ...found,
    ...wanted.map(([t, , i], k): Comparison => [`second gradient ${i}`, again[k] ?? zerosOf(t), grad2.grads[i]!]),
  ];
}

const zerosOf = (t: Tensor): Tensor => tensor(new Float32Array(t.numel), { shape: t.shape });

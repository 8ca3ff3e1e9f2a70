/**
 * One call of test/fixtures/functions.json through the public API: values, gradients and second derivatives against
 * PyTorch's, as one submit. What differs is given back as text; nothing here knows a test runner, so that pages can use
 * it, too.
 */
import * as texgrad from "../../src/index.ts";
import { grad, realize, tensor, Tensor } from "../../src/trace/index.ts";
import { toArray, toNumber, type FixtureTensor, type FunctionCall, type FunctionCase } from "../fixtures/load.ts";

/**
 * As the issue has it: of the largest value, and of each value away from zero. A value below a fiftieth of the largest
 * is a difference of larger ones, of which half a dozen roundings of f32 are 4e-7 of the largest: near zero.
 */
const OF_LARGEST = 1e-5;
const RELATIVE = 2e-5;
const AWAY_FROM = 2e-2;

type Function = (...args: unknown[]) => unknown;

function functionOf(op: string): Function {
  const [home, name] = op.startsWith("F.") ? [texgrad.F, op.slice(2)] : [texgrad, op];
  const found = (home as unknown as Record<string, unknown>)[name];
  if (typeof found !== "function") throw new Error(`texgrad has no ${op}`);
  return found as Function;
}

/** Arguments with tensors and numbers put in their places. */
function placed(v: unknown, inputs: readonly Tensor[]): unknown {
  if (v === "nan" || v === "inf" || v === "-inf") return toNumber(v);
  if (typeof v === "string" && /^\$\d+$/.test(v)) return inputs[Number(v.slice(1))];
  if (Array.isArray(v)) return v.map((e) => placed(e, inputs));
  if (typeof v !== "object" || v === null) return v;
  return Object.fromEntries(Object.entries(v).map(([k, e]) => [k, placed(e, inputs)]));
}

const leafOf = (t: FixtureTensor): Tensor =>
  tensor(toArray(t), { shape: t.shape, dtype: t.dtype, requiresGrad: t.dtype === "f32" });
const constantOf = (t: FixtureTensor): Tensor => tensor(toArray(t), { shape: t.shape, dtype: t.dtype });

/** All tensors of a result: one, a list, or named parts, of which fixtures may hold the first alone (values of a mode). */
function tensorsOf(result: unknown): Tensor[] {
  if (result instanceof Tensor) return [result];
  return Object.values(result as object).flatMap(tensorsOf);
}

/** The call with other tensors in place of its inputs; throws what it throws. */
export const callWith = ({ op, args }: FunctionCall, x: readonly Tensor[]): Tensor[] =>
  tensorsOf(functionOf(op)(...(placed(args, x) as unknown[])));

/** The call itself. */
export function makeCall(c: FunctionCall): { readonly x: Tensor[]; readonly y: Tensor[] } {
  const x = c.inputs.map(leafOf);
  return { x, y: callWith(c, x) };
}

interface Comparison {
  readonly what: string;
  readonly got: Tensor;
  readonly want: FixtureTensor;
}

async function differs({ what, got, want }: Comparison, times: number): Promise<string | null> {
  if (got.dtype !== want.dtype || got.shape.join() !== want.shape.join()) {
    return `${what} is ${got.dtype}[${got.shape.join()}], should be ${want.dtype}[${want.shape.join()}]`;
  }
  const values = await got.data();
  const wanted = toArray(want);
  const largest = Math.max(1e-30, ...wanted.filter(Number.isFinite).map(Math.abs));
  for (const [i, w] of wanted.entries()) {
    const g = values[i]!;
    if (Object.is(g, w) || g === w) continue;
    const d = Math.abs(g - w);
    const near =
      d <= times * OF_LARGEST * largest && (d <= times * RELATIVE * Math.abs(w) || Math.abs(w) < AWAY_FROM * largest);
    if (!near) return `${what}[${i}] is ${g}, should be ${w} (largest ${largest})`;
  }
  return null;
}

const zerosOf = (t: Tensor): Tensor => tensor(new Float32Array(t.numel), { shape: t.shape });

/** `times`: how much looser than usual, with its reason where it is given. Null: all agree. */
export async function checkFunction(c: FunctionCase, times = 1): Promise<string | null> {
  const { x, y } = makeCall(c);
  const named = y.length === 2 && c.outputs.length === 1;
  if (y.length !== c.outputs.length && !named) return `${y.length} results, should be ${c.outputs.length}`;
  const all: Comparison[] = c.outputs.map((want, i) => ({ what: `result ${i}`, got: y[i]!, want }));
  if (c.cotangents !== null && c.grads !== null) all.push(...derivatives(c, x, y));
  realize(...all.map(({ got }) => got));
  for (const one of all) {
    const text = await differs(one, times);
    if (text !== null) return text;
  }
  return null;
}

function derivatives(
  { cotangents, grads, grad2 }: FunctionCase,
  x: readonly Tensor[],
  y: readonly Tensor[],
): Comparison[] {
  const free = x.flatMap((t, i) => (grads![i] === null ? [] : [{ t, i, want: grads![i]! }]));
  const inputs = free.map(({ t }) => t);
  let weighted: Tensor | null = null;
  y.forEach((part, i) => {
    const g = cotangents![i];
    if (g == null || !part.requiresGrad) return;
    const term = part.mul(constantOf(g)).sum();
    weighted = weighted === null ? term : weighted.add(term);
  });
  const first =
    weighted === null
      ? inputs.map(() => null)
      : grad(weighted, inputs, { allowUnused: true, createGraph: grad2 !== undefined });
  const found: Comparison[] = free.map(({ t, i, want }, k) => ({
    what: `gradient ${i}`,
    got: first[k] ?? zerosOf(t),
    want,
  }));
  if (grad2 === undefined) return found;
  let total: Tensor | null = null;
  free.forEach(({ i }, k) => {
    const g = first[k];
    if (g == null || !g.requiresGrad) return;
    const term = g.mul(constantOf(grad2.weights[i]!)).sum();
    total = total === null ? term : total.add(term);
  });
  const second = total === null ? inputs.map(() => null) : grad(total, inputs, { allowUnused: true });
  const more = free.map(({ t, i }, k) => ({
    what: `second gradient ${i}`,
    got: second[k] ?? zerosOf(t),
    want: grad2.grads[i]!,
  }));
  return [...found, ...more];
}

/**
 * Derivatives against differences: the gradient graph and central differences of the function, both by the evaluator in
 * double precision, so that what disagrees is a rule and not a rounding.
 */
import { evaluate } from "../ir/eval.ts";
import { GradError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { carried } from "../ir/ops/leaf.ts";
import { numel, show, type Shape } from "../ir/shape.ts";
import { gradients } from "./vjp.ts";

export interface GradcheckOptions {
  /** Step of the differences; default 1e-5. */
  readonly step?: number;
  /** Allowed distance, relative to the larger of the two; default 1e-6. */
  readonly tolerance?: number;
  /** Allowed distance near zero; default 1e-8. */
  readonly absolute?: number;
}

export interface CheckPoint {
  readonly shape: Shape;
  readonly values: ArrayLike<number>;
}

/** One derivative that differs. */
export interface Mismatch {
  readonly input: number;
  readonly element: number;
  readonly gradient: number;
  readonly difference: number;
}

/**
 * Compares d (w . f(x)) / d x at a point, for fixed weights w that no symmetry cancels. `f` builds a graph from f32
 * leaves; `valueOf` knows the leaves it reads besides. Empty list: they agree.
 */
export function mismatches(
  f: (...x: Node[]) => Node,
  point: readonly CheckPoint[],
  { step = 1e-5, tolerance = 1e-6, absolute = 1e-8 }: GradcheckOptions = {},
  valueOf: (leaf: Node) => ArrayLike<number> | undefined = () => undefined,
): Mismatch[] {
  const leaves = point.map(({ shape }) => carried({ kind: "carried", value: point }, "f32", shape));
  const weights = (n: number): Float64Array =>
    Float64Array.from({ length: n }, (_, i) => 1 + 0.5 * Math.sin(1 + 3 * i));
  const y = f(...leaves);
  const cotangent = carried({ kind: "carried", value: point }, "f32", y.shape);
  const values = point.map((p) => Float64Array.from(p.values));
  const bind = (leaf: Node): ArrayLike<number> | undefined =>
    leaf === cotangent ? weights(numel(y.shape)) : (values[leaves.indexOf(leaf)] ?? valueOf(leaf));
  const at = (): number => {
    const [out] = evaluate([y], { bind, mode: "f64" });
    const w = weights(out!.length);
    return out!.reduce((sum, e, i) => sum + e * w[i]!, 0);
  };
  const found = gradients(y, cotangent, leaves);
  const present = found.filter((g) => g !== null);
  const computed = evaluate(present, { bind, mode: "f64" });
  const wrong: Mismatch[] = [];
  values.forEach((x, input) => {
    const g = found[input];
    const own = g == null ? null : computed[present.indexOf(g)]!;
    for (let element = 0; element < x.length; element++) {
      const here = x[element]!;
      x[element] = here + step;
      const above = at();
      x[element] = here - step;
      const below = at();
      x[element] = here;
      const difference = (above - below) / (2 * step);
      const gradient = own === null ? 0 : own[element]!;
      const bound = absolute + tolerance * Math.max(Math.abs(gradient), Math.abs(difference));
      if (!(Math.abs(gradient - difference) <= bound)) wrong.push({ input, element, gradient, difference });
    }
  });
  return wrong;
}

/** Throws GradError, naming the element, where the gradient of `f` differs from central differences at the point. */
export function checkGradients(
  f: (...x: Node[]) => Node,
  point: readonly CheckPoint[],
  options?: GradcheckOptions,
  valueOf?: (leaf: Node) => ArrayLike<number> | undefined,
): void {
  const [first, ...rest] = mismatches(f, point, options, valueOf);
  if (first === undefined) return;
  const { input, element, gradient, difference } = first;
  throw new GradError(
    `gradcheck: element ${element} of input ${input} ${show(point[input]!.shape)}: the gradient is ${gradient}, central ` +
      `differences give ${difference}` +
      (rest.length === 0 ? "" : `; ${rest.length} more differ`),
  );
}

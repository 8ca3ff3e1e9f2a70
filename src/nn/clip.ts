/** Clipping of gradients between `backward()` and `step()`. Nothing is read: the norm is computed with the step. */
import { TexgradError } from "../ir/errors.ts";
import { noGrad, stack, type Tensor } from "../trace/index.ts";

/** Parameters: some, or one. */
export type Clipped = Tensor | Iterable<Tensor>;

function withGradients(parameters: Clipped): Tensor[] {
  const all = "requiresGrad" in parameters ? [parameters] : [...parameters];
  return all.filter((p) => p.hasGrad());
}

/**
 * Scales all gradients so that their common norm, as of one long vector, is at most maxNorm, and gives the norm there
 * was ([] of f32; reading it is up to you). Pascanu et al. (2013). `normType`: p of the norm, Infinity too.
 * Throws TexgradError where there is no gradient: call backward() first.
 */
export function clipGradNorm(
  parameters: Clipped,
  maxNorm: number,
  { normType = 2 }: { readonly normType?: number } = {},
): Tensor {
  const params = withGradients(parameters);
  if (!(maxNorm >= 0)) throw new TexgradError(`clipGradNorm: maxNorm is ${maxNorm}; it must be at least 0`);
  if (!(normType > 0)) throw new TexgradError(`clipGradNorm: normType is ${normType}; it must be above 0`);
  if (params.length === 0) throw new TexgradError("clipGradNorm: no parameter has a gradient; call backward() first");
  return noGrad(() => {
    const grads = params.map((p) => p.grad!);
    const norm = totalNorm(grads, normType);
    // torch's 1e-6, so that gradients of 0 stay 0.
    const factor = norm.add(1e-6).reciprocal().mul(maxNorm).minimum(1);
    for (const [i, p] of params.entries()) p.grad = grads[i]!.mul(factor);
    return norm;
  });
}

function totalNorm(grads: readonly Tensor[], p: number): Tensor {
  if (p === Infinity) return stack(grads.map((g) => g.abs().amax())).amax();
  const powers = grads.map((g) => (p === 2 ? g.square() : p === 1 ? g.abs() : g.abs().pow(p)).sum());
  const total = stack(powers).sum();
  return p === 2 ? total.sqrt() : p === 1 ? total : total.pow(1 / p);
}

/** Brings each element of all gradients into [-clipValue, clipValue]. */
export function clipGradValue(parameters: Clipped, clipValue: number): void {
  if (!(clipValue >= 0)) throw new TexgradError(`clipGradValue: clipValue is ${clipValue}; it must be at least 0`);
  noGrad(() => {
    for (const p of withGradients(parameters)) p.grad = p.grad!.clamp(-clipValue, clipValue);
  });
}

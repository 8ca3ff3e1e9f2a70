/**
 * Weights computed from other parameters: weight norm and spectral norm, with PyTorch's names in state dicts. The field
 * of the layer becomes a getter, which its forward reads as before.
 */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import { noGrad, Parameter, StateTensor, type Tensor } from "../trace/index.ts";
import { normalValues } from "./init.ts";
import type { Module } from "./module.ts";
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "./conv.ts";

type Fields = Record<string, unknown>;

/** The parameter a field holds, taken out of the module; throws TexgradError where it holds none. */
function taken(op: string, module: Module, name: string): Parameter {
  const fields = module as unknown as Fields;
  const p = Object.getOwnPropertyDescriptor(module, name)?.value as unknown;
  if (!(p instanceof Parameter)) {
    throw new TexgradError(`${op}: ${module.constructor.name} has no parameter in a field ${name}`);
  }
  delete fields[name];
  return p;
}

/** A field that is computed each time it is read, and no part of the module. */
function computed(module: Module, name: string, get: () => Tensor): void {
  Object.defineProperty(module, name, { get, configurable: true, enumerable: false });
}

/** The field a plain parameter again, and the parts named here gone. */
function restored(op: string, module: Module, name: string, parts: readonly string[]): void {
  const fields = module as unknown as Fields;
  if (!(parts[0]! in fields)) throw new TexgradError(`${op}: ${module.constructor.name}.${name} is a plain parameter`);
  const value = noGrad(() => (fields[name] as Tensor).clone());
  for (const part of parts) delete fields[part];
  Object.defineProperty(module, name, {
    value: new Parameter(value),
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/** All axes of a tensor but `dim`; all where that is null. */
const otherAxes = ({ ndim }: Tensor, dim: number | null): number[] =>
  Array.from({ length: ndim }, (_, i) => i).filter((i) => i !== dim);

const norm = (v: Tensor, dim: number | null): Tensor =>
  v
    .square()
    .sum(otherAxes(v, dim), dim !== null)
    .sqrt();

/**
 * Splits a layer's weight into its length and its direction, w = g v / |v|, the length taken over all axes but `dim`
 * (over all where it is null): the parameters `weight_g` and `weight_v`. Salimans & Kingma (2016). Gives the layer.
 */
export function weightNorm<M extends Module>(module: M, name = "weight", dim: number | null = 0): M {
  const v = taken("weightNorm", module, name);
  if (dim !== null && (!Number.isInteger(dim) || dim < 0 || dim >= v.ndim)) {
    throw new ShapeError(`weightNorm: dim is ${dim}; ${name} is ${show(v.shape)}`);
  }
  const fields = module as unknown as Record<string, Parameter>;
  const g = new Parameter(noGrad(() => norm(v, dim)));
  fields[`${name}_g`] = g;
  fields[`${name}_v`] = v;
  computed(module, name, () => fields[`${name}_v`]!.mul(fields[`${name}_g`]!.div(norm(fields[`${name}_v`]!, dim))));
  return module;
}

/** Undoes weightNorm: the weight is a parameter again, of the values it has now. */
export function removeWeightNorm<M extends Module>(module: M, name = "weight"): M {
  restored("removeWeightNorm", module, name, [`${name}_g`, `${name}_v`]);
  return module;
}

export interface SpectralNormOptions {
  /** Power iterations a forward in training. Default 1. */
  readonly nPowerIterations?: number;
  /** Default 1e-12. */
  readonly eps?: number;
  /** The axis of outputs. Default 0; 1 for transposed convolutions. */
  readonly dim?: number;
}

/**
 * Divides a layer's weight by its largest singular value, which power iterations follow in training: the parameter
 * `weight_orig` and the buffers `weight_u` and `weight_v`. Miyato et al. (2018). Gives the layer.
 */
export function spectralNorm<M extends Module>(module: M, name = "weight", options: SpectralNormOptions = {}): M {
  const isTransposed = [ConvTranspose1d, ConvTranspose2d, ConvTranspose3d].some((C) => module instanceof C);
  const { nPowerIterations = 1, eps = 1e-12, dim = isTransposed ? 1 : 0 } = options;
  if (!Number.isInteger(nPowerIterations) || nPowerIterations < 1) {
    throw new TexgradError(`spectralNorm: nPowerIterations is ${nPowerIterations}; it must be a whole number >= 1`);
  }
  const weight = taken("spectralNorm", module, name);
  const unit = (x: Tensor): Tensor => x.div(x.square().sum().sqrt().maximum(eps));
  const matrix = (w: Tensor): Tensor => w.permute([dim, ...otherAxes(w, dim)]).reshape(w.shape[dim]!, -1);
  const [rows, columns] = matrix(weight).shape as readonly [number, number];
  const fields = module as unknown as Record<string, Tensor>;
  const fresh = (n: number): StateTensor => new StateTensor(unit(normalValues([n], 0, 1)));
  fields[`${name}_orig`] = weight;
  fields[`${name}_u`] = fresh(rows);
  fields[`${name}_v`] = fresh(columns);
  computed(module, name, () => {
    const [w, ofU, ofV] = [fields[`${name}_orig`]!, fields[`${name}_u`]!, fields[`${name}_v`]!];
    const m = matrix(w);
    const [u, v] = noGrad(() => {
      if (!module.training) return [ofU.detach(), ofV.detach()];
      let [left, right]: [Tensor, Tensor] = [ofU, ofV];
      for (let i = 0; i < nPowerIterations; i++) {
        right = unit(m.t().matmul(left));
        left = unit(m.matmul(right));
      }
      ofU.copy_(left);
      ofV.copy_(right);
      return [left, right];
    }) as [Tensor, Tensor];
    return w.div(u.mul(m.matmul(v)).sum());
  });
  return module;
}

/** Undoes spectralNorm: the weight is a parameter again, of the values it has now. */
export function removeSpectralNorm<M extends Module>(module: M, name = "weight"): M {
  const { training } = module;
  module.training = false;
  restored("removeSpectralNorm", module, name, [`${name}_orig`, `${name}_u`, `${name}_v`]);
  module.training = training;
  return module;
}

/** The part of Tensor that reduces axes. One documented line an op. */
import { keeping, maxAlong, mean, minAlong, keepAxes } from "../ir/compose/reduction.ts";
import { logSoftmax, logsumexp, softmax } from "../ir/compose/softmax.ts";
import { variance } from "../ir/compose/statistics.ts";
import type { Node } from "../ir/node.ts";
import * as ops from "../ir/ops/index.ts";
import { numel, normalizeAxes, normalizeAxis } from "../ir/shape.ts";
import { apply } from "./handle.ts";
import type { Tensor } from "./tensor.ts";
import { ElementwiseTensor } from "./tensor-elementwise.ts";

/** One axis or several, negative ones from the end; absent or an empty list means all. */
export type Dims = number | readonly number[];

const axesOf = (op: string, x: Node, dim: Dims | undefined): number[] =>
  normalizeAxes(op, typeof dim === "number" ? [dim] : dim?.length === 0 ? undefined : dim, x.shape.length);

function reduced(
  op: string,
  f: (x: Node, axes: readonly number[]) => Node,
  t: ElementwiseTensor,
  dim: Dims | undefined,
  keepdim: boolean,
): Tensor {
  return apply(
    (x) => {
      const axes = axesOf(op, x, dim);
      return keepdim ? keeping(f, x, axes) : f(x, axes);
    },
    [t],
  );
}

/** A scalar takes axis 0 as torch has it: as a vector of one. */
const asVector = (x: Node): Node => (x.shape.length === 0 ? ops.reshape(x, [1]) : x);

/** f along one axis of x, where a scalar counts as a vector of one. */
function along(op: string, f: (x: Node, axis: number) => Node, t: ElementwiseTensor, dim: number): Tensor {
  return apply((x) => ops.reshape(f(asVector(x), normalizeAxis(op, dim, x.shape.length)), x.shape), [t]);
}

/** Values and positions along one axis. */
export interface ValuesAndIndices {
  readonly values: Tensor;
  /** i32. */
  readonly indices: Tensor;
}

function extreme(op: "max" | "min", t: ElementwiseTensor, dim: number, keepdim: boolean): ValuesAndIndices {
  const axis = normalizeAxis(op, dim, t.ndim);
  const find = op === "max" ? maxAlong : minAlong;
  const part = (name: "values" | "indices"): Tensor =>
    apply(
      (x) => {
        const y = find(asVector(x), axis)[name];
        return keepdim && x.shape.length > 0 ? keepAxes(y, x.shape, [axis]) : y;
      },
      [t],
    );
  return { values: part("values"), indices: part("indices") };
}

/** Position along one axis; without one, in the flattened tensor. */
function position(
  op: string,
  f: (x: Node, axis: number) => Node,
  t: ElementwiseTensor,
  dim: number | undefined,
  keepdim: boolean,
): Tensor {
  return apply(
    (x) => {
      if (dim === undefined) {
        const y = f(ops.reshape(x, [numel(x.shape)]), 0);
        return keepdim
          ? ops.reshape(
              y,
              x.shape.map(() => 1),
            )
          : y;
      }
      const axis = normalizeAxis(op, dim, x.shape.length);
      const y = f(asVector(x), axis);
      return keepdim && x.shape.length > 0 ? keepAxes(y, x.shape, [axis]) : y;
    },
    [t],
  );
}

const asBool = (x: Node): Node => ops.cast(x, "bool");

export abstract class ReducingTensor extends ElementwiseTensor {
  /** Sum along `dim`; bool counts as i32. */
  sum(dim?: Dims, keepdim = false): Tensor {
    return reduced("sum", ops.sum, this.dtype === "bool" ? this.cast("i32") : this, dim, keepdim);
  }
  /** Mean along `dim`. */
  mean(dim?: Dims, keepdim = false): Tensor {
    return reduced("mean", mean, this, dim, keepdim);
  }
  /** Product along `dim`; bool counts as i32. */
  prod(dim?: Dims, keepdim = false): Tensor {
    return reduced("prod", ops.prod, this.dtype === "bool" ? this.cast("i32") : this, dim, keepdim);
  }
  /** Largest element along `dim`; ties share the gradient. */
  amax(dim?: Dims, keepdim = false): Tensor {
    return reduced("amax", ops.amax, this, dim, keepdim);
  }
  /** Smallest element along `dim`; ties share the gradient. */
  amin(dim?: Dims, keepdim = false): Tensor {
    return reduced("amin", ops.amin, this, dim, keepdim);
  }
  /** Largest element of all (ties share the gradient), or along `dim` with its position (the first gets it). */
  max(): Tensor;
  max(dim: number, keepdim?: boolean): ValuesAndIndices;
  max(dim?: number, keepdim = false): Tensor | ValuesAndIndices {
    return dim === undefined ? this.amax() : extreme("max", this, dim, keepdim);
  }
  /** Smallest element of all (ties share the gradient), or along `dim` with its position (the first gets it). */
  min(): Tensor;
  min(dim: number, keepdim?: boolean): ValuesAndIndices;
  min(dim?: number, keepdim = false): Tensor | ValuesAndIndices {
    return dim === undefined ? this.amin() : extreme("min", this, dim, keepdim);
  }
  /** Position of the largest element along `dim`, or in the flattened tensor; the first of equals. i32. */
  argmax(dim?: number, keepdim = false): Tensor {
    return position("argmax", ops.argmax, this, dim, keepdim);
  }
  /** Position of the smallest element along `dim`, or in the flattened tensor; the first of equals. i32. */
  argmin(dim?: number, keepdim = false): Tensor {
    return position("argmin", ops.argmin, this, dim, keepdim);
  }
  /** Whether some element along `dim` is true (not 0). */
  any(dim?: Dims, keepdim = false): Tensor {
    return reduced("any", (x, axes) => ops.any(asBool(x), axes), this, dim, keepdim);
  }
  /** Whether every element along `dim` is true (not 0). */
  all(dim?: Dims, keepdim = false): Tensor {
    return reduced("all", (x, axes) => ops.all(asBool(x), axes), this, dim, keepdim);
  }
  /** Variance along `dim`, over n - correction. */
  var(dim?: Dims, { correction = 1, keepdim = false }: { correction?: number; keepdim?: boolean } = {}): Tensor {
    return reduced("var", (x, axes) => variance(x, axes, correction), this, dim, keepdim);
  }
  /** Standard deviation along `dim`, over n - correction. */
  std(dim?: Dims, options: { correction?: number; keepdim?: boolean } = {}): Tensor {
    return this.var(dim, options).sqrt();
  }
  /** log sum exp along `dim`; -inf where all elements are. */
  logsumexp(dim: Dims, keepdim = false): Tensor {
    return reduced("logsumexp", logsumexp, this, dim, keepdim);
  }
  /** exp(x) over its sum along `dim`. */
  softmax(dim: number): Tensor {
    return along("softmax", softmax, this, dim);
  }
  /** Logarithm of the softmax along `dim`. */
  logSoftmax(dim: number): Tensor {
    return along("logSoftmax", logSoftmax, this, dim);
  }
}
